"""What is on the disk when: the journal a moment after something happened, the notebook file a second later."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.document import Document, NotebookFile
from scribe_suite.notebook.recovery import recover_notebooks
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.notebook.session import FLUSH_S

from .agent import Agent, Answer, play

REPOSITORY = Path(__file__).resolve().parents[2]
#: Seconds that a busy machine may add to what is promised.
SLACK_S = 0.5
PAUSES = (0.02, 0.02, 0.02, 0.3)
PRINTING = f"""
import itertools, time
for number, pause in enumerate(itertools.cycle({PAUSES})):
    print(number, time.time(), flush=True)
    time.sleep(pause)
"""
HARNESS = """
import asyncio, pathlib, sys
sys.path.insert(0, {repository!r})
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from tests.notebook.agent import connected

async def main(server):
    async with connected(server.endpoint.pump_argv) as agent:
        await agent.start()
        print(server.endpoint.socket_path.parent, flush=True)
        await agent.run({code!r})

server = NotebookServer(NotebookConfig(pathlib.Path({folder!r})))
server.start()
asyncio.run(main(server))
"""


def printed(journal: Path) -> list[tuple[float, list[tuple[int, float]]]]:
    """The chunks in a journal: when each was written, the numbers in it and when they were printed."""
    chunks = []
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "output":
            lines = (text.split() for text in event["output"]["text"].splitlines())
            chunks.append((event["time"], [(int(number), float(when)) for number, when in lines]))
    return chunks


def wait_for_numbers(journal: Path, count: int) -> None:
    end = time.monotonic() + 30
    while not (journal.exists() and sum(len(numbers) for _, numbers in printed(journal)) >= count):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_a_harness_that_is_killed_has_lost_at_most_a_moment_of_a_running_cell(tmp_path):
    journal = tmp_path / "notebooks" / "notebook.journal.jsonl"
    code = HARNESS.format(repository=str(REPOSITORY), code=PRINTING, folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        runtime = Path(harness.stdout.readline().strip())
        wait_for_numbers(journal, 25)
        family = psutil.Process(harness.pid).children(recursive=True)
        killed = time.time()
        harness.kill()
    psutil.wait_procs(family, timeout=10)
    shutil.rmtree(runtime, ignore_errors=True)  # nobody was left to remove it, but the next server may have
    chunks = printed(journal)
    numbers = [item for _, chunk in chunks for item in chunk]
    assert [number for number, _ in numbers] == list(range(len(numbers)))
    last, when = numbers[-1]
    due = when + PAUSES[last % len(PAUSES)]  # when the one after the last was printed
    assert killed - due < FLUSH_S + SLACK_S
    assert statistics.median(written - chunk[0][1] for written, chunk in chunks) < FLUSH_S + 0.05
    recovered = recover_notebooks(tmp_path)
    assert recovered == [tmp_path / "notebooks" / "notebook.ipynb"]
    (cell,) = nbformat.read(recovered[0], 4).cells
    assert cell.metadata.scribe.status == "died"
    assert cell.outputs[0].text.splitlines()[-1].startswith(f"{last} ")


class Reader:
    """Reads and validates a notebook as fast as it can, in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.reads = 0
        self.failures: list[str] = []

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        seen: tuple[int, int] | None = None
        while not self._stop.is_set():
            try:
                with self._path.open("rb") as file:
                    stat = os.fstat(file.fileno())
                    if seen != (seen := (stat.st_ino, stat.st_mtime_ns)):
                        nbformat.validate(nbformat.reads(file.read().decode(), 4))
                        self.reads += 1
            except FileNotFoundError:
                if seen is not None:
                    self.failures.append("it is gone")
            except Exception as error:
                self.failures.append(repr(error)[:500])
            time.sleep(0.001)


def big_cell(number: int, characters: int) -> list[dict[str, Any]]:
    cell, stream = f"cell-{number}", {"output_type": "stream", "name": "stdout", "text": "x" * characters}
    return [
        {"event": "cell_started", "cell": cell, "run": 1, "kind": "agent", "code": str(number)},
        {"event": "output", "cell": cell, "run": 1, "output": stream},
    ]


