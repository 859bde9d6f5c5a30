"""What a run shows of itself while it goes on: a table in a real terminal, lines elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from scribe_suite.watching.status_files import read_running, running_folder
from scribe_suite.watching.watch import Watch
from tests.terminals import Terminal

SLOW = """
import os
import anyio
from scribe_suite.providers.base import Provider
from scribe_suite.providers.builtin.client_loop import drive


class Slow(Provider):
    # tells of turns, is in a cell until the file SLOW_GO is there, then submits the key
    name = "slow"
    def attempt(self, context):
        async def work(notebook):
            context.activity.turn = 12
            session = await notebook.start_session("slow")
            await notebook.call("execute_code", session_id=session, code="print('PRIVATE')")
            async with anyio.create_task_group() as group:
                group.start_soon(self.wait, notebook, session)
                while not os.path.exists(os.environ["SLOW_GO"]):
                    await anyio.sleep(0.05)
                await notebook.call("interrupt", session_id=session)
            code = "answer = dict(components=[n for n, v in values.items() if v > 10], confidence=1, summary='PRIVATE')"
            await notebook.call("execute_code", session_id=session, code=code)
            await notebook.call("submit_answer", session_id=session, variable="answer")
            return ""
        return drive(context, work)

    async def wait(self, notebook, session):
        await notebook.call("edit_cell", session_id=session, cell_index=1, code="import time; time.sleep(100)")
"""


@pytest.fixture
def slow(suite, monkeypatch):
    suite.write("agents/slow_agents.py", SLOW.lstrip())
    info = "agents/slow_agents-1.0.dist-info"
    suite.write(f"{info}/entry_points.txt", "[scribe_suite.providers]\nslow = slow_agents:Slow\n")
    suite.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: slow_agents\nVersion: 1.0\n")
    monkeypatch.setenv("SLOW_GO", str(suite.folder / "go"))
    return suite


def pytest_in_a_terminal(suite, *arguments):
    argv = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", *arguments]
    return Terminal(argv, suite.folder, columns=110, rows=40)


def in_cell(text):
    return re.search(r"circuits/toy +t0 +slow +12 +\d+ +edit_cell +00:\d\d +30:00", text) is not None


def status_of(suite):
    """The folder of status files of the run in a suite's checkout."""
    (ledger,) = suite.folder.glob("runs/*.jsonl")
    return running_folder(ledger.parent, ledger.stem)


@pytest.mark.slow
def test_in_a_terminal_a_table_stands_below_the_tests_and_goes_with_them(slow):
    with pytest_in_a_terminal(slow, "--provider", "slow,null", "--instance-seed", "918273645") as terminal:
        text = terminal.wait_for(in_cell)
        lines = text.splitlines()
        where = lines.index("benchmarks/circuits/test_circuits.py")
        assert lines[where + 1 : where + 3] == ["", "1 running, 0 of 2 done, 0 solved"]
        check_status_files(slow)
        (ledger,) = slow.folder.glob("runs/*.jsonl")
        watched = Watch(ledger)
        view = watched.view()
        assert (view.heading(), watched.ended(view)) == ("1 running, 0 of 2 done, 0 solved", None)
        (slow.folder / "go").touch()
        assert terminal.wait() == 1
        everything = terminal.everything()
    assert re.search(r"^benchmarks/circuits/test_circuits.py \.F +\[100%\]$", everything, re.MULTILINE)
    assert " running, " not in everything
    assert "Elapsed" not in everything
    view = watched.view()
    assert view.heading() == "0 running, 2 of 2 done, 1 solved"
    assert watched.ended(view) == ("The run has ended with exit code 1.", 0)
    assert not running_folder(ledger.parent, ledger.stem).parent.exists()


def check_status_files(suite):
    """One small file of the attempt and one of the controller; no seed, no text of the agent's or of a cell."""
    folder = status_of(suite)
    assert len(list(folder.iterdir())) == 2
    for path in folder.iterdir():
        text = path.read_text()
        assert len(text) < 1000
        for private in ("918273645", "PRIVATE", "sleep", "values", "above ten"):
            assert private not in text
    (running,) = read_running(folder, time.time())
    assert (running.task, running.provider, running.trial, running.turn) == ("circuits/toy", "slow", 0, 12)
    assert (running.tool, running.in_tool, running.calls, running.limit_s) == ("edit_cell", True, 3, 1800.0)


