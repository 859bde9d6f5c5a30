"""Measures the cost of a real language model: loading it, and memory of kernels that have it, ours and with copies.

    make real-models
    python perf/real_models.py                       # of package:smollm2
    python perf/real_models.py --model path:DIR --kernels 1 2 4
    python perf/real_models.py --write               # put the table into docs/guide/real-models.md

*Ours* is what tasks on real models do: the model is loaded by the fork-server, with its weights mapped from the file.
*Copied* is a set-up cell without that: it builds the model and loads the weights into it. Both have the same isolation
and the same imports. Memory is that of the kernel's process: *private* memory is freed when it ends, *proportional*
memory divides every page among the processes that map it. Machines differ and are noisy: compare the figures as ratios
within one output.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from rich.console import Console

from scribe_suite.models.spec import SETUP_CODE, kernel_module_of, ready
from scribe_suite.notebook.config import NotebookConfig
from scribe_suite.notebook.endpoint import STRUCTURED
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.plugin.worker.kernels import PRELOAD
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.text import with_table

DOCUMENT = Path(__file__).parents[1] / "docs" / "guide" / "real-models.md"
MARKERS = ("<!-- table: written by perf/real_models.py -->", "<!-- end of table -->")
MB = 1e6
COPIED = """\
import json
import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformers import AutoTokenizer

torch.set_num_threads(1)
FOLDER = {folder!r}
config = HookedTransformerConfig(**json.load(open(FOLDER + "/config.json")))
model = HookedTransformer(config, AutoTokenizer.from_pretrained(FOLDER))
model.load_state_dict(load_file(FOLDER + "/model.safetensors"), strict=False)
model.eval()
"""
TEXT = "When Mary and John went to the store, John gave a drink to"
FORWARD = f"""\
with torch.no_grad():
    print(model({TEXT!r}).shape)
"""
SPEED = f"""\
import time
tokens = model.to_tokens([{TEXT!r}] * 16)
with torch.no_grad():
    begun = time.perf_counter()
    for _ in range(3):
        model(tokens)
print(3 * tokens.numel() / (time.perf_counter() - begun))
"""
BACKWARD = f"""\
model({TEXT!r})[0, -1].max().backward()
model.zero_grad()
"""


@dataclass(frozen=True)
class Subject:
    """A way to have the model in kernels.

    Attributes:
        name: Column of the table.
        setup: Set-up cell.
        shared: Modules that the fork-server loads.
    """

    name: str
    setup: str
    shared: tuple[SharedModule, ...]


Rows = dict[str, float]


async def measure(subject: Subject, counts: Sequence[int]) -> Rows:
    """All figures of a subject, by row."""
    rows: Rows = {}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="scribe-perf-"))
        config = NotebookConfig(
            Path(folder) / "attempt",
            setup_code=subject.setup,
            preload=PRELOAD,
            shared=subject.shared,
            max_sessions=max(counts) + 1,
        )
        server = stack.enter_context(NotebookServer(config))
        command, *arguments = server.endpoint.pump_argv
        client = await stack.enter_async_context(
            Client(StdioServerParameters(command=command, args=arguments), read_timeout_seconds=900)
        )
        sessions: list[str] = []
        starts = []
        for count in sorted(counts):
            while len(sessions) < count:
                begun = time.perf_counter()
                sessions.append((await _call(client, "start_new_session"))["session_id"])
                starts.append(time.perf_counter() - begun)
            for what, code in (("idle", None), ("after a forward pass", FORWARD)):
                for session in sessions if code else ():
                    await _run(client, session, code or "")
                for kind, value in _memory(len(sessions)).items():
                    rows[f"{kind} memory per kernel {what}, {count} of them, MB"] = value
        rows = {
            "first session of a worker (imports, model), s": starts[0],
            **({"later sessions, s": statistics.median(starts[1:])} if starts[1:] else {}),
            **rows,
        }
        rows["tokens per second, forward, one thread"] = float(await _run(client, sessions[0], SPEED))
        await _run(client, sessions[0], BACKWARD)
        await asyncio.sleep(0.1)
        rows["private memory of one kernel after a backward pass, MB"] = max(
            process.memory_full_info().uss / MB for process in _kernels()
        )
    return rows


async def _call(client: Client, tool: str, **arguments: Any) -> Mapping[str, Any]:
    result = await client.call_tool(tool, arguments, meta=cast(Any, {STRUCTURED: True}))
    answer: Mapping[str, Any] = result.structured_content or {}
    if result.is_error:
        raise RuntimeError(f"{tool}: {answer}")
    return answer


async def _run(client: Client, session: str, code: str) -> str:
    answer = await _call(client, "execute_code", session_id=session, code=code)
    if answer["status"] != "ok":
        raise RuntimeError(f"a cell failed: {answer}")
    return "\n".join(str(output["content"]) for output in answer["outputs"])


def _kernels() -> list[psutil.Process]:
    """The processes that run kernels: those at the end of each chain of fork-server, supervisor, init, kernel."""
    servers = [child for child in psutil.Process().children() if "fork-server" in " ".join(child.cmdline())]
    below = [process for server in servers for process in server.children(recursive=True)]
    return [process for process in below if not process.children()]


def _memory(expected: int) -> Mapping[str, float]:
    kernels = _kernels()
    if len(kernels) != expected:
        raise RuntimeError(f"{len(kernels)} kernels were found where {expected} run")
    used = [process.memory_full_info() for process in kernels]
    return {
        label: statistics.median(getattr(one, field) for one in used) / MB
        for label, field in (("private", "uss"), ("proportional", "pss"))
    }


def table(columns: Mapping[str, Rows]) -> str:
    """Markdown: a row per figure, a column per subject, and the ratio of the second to the first."""
    ours, copied = columns.values()
    names = list(columns)
    lines = [f"|  | {names[0]} | {names[1]} | {names[1]} / {names[0]} |", "|---|--:|--:|--:|"]
    lines += [f"| {row} | {ours[row]:.3g} | {copied[row]:.3g} | {copied[row] / ours[row]:.1f} |" for row in ours]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:smollm2", help="default: package:smollm2")
    parser.add_argument("--kernels", type=int, nargs="+", default=[1, 2, 4], help="how many at once (default: 1 2 4)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/guide/real-models.md")
    options = parser.parse_args()
    begun = time.perf_counter()
    model = ready(options.model)
    checked = time.perf_counter() - begun
    module = kernel_module_of(options.model)
    plain = SharedModule("weights", "", model.folder)  # makes the folder visible without loading anything
    subjects = (
        Subject("ours", SETUP_CODE, (module,)),
        Subject("copied", COPIED.format(folder="/shared/weights"), (plain,)),
    )
    columns = {subject.name: asyncio.run(measure(subject, options.kernels)) for subject in subjects}
    text = table(columns)
    size = sum(model.record.sizes.values()) / MB
    text += (
        f"\n\nThe folder has {size:.0f} MB; its conversion took {model.record.seconds:.0f} CPU s, and checking its "
        f"checksums, once for each worker, {checked:.1f} s."
    )
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
    if options.write:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(), MARKERS, text))


if __name__ == "__main__":
    main()
