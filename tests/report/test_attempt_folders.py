"""Which folders a ledger can have read: those of its attempts, wherever these are, and nothing else."""

import json
import os

import pytest

from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.merge import merge_ledgers
from scribe_suite.report.answer_views import read_answer
from scribe_suite.report.attempt_folders import attempt_folder, part_of
from scribe_suite.report.journals import journal_views
from scribe_suite.report.notebooks import notebook_views
from scribe_suite.report.site import write_report
from scribe_suite.report.task_page import read_prompt
from scribe_suite.report.transcripts import transcript_view
from scribe_suite.untrusted_files import UntrustedFolder
from tests.ledger.factories import NOW
from tests.report.synthetic import ANSWER, TRANSCRIPT, attempt, journal_lines, plain_notebook, write_run

SECRET = "a secret of somebody else"


def real_attempt(results, **changes):
    """An attempt with its folder as a run leaves it; the record and the folder."""
    record = attempt(**changes)
    folder = AttemptFolder.create(results, record.task.partition("/")[2], record.provider, NOW)
    folder.write_prompt(f"# Prompt for {record.provider}")
    folder.write_answer(ANSWER)
    folder.write_results(record)
    (folder.notebooks / "n.ipynb").write_text(json.dumps(plain_notebook()))
    (folder.notebooks / "n.journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal_lines()))
    (folder.outputs / "transcript.json").write_text(json.dumps(TRANSCRIPT))
    return record.model_copy(update={"folder": folder.path.name}), folder.path


def moved(record, folder, results, **changes):
    """The record as a ledger in `results` names it."""
    return record.model_copy(update={"folder": os.path.relpath(folder, results), **changes})


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    """A record of an attempt in another results folder, and its folder."""
    return real_attempt(tmp_path / "other")


def test_a_merged_ledger_has_a_report_of_attempts_in_other_folders(tmp_path):
    parts = []
    for provider in ("a", "b"):
        record, _ = real_attempt(tmp_path / "parts" / provider, provider=provider)
        parts.append(write_run(tmp_path / "parts" / provider, run=provider, records=[record]))
    merged = tmp_path / "all" / "all.jsonl"
    merge_ledgers(parts, merged)
    assert all(record.folder.startswith("../parts/") for record in read_ledger(merged).attempts)
    write_report(merged, tmp_path / "report", with_keys=False, progress=lambda *_: None)
    for provider in ("a", "b"):
        text = (tmp_path / "report" / "attempts" / f"circuits-toy-{provider}-t0.html").read_text()
        for part in (f"Prompt for {provider}", "I patched.", "Which heads?", "I look at the heads first."):
            assert (part in text) or (part in (tmp_path / "report" / "tasks" / "circuits-toy.html").read_text())
        assert (tmp_path / "report" / "raw" / f"circuits-toy-{provider}-t0" / "notebooks" / "n.ipynb").is_file()


def test_a_folder_elsewhere_is_read_if_its_results_say_what_the_ledger_says(results, elsewhere):
    record, folder = elsewhere
    assert attempt_folder(results, moved(record, folder, results)).path == folder
    assert attempt_folder(results, record.model_copy(update={"folder": str(folder)})).path == folder


@pytest.mark.parametrize(
    "changes",
    [{"skill": 0.5}, {"outcome": "solved"}, {"provider": "other"}, {"task": "circuits/other"}, {"metrics": {}},
     {"trial": 1}, {"reason": "x"}, {"task": "probes/toy"}],
)  # fmt: skip
def test_a_folder_elsewhere_is_not_read_for_another_attempt(results, elsewhere, changes):
    assert attempt_folder(results, moved(*elsewhere, results, **changes)) is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"toy": {}}', '{"toy": 5}', '{"toy": {"provider": "claude"}}', "[" * 100_000, "\xff", " " * 2_000_000],
)
def test_a_folder_elsewhere_is_not_read_for_results_that_say_nothing(results, elsewhere, content):
    record, folder = elsewhere
    (folder / "results" / "circuit_evaluation_results.json").write_text(content, encoding="latin-1")
    assert attempt_folder(results, moved(record, folder, results)) is None


