"""What a kernel can do to the harness's side of the connection."""

from __future__ import annotations

import asyncio
import time

import nbformat

from scribe_suite.notebook import kernel as kernel_module
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer

from .agent import Agent, Answer, play

#: Puts a message of its own on IOPub; runs inside a kernel.
SEND = """
from ipykernel.kernelapp import IPKernelApp
kernel = IPKernelApp.instance().kernel
def send(kind, content, parent=None):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent or kernel.get_parent())
"""


def test_an_output_too_large_for_a_message_ends_the_kernel_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_module, "IDLE_GRACE_S", 1.0)
    monkeypatch.setattr("scribe_suite.notebook.server.MAX_MESSAGE_BYTES", 1 << 20)

    async def scenario(agent: Agent) -> Answer:
        return await agent.run(
            "from IPython.display import display\ndisplay({'text/plain': 'x' * (2 << 20)}, raw=True)"
        )

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert "output channel broke" in play(server, scenario).error
        status = server.status()
    assert (status.kernel_deaths, status.infrastructure_error) == (1, None)


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


def test_a_reader_slower_than_the_kernel_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("scribe_suite.notebook.server.RECEIVE_QUEUE", 10)
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
