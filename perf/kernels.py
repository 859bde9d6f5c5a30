"""Compares the cost of a notebook: our kernels, a plain ipykernel and, given its checkout, Goodfire's Scribe server.

    python perf/kernels.py                          # ours and a plain kernel
    python perf/kernels.py --scribe ../scribe       # and Scribe; its packages must be importable, see --scribe-packages
    python perf/kernels.py --only start calls       # some of: start calls outputs memory training
    python perf/kernels.py --write                  # put the tables into docs/guide/isolation.md

All subjects do the same work in one run, one after the other in every round. Figures are medians; compare them as
ratios. Ours and Scribe are called by an MCP client over stdio, as agents call them; the plain kernel by jupyter_client
in this process, without MCP, notebook or isolation, so it has less to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import AsyncKernelManager
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.plugin.worker.kernels import PRELOAD
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table

DOCUMENT = Path(__file__).parents[1] / "docs" / "guide" / "isolation.md"
MARKERS = ("<!-- tables: written by perf/kernels.py -->", "<!-- end of tables -->")
TASK, SEED = "circuits/ioi", 1
CALLS = 300
KERNELS = (1, 4, 8)
TRAINING_KERNELS = 8
PRINT = "print('x')"
TRAINING = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256))
optimiser = torch.optim.Adam(net.parameters())
for _ in range(30):
    batch = torch.randn(128, 256)
    loss = ((net(batch) - batch) ** 2).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(loss.item())
"""
OUTPUTS = {
    "1000 flushes in one cell, s": "for n in range(1000): print('x' * 20, flush=True)",
    "2 MB in one print, s": "print('y' * 2_000_000)",
    "2 MB in 40,000 lines, s": "for n in range(40_000): print('z' * 49)",
}


class Subject(ABC):
    """An implementation of notebook sessions.

    Attributes:
        name: Column of the table.
    """

    name: str

    @abstractmethod
    async def start(self) -> Any:
        """Start a session whose kernel has the task's model loaded; returns what `run` takes."""

    @abstractmethod
    async def run(self, session: Any, code: str) -> str:
        """Run a cell and return what the caller sees."""

    @abstractmethod
    def kernels(self) -> list[list[psutil.Process]]:
        """The processes of each kernel."""

    @abstractmethod
    async def open(self, stack: AsyncExitStack) -> None:
        """Start the processes that all sessions share."""

    @abstractmethod
    async def end(self, session: Any) -> None:
        """End a session."""


class Ours(Subject):
    """Our notebook server, through its pump."""

    name = "ours"

    def __init__(self, setup: str, files: dict[str, bytes]) -> None:
        self._setup, self._files = setup, files

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the server in this process, as the harness does, and a client."""
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="scribe-perf-"))
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}
        config = NotebookConfig(
            Path(folder), files=self._files, setup_code=self._setup, preload=PRELOAD, max_sessions=16
        )
        server = stack.enter_context(NotebookServer(config))
        command, *arguments = server.endpoint.pump_argv
        self._client = await stack.enter_async_context(
            Client(StdioServerParameters(command=command, args=arguments), read_timeout_seconds=900)
        )

    async def start(self) -> str:
        """Start a session; its set-up cell loads the model."""
        result = await self._client.call_tool("start_new_session", {})
        return str(re.findall(r"session_id: (\S+)", _text(result))[0])

    async def run(self, session: Any, code: str) -> str:
        """Run a cell."""
        return _text(await self._client.call_tool("execute_code", {"session_id": session, "code": code}))

    async def end(self, session: Any) -> None:
        """Shut the session down."""
        await self._client.call_tool("shutdown_session", {"session_id": session})

    def kernels(self) -> list[list[psutil.Process]]:
        """Each kernel with its supervisor and its init."""
        servers = [child for child in psutil.Process().children() if "fork-server" in " ".join(child.cmdline())]
        supervisors = [child for server in servers for child in server.children()]
        return [[supervisor, *supervisor.children(recursive=True)] for supervisor in supervisors]


class Scribe(Subject):
    """Goodfire's Scribe: its MCP server over stdio, which starts a Jupyter server.

    Args:
        checkout: Its repository.
        packages: Folder with the packages that it needs, or None.
        setup: Code that loads the model.
        files: Files of the task.
    """

    name = "Scribe"

    def __init__(self, checkout: Path, packages: Path | None, setup: str, files: dict[str, bytes]) -> None:
        self._checkout, self._packages, self._setup, self._files = checkout, packages, setup, files

    async def open(self, stack: AsyncExitStack) -> None:
        """Start its MCP server."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scribe-perf-")))
        _lay(folder, self._files)
        self._setup_here = f"import os\nos.chdir({str(folder)!r})\n{self._setup}"
        places = [str(place.resolve()) for place in (self._checkout, self._packages) if place is not None]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "NOTEBOOK_OUTPUT_DIR": str(folder)}
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "scribe.notebook.notebook_mcp_server"],
            env={**environment, "PYTHONWARNINGS": "ignore"},
            cwd=str(folder),
        )
        self._before = {child.pid for child in psutil.Process().children(recursive=True)}
        self._client = await stack.enter_async_context(Client(parameters, read_timeout_seconds=900))

    async def start(self) -> str:
        """Start a session and load the model."""
        result = await self._client.call_tool("start_new_session", {"experiment_name": "perf"})
        session = str(json.loads(_text(result))["session_id"])
        await self.run(session, self._setup_here)
        return session

    async def run(self, session: Any, code: str) -> str:
        """Run a cell."""
        return _text(await self._client.call_tool("execute_code", {"session_id": session, "code": code}))

    async def end(self, session: Any) -> None:
        """Shut the session down."""
        await self._client.call_tool("shutdown_session", {"session_id": session})

    def kernels(self) -> list[list[psutil.Process]]:
        """Its kernels."""
        family = [child for child in psutil.Process().children(recursive=True) if child.pid not in self._before]
        return [[child] for child in family if "ipykernel" in " ".join(child.cmdline())]


