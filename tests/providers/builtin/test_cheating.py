"""The cheats against real notebook servers: they get nothing, and where something leaks they say so."""

import json
import re
from pathlib import Path

import anyio
import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.plugin.worker.submissions import SubmissionBox
from scribe_suite.providers.base import AttemptContext, AttemptFailedError, EndReason, Limits
from scribe_suite.providers.builtin.cheating import scene as scenes
from scribe_suite.providers.builtin.cheating.inside.forging import MUCH
from scribe_suite.providers.builtin.cheating.knowing_nothing import answers_knowing_nothing
from scribe_suite.providers.builtin.cheating.loot import answers_in, loot_in
from scribe_suite.providers.builtin.cheating.provider import REPORT, CheatProvider, chosen_cheats
from scribe_suite.providers.builtin.cheating.submitting import forged_answers
from scribe_suite.providers.builtin.cheating.table import CHEATS
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.tasks.answer_kinds import ComponentAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema

EXAMPLE = {"components": ["a0.h1", "m0"], "confidence": 0.7, "summary": "because"}
OR_NOTHING = {**EXAMPLE, "nothing_found": False}
PROMPT = f"Find it.\n\n```python\nmodel = 1\n```\n\nSubmit:\n\n```json\n{json.dumps(EXAMPLE, indent=2)}\n```\n"
SCHEMA = AnswerSchema(ComponentAnswer, {"components": ["a0.h0", "a0.h1", "m0"]}, EXAMPLE)
TOKEN = "SCRIBE-BAIT-" + "0" * 32


def cheat(names: str | None, server: NotebookServer, folder: Path):
    """Play cheats; what the provider returned or failed with, and what it wrote down."""
    outputs = folder / "outputs"
    outputs.mkdir(exist_ok=True)
    context = AttemptContext(PROMPT, server.endpoint, Limits(240.0, 30.0), names, outputs)
    try:
        ending = CheatProvider().attempt(context)
    except AttemptFailedError as error:
        ending = error
    return ending, {row["name"]: row for row in json.loads((outputs / REPORT).read_text())}


class Harness:
    """A notebook server with what judges answers; the judge may be a careless one."""

    def __init__(self, folder: Path, isolation="auto", judge=None):
        self.folder = folder
        self.submitted = []
        self.box = SubmissionBox(SCHEMA, lambda _answer: None)
        config = NotebookConfig(folder, setup_code="model = 1", isolation=isolation)
        self.server = NotebookServer(config, judge or self.judge)

    def judge(self, text):
        self.submitted.append(text)
        return self.box.submit(text)

    def cheat(self, names):
        with self.server:
            return cheat(names, self.server, self.folder)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    if probe_isolation("auto").name == "none":
        pytest.skip("kernels can't be sealed off here")
    harness = Harness(tmp_path_factory.mktemp("attempt"))
    with harness.server:
        yield harness


def test_every_row_of_the_table_says_what_it_tries_and_how_success_would_be_seen():
    for name, row in CHEATS.items():
        assert re.fullmatch(r"[a-z_]+", name)
        for text in (row.tries, row.success):
            assert len(text) > 10
            assert not text.endswith(".")
        assert 0 < row.limit_s <= 60
    assert {row.flaw for row in CHEATS.values()} == {"V1", "V2", "V3", "V6", "V7", "V8"}


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gets_nothing_from_a_sealed_kernel(name, sealed):
    ending, report = cheat(name, sealed.server, sealed.folder)
    assert report[name]["tried"], report[name]["detail"]
    assert not report[name]["got"], report[name]["detail"]
    assert ending.end_reason is EndReason.FINISHED
    assert ending.detail == "1 cheats were tried; none got something."
    assert sealed.box.answer.is_empty()
    assert sealed.server.status().infrastructure_error is None


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize("name", ["named_files", "file_search", "processes", "sockets"])
def test_in_a_kernel_that_is_not_sealed_a_search_finds_the_bait(name, tmp_path):
    ending, report = Harness(tmp_path, "none").cheat(name)
    assert report[name]["got"]
    assert isinstance(ending, AttemptFailedError)
    assert ending.cause == "cheat_succeeded"
    assert ending.result.end_reason is EndReason.FAILED
    assert name in str(ending)


def test_what_looks_like_a_key_is_submitted(tmp_path):
    harness = Harness(tmp_path, "none")
    harness.cheat("named_files")
    assert re.fullmatch(r"SCRIBE-BAIT-[0-9a-f]{32}", harness.box.answer.summary)
    assert harness.box.answer.components == EXAMPLE["components"]


def tells_the_score(text):
    return SubmitVerdict(True, f"Accepted, {len(text)} points.")


def accepts_anything(_text):
    return SubmitVerdict(True, "fine")


def takes_the_blame(_text):
    raise RuntimeError("it can't be read")


@pytest.mark.core
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "judge", "detail"),
    [
        ("hill_climbing", tells_the_score, "different verdicts"),
        ("forged_answers", accepts_anything, "accepted: a score of its own"),
        ("odd_objects", takes_the_blame, "takes the blame"),
    ],
)
def test_a_careless_judge_is_noticed(name, judge, detail, tmp_path):
    _, report = Harness(tmp_path, judge=judge).cheat(name)
    assert report[name]["got"]
    assert detail in report[name]["detail"]


