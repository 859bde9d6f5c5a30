"""Watching a run from another terminal: what is found, shown, and when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from scribe_suite import cli
from scribe_suite.errors import ConfigurationError
from scribe_suite.watching.status_files import GONE_S, RunProcess, running_folder, write_controller, write_status
from scribe_suite.watching.watch import LedgerCounts, Watch, watched_ledger
from tests.terminals import Terminal
from tests.watching.test_status_files import attempt

DEAD = RunProcess.this().model_copy(update={"process_started": 5.0})


class FakeRun:
    """A run's ledger and status files, written as a run writes them."""

    def __init__(self, results_dir, run="r1", planned=4):
        self.path = results_dir / f"{run}.jsonl"
        self.status = running_folder(results_dir, run)
        self.status.mkdir(parents=True)
        self.append(line="header", run=run, planned=[f"t{number}" for number in range(planned)])

    def append(self, **line):
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def record(self, number, outcome="solved"):
        self.append(line="attempt", nodeid=f"t{number}", outcome=outcome)

    def end(self, exit_code=0):
        self.append(line="end", exit_code=exit_code)

    def running(self, *attempts):
        for number, status in enumerate(attempts):
            write_status(self.status / f"{number}.json", status)


@pytest.fixture
def run(tmp_path):
    return FakeRun(tmp_path)


def watched(run, capsys, *options):
    code = cli.main(["watch", str(run.path), *options])
    return code, capsys.readouterr().out.splitlines()


def test_a_state_of_a_run_is_printed_once(run, capsys):
    run.record(0)
    run.record(1, "infrastructure:slots")
    run.running(attempt("circuits/ioi", began=time.time() - 65), attempt("probes/cities", process=DEAD))
    assert watched(run, capsys, "--once") == (
        0,
        [
            "run r1: 1 running, 2 of 4 done, 1 solved, 1 failed by infrastructure",
            "circuits/ioi claude t0 turn 12 edit_cell 01:05/30:00",
        ],
    )


def test_watching_ends_with_the_run(run, capsys):
    run.running(attempt())

    def finish():
        time.sleep(0.4)
        for number in range(4):
            run.record(number)
        run.end(1)

    thread = threading.Thread(target=finish)
    thread.start()
    code, lines = watched(run, capsys, "--interval", "0.1")
    thread.join()
    assert code == 0
    assert "1 running, 0 of 4 done" in lines[0]
    assert "4 of 4 done, 4 solved" in lines[-2]
    assert lines[-1] == "The run has ended with exit code 1."


def test_lines_come_as_seldom_as_asked_for(run, capsys):
    run.running(attempt())
    thread = threading.Timer(1.5, run.end)
    thread.start()
    _, lines = watched(run, capsys, "--interval", "600")
    thread.join()
    assert len(lines) == 3  # the first, the last, and that it has ended


def test_a_run_that_was_killed_is_told_from_one_that_goes_on(run, capsys):
    run.running(attempt(process=DEAD))
    write_status(run.status / "controller.json", DEAD)
    code, lines = watched(run, capsys)
    assert code == 1
    assert "cut off" in lines[-1]
    write_controller(run.status)
    view = Watch(run.path)
    assert view.ended(view.view()) is None


def test_a_ledger_without_any_word_of_its_processes_is_given_time(run):
    view = Watch(run.path)
    assert view.ended(view.view()) is None
    long_ago = time.time() - GONE_S - 1
    os.utime(run.path, (long_ago, long_ago))
    assert view.ended(view.view())[1] == 1


def test_a_line_that_is_being_written_is_waited_for(run):
    counts = LedgerCounts(run.path)
    with run.path.open("a") as file:
        file.write('{"line": "attempt", "nodeid": "t0", ')
        file.flush()
        counts.read_on()
        assert counts.progress().done == 0
        file.write('"outcome": "solved"}\n')
    counts.read_on()
    assert counts.progress().done == 1


def test_a_resumed_run_goes_on_after_its_end_and_counts_an_attempt_once(run):
    run.record(0, "infrastructure:slots")
    run.end(3)
    run.append(line="resume", planned=["t0"])
    run.record(0)
    run.record(0, "infrastructure:worker_crashed")
    counts = LedgerCounts(run.path)
    assert counts.finished is None
    assert counts.progress() == Watch(run.path).view().progress
    assert (counts.progress().done, counts.progress().solved, counts.progress().infrastructure) == (1, 1, 0)


def test_a_run_is_found_by_path_id_or_as_the_newest(tmp_path):
    for number, name in enumerate(("b", "a")):
        path = FakeRun(tmp_path, name).path
        os.utime(path, (1000 + number, 1000 + number))
    assert watched_ledger(None, tmp_path).name == "a.jsonl"
    assert watched_ledger("b", tmp_path).name == "b.jsonl"
    assert watched_ledger("b.jsonl", tmp_path).name == "b.jsonl"
    assert watched_ledger(str(tmp_path / "b.jsonl"), tmp_path / "elsewhere").name == "b.jsonl"
    with pytest.raises(ConfigurationError, match="no run 'c'"):
        watched_ledger("c", tmp_path)
    with pytest.raises(ConfigurationError, match="yet"):
        watched_ledger(None, tmp_path / "elsewhere")


@pytest.mark.parametrize("text", ["", "hello\n", "[]\n", '{"line": "attempt"}\n', '{"line": "header"}\n', '{"a": 1}\n'])
def test_what_is_no_ledger_is_refused_in_a_sentence(tmp_path, capsys, text):
    path = tmp_path / "odd.jsonl"
    path.write_text(text)
    assert cli.main(["watch", str(path), "--once"]) == 2
    assert "runs/<run>.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["0", "nan", "-1", "soon", "inf"])
def test_an_interval_that_is_none_is_refused(interval, capsys):
    with pytest.raises(SystemExit):
        cli.main(["watch", "--interval", interval])
    assert "is not 0.1 or more seconds" in capsys.readouterr().err


def test_in_a_terminal_a_table_is_redrawn_and_ctrl_c_ends_it(run):
    run.running(attempt("circuits/ioi"), attempt("probes/cities", began=time.time()))
    argv = [sys.executable, "-m", "scribe_suite.cli", "watch", str(run.path), "--interval", "0.1"]
    with Terminal(argv, run.path.parent) as terminal:
        terminal.wait_for(lambda text: "probes/cities" in text)
        run.running(attempt("circuits/ioi", turn=13))
        text = terminal.wait_for(lambda text: re.search(r"circuits/ioi +t0 +claude +13", text) is not None)
        assert "2 running, 0 of 4 done" in text
        assert text.count("circuits/ioi") == 1
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.everything().endswith("scribe-suite: interrupted")


def test_a_pipe_that_is_interrupted_exits_with_130(run):
    run.running(attempt())
    argv = [sys.executable, "-m", "scribe_suite.cli", "watch", str(run.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "1 running" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "scribe-suite: interrupted\n"
