"""Recorded attempts, run again on the same instances: does the same answer come out?"""

import json
import os

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.plugin.option.replays import _steps, read_replay, same_answer
from scribe_suite.providers.replays import Step
from tests.ledger.factories import record

SOLVE = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=0.5, summary='s')"
LUCK = "import random\nanswer = dict(components=['m0'], confidence=random.random(), summary='s')"


def recorded(suite, monkeypatch, code, *options):
    monkeypatch.setenv("TOY_CODE", code)
    suite.run("--provider", "says", *options)
    (path,) = suite.folder.glob("runs/*.jsonl")
    return path


def replayed(suite, first, *options):
    """The records of a second run."""
    from scribe_suite.ledger.ledger import read_ledger

    run = suite.run(*options)
    (path,) = set(suite.folder.glob("runs/*.jsonl")) - {first}
    return read_ledger(path), run


@pytest.mark.slow
def test_an_attempt_that_reproduces_says_so(suite, monkeypatch):
    first = recorded(suite, monkeypatch, SOLVE, "--trials", "2")
    ledger, run = replayed(suite, first, "--provider", f"replay:{first.stem}", "--trials", "2")
    assert [(record.outcome, record.reproduced) for record in ledger.attempts] == [("solved", True)] * 2, run.output
    assert ledger.header.seed_mode == "fresh"


@pytest.mark.slow
def test_an_attempt_that_does_not_reproduce_says_so(suite, monkeypatch):
    first = recorded(suite, monkeypatch, LUCK)
    ledger, run = replayed(suite, first, "--provider", f"replay:runs/{first.name},null", "-n", "2")
    outcomes = {record.provider.partition(":")[0]: (record.outcome, record.reproduced) for record in ledger.attempts}
    assert outcomes == {"replay": ("unsolved", False), "null": ("no_answer", None)}, run.output


@pytest.mark.slow
def test_an_attempt_that_is_not_there_to_replay_is_infrastructure(suite, monkeypatch):
    first = recorded(suite, monkeypatch, SOLVE)
    ledger, _ = replayed(suite, first, "--provider", f"replay:{first.stem}", "--trials", "2")
    assert [record.outcome for record in ledger.attempts] == ["solved", "infrastructure:replay"]
    assert "has no attempt at circuits/toy, trial 1" in ledger.attempts[1].reason


@pytest.mark.slow
def test_a_replay_on_other_instances_or_of_nothing_is_a_usage_error(suite, monkeypatch):
    first = recorded(suite, monkeypatch, SOLVE)
    run = suite.run("--provider", f"replay:{first.stem}", "--instance-seed", "1")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave --instance-seed out" in run.output
    run = suite.run("--provider", "replay:20200101-000000-nothing")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "There is no run '20200101-000000-nothing'" in run.output


def cell(number, code, run=1, kind="agent", status="ok"):
    name = f"cell-{number}"
    return [
        {"event": "cell_started", "cell": name, "run": run, "kind": kind, "code": code},
        {"event": "cell_finished", "cell": name, "run": run, "status": status},
    ]


def session(origin):
    return {"event": "session_started", "session": "s1", "origin": origin}


def steps(*events):
    return [step for _, step in _steps("n", events)]


def test_edits_notes_and_submissions_are_replayed_in_place():
    assert steps(
        session("new"),
        *cell(0, "setup", kind="setup"),
        *cell(1, "a"),
        {"event": "markdown_added", "cell": "cell-2", "content": "# note"},
        *cell(3, "b"),
        *cell(1, "a2", run=2),
        {"event": "submission", "variable": "x", "accepted": True},
        {"event": "session_closed", "session": "s1", "reason": "shut down by the agent"},
    ) == [
        Step("n", "start"),
        Step("n", "run", "a"),
        Step("n", "note", "# note"),
        Step("n", "run", "b"),
        Step("n", "edit", "a2", 1),
        Step("n", "submit", "x"),
        Step("n", "close"),
    ]


