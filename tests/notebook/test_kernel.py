"""What a kernel can do to the harness's side of the connection."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from scribe_suite.notebook import kernel as kernel_module
from scribe_suite.notebook import zmtp
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.sandbox import fork_client

from .agent import Agent, Answer, connected, play

#: Puts a message of its own on IOPub; runs inside a kernel.
SEND = """
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
def send(kind, content, parent=None):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent or kernel.get_parent())
"""


def test_an_output_too_large_for_a_message_is_left_out_with_a_note_and_the_session_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(zmtp, "MAX_MESSAGE_BYTES", 1 << 20)
    code = "x = 1\nprint('x' * (2 << 20), flush=True)\nprint('on')"  # kernels shorten what is beyond the limit there is

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        return await agent.run(code), await agent.run("print(x)")

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        large, after = play(server, scenario)
        status = server.status()
    assert "an output of 2 MiB was left out" in large.text
    assert "on" in large.text
    assert after.output == "1"
    assert (status.kernel_deaths, status.infrastructure_error) == (0, None)


MADE_UP = [
    "send('stream', {'name': 'stdout', 'text': {'a': [1]}})",
    "send('stream', ['no', 'dict'])",
    "send('display_data', {'data': {'image/png': 'AAAA', 'text/plain': 5}})",
    "send('error', {'ename': None, 'traceback': 7})",
    "send('update_display_data', {'data': {}, 'transient': {'display_id': {}}})",
    "send('status', {'execution_state': ['idle']})",
    "send('x' * 1000, {})",
    "kernel.iopub_socket.send_multipart([b'kernel', b'<IDS|MSG>', b'bad signature', b'{}', b'{}', b'{}', b'{}'])",
    "kernel.iopub_socket.send_multipart([b'garbage'])",
    "kernel.session.send(kernel.iopub_socket, 'stream', {'text': 'x'}, parent={'msg_id': {'a': 1}, 'header': 3})",
]


def test_made_up_messages_cost_at_most_the_output(server, shared):
    async def scenario(agent: Agent) -> list[Answer]:
        for messages in MADE_UP:
            await agent.run(f"{SEND}\n{messages}")
        return [await agent.run("1 + 1")]

    assert play(server, scenario, session_id=shared)[0].output == "2"
    assert server.status().infrastructure_error is None


def test_outputs_that_never_end_after_the_reply_end_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_module, "DRAIN_S", 1.0)
    code = """
import threading, time
parent = kernel.get_parent()
def flood():
    while True:
        send('stream', {'name': 'stdout', 'text': 'x'}, parent)
        time.sleep(0.01)
threading.Thread(target=flood, daemon=True).start()
kernel.session.send, real = (lambda stream, kind, *a, **k: None if kind == 'status' else real(stream, kind, *a, **k)),\
    kernel.session.send