def test_a_reader_never_sees_part_of_a_notebook_that_is_written_as_fast_as_it_can_be(tmp_path):
    document = Document()
    file = NotebookFile(tmp_path / "a.ipynb", document)
    file.write()
    end = time.monotonic() + 3
    with Reader(file.path) as reader:
        for number in range(100):
            for event in big_cell(number, 100_000):
                document.apply(event)
            file.write()
            if time.monotonic() > end and reader.reads > 5:
                break
    assert reader.failures == []
    assert reader.reads > 5


@pytest.mark.slow
def test_hundreds_of_cells_with_much_output_cost_a_write_a_second_and_a_reader_never_sees_part_of_one(
    tmp_path, monkeypatch
):
    sizes: list[int] = []
    parts = Document.parts

    def counting(document: Document) -> Iterator[bytes]:
        sizes.append(0)
        for part in parts(document):
            sizes[-1] += len(part)
            yield part

    monkeypatch.setattr(Document, "parts", counting)
    count, characters = 300, 30_000

    async def scenario(agent: Agent) -> float:
        begin = time.monotonic()
        for number in range(count):
            await agent.run(f"print('{number % 10}' * {characters})")
        return time.monotonic() - begin

    path = tmp_path / "notebooks" / "notebook.ipynb"
    with NotebookServer(NotebookConfig(tmp_path)) as server, Reader(path) as reader:
        seconds = play(server, scenario)
    assert reader.failures == []
    assert reader.reads >= 2
    assert len(nbformat.read(path, 4).cells) == count
    assert len(sizes) <= seconds + 4
    assert sum(sizes) <= len(sizes) * path.stat().st_size < count * path.stat().st_size / 4


@pytest.fixture
def only_when_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """No notebook is written because time has passed."""
    monkeypatch.setattr(NotebookFile, "wait_s", 1000.0)


def texts(path: Path) -> list[tuple[str, str]]:
    """Status and printed text of each cell."""
    cells = nbformat.read(path, 4).cells
    return [(cell.metadata.scribe.status, "".join(output.text for output in cell.outputs)) for cell in cells]


@pytest.mark.usefixtures("only_when_it_must")
def test_a_notebook_is_written_when_its_kernel_dies_and_when_its_session_or_the_server_ends(tmp_path):
    path = tmp_path / "notebooks" / "notebook.ipynb"

    async def scenario(agent: Agent) -> None:
        await agent.start()
        await agent.run("print(1)")
        assert texts(path) == []
        await agent.run("import os; print(2, flush=True); os._exit(1)")
        assert texts(path) == [("ok", "1\n"), ("died", "2\n")]
        await agent.start("start_session_resume_notebook", notebook_path="notebook")
        await agent.run("print(3)")
        assert len(texts(path)) == 2
        await agent.call("shutdown_session", session_id=agent.session_id)
        assert texts(path)[2:] == [("ok", "3\n")]
        await agent.start("start_session_resume_notebook", notebook_path="notebook")
        await agent.run("print(4)")
        agent.session_id = ""  # it stays open
        assert len(texts(path)) == 3

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        play(server, scenario, session=False)
    assert texts(path)[3:] == [("ok", "4\n")]


@pytest.mark.usefixtures("only_when_it_must")
def test_a_notebook_is_written_when_its_kernel_dies_between_two_cells(tmp_path):
    path = tmp_path / "notebooks" / "notebook.ipynb"

    async def scenario(agent: Agent) -> Answer:
        await agent.run("import os, threading; threading.Timer(0.3, lambda: os._exit(1)).start()\nprint(1)")
        end = time.monotonic() + 10
        while texts(path) == [] and time.monotonic() < end:
            time.sleep(0.02)
        return await agent.run("2")

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        assert "died" in play(server, scenario).error
    assert texts(path) == [("ok", "1\n")]


def test_a_notebook_is_up_to_date_a_second_after_a_cell(tmp_path):
    path = tmp_path / "notebooks" / "notebook.ipynb"

    async def scenario(agent: Agent) -> None:
        for number in range(3):
            await agent.run(f"print({number})")
        end = time.monotonic() + 1 + SLACK_S
        while len(texts(path)) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        assert texts(path) == [("ok", "0\n"), ("ok", "1\n"), ("ok", "2\n")]

    with NotebookServer(NotebookConfig(tmp_path)) as server:
        play(server, scenario)
