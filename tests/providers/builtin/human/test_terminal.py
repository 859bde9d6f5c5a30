"""Whole attempts through the commands, in runs of a toy suite."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from scribe_suite.cli import main
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.providers.builtin.human.handover import FOLDER_VARIABLE, is_open
from scribe_suite.providers.builtin.human.provider import HumanProvider
from scribe_suite.providers.registry import parse_specs
from scribe_suite.providers.transcript import Transcript
from scribe_suite.tasks import registry

SOLVE = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='above ten')"
WRONG = "answer = dict(components=['m0'], confidence=0, summary='a guess')"


def attempt(*words, stdin="", code=0):
    """The command ``scribe-suite attempt``; what it prints."""
    printed, before = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            got = main(["attempt", *map(str, words)])
    finally:
        sys.stdin = before
    assert got == code, printed.getvalue()
    return printed.getvalue()


def waiting(folder: Path) -> None:
    deadline = time.monotonic() + 90
    while not is_open(folder):
        assert time.monotonic() < deadline, "no attempt waits"
        time.sleep(0.1)


@pytest.fixture
def start(suite):
    """Starts runs that hand their attempts over in folders; none of them outlives the test."""
    with contextlib.ExitStack() as stack:

        def one(folder, *options):
            run = started(suite, folder, *options)
            stack.callback(run.terminate)
            return run

        yield one


def started(suite, folder, *options):
    """Start a run that hands its attempt over in a folder."""
    command = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", "--record-only"]
    return subprocess.Popen(
        [*command, "--provider", "human:terminal", "--results-dir", f"runs-{folder.name}", *options], cwd=suite.folder,
        env={**os.environ, FOLDER_VARIABLE: str(folder)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def record(suite, folder):
    (path,) = suite.folder.glob(f"runs-{folder.name}/*.jsonl")
    (line,) = read_ledger(path).attempts
    return line


@pytest.mark.slow
def test_two_people_attempt_a_task_side_by_side_and_one_of_them_rests(suite, start, tmp_path):
    ada, bob = tmp_path / "ada", tmp_path / "bob"
    runs = [start(folder, "--instance-seed", "7") for folder in (ada, bob)]
    for folder in (ada, bob):
        waiting(folder)
    assert "waiting" in attempt("status", ada)
    assert "not been started" in attempt("prompt", ada, code=2)
    assert "prompt.md" in attempt("start", ada)
    assert "above ten" in attempt("prompt", ada)
    assert "session_id: s1" in attempt("ask", ada, "start_new_session", "experiment_name=work")
    assert "execution_count 2: ok" in attempt("ask", ada, "execute_code", "session_id=s1", "code=-", stdin=WRONG)
    assert "accepted: true" in attempt("submit", ada)
    attempt("pause", ada)
    attempt("start", bob)
    attempt("ask", bob, "start_new_session")
    attempt("note", ada, "-", stdin="resting\n")
    time.sleep(2)
    assert "is stopped" in attempt("ask", ada, "execute_code", "session_id=s1", "code=1", code=2)
    attempt("resume", ada)
    attempt("ask", ada, "execute_code", "session_id=s1", "code=-", stdin=SOLVE)
    assert "is no variable" in attempt("submit", ada, "nothing", code=1)
    attempt("submit", ada, "answer", "--session", "s1")
    assert "valid answers" in attempt("status", ada)
    assert "submit_answer(session_id, variable)" in attempt("tools", ada)
    attempt("quit", ada)
    attempt("quit", bob)
    assert [run.wait(60) for run in runs] == [0, 0]
    assert "No attempt waits" in attempt("status", ada, code=2)

    hers, his = record(suite, ada), record(suite, bob)
    assert (hers.provider, hers.outcome, hers.cells, hers.tool_calls) == ("human:terminal", "solved", 2, 6)
    assert (his.outcome, his.first_answer_s, his.last_answer_s) == ("no_answer", None, None)
    assert hers.instance_seed == his.instance_seed
    assert len(hers.submitted) == 2
    assert hers.submitted[0].skill < hers.submitted[1].skill
    assert (hers.first_answer_s, hers.last_answer_s) == tuple(point.seconds for point in hers.submitted)
    assert hers.times.paused_s > 2
    assert hers.last_answer_s < hers.times.agent_s
    kept = suite.folder / "runs-ada" / hers.folder
    assert json.loads((kept / "outputs" / "notes.jsonl").read_text())["text"] == "resting\n"
    transcript = Transcript.model_validate_json((kept / "outputs" / "transcript.json").read_text())
    assert [call.tool for call in transcript.calls].count("submit_answer") == 3
    journal = (kept / "notebooks" / "work.journal.jsonl").read_text()
    assert json.dumps(SOLVE)[1:-1] in journal
    told = "".join(path.read_text() for path in ada.iterdir() if path.is_file())
    assert all(secret not in told for secret in (str(hers.instance_seed), f"{hers.skill}", "metrics"))
    assert sorted(path.name for path in ada.iterdir()) == ["README.md", "prompt.md", "tools.json"]


@pytest.mark.slow
def test_begin_starts_one_task_and_its_folder_knows_nothing_of_the_score(suite, tmp_path, monkeypatch):
    suite.add_task("other")
    monkeypatch.chdir(suite.folder)
    # a process keeps the tasks of its first suite, which another test may have asked for
    monkeypatch.setattr(registry, "default_registry", cache(registry.default_registry.__wrapped__))
    desk = tmp_path / "desk"
    printed = attempt("begin", desk, "circuits/toy", "--wall", "300", "--seed", "5", "--pytest", "--pass-mark", "0.5")
    assert str(desk / "prompt.md") in printed
    assert "waits in" in attempt("begin", desk, "circuits/toy", code=2)
    attempt("ask", desk, "start_new_session")
    attempt("ask", desk, "execute_code", "session_id=s1", f"code={SOLVE}")
    attempt("submit", desk)
    attempt("quit", desk)
    log = suite.folder / "runs" / "attempt-desk.log"
    deadline = time.monotonic() + 60
    while "1 passed" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    (path,) = (suite.folder / "runs").glob("*.jsonl")
    ledger = read_ledger(path)
    (line,) = ledger.attempts
    assert (line.task, line.outcome, line.pass_mark, ledger.header.limits["agent_timeout_s"]) == (
        "circuits/toy", "solved", 0.5, 300.0,
    )  # fmt: skip
    assert sorted(each.name for each in desk.iterdir()) == ["README.md", "prompt.md", "tools.json"]


@pytest.mark.slow
def test_who_lets_the_time_run_out_is_scored_by_what_was_submitted(suite, start, tmp_path):
    desk = tmp_path / "desk"
    run = start(desk, "--agent-timeout", "12")
    waiting(desk)
    attempt("start", desk)
    attempt("ask", desk, "start_new_session")
    attempt("ask", desk, "execute_code", "session_id=s1", f"code={SOLVE}")
    attempt("submit", desk)
    assert run.wait(60) == 0
    line = record(suite, desk)
    assert (line.outcome, line.end_reason) == ("solved", "timeout")
    assert 12 <= line.times.agent_s < 20


def test_a_task_that_is_not_there_and_a_folder_without_attempt_get_a_sentence(tmp_path):
    assert "There is no task 'circuits/nothing'" in attempt("begin", tmp_path, "circuits/nothing", code=2)
    assert "No attempt waits in" in attempt("status", tmp_path, code=2)
    assert "not of the form NAME=VALUE" in attempt("ask", tmp_path, "execute_code", "print(1)", code=2)
    assert attempt(code=2)


def test_a_person_is_asked_for_only_by_name():
    assert "human" not in {spec.name for spec in parse_specs(["all"])}
    assert [str(spec) for spec in parse_specs(["human,human:terminal"])] == ["human", "human:terminal"]
    assert HumanProvider().refusal("terminal") is None
    assert "human:terminal" in (HumanProvider().refusal("vr") or "")


def test_without_jupyterlab_the_run_is_refused_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIBE_SUITE_JUPYTERLAB", str(tmp_path / "jupyter-lab"))
    assert str(tmp_path) in (HumanProvider().refusal(None) or "")
    monkeypatch.delenv("SCRIBE_SUITE_JUPYTERLAB")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert "scribe-suite[human]" in (HumanProvider().refusal(None) or "")
