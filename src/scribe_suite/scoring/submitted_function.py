"""Runs a submitted ``predict`` in a sandbox, and returns its predictions.

``predict(prompts)`` gets a batch of prompts (lists of token ids) and returns one label per prompt, or one list of
labels. A prediction counts only if it is a function of the prompt alone: every prompt is predicted twice, in two
sandboxes that share nothing, once in one batch of all prompts and once in batches of mixed sizes (one of them a single
prompt), both in an order that is independent of the order and the labels of the hidden prompts. Where the two disagree,
there is no prediction.

One moment decides whose fault a failure is: the sandbox reports that it is ready, and only then are code and prompts
sent to it. Before that, nothing from the agent is inside, so a failure is one of infrastructure; afterwards only the
code runs there, so whatever happens (an exception, silence, a kill, garbage) is the code's fault. No label ever enters
the sandbox: code that takes over the channel can only send predictions, which it may do anyway.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scribe_suite.errors import InfrastructureError
from scribe_suite.paths import private_folders
from scribe_suite.sandbox.probing import probe_isolation
from scribe_suite.sandbox.processes import SandboxedProcess
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.sandbox.tiers import IsolationTier
from scribe_suite.scoring import function_runner

Prompt = tuple[int, ...]
Labels = tuple[int, ...]
Fault = Literal["failed", "timeout", "killed", "output", "unstable", "labels"]

#: Processes and threads of the sandbox, its own two or three included: room for a few helper threads.
MAX_PROCESSES = 8
BATCHES = 6
#: The number of the runner's channel.
_CHANNEL_AT = 3
#: Size of the sandbox's ``/dev/shm``.
SHM_BYTES = 1 << 20
_SILENT_EXIT_S = 2.0
_POLL_S = 0.02


@dataclass(frozen=True)
class FunctionLimits:
    """The limits of a submitted function.

    Attributes:
        time_s: Wall clock seconds for all prompts; it runs twice, and each run may take this long.
        memory_bytes: Limit for its process, including Python and numpy (some 100 MB) and the content of its ``/tmp``.
        tmp_bytes: Size of its ``/tmp``.
        output_bytes: Size of all predictions, as JSON.
        start_s: Seconds the sandbox may take to become ready; past that the infrastructure has failed.
    """

    time_s: float = 30.0
    memory_bytes: int = 1 << 30
    tmp_bytes: int = 64 << 20
    output_bytes: int = 4 << 20
    start_s: float = 60.0


@dataclass(frozen=True)
class FunctionResult:
    """The result of a submitted function.

    Attributes:
        predictions: Per prompt its labels, or None where there is no valid prediction; None when there is none at all.
        problem: What was wrong, in one sentence, or None. Parts of it may come from the code.
        fault: The kind of problem: ``failed`` (it raised, or returned something of the wrong shape), ``timeout``,
            ``killed`` (it ended without an answer), ``output`` (too much, or nothing that can be read), ``unstable``
            (some predictions depend on more than the prompt), ``labels`` (some are no labels).
    """

    predictions: tuple[Labels | None, ...] | None
    problem: str | None = None
    fault: Fault | None = None


class _CodeError(Exception):
    """The submitted code is at fault."""

    def __init__(self, fault: Fault, problem: str) -> None:
        super().__init__(problem)
        self.fault: Fault = fault


def require_sandbox() -> IsolationTier:
    """The isolation of submitted code, independent of that of the run's notebooks.

    A task that needs it calls this when it draws an instance: no agent should work for an hour on something that can't
    be scored.

    Raises:
        InfrastructureError: With cause ``sandbox`` where there is none. Submitted code never runs without a sandbox.
    """
    tier = probe_isolation("auto")
    if not tier.own_root:
        raise InfrastructureError(
            "sandbox",
            f"Submitted code runs in a sandbox only, and none works here ({'; '.join(tier.reasons)}): allow "
            "unprivileged user namespaces, or leave this task out.",
        )
    return tier


def run_submitted_function(
    code: str,
    prompts: Sequence[Sequence[int]],
    labels_per_prompt: int | Sequence[int] = 1,
    limits: FunctionLimits | None = None,
    hidden: Sequence[Path] | None = None,
) -> FunctionResult:
    """Predict the labels of hidden prompts with submitted code.

    A label is an int; bools, floats without a fraction and numpy's kinds of all three are read as the int they equal. A
    single label may come with or without a list around it. Any other value leaves its prompt without a prediction; a
    return value that is not an ordered iterable of one item per prompt leaves all without.

    Args:
        code: Python source that defines ``predict``.
        prompts: Token ids; equal prompts are predicted once.
        labels_per_prompt: How many labels each prompt has, or one number for all.
        limits: The code's limits.
        hidden: Host folders that it may not see; by default those of `paths.private_folders`, with keys and frozen
            models.

    Raises:
        InfrastructureError: With cause ``sandbox`` when no sandbox is available or it does not start.
        ValueError: Without prompts.
    """
    if not prompts:
        raise ValueError("there is nothing to predict without prompts")
    tier = require_sandbox()
    hidden = private_folders() if hidden is None else tuple(hidden)
    limits = limits or FunctionLimits()
    rows = [tuple(prompt) for prompt in prompts]
    widths = [labels_per_prompt] * len(rows) if isinstance(labels_per_prompt, int) else list(labels_per_prompt)
    try:
        first, second = (_one_run(tier, code, plan, limits, hidden) for plan in _plans(rows))
    except _CodeError as error:
        return FunctionResult(None, str(error), error.fault)
    return _combined(rows, widths, first, second)


def _plans(rows: Sequence[Prompt]) -> tuple[list[list[Prompt]], list[list[Prompt]]]:
    """The batches of the two runs."""
    # sorted first: a computable shuffle could be undone, and prompts may have been made label by label
    unique = sorted(set(rows))
    rng = random.Random(len(unique))
    whole = rng.sample(unique, len(unique))
    mixed = rng.sample(unique, len(unique))
    cuts = {0, 1, len(mixed)} | {rng.randrange(len(mixed) + 1) for _ in range(BATCHES - 2)}
    return [whole], [mixed[start:end] for start, end in itertools.pairwise(sorted(cuts))]


def _combined(
    rows: Sequence[Prompt], widths: Sequence[int], first: dict[Prompt, Any], second: dict[Prompt, Any]
) -> FunctionResult:
    """Keep predictions on which both runs agree and that are valid labels."""
    unstable = {row for row in first if first[row] != second[row]}
    valid = [
        labels if row not in unstable and len(labels) == width and None not in labels else None
        for row, width, labels in zip(rows, widths, (first[row] for row in rows), strict=True)
    ]
    if unstable:
        problem = "depends on more than the prompt: it changed with order and batch"
        return FunctionResult(
            tuple(valid), f"The prediction for {_share(len(unstable), len(first))} {problem}.", "unstable"
        )
    missing = valid.count(None)
    if missing:
        problem = f"The prediction for {_share(missing, len(rows))} is not made of as many whole numbers as needed."
        return FunctionResult(tuple(valid), problem, "labels")
    return FunctionResult(tuple(valid))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} prompts"


def _one_run(
    tier: IsolationTier, code: str, batches: list[list[Prompt]], limits: FunctionLimits, hidden: tuple[Path, ...]
) -> dict[Prompt, Any]:
    """Run the code in a fresh sandbox; prompt -> its labels, with None for those that are not whole numbers.

    Raises:
        _CodeError: When the code failed.
        InfrastructureError: When the sandbox did.
    """
    request = json.dumps({"code": code, "batches": batches}).encode() + b"\n"
    with _ready_sandbox(tier, limits, hidden) as (process, channel):
        channel.settimeout(limits.start_s)  # it was polled before; a busy machine takes its time to read a long request
        try:
            channel.sendall(request)  # until the last byte is there, the code is not even compiled
        except OSError as error:
            raise _not_started(f"it took no code: {error}") from error
        reply = _reply(process, channel, limits)
    ordered = [prompt for batch in batches for prompt in batch]
    return dict(zip(ordered, _read_labels(reply, len(ordered)), strict=True))


@contextmanager
def _ready_sandbox(
    tier: IsolationTier, limits: FunctionLimits, hidden: tuple[Path, ...]
) -> Iterator[tuple[SandboxedProcess, socket.socket]]:
    """A sandbox in which the runner waits for code, and its channel; removed completely afterwards."""
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox(tier, preload=None, hidden=hidden, alone=True))
            process, channel = _start(sandbox, limits, stack)
        except InfrastructureError as error:
            raise InfrastructureError("sandbox", str(error)) from error
        except OSError as error:  # no disk, no processes, no sockets left
            raise _not_started(str(error)) from error
        yield process, channel


def _start(sandbox: Sandbox, limits: FunctionLimits, stack: ExitStack) -> tuple[SandboxedProcess, socket.socket]:
    private = sandbox.private_folders("f", sandbox.work_folder("w", {}), read_only=True)
    channel, theirs = socket.socketpair()
    stack.callback(channel.close)
    with theirs:
        arguments = ["-I", "-c", Path(function_runner.__file__).read_text(), str(_CHANNEL_AT)]
        within = ProcessLimits(limits.memory_bytes, limits.memory_bytes, limits.tmp_bytes, SHM_BYTES, MAX_PROCESSES)
        process = sandbox.start_python(private, arguments, within, "function", {_CHANNEL_AT: theirs.fileno()})
    stack.callback(process.close)
    _wait_until_ready(channel, process, limits.start_s)
    return process, channel


def _wait_until_ready(channel: socket.socket, process: SandboxedProcess, timeout_s: float) -> None:
    """Wait until the runner reports that it is ready."""
    deadline = time.monotonic() + timeout_s
    greeting = b""
    while len(greeting) < len(function_runner.READY):
        if time.monotonic() > deadline:
            raise _not_started(f"it was not ready within {timeout_s:g} s")
        process.poll()  # takes the word that it may start
        channel.settimeout(_POLL_S)
        try:
            part = channel.recv(len(function_runner.READY) - len(greeting))
        except TimeoutError:
            continue
        except OSError:
            part = b""
        if not part:
            raise _not_started(f"{_ending(process)} before it was ready: {_last_line(process)}")
        greeting += part
    if greeting != function_runner.READY:
        raise _not_started(f"it said something else than that it is ready: {_last_line(process)}")


def _reply(process: SandboxedProcess, channel: socket.socket, limits: FunctionLimits) -> bytes:
    """The first line that comes back, whatever wrote it.

    Raises:
        _CodeError: When no line arrives in time, or it is too long.
    """
    deadline = time.monotonic() + limits.time_s
    received = bytearray()
    while b"\n" not in received:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _CodeError("timeout", f"The submitted function took more than {limits.time_s:g} s.")
        channel.settimeout(left)
        try:
            part = channel.recv(1 << 16)
        except TimeoutError:
            continue
        except OSError:
            part = b""
        if not part:
            raise _CodeError("killed", f"The submitted function {_ending(process)} before it had predicted anything.")
        received += part
        if len(received) > limits.output_bytes:
            raise _CodeError("output", f"The submitted function returned more than {limits.output_bytes:,} bytes.")
    return bytes(received.partition(b"\n")[0])


def _ending(process: SandboxedProcess) -> str:
    """How the process ended; its exit code is 128 + N for a signal N."""
    try:
        code = process.wait(_SILENT_EXIT_S)
    except TimeoutError:
        return "closed its channel"
    if process.exceeded:
        return f"was killed because it used too much ({process.exceeded})"
    if code == 128 + 9:
        return "was killed, perhaps for its memory,"
    return f"was ended by signal {code - 128}" if code > 128 else f"ended its process with exit code {code}"


def _read_labels(reply: bytes, count: int) -> list[tuple[int | None, ...]]:
    """Check a reply, which is untrusted.

    Raises:
        _CodeError: When the code has failed, or the line is not a valid reply.
    """
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("problem"), str):
        words = "".join(letter if letter.isprintable() else " " for letter in value["problem"][:400])
        raise _CodeError("failed", f"The submitted function {words.rstrip('. ')}.")
    labels = value.get("labels") if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != count or not all(_is_row(row) for row in labels):
        raise _CodeError("output", "The submitted function wrote something else than predictions to its channel.")
    return [tuple(row) for row in labels]


def _is_row(row: object) -> bool:
    return isinstance(row, list) and all(label is None or type(label) is int for label in row)


def _not_started(reason: str) -> InfrastructureError:
    return InfrastructureError(
        "sandbox", f"The sandbox for submitted code did not start ({reason}); look for a full disk or process table."
    )


def _last_line(process: SandboxedProcess) -> str:
    return (process.printed().splitlines() or ["it printed nothing"])[-1][:500]