class Plain(Subject):
    """A plain ipykernel, started and called by jupyter_client."""

    name = "plain kernel"

    def __init__(self, setup: str, files: dict[str, bytes], threads: int | None = 1) -> None:
        self._setup, self._files, self._threads = setup, files, threads
        self._managers: list[AsyncKernelManager] = []

    async def open(self, stack: AsyncExitStack) -> None:
        """Write the task's files."""
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scribe-perf-")))
        _lay(self._folder, self._files)

        async def end_all() -> None:
            for manager in list(self._managers):
                await manager.shutdown_kernel(now=True)

        stack.push_async_callback(end_all)

    async def start(self) -> Any:
        """Start a kernel, wait until it answers, and load the model."""
        manager = AsyncKernelManager(kernel_name="python3")
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        if self._threads is not None:
            environment["OMP_NUM_THREADS"] = str(self._threads)
        await manager.start_kernel(cwd=str(self._folder), env=environment)
        self._managers.append(manager)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=120)
        session = (manager, client)
        await self.run(session, self._setup)
        return session

    async def run(self, session: Any, code: str) -> str:
        """Run code and collect its outputs."""
        parts: list[str] = []

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            parts.append(content.get("text", "") or "\n".join(content.get("traceback", ())))

        await session[1].execute_interactive(code, output_hook=take, timeout=900)
        return "".join(parts)

    async def end(self, session: Any) -> None:
        """Kill the kernel."""
        session[1].stop_channels()
        await session[0].shutdown_kernel(now=True)
        self._managers.remove(session[0])

    def kernels(self) -> list[list[psutil.Process]]:
        """The kernels' processes."""
        return [[psutil.Process(manager.provisioner.pid)] for manager in self._managers]


