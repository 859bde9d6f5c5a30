"""What every format has in common: secrets stay out, folders are new, missing libraries are named."""

import json
import sys

import pytest

from scribe_suite.cli import main
from scribe_suite.cli.export import FORMATS as OFFERED
from scribe_suite.errors import ConfigurationError
from scribe_suite.exports.libraries import library
from scribe_suite.exports.runs import FORMATS, export_run
from tests.exports.runs import CODE, EXPERIMENTS, write_mixed_run

#: The seed of an instance, the run's seed, the base model: what leads to a key.
SECRETS = ("987654321", "1122334455", "circuits/toy/seed3")
KEY = "m7"


def docent_runs(ledger, output, **options):
    (path,) = export_run(ledger, "docent", output, **{"with_keys": False, **options})
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_command_offers_all_formats():
    assert set(OFFERED) == set(FORMATS)


def test_agent_runs_have_the_conversation_the_scores_and_the_answer(tmp_path):
    ledger = write_mixed_run(tmp_path)
    agent, reference, late = docent_runs(ledger, tmp_path / "out")
    messages = agent["transcripts"][0]["messages"]
    assert [one["role"] for one in messages] == [
        "user",
        "assistant",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert messages[2]["tool_calls"][0]["arguments"]["code"] == CODE
    assert messages[3]["tool_call_id"] == messages[2]["tool_calls"][0]["id"]
    assert "[image 1: " in messages[3]["content"]
    assert messages[5]["error"]["message"] == "refused"
    assert agent["metadata"]["scores"] == {"skill": 0.75, "iou": 0.5, "f1": 0.75}
    assert agent["metadata"]["answer"]["components"]
    assert agent["metadata"]["experiments"] == EXPERIMENTS
    assert "experiments" not in reference["metadata"]
    assert reference["description"]
    assert late["metadata"]["scores"] == {"skill": 0.0}


def test_fresh_instances_keep_their_seeds_and_keys_to_themselves(tmp_path):
    ledger = write_mixed_run(tmp_path, seed_mode="fresh")
    text = json.dumps(docent_runs(ledger, tmp_path / "out"))
    assert not [secret for secret in (*SECRETS, KEY) if secret in text]
    assert str(tmp_path) not in text


@pytest.mark.parametrize(("mode", "options"), [("fixed", {}), ("fresh", {"with_keys": True})])
def test_public_instances_and_a_user_s_wish_show_them(tmp_path, mode, options):
    ledger = write_mixed_run(tmp_path, seed_mode=mode)
    text = json.dumps(docent_runs(ledger, tmp_path / "out", **options))
    assert [secret for secret in (*SECRETS, KEY) if secret in text] == [*SECRETS, KEY]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    ledger = write_mixed_run(tmp_path)
    with pytest.raises(ConfigurationError, match="is not empty: name a new folder"):
        export_run(ledger, "docent", tmp_path, with_keys=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        export_run(ledger, "docent", tmp_path / "file", with_keys=False)


@pytest.mark.parametrize(("form", "said"), [("eval", "scribe-suite[inspect]"), ("atif", "scribe-suite[harbor]")])
def test_a_missing_library_is_one_sentence_that_says_what_to_install(tmp_path, monkeypatch, capsys, form, said):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("inspect_ai", "harbor")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if ".inspect" not in path])
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "harbor", None)
    ledger = write_mixed_run(tmp_path)
    assert main(["export", str(ledger), "--format", form, "-o", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert len(message.splitlines()) == 1


def test_a_library_that_lacks_something_itself_is_not_called_missing(monkeypatch):
    def broken(module):
        raise ModuleNotFoundError("No module named 'toml'", name="toml")

    monkeypatch.setattr("scribe_suite.exports.libraries.importlib.import_module", broken)
    with pytest.raises(ConfigurationError, match="harbor is installed, but toml is not"):
        library("harbor.models.trajectories")


def test_the_command_names_the_files(tmp_path, capsys):
    write_mixed_run(tmp_path)
    arguments = ["export", "r1", "--results-dir", str(tmp_path), "--format", "docent", "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'agent_runs.jsonl'}\n"