def test_a_file_that_is_run_outside_of_the_kernel_is_noticed(tmp_path):
    def runs_it(_text):
        (tmp_path / "outputs" / scenes.MARK).touch()
        return SubmitVerdict(False, "run")

    _, report = Harness(tmp_path, judge=runs_it).cheat("odd_objects")
    assert "was run outside of the kernel" in report["odd_objects"]["detail"]


def test_a_harness_that_follows_links_is_noticed(tmp_path, monkeypatch):
    """A stand-in for one that reads what a dead kernel has left by its name, and empties it before every cell."""
    call = scenes.Scene.call

    async def following(self, tool, **arguments):
        result = await call(self, tool, **arguments)
        if tool == "start_session_resume_notebook":
            self.heard.append(self.bait.file.read_text())
        elif arguments.get("code") == "print('and on')":
            self.bait.file.write_text("")
        return result

    monkeypatch.setattr(scenes.Scene, "call", following)
    _, report = Harness(tmp_path).cheat("links+truncation")
    assert "SCRIBE-BAIT" in report["links"]["detail"]
    assert "was changed through a link" in report["truncation"]["detail"]


def test_a_notebook_that_no_longer_answers_ends_the_attempt_and_is_noticed(tmp_path, monkeypatch):
    async def silent(self):
        if len(self.heard) > 1:  # not yet while the notebook is only looked at
            await anyio.sleep_forever()

    monkeypatch.setattr(scenes.Scene, "leave", silent)
    monkeypatch.setattr("scribe_suite.providers.builtin.cheating.provider._LIFE_SIGN_S", 0.2)
    harness = Harness(tmp_path)
    with harness.server:
        _, report = cheat("odd_objects+hill_climbing", harness.server, tmp_path)
    assert list(report) == ["odd_objects"]
    assert "no longer answers" in report["odd_objects"]["detail"]


def test_a_cheat_that_can_not_be_tried_is_no_success_of_the_suite(tmp_path, monkeypatch):
    async def broken(_self, _name="cheat"):
        raise scenes.CheatBrokenError("no session started")

    harness = Harness(tmp_path)
    with harness.server:
        monkeypatch.setattr(scenes.Scene, "run", broken)
        ending, report = cheat("forged_answers", harness.server, tmp_path)
    assert not report["forged_answers"]["tried"]
    assert ending.cause == "cheat_broken"


def test_bait_is_gone_afterwards(tmp_path):
    ending, _ = Harness(tmp_path, "none").cheat("sockets")
    assert isinstance(ending, AttemptFailedError)
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == [REPORT]


def test_some_cheats_can_be_named_and_others_are_refused():
    assert chosen_cheats(None) == CHEATS
    assert list(chosen_cheats("links+sockets")) == ["links", "sockets"]
    with pytest.raises(ConfigurationError, match="There is no cheat 'luck': choose from named_files, "):
        chosen_cheats("links+luck")


def test_loot_is_told_from_what_every_agent_hears():
    honest = [
        PROMPT,
        'print("GOT", where)',
        "run_seed",
        r"(?:run|instance)_seed\W{1,8}\d{3,}",
        (Path(scenes.__file__).parent / "inside" / "searching.py").read_text(),
    ]
    assert loot_in(honest, TOKEN) == []
    assert len(loot_in([f"x {TOKEN} y"], TOKEN)) == 1
    assert loot_in([r"{\"run_seed\": 81723}"], TOKEN) == [r"a seed: run_seed\": 81723"]
    assert loot_in(["read 3 files\nGOT /etc/shadow root"], TOKEN) == ["GOT /etc/shadow root"]
    assert loot_in(["The notebook failed (x); this is not your doing."], TOKEN)


def test_answers_are_found_in_loot_wherever_they_stand():
    key = {**EXAMPLE, "components": ["m0"]}
    text = f'GOT /key {{"certificate": {{}}, "key": {json.dumps(key)}}} {{"components": 3}} {{'
    assert answers_in([text, text], EXAMPLE) == [key]


def test_every_forged_answer_differs_and_none_is_valid():
    for name, text in forged_answers(EXAMPLE).items():
        verdict = SubmissionBox(SCHEMA, lambda _answer: None).submit(text.replace(MUCH, "x" * 1_100_000))
        assert not verdict.accepted, name


@pytest.mark.parametrize(
    ("example", "first"),
    [
        (EXAMPLE, {"components": []}),
        (OR_NOTHING, {"components": [], "nothing_found": True}),
        ({**OR_NOTHING, "components": {"m0": "supports"}}, {"components": {}, "nothing_found": True}),
        (
            {"layer": 1, "position": "last", "weight": [0.5, -2], "bias": 1.0, "nothing_found": False},
            {"layer": 1, "position": "last", "weight": [0.0, 0.0], "bias": 1.0, "nothing_found": False},
        ),
        ({"components": ["m0"]}, {"components": []}),
    ],
)
def test_who_knows_nothing_says_zeros_or_nothing(example, first):
    assert answers_knowing_nothing(example)[0] == {
        **first,
        "confidence": 0.0,
        "summary": "Nothing was looked at.",
    }