def _text(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


async def _timed(work: Awaitable[Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = await work
    return time.perf_counter() - begin, result


Rows = dict[str, dict[str, float]]


async def measure_start(subjects: Sequence[Subject], rounds: int) -> Rows:
    """Seconds from the call that starts a session until the first cell with the model loaded has run."""
    rows: Rows = {"first session of a worker, s": {}, "session start to first cell with the model, s": {}}
    times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    async with AsyncExitStack() as stack:
        for subject in subjects:
            seconds, _ = await _timed(subject.open(stack))
            rows["first session of a worker, s"][subject.name] = seconds + await _start_once(subject)
        for _ in range(rounds):
            for subject in subjects:
                times[subject.name].append(await _start_once(subject))
    for name, values in times.items():
        rows["session start to first cell with the model, s"][name] = statistics.median(values)
    return rows


async def _start_once(subject: Subject) -> float:
    begin = time.perf_counter()
    session = await subject.start()
    shown = await subject.run(session, "print(type(model).__name__)")
    seconds = time.perf_counter() - begin
    if "HookedTransformer" not in shown:
        raise RuntimeError(f"{subject.name} did not load the model: {shown[:500]}")
    await subject.end(session)
    return seconds


async def measure_calls(subjects: Sequence[Subject], _rounds: int) -> Rows:
    """Milliseconds of a call that prints, early and late in a notebook."""
    rows: Rows = {}
    async with AsyncExitStack() as stack:
        for subject in subjects:
            await subject.open(stack)
            session = await subject.start()
            times = [(await _timed(subject.run(session, PRINT)))[0] * 1e3 for _ in range(CALLS)]
            for label, part in (("calls 1-50", times[:50]), ("calls 251-300", times[250:])):
                rows.setdefault(f"{label} that print, ms", {})[subject.name] = statistics.median(part)
            rows.setdefault("late / early", {})[subject.name] = statistics.median(times[250:]) / statistics.median(
                times[:50]
            )
            await subject.end(session)
    return rows


async def measure_outputs(subjects: Sequence[Subject], rounds: int) -> Rows:
    """Seconds of cells with large outputs."""
    rows: Rows = {label: {} for label in OUTPUTS}
    async with AsyncExitStack() as stack:
        for subject in subjects:
            await subject.open(stack)
            session = await subject.start()
            for label, code in OUTPUTS.items():
                repeats = 1 if isinstance(subject, Scribe) else rounds  # a thousand flushes take minutes in Scribe
                times = [(await _timed(subject.run(session, code)))[0] for _ in range(repeats)]
                rows[label][subject.name] = statistics.median(times)
            await subject.end(session)
    return rows


async def measure_memory(subjects: Sequence[Subject], _rounds: int) -> Rows:
    """Private and proportional memory of an idle kernel that has the model loaded, in MB."""
    rows: Rows = {}
    for count in KERNELS:
        for subject in subjects:
            async with AsyncExitStack() as stack:
                await subject.open(stack)
                sessions = [await subject.start() for _ in range(count)]
                await asyncio.sleep(1.0)
                kernels = [kernel for kernel in subject.kernels() if kernel]
                used = [[process.memory_full_info() for process in kernel] for kernel in kernels]
                for label, field in (("private", "uss"), ("proportional", "pss")):
                    values = [sum(getattr(info, field) for info in infos) / 2**20 for infos in used]
                    key = f"{label} memory per idle kernel, {count} of them, MB"
                    rows.setdefault(key, {})[subject.name] = statistics.mean(values)
                for session in sessions:
                    await subject.end(session)
    return rows


async def measure_training(subjects: Sequence[Subject], _rounds: int) -> Rows:
    """Seconds until eight kernels that train at once are all done."""
    label = f"{TRAINING_KERNELS} kernels training at once, s"
    rows: Rows = {label: {}}
    for subject in subjects:
        async with AsyncExitStack() as stack:
            await subject.open(stack)
            sessions = [await subject.start() for _ in range(TRAINING_KERNELS)]
            seconds, _ = await _timed(asyncio.gather(*(subject.run(session, TRAINING) for session in sessions)))
            rows[label][subject.name] = seconds
            for session in sessions:
                await subject.end(session)
    return rows


MEASURES: dict[str, Callable[[Sequence[Subject], int], Awaitable[Rows]]] = {
    "start": measure_start,
    "calls": measure_calls,
    "outputs": measure_outputs,
    "memory": measure_memory,
    "training": measure_training,
}


def table(rows: Rows, names: Sequence[str]) -> str:
    """Rows as a Markdown table, with the ratio of each other subject to ours."""
    others = names[1:]
    head = ["", *names, *(f"{name} / ours" for name in others)]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for label, values in rows.items():
        cells = [_number(values.get(name)) for name in names]
        ratios = [_ratio(values.get(name), values.get(names[0])) for name in others]
        lines.append("| " + " | ".join([label, *cells, *ratios]) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _ratio(value: float | None, ours: float | None) -> str:
    return "-" if value is None or not ours else f"{value / ours:.1f}"


async def measure(names: Sequence[str], subjects: Sequence[Subject], rounds: int) -> Rows:
    """All rows of the measures named."""
    rows: Rows = {}
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        chosen = list(subjects)
        if name == "training":
            plain = next(subject for subject in subjects if isinstance(subject, Plain))
            unlimited = Plain(plain._setup, plain._files, threads=None)
            unlimited.name = "plain, all threads"
            chosen.append(unlimited)
        rows |= await MEASURES[name](chosen, rounds)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--rounds", type=int, default=5, help="repeats of what is repeated (default: 5)")
    parser.add_argument("--scribe", type=Path, help="checkout of Goodfire's Scribe")
    parser.add_argument("--scribe-packages", type=Path, help="folder with the packages it needs (pip install --target)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    options = parser.parse_args()
    public = default_registry()[TASK].instance(SEED).public
    setup, files = public.setup_code, dict(public.files)
    subjects: list[Subject] = [Ours(setup, files), Plain(setup, files)]
    if options.scribe is not None:
        subjects.append(Scribe(options.scribe, options.scribe_packages, setup, files))
    rows = asyncio.run(measure(options.only, subjects, options.rounds))
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    names.sort(key=[*(subject.name for subject in subjects), "plain, all threads"].index)
    text = table(rows, names)
    print(text)
    if options.write:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
