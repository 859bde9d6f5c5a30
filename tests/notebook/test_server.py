from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import stat
import threading
import time

import psutil
import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.kernel import Kernel
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, Answer, connected, journal_events, play


def open_descriptors() -> int:
    return psutil.Process().num_fds()


def children() -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {process.pid for process in psutil.Process().children(recursive=True)}
    return set()


def test_closing_leaves_no_process_no_thread_no_socket_and_no_folder(tmp_path):
    with NotebookServer(
        NotebookConfig(tmp_path / "first")
    ) as first:  # starts the fork-server, which stays for the next
        play(first, lambda agent: agent.run("1"))
    threads, processes, descriptors = threading.active_count(), children(), open_descriptors()
    server = NotebookServer(NotebookConfig(tmp_path, files={"a/b.txt": b"x"}))
    server.start()
    runtime = server.endpoint.socket_path.parent

    async def scenario(agent: Agent) -> Answer:
        deep = "import os\nfor n in range(1100):\n    os.mkdir('d'); os.chdir('d')"
        await agent.run(f"{deep}\nos.chdir('/tmp')")
        return await agent.run("import subprocess; subprocess.Popen(['sleep', '99'], start_new_session=True).pid")

    play(server, scenario)
    assert runtime.exists()
    server.close()
    server.close()
    assert not runtime.exists()
    assert children() <= processes
    assert threading.active_count() == threads
    assert open_descriptors() <= descriptors
    assert sorted(path.name for path in (tmp_path / "notebooks").iterdir()) == [
        "notebook.ipynb",
        "notebook.journal.jsonl",
    ]


def test_only_the_user_can_reach_the_socket_and_its_path_is_short_enough(server):
    path = server.endpoint.socket_path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(str(path.parent / "k999" / "k-5")) < 107


def test_connections_share_sessions_one_after_another_and_at_once(server, shared):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        await agent.run("shared = 3")
        async with connected(server.endpoint.pump_argv) as other:
            other.session_id = agent.session_id
            first = await other.run("shared + 1")
        async with connected(server.endpoint.pump_argv) as third:
            third.session_id = agent.session_id
            return first, await third.run("shared + 2")

    assert [answer.output for answer in play(server, scenario, session_id=shared)] == ["4", "5"]


def test_a_server_can_be_started_once(tmp_path):
    server = NotebookServer(NotebookConfig(tmp_path))
    with pytest.raises(InfrastructureError, match="has not been started"):
        _ = server.endpoint
    with server, pytest.raises(InfrastructureError, match="only once"):
        server.start()
    assert not server.endpoint.socket_path.exists()


def test_closing_a_server_that_was_never_started_does_nothing(tmp_path):
    NotebookServer(NotebookConfig(tmp_path)).close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="folders can't be made") as caught:
        NotebookServer(NotebookConfig(tmp_path / "file")).start()
    assert caught.value.cause == "notebook_server"


def test_a_socket_that_cannot_be_made_is_reported_and_cleaned_up(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("scribe_suite.sandbox.runtime_folders.short_temporary_folder", lambda: long)
    server = NotebookServer(NotebookConfig(tmp_path))
    with pytest.raises(InfrastructureError, match="could not start"):
        server.start()
    assert list(long.iterdir()) == []


def test_the_journal_of_an_attempt_reads_from_beginning_to_end(tmp_path):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("print('hi')")
        await agent.run("answer = {}")
        return await agent.submit()

    with NotebookServer(NotebookConfig(tmp_path, setup_code="s = 1")) as server:
        play(server, scenario)
    kinds = [event["event"] for event in journal_events(tmp_path, "notebook.ipynb")]
    run = ["cell_started", "cell_finished"]
    assert kinds == [
        "journal",
        "session_started",
        *run,
        "cell_started",
        "output",
        "cell_finished",
        *run,
        "submission",
        "session_closed",
    ]


def test_the_harness_s_logging_is_left_alone(tmp_path):
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        play(server, lambda agent: agent.call("list_cells", session_id="nope"), session=False)
        assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)


def test_a_socket_connection_that_says_nothing_does_not_hold_up_closing(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        with NotebookServer(NotebookConfig(tmp_path)) as server:
            silent.connect(str(server.endpoint.socket_path))
        silent.settimeout(5)
        assert silent.recv(1) == b""


def test_closing_ends_in_time_whatever_hangs_and_kills_the_kernels(tmp_path, monkeypatch):
    """What hangs here is the event loop itself, as a file call that blocks would make it."""
    monkeypatch.setattr("scribe_suite.notebook.server.CLOSE_S", 0.5)
    release = threading.Event()

    async def hang(_table: object) -> None:
        release.wait(60)

    server = NotebookServer(NotebookConfig(tmp_path))
    server.start()
    play(server, lambda agent: agent.call("start_new_session"), session=False)
    (process,) = server._sandbox._processes
    monkeypatch.setattr("scribe_suite.notebook.session_table.SessionTable.close", hang)
    begin = time.monotonic()
    with pytest.raises(InfrastructureError, match="did not close within") as caught:
        server.close()
    assert time.monotonic() - begin < 20
    assert caught.value.cause == server.status().infrastructure_cause == "notebook_close"
    assert process.poll() is not None
    server.close()
    release.set()


def test_kernels_that_take_long_to_end_are_waited_for_at_the_same_time(tmp_path, monkeypatch):
    ending: set[Kernel] = set()
    together: list[int] = []

    async def reluctant(kernel: Kernel, reason: str = "") -> None:
        ending.add(kernel)
        await asyncio.sleep(2.0)
        together.append(len(ending))
        await ended(kernel, reason)
        ending.discard(kernel)

    async def scenario(agent: Agent) -> None:
        for _ in range(3):
            await agent.call("start_new_session")

    ended = Kernel.close
    server = NotebookServer(NotebookConfig(tmp_path))
    server.start()
    play(server, scenario, session=False)
    monkeypatch.setattr(Kernel, "close", reluctant)
    server.close()
    assert together[0] == 3


def test_clients_beyond_a_number_are_turned_away_and_the_others_are_served(tmp_path, monkeypatch):
    monkeypatch.setattr("scribe_suite.notebook.server.MAX_CONNECTIONS", 3)
    with NotebookServer(NotebookConfig(tmp_path)) as server, contextlib.ExitStack() as stack:
        path = str(server.endpoint.socket_path)
        for _ in range(2):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)

        async def scenario(agent: Agent) -> Answer:
            with socket.socket(socket.AF_UNIX) as late:
                late.settimeout(10)
                late.connect(path)
                assert await asyncio.to_thread(late.recv, 1) == b""
            return await agent.run("print(1)")

        assert play(server, scenario).output == "1"