"""
    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert "output channel broke" in play(server, lambda agent: agent.run(SEND + code)).error


def test_a_cell_cannot_claim_to_be_done_while_it_runs_on(server, shared):
    code = f"{SEND}\nimport time\nsend('status', {{'execution_state': 'idle'}})\ntime.sleep(0.5)\nprint('really done')"
    assert play(server, lambda agent: agent.run(code), session_id=shared).output == "really done"


def test_a_thousand_flushes_and_displays_arrive_complete(server, shared):
    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        flushed = await agent.run("for n in range(1000): print(n, flush=True)")
        return flushed, await agent.run("from IPython.display import display\nfor n in range(400): display(n)\n'end'")

    flushed, displayed = play(server, scenario, session_id=shared)
    assert flushed.output.split("\n") == [str(number) for number in range(1000)]
    assert displayed.payload["outputs"][0]["content"] == "0"
    assert displayed.payload["outputs"][-1]["content"] == "'end'"


@pytest.mark.slow
def test_a_reader_slower_than_the_kernel_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(zmtp, "READ_AHEAD", 1 << 12)
    match = kernel_module.Kernel._match

    def slow(kernel, message):
        time.sleep(0.0005)
        return match(kernel, message)

    monkeypatch.setattr(kernel_module.Kernel, "_match", slow)
    code = f"{SEND}\nfor n in range(4000): send('stream', {{'name': 'stdout', 'text': f'{{n}} ' + '.' * 100 + '\\n'}})"

    async def scenario(agent: Agent) -> Answer:
        return await agent.run(code)

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        play(server, scenario)
    (notebook,) = tmp_path.rglob("*.ipynb")
    cell = nbformat.read(notebook, as_version=4).cells[-1]
    assert [int(line.split()[0]) for output in cell.outputs for line in output.text.splitlines()] == list(range(4000))


def test_a_death_between_cells_is_noticed_and_counted(server):
    deaths = server.status().kernel_deaths

    async def scenario(agent: Agent) -> Answer:
        code = "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.3), os._exit(4))).start()"
        await agent.run(code)
        await asyncio.sleep(1)
        return await agent.run("1")

    answer = play(server, scenario)
    assert "died (exit code 4)" in answer.error
    assert server.status().kernel_deaths == deaths + 1


LAST_WORDS = {
    "exit": ("os._exit(7)", "exit code 7"),
    "signal": ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    "segfault": ("__import__('ctypes').string_at(0)", "killed by SIGSEGV"),
    "abort": ("os.abort()", "killed by SIGABRT"),
}


@pytest.mark.parametrize(("ending", "told"), LAST_WORDS.values(), ids=LAST_WORDS)
def test_the_last_words_of_a_kernel_that_ends_at_once_are_kept(server, tmp_path, ending, told):
    code = (
        "import os, sys\nfor n in range(50): print('line', n)\nprint('in red', file=sys.stderr)\n"
        f"print('Köln, the last', end='')\n{ending}"
    )

    async def scenario(agent: Agent) -> tuple[Answer, str]:
        return await agent.run(code), agent.notebook_path

    answer, name = play(server, scenario)
    assert told in answer.error
    assert server.status().infrastructure_error is None
    lines = [*(f"line {number}" for number in range(50)), "Köln, the last"]
    shown = "\n".join(entry["content"] for entry in answer.payload["outputs"] if "red" not in entry["content"])
    assert shown.splitlines() == lines
    assert "in red" in answer.output
    (notebook,) = server._config.folder.rglob(name)
    outputs = nbformat.read(notebook, as_version=4).cells[-1].outputs
    assert "".join(output.text for output in outputs if output.name == "stdout").splitlines() == lines


def test_what_was_printed_before_is_not_shown_again_when_the_kernel_dies(server):
    async def scenario(agent: Agent) -> Answer:
        await agent.run("print('an earlier cell')")
        code = "import os, time\nprint('sent', flush=True)\ntime.sleep(0.5)\nprint('unsent')\nos._exit(1)"
        return await agent.run(code)

    assert play(server, scenario).output.split() == ["sent", "unsent"]


@pytest.mark.slow
def test_processes_that_together_use_too_much_memory_are_ended_and_the_agent_is_told_why(tmp_path):
    # every process stays below its address space; the first to be killed is the kernel or one of its children
    code = """
