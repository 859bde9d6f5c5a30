"""Kernels find the sockets of services connected, and nobody has them any more when the kernel is gone."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook import server as server_module
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.services import FIRST_SERVICE, ServiceConnections
from scribe_suite.sandbox import fork_client, probing

from .agent import Agent, Answer, play

#: Asks the service at a descriptor; runs inside a kernel.
ASK = """
import os
def ask(number, text):
    os.write(number, text.encode())
    return os.read(number, 100).decode()
"""


class Echo:
    """Answers with the session's id and what was said; keeps what it has seen of each connection."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.ended: dict[str, threading.Event] = {}

    def connect(self, session: str) -> socket.socket:
        mine, theirs = socket.socketpair()
        self.sessions.append(session)
        self.ended[session] = threading.Event()
        threading.Thread(target=self._serve, args=(session, mine), daemon=True).start()
        return theirs

    def _serve(self, session: str, mine: socket.socket) -> None:
        with mine, contextlib.suppress(OSError):
            while said := mine.recv(100):
                mine.sendall(session.encode() + b" " + said)
        self.ended[session].set()


class Gone:
    """A service that has no connections to give."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def connect(self, session: str) -> socket.socket:
        raise self.error


async def asked(agent: Agent, number: int = FIRST_SERVICE) -> str:
    return (await agent.run(f"{ASK}\nprint(ask({number}, 'hello'))")).output


def test_each_kernel_has_a_connection_of_its_own_whether_started_resumed_or_continued(tmp_path):
    echo, other = Echo(), Echo()

    async def scenario(agent: Agent) -> list[str]:
        answers = [await asked(agent), await asked(agent, FIRST_SERVICE + 3)]
        await agent.call("shutdown_session", session_id=agent.session_id)
        assert echo.ended["s1"].wait(5)
        await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)
        answers.append(await asked(agent))
        await agent.start("start_session_continue_notebook", notebook_path=agent.notebook_path)
        answers.append(await asked(agent))
        assert not echo.ended["s2"].is_set()
        return answers

    services = {FIRST_SERVICE: echo, FIRST_SERVICE + 3: other}
    with NotebookServer(NotebookConfig(tmp_path, services=services)) as server:
        assert play(server, scenario) == ["s1 hello", "s1 hello", "s2 hello", "s3 hello"]
    assert echo.sessions == other.sessions == ["s1", "s2", "s3"]
    assert all(ended.wait(5) for service in (echo, other) for ended in service.ended.values())


def test_a_connection_ends_with_its_kernel_whoever_else_has_it(tmp_path):
    echo = Echo()
    forked = f"{ASK}\nimport time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nos._exit(3)"

    async def scenario(agent: Agent) -> bool:
        await agent.run(forked)
        return echo.ended["s1"].wait(5)

    with NotebookServer(NotebookConfig(tmp_path, services={FIRST_SERVICE: echo})) as server:
        assert play(server, scenario)


def test_programs_that_a_kernel_starts_do_not_have_it(tmp_path):
    code = f"import os\nprint(os.system('{{ : >&{FIRST_SERVICE}; }} 2>/dev/null') != 0)"
    with NotebookServer(NotebookConfig(tmp_path, services={FIRST_SERVICE: Echo()})) as server:
        assert play(server, lambda agent: agent.run(code)).output == "True"


@pytest.mark.parametrize("way", ["landlock", "none", "without a fork-server"])
def test_every_way_to_start_a_kernel_hands_it_over(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch):
    if way == "landlock":
        tier, reason = probing.try_tier("landlock")
        if tier is None:
            pytest.skip(reason)
        monkeypatch.setattr(server_module, "probe_isolation", lambda _asked: tier)
    if way == "without a fork-server":
        monkeypatch.setattr(fork_client, "supported", lambda: False)
    echo = Echo()
    isolation = "auto" if way == "landlock" else "none"
    with NotebookServer(NotebookConfig(tmp_path, isolation=isolation, services={FIRST_SERVICE: echo})) as server:
        assert play(server, asked) == "s1 hello"
    assert echo.ended["s1"].wait(5)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "kernel_start"),
        (InfrastructureError("notebook_server", "it is gone"), "notebook_server"),
    ],
)
def test_a_session_whose_services_are_gone_is_not_started_and_the_harness_knows_why(tmp_path, error, cause):
    echo = Echo()
    services = {FIRST_SERVICE: echo, FIRST_SERVICE + 1: Gone(error)}

    async def scenario(agent: Agent) -> Answer:
        return await agent.start()

    with NotebookServer(NotebookConfig(tmp_path, services=services)) as server:
        assert play(server, scenario, session=False).is_error
        status = server.status()
    assert (status.infrastructure_cause, status.sessions_open) == (cause, 0)
    assert echo.ended["s1"].wait(5)


def test_ending_connections_twice_or_after_the_service_is_no_error():
    mine, theirs = socket.socketpair()

    class Once:
        def connect(self, session: str) -> socket.socket:
            return theirs

    connections = ServiceConnections({FIRST_SERVICE: Once()}, "s1")
    assert connections.descriptors == {FIRST_SERVICE: theirs.fileno()}
    mine.close()
    connections.close()
    connections.close()
    assert connections.descriptors == {}