@contextmanager
def pytest_in_a_pipe(suite, *arguments):
    argv = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", *arguments]
    with subprocess.Popen(
        argv, cwd=suite.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()


def lines_until(process, seen):
    lines = []
    while not (lines and seen(lines[-1])):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    return lines


@pytest.mark.slow
def test_elsewhere_lines_tell_of_all_workers(slow):
    slow.add_task("other")
    row = r"circuits/{} slow t0 turn 12 edit_cell \d\d:\d\d/30:00"

    def both(line):
        return line.startswith("scribe-suite: 2 running, 0 of 2 done, 0 solved: ") and all(
            re.search(row.format(task), line) for task in ("toy", "other")
        )

    with pytest_in_a_pipe(slow, "--provider", "slow", "-n", "2", "--live-interval", "0.5") as process:
        lines = lines_until(process, both)
        (slow.folder / "go").touch()
        output = "".join(lines) + process.stdout.read()
    assert process.returncode == 0
    assert "\x1b" not in output
    assert re.search(r"^\.+", output, re.MULTILINE)
    assert "2 passed" in output


def test_a_table_without_a_terminal_is_refused(suite):
    run = suite.run("--live", "table")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "--live table needs a terminal" in run.output
    assert not list(suite.folder.glob("runs/*.jsonl"))


@pytest.mark.slow
def test_an_attempt_whose_status_cannot_be_kept_is_made_all_the_same(suite):
    suite.write("runs/.shared", "no folder")
    run = suite.run("--provider", "reference", "--live", "off")
    assert run.ret == 0
    assert "running" not in run.output


@pytest.mark.slow
def test_with_workers_one_of_which_dies_the_table_shows_who_is_left(slow):
    with pytest_in_a_terminal(slow, "--provider", "slow,dies", "-n", "2", "-v") as terminal:
        terminal.wait_for(lambda text: in_cell(text) and "1 running, " in text and "node down" in text)
        assert len(read_running(status_of(slow), time.time())) == 1
        (slow.folder / "go").touch()
        assert terminal.wait() == 3
        everything = terminal.everything()
    assert re.search(
        r"PASSED benchmarks/circuits/test_circuits.py::test_circuit\[toy-slow-t0\]$", everything, re.MULTILINE
    )
    assert " running, " not in everything


@pytest.mark.slow
def test_a_debugger_has_the_terminal_for_itself(slow):
    with pytest_in_a_terminal(slow, "--provider", "null,slow", "--pdb") as terminal:
        terminal.wait_for(lambda text: text.endswith("(Pdb)"))
        terminal.type("1 + 41\n")
        terminal.wait_for(lambda text: text.endswith("42\n(Pdb)"))
        later = time.monotonic() + 1.5  # a redraw would have come
        text = terminal.wait_for(lambda _: time.monotonic() > later)
        assert " running, " not in text
        assert text.endswith("42\n(Pdb)")
        terminal.type("c\n")
        terminal.wait_for(in_cell)
        (slow.folder / "go").touch()
        assert terminal.wait() == 1
        assert " running, " not in terminal.everything()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("-s",), ("--live", "lines")], ids=["uncaptured", "asked_for"])
def test_lines_come_in_a_terminal_too(slow, arguments):
    with pytest_in_a_terminal(slow, "--provider", "slow", "--live-interval", "0.5", "-v", *arguments) as terminal:
        terminal.wait_for(lambda text: "scribe-suite: 1 running" in text and "turn 12 edit_cell" in text)
        (slow.folder / "go").touch()
        assert terminal.wait() == 0
        everything = terminal.everything()
    # the test is named again, so that it is plain what has passed
    assert re.search(
        r"^benchmarks/circuits/test_circuits.py::test_circuit\[toy-slow-t0\] PASSED", everything, re.MULTILINE
    )


@pytest.mark.slow
def test_ctrl_c_ends_the_run_and_leaves_nothing_of_the_table(slow):
    with pytest_in_a_terminal(slow, "--provider", "slow") as terminal:
        terminal.wait_for(in_cell)
        terminal.type("\x03")
        assert terminal.wait() == 2
        assert " running, " not in terminal.everything()
    (ledger,) = slow.folder.glob("runs/*.jsonl")
    assert not running_folder(ledger.parent, ledger.stem).exists()


@pytest.mark.slow
def test_a_run_that_is_killed_is_seen_to_be_cut_off(slow):
    with pytest_in_a_terminal(slow, "--provider", "slow") as terminal:
        terminal.wait_for(in_cell)
        (ledger,) = slow.folder.glob("runs/*.jsonl")
        terminal.process.kill()
        terminal.process.wait()
        watched = Watch(ledger)
        view = watched.view()
        assert view.running == []
        assert watched.ended(view)[1] == 1
