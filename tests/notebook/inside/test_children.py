"""What processes that a kernel has started print and die of, beside what a plain kernel shows of them."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from scribe_suite.notebook import server as server_module
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.document import Document
from scribe_suite.notebook.inside.children import LINE_S, PIECE, PIECE_BYTES, Lines, Pipe
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import fork_client, probing

from ..agent import Agent, Answer, journal_events, play
from .conftest import Run

SETUP = """
import os, subprocess, sys
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def say(number=0): print('said', number)
def complain(): print('complained', file=sys.stderr)
def fail(): raise ValueError('the child fails')
def show():
    from IPython.display import display
    display({'text/plain': 'shown'}, raw=True)
def at_length(): print('a' * 300_000 + 'end')
def exited(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def run(target):
    process = multiprocessing.get_context('fork').Process(target=target)
    process.start()
    process.join()
    return process.exitcode
"""

#: Code -> what is shown.
CHILDREN = {
    "process": ("run(say)", ["said 0", "0"]),
    "process on stderr": ("run(complain)", ["complained", "0"]),
    "process that fails": ("run(fail)", ["Traceback", "ValueError: the child fails", "1"]),
    "process that shows": ("run(show)", ["shown", "0"]),
    "process that prints much": ("run(at_length)", ["a" * 1000 + "end", "0"]),
    "pool": (
        "with ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as pool: list(pool.map(say, range(3)))",
        ["said 0", "said 1", "said 2"],
    ),
    "fork": (
        "print('before')\npid = os.fork()\nif pid == 0:\n    print('in the fork')\n    os._exit(3)\nexited(pid)",
        ["before", "in the fork", "3"],
    ),
    "fork that writes to the descriptor": (
        "pid = os.fork()\nif pid == 0:\n    os.write(1, b'written')\n    os._exit(0)\nexited(pid)",
        ["written", "0"],
    ),
    "command": ("subprocess.run(['sh', '-c', 'echo out; echo err >&2; exit 4']).returncode", ["out", "err", "4"]),
    "command that is given the streams": (
        "subprocess.run(['sh', '-c', 'echo out; echo err >&2'], stdout=sys.stdout, stderr=sys.stderr).returncode",
        ["out", "err", "0"],
    ),
    "system": ("os.system('echo out')", ["out", "0"]),
    "shell": ("!echo out", ["out"]),
}
#: What a plain kernel does not show: it gives commands a terminal that nobody sees, and takes for a mistake what a fork
#: shows before it has printed.
NOT_IN_A_PLAIN_ONE = {"command that is given the streams", "process that shows"}


@pytest.fixture(scope="module", autouse=True)
def _defined(server: NotebookServer, session: str) -> None:
    play(server, lambda agent: agent.run(SETUP), session_id=session)


@pytest.mark.parametrize("name", CHILDREN)
def test_what_children_print_and_die_of_is_in_the_reply_the_journal_and_the_notebook(server, run: Run, name):
    code, expected = CHILDREN[name]
    answer = run(code)
    assert answer.payload["status"] == "ok"
    events = journal_events(server._config.folder, answer.payload["notebook_path"])
    document = Document.from_events(events)
    stored = json.dumps([event for event in events if event.get("cell") == document.cells[-1].cell_id])
    written = document.render().decode()
    for text in expected:
        assert text in answer.text
        assert text in stored
        assert text in written
    assert answer.output.count(expected[0]) == 1  # what the parent had printed is not sent a second time either


def test_what_was_printed_before_the_fork_comes_first(run: Run):
    assert run(CHILDREN["fork"][0]).output.split() == ["before", "in", "the", "fork", "3"]


def test_a_fork_ends_where_its_cell_ends_with_its_traceback(run: Run):
    code = "pid = os.fork()\nif pid == 0:\n    {}\nexited(pid)"
    assert "the fork fails" in run(code.format("raise RuntimeError('the fork fails')")).text
    endings = {"1 / 0": "1", "pass": "0", "sys.exit(7)": "7", "sys.exit('bad')": "1"}
    # a fork goes on with the rest of the cell: it has no child of its own to wait for
    code = "pid = os.fork()\nif pid == 0:\n    {}\nif pid: print('exit', exited(pid))"
    for ending, expected in endings.items():
        assert f"exit {expected}" in run(code.format(ending)).output
    assert run("1 + 1").output == "2"


def test_a_fork_in_an_async_cell_ends_with_it(run: Run):
    code = """
        import asyncio
        await asyncio.sleep(0)
        pid = os.fork()
        if pid == 0:
            print('in the fork')
        else:
            print('exit', exited(pid))
        """
    assert run(textwrap.dedent(code)).output.split("\n") == ["in the fork", "exit 0"]


def test_what_forks_say_comes_first_in_the_cells_after_that_of_the_first_fork_too(run: Run):
    # nothing but the print itself makes the kernel look for it: its output thread is kept from doing so
    code = """
        from ipykernel.kernelapp import IPKernelApp
        import threading, time
        thread = IPKernelApp.instance().kernel.iopub_thread
        held, asleep = threading.Event(), threading.Event()
        thread.schedule(lambda: (asleep.set(), held.wait(5)))
        asleep.wait(5)
        pid = os.fork()
        if pid == 0:
            print('in the fork')
            os._exit(0)
        code = exited(pid)
        threading.Timer(0.1, held.set).start()
        print('exit', code)
        """
    for _cell in range(3):
        assert run(textwrap.dedent(code)).output.split("\n") == ["in the fork", "exit 0"]


def test_many_children_at_once_lose_nothing(run: Run):
    code = """
        def count(name):
            for number in range(200): print(name, number)
        processes = [multiprocessing.get_context('fork').Process(target=count, args=(n,)) for n in range(4)]
        for process in processes: process.start()
        for process in processes: process.join()
        """
    lines = run(textwrap.dedent(code)).output.split("\n")
    assert sorted(lines) == sorted(f"{name} {number}" for name in range(4) for number in range(200))


def test_a_line_that_a_fork_has_begun_is_shown_whatever_ends_the_fork(run: Run):
    code = """
        pid = os.fork()
        if pid == 0:
            print('begun', end='')
            os.kill(os.getpid(), 9)
        print('after', exited(pid))
        """
    assert run(textwrap.dedent(code)).output.split() == ["begunafter", "-9"]


def test_a_message_in_pieces_is_put_together_whoever_else_writes_and_one_that_never_ends_is_forgotten():
    pipe = Pipe()
    long, short = [b"", b"x" * 3 * PIECE_BYTES, b"y"], [b"", b"", b"z"]
    pieces = []

    def hold(_descriptor: int, data: bytes) -> int:
        pieces.append(bytes(data))
        return len(data)

    write, os.write = os.write, hold
    try:
        pipe.send_multipart(long)
        first = len(pieces)
        pipe.send_multipart(short)
    finally:
        os.write = write
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)
    for piece in [*pieces[: first - 1], *pieces[first:]]:
        os.write(pipe._sink, piece)
    assert pipe.receive() == [(os.getpid(), short[1:])]
    os.write(pipe._sink, pieces[first - 1][:5])  # and read at any place
    assert pipe.receive() == []
    os.write(pipe._sink, pieces[first - 1][5:])
    assert pipe.receive() == [(os.getpid(), long[1:])]


def test_the_last_words_of_a_kernel_are_complete_whatever_its_children_have_said(server):
    code = f"{SETUP}\nprint('first')\nrun(at_length)\nprint('last', end='')\nos._exit(1)"
    answer = play(server, lambda agent: agent.run(code.replace("300_000", "300")))
    assert "died" in answer.error
    assert answer.output.split("\n") == ["first", "a" * 300 + "end", "last"]


def test_what_is_left_of_a_message_whose_beginning_was_forgotten_is_no_message():
    pipe = Pipe()
    os.write(pipe._sink, PIECE.pack(1, 1, 1, 6) + b"remain")
    assert pipe.receive() == [(1, [])]


def test_lines_are_sent_complete_and_for_the_request_that_they_belong_to():
    sent = []
    lines = Lines(lambda *said: sent.append(said))
    for process, parent, text in ((1, b"a", "one "), (2, b"a", "two\n"), (1, b"a", "line\nmore"), (1, b"b", "other\n")):
        lines.add(process, "stdout", parent, text)
    lines.send()
    assert sent == [("stdout", "two\none line\nmore", b"a"), ("stdout", "other\n", b"b")]
    lines.add(1, "stderr", b"a", "begun")
    lines.send()
    assert lines
    lines.end()
    lines.send()
    assert sent[2:] == [("stderr", "begun", b"a")]
    assert not lines


@pytest.mark.parametrize("way", ["landlock", "none", "without a fork-server"])
def test_children_are_heard_however_the_kernel_was_started(tmp_path, way, monkeypatch):
    if way == "landlock":
        tier, reason = probing.try_tier("landlock")
        if tier is None:
            pytest.skip(reason)
        monkeypatch.setattr(server_module, "probe_isolation", lambda _asked: tier)
    if way == "without a fork-server":
        monkeypatch.setattr(fork_client, "supported", lambda: False)
    config = NotebookConfig(tmp_path, isolation="auto" if way == "landlock" else "none")
    code = f"{SETUP}\nrun(say), run(fail), subprocess.run(['echo', 'commanded']).returncode"

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("%%writefile helpers.py\nhelped = 'helped'")
        return await agent.run(code), await agent.run("import helpers\nhelpers.helped")

    with NotebookServer(config) as server:
        heard, imported = play(server, scenario)
    assert [text for text in ("said 0", "the child fails", "commanded", "(0, 1, 0)") if text not in heard.text] == []
    assert imported.output == "'helped'"


@pytest.fixture(scope="module")
def plain() -> Iterator[Callable[[str], str]]:
    """Runs a cell in an ipykernel as it comes."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)  # which it looks for

    def execute(code: str) -> str:
        parts: list[str] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            parts.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        client.execute_interactive(code, output_hook=take, timeout=60)
        return "".join(parts)

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_plain_kernel_shows_no_more(plain):
    def missing(name: str) -> list[str]:
        code, expected = CHILDREN[name]
        shown = plain(code)
        if name == "pool":  # whose lines it sends in parts, which run into each other
            shown, expected = "".join(sorted(shown)), ["".join(sorted("\n".join([*expected, ""])))]
        return [text for text in expected if text not in shown]

    plain(SETUP)
    # on a busy machine it may say that a cell has ended before it has read what a command wrote
    tries = {name: [missing(name) for _ in range(3)] for name in set(CHILDREN) - NOT_IN_A_PLAIN_ONE}
    assert [name for name, found in tries.items() if all(found)] == []


def test_only_a_line_that_has_waited_long_is_sent_before_it_is_complete(monkeypatch):
    sent, now = [], [0.0]
    monkeypatch.setattr("scribe_suite.notebook.inside.children.time.monotonic", lambda: now[0])
    lines = Lines(lambda *said: sent.append(said))
    lines.add(1, "stdout", b"a", "begun ")
    now[0] = 0.9 * LINE_S
    lines.add(1, "stdout", b"a", "early")
    lines.add(2, "stdout", b"a", "begun just now")
    now[0] = LINE_S
    lines.end_overdue()
    assert lines.send()
    assert sent == [("stdout", "begun early", b"a")]
    lines.end_overdue()
    assert not lines.send()