def test_resuming_runs_cells_by_itself_and_continued_copies_run_theirs():
    events = [session("new"), *cell(0, "a"), *cell(1, "die", status="died"), session("resumed")]
    assert steps(*events, *cell(0, "a", run=2, kind="restored"), *cell(2, "b")) == [
        Step("n", "start"),
        Step("n", "run", "a"),
        Step("n", "run", "die"),
        Step("n", "resume"),
        Step("n", "run", "b"),
    ]
    added = {"event": "markdown_added", "cell": "cell-0", "content": "copied"}
    assert steps(added, session("continued"), *cell(1, "a", kind="restored")) == [
        Step("n", "start"),
        Step("n", "run", "a"),
    ]


def test_interrupted_cells_are_left_out_and_do_not_count():
    events = [session("new"), *cell(0, "slow", status="interrupted"), *cell(1, "a"), *cell(1, "b", run=2)]
    assert steps(*events) == [Step("n", "start"), Step("n", "run", "a"), Step("n", "edit", "b", 0)]


def test_answers_are_the_same_up_to_the_last_digits_of_floats():
    answer = {"weight": [0.1, 1e-9], "layer": 1, "confidence": 1.0}
    assert same_answer(answer, {"weight": [0.1 + 1e-9, 1e-9], "layer": 1, "confidence": 1.0})
    assert not same_answer(answer, {**answer, "layer": 2})
    assert not same_answer(answer, {**answer, "weight": [0.1]})
    assert not same_answer(answer, {**answer, "weight": [0.2, 1e-9]})
    assert not same_answer(None, answer)
    assert same_answer(None, None)


@pytest.fixture
def attempt(tmp_path):
    """The folder of an attempt in ``runs``, and one of somebody else outside of it."""
    for place in (tmp_path / "runs" / "attempt", tmp_path / "private"):
        for part in ("notebooks", "outputs"):
            (place / part).mkdir(parents=True)
        code = {"event": "cell_started", "time": 1, "cell": "cell-0", "run": 1, "kind": "agent", "code": place.name}
        (place / "notebooks" / "n.journal.jsonl").write_text(json.dumps(code) + "\n")
        (place / "outputs" / "answer.json").write_text(json.dumps({"of": place.name}))
    return tmp_path / "runs" / "attempt"


def test_a_replay_is_read_from_the_attempts_folder(attempt):
    replay = read_replay(attempt.parent, record(folder="attempt"))
    assert ([step.text for step in replay.steps], replay.answer) == (["attempt"], {"of": "attempt"})


@pytest.mark.parametrize("name", ["../private", "attempt/../../private", "link", "link/private", "..", ".", "a\0b"])
def test_a_ledger_can_not_have_anything_else_replayed(attempt, tmp_path, name):
    (attempt.parent / "link").symlink_to(tmp_path / "private" if name == "link" else tmp_path)
    for folder in (name, str(attempt.parent / name)):
        with pytest.raises(InfrastructureError, match="There are no journals"):
            read_replay(attempt.parent, record(folder=folder))


def test_links_and_pipes_are_not_replayed(attempt, tmp_path):
    private = tmp_path / "private"
    for name in ("notebooks/n.journal.jsonl", "outputs/answer.json"):
        (attempt / name).unlink()
        (attempt / name).symlink_to(private / name)
    with pytest.raises(InfrastructureError, match="There are no journals"):
        read_replay(attempt.parent, record(folder="attempt"))
    (attempt / "notebooks" / "m.journal.jsonl").write_text("")
    with pytest.raises(InfrastructureError, match="answer of attempt can't be read"):
        read_replay(attempt.parent, record(folder="attempt"))
    (attempt / "outputs" / "answer.json").unlink()
    os.mkfifo(attempt / "outputs" / "answer.json")
    with pytest.raises(InfrastructureError, match="answer of attempt can't be read"):
        read_replay(attempt.parent, record(folder="attempt"))