import os, time
children = []
for _ in range(7):
    child = os.fork()
    if child == 0:
        try:
            block = bytearray(250 << 20)
            for place in range(0, len(block), 4096):
                block[place] = 1
            time.sleep(10)
        finally:
            os._exit(0)
    children.append(child)
ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print("ended", ended)
"""

    async def scenario(agent: Agent) -> tuple[Answer, Answer]:
        first = await agent.run(code)
        if not first.is_error:
            return first, await agent.run("1 + 1")
        return first, await agent.start("start_session_resume_notebook", notebook_path=agent.notebook_path)

    with NotebookServer(NotebookConfig(tmp_path, memory_limit_bytes=1 << 30)) as server:
        if server.status().isolation == "none":
            pytest.skip("memory of a kernel as a whole is not limited here")
        first, after = play(server, scenario)
        status = server.status()
    assert "used more memory than it may" in first.text or "-9" in first.output
    assert not after.is_error
    assert status.infrastructure_error is None


def test_a_fork_server_that_is_killed_is_the_infrastructure_s_failure_and_the_next_attempt_starts(tmp_path):
    async def scenario(agent: Agent) -> Answer:
        running = asyncio.create_task(agent.run("print('begun', flush=True)\nimport time; time.sleep(60)"))
        await asyncio.sleep(0.7)
        for server_process in fork_servers():
            server_process.kill()
        return await running

    with NotebookServer(NotebookConfig(tmp_path / "first", preload=("colorsys",))) as server:
        answer = play(server, scenario)
        status = server.status()
    assert "died" in answer.error
    assert status.infrastructure_cause == "fork_server"
    assert status.kernel_deaths == 0
    with NotebookServer(NotebookConfig(tmp_path / "second", preload=("colorsys",))) as server:
        assert play(server, lambda agent: agent.run("1 + 1")).output == "2"
        assert server.status().infrastructure_error is None


def fork_servers() -> list[psutil.Process]:
    """Those of this process with the preload that nobody else uses."""
    servers = [server for spec, server in fork_client._servers.items() if "colorsys" in spec]
    return [psutil.Process(server._process.pid) for server in servers]


def test_modules_to_preload_that_do_not_exist_cost_nothing(tmp_path):
    with NotebookServer(NotebookConfig(tmp_path, preload=("no_such_module", "colorsys"))) as server:
        code = "import sys; print('colorsys' in sys.modules, 'scribe_suite' in sys.modules)"
        assert play(server, lambda agent: agent.run(code)).output == "True False"


def test_forked_kernels_differ_in_what_should_be_random(server):
    code = "import random, numpy, os, uuid; print(random.random(), numpy.random.rand(), os.urandom(4), uuid.uuid4())"
    first, second = (play(server, lambda agent: agent.run(code)).output.split() for _ in range(2))
    assert not set(first) & set(second)


@pytest.mark.slow
def test_where_forking_is_not_safe_kernels_start_by_themselves_and_behave_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(fork_client, "supported", lambda: False)
    config = NotebookConfig(tmp_path, files={"a.txt": b"hello"}, isolation="none", cell_timeout_s=3)

    async def scenario(agent: Agent) -> list[Answer]:
        codes = [
            "print(open('a.txt').read())",
            "import time\ntime.sleep(60)",
            "!echo from a shell",
            "import os\nprint('last', end='')\nos._exit(5)",
        ]
        return [await agent.run(code) for code in codes]

    with NotebookServer(config) as server:
        shown, timed_out, shell, died = play(server, scenario)
        status = server.status()
    assert shown.output == "hello"
    assert timed_out.payload["status"] == "timeout"
    assert shell.output == "from a shell"
    assert "exit code 5" in died.error
    assert died.output == "last"
    assert (status.isolation, status.infrastructure_error) == ("none", None)


@pytest.mark.slow
def test_five_hundred_starts_leave_no_process_file_descriptor_or_folder(tmp_path):
    def kernels() -> int:
        return len(psutil.Process().children(recursive=True))

    def cgroups_left() -> list[Path]:
        return [path for path in Path("/sys/fs/cgroup").glob(f"*/scribe-{os.getpid()}-*") if path.is_dir()]

    async def cycles(agent: Agent, count: int) -> None:
        for _ in range(count):
            started = await agent.start()
            assert not started.is_error, started.text
            assert not (await agent.call("shutdown_session", session_id=agent.session_id)).is_error

    async def scenario(agent: Agent) -> None:
        await cycles(agent, 20)
        before = kernels(), psutil.Process().num_fds(), len(list(Path("/tmp").glob("scribe-*")))
        threads = psutil.Process().num_threads()
        await cycles(agent, 480)
        await asyncio.sleep(0.5)
        after = kernels(), psutil.Process().num_fds(), len(list(Path("/tmp").glob("scribe-*")))
        assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
        assert psutil.Process().num_threads() == threads
        assert cgroups_left() == []

    async def run() -> None:
        async with connected(server.endpoint.pump_argv) as agent:
            await scenario(agent)

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        asyncio.run(run())
        assert server.status().sessions_started == 500