def test_a_folder_elsewhere_without_results_of_its_own_is_not_read(results, elsewhere, tmp_path):
    record, folder = elsewhere
    private = tmp_path / "private"
    (private / "outputs").mkdir(parents=True)
    (private / "outputs" / "answer.json").write_text(json.dumps({"summary": SECRET}))
    for name in (private, private / "outputs", tmp_path, "/", "/etc", "..", "", ".", "a\0b", "nowhere"):
        assert attempt_folder(results, record.model_copy(update={"folder": str(name)})) is None
    (private / "results").symlink_to(folder / "results")  # somebody else's results are none of its own
    assert attempt_folder(results, moved(record, private, results)) is None
    (results / "inside").symlink_to(private)
    assert attempt_folder(results, record.model_copy(update={"folder": "inside"})) is None


def test_links_and_pipes_in_an_attempts_folder_are_not_read(tmp_path):
    secrets = tmp_path / "secrets"
    for part in ("outputs", "notebooks"):
        (secrets / part).mkdir(parents=True)
    (secrets / "outputs" / "answer.json").write_text(json.dumps({"summary": SECRET}))
    (secrets / "outputs" / "transcript.json").write_text(json.dumps([SECRET]))
    (secrets / "outputs" / "prompt.md").write_text(SECRET)
    (secrets / "notebooks" / "n.ipynb").write_text(json.dumps(plain_notebook()))
    (secrets / "notebooks" / "m.journal.jsonl").write_text("".join(json.dumps(x) + "\n" for x in journal_lines()))

    def nothing_is_read(path):
        attempt = UntrustedFolder(path)
        assert read_prompt(attempt) is None
        with part_of(attempt, "outputs") as outputs, part_of(attempt, "notebooks") as notebooks:
            if outputs is None:
                assert notebooks is None
                return
            assert read_answer(outputs) is None
            assert transcript_view(outputs) is None
            assert notebook_views(notebooks) == []
            assert journal_views(notebooks) == []

    links = tmp_path / "links"
    links.mkdir()
    for part in ("outputs", "notebooks"):
        (links / part).symlink_to(secrets / part)
    nothing_is_read(links)
    files = tmp_path / "files"
    pipes = tmp_path / "pipes"
    for path in secrets.rglob("*.*"):
        for folder in (files, pipes):
            (folder / path.relative_to(secrets)).parent.mkdir(parents=True, exist_ok=True)
        (files / path.relative_to(secrets)).symlink_to(path)
        os.mkfifo(pipes / path.relative_to(secrets))
    nothing_is_read(files)
    nothing_is_read(pipes)
    assert read_answer(UntrustedFolder(secrets / "outputs"))["summary"] == SECRET, "regular files are"


def test_files_with_a_second_name_are_named_and_not_shown(tmp_path, results):
    record, folder = real_attempt(results)
    secret = tmp_path / "id_rsa"
    secret.write_text(SECRET)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.unlink()
        path.hardlink_to(secret)
    write_report(write_run(results, records=[record]), tmp_path / "report", with_keys=True, progress=lambda *_: None)
    pages = "".join(path.read_text() for path in (tmp_path / "report").rglob("*.html"))
    assert SECRET not in pages
    assert "n.ipynb (it has a second name (a hard link); make a copy if it is meant)" in pages
    assert not (tmp_path / "report" / "raw").exists()


def test_a_folder_that_is_replaced_after_it_was_found_is_read_as_it_was(results, tmp_path):
    record, folder = real_attempt(results)
    attempt = attempt_folder(results, record)
    folder.rename(tmp_path / "moved")
    (tmp_path / "private" / "outputs").mkdir(parents=True)
    (tmp_path / "private" / "outputs" / "prompt.md").write_text(SECRET)
    folder.symlink_to(tmp_path / "private")
    assert read_prompt(attempt).startswith("# Prompt")
    assert attempt_folder(results, record) is None


def test_a_hostile_ledger_puts_nothing_of_others_into_a_report(results, elsewhere, tmp_path):
    _, folder = elsewhere
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "id_rsa").write_text(SECRET)
    (folder / "outputs" / "prompt.md").write_text(SECRET)
    names = ("../home", str(tmp_path / "home"), "../other", str(folder))
    records = [
        attempt(provider=f"p{number}", folder=name, skill=0.123) for number, name in enumerate((*names, "../../../.."))
    ]
    ledger = write_run(results, records=records)
    write_report(ledger, tmp_path / "report", with_keys=True, progress=lambda *_: None)
    for path in (tmp_path / "report").rglob("*"):
        assert not path.is_file() or SECRET not in path.read_text(errors="replace")
    assert not (tmp_path / "report" / "raw").exists()
