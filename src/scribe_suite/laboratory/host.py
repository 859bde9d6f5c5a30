"""Starts the model process, keeps it running, and communicates with it. Safe to use from several threads.

The process is started with the first model, in its own sandbox, where it sees Python, a few files of ours and the
shared modules. All its state is also known here: when it dies or takes too long, it is killed, and the next call starts
another one and reloads the models.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Int
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from scribe_suite.errors import InfrastructureError, SuiteError
from scribe_suite.laboratory import frames
from scribe_suite.laboratory.limits import STALL_S
from scribe_suite.laboratory.recipes import Recipe, Wanted, run_message
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.sandbox.processes import SandboxedProcess
from scribe_suite.sandbox.sandbox import ProcessLimits, Sandbox
from scribe_suite.sandbox.shared_modules import SharedModule
from scribe_suite.sandbox.tiers import IsolationTier

#: The number of the process's channel.
CHANNEL_AT = 3
#: Its default imports.
PRELOAD = ("torch", "transformer_lens", "safetensors.torch", "jaxtyping")
#: Seconds for importing torch, or for loading a model.
START_S = 300.0
#: Limit for processes and threads in its sandbox.
MAX_PROCESSES = 64
#: A policy of `sandbox.inside.seccomp`: threads, but no processes.
POLICY = "function"
#: Most bytes of a model's parameters.
MAX_MODEL = 2 << 30
#: Files of this folder that the process gets, in a folder of the same name.
SHARED_FILES = ("__init__.py", "frames.py", "limits.py", "sites.py")
_HERE = Path(__file__).parent
#: Its program, given as code so that it is not looked up in its working folder.
_START = "import os, sys; sys.path.insert(0, os.getcwd()); from {package}.inside.server import main; main()"
#: Its message while it computes.
WORKING = {"working": True}
_POLL_S = 0.02
#: Seconds until an abandoned run is ended.
_WATCH_S = 0.1
_SILENT_EXIT_S = 2.0


class RunRefusedError(SuiteError):
    """The request can't be executed; the message is one sentence for the requester."""


class LaboratoryFailedError(SuiteError):
    """The laboratory failed, independently of the request; only this call is lost. The message is one sentence.

    Attributes:
        timeout: Whether it took too long.
    """

    def __init__(self, message: str, *, timeout: bool = False) -> None:
        super().__init__(message)
        self.timeout = timeout


@dataclass(frozen=True)
class LaboratoryLimits:
    """The limits of the model process.

    Attributes:
        stall_s: Seconds within which a call must make progress; see `limits.STALL_S`.
        memory_bytes: Limit for the process, including Python and torch (some 500 MB) and its models.
        start_s: Seconds for starting, and for loading one model.
    """

    stall_s: float = STALL_S
    memory_bytes: int = 8 << 30
    start_s: float = START_S


class Laboratory:
    """The model process that belongs to this process; a context manager.

    Args:
        tier: How it is isolated.
        hidden: Host folders that it must not see.
        preload: Modules that are already imported, as in `Sandbox`: with the kernels' modules, and no shared modules on
            either side, both are forked from the same process.
        shared: Modules with models that it may load.
        device: The device of its models.
        limits: Its limits.
    """

    def __init__(
        self,
        tier: IsolationTier,
        *,
        hidden: Sequence[Path] = (),
        preload: tuple[str, ...] = PRELOAD,
        shared: Sequence[SharedModule] = (),
        device: Literal["cpu", "cuda"] = "cpu",
        limits: LaboratoryLimits | None = None,
    ) -> None:
        self._tier = tier
        self._hidden = tuple(hidden)
        self._preload = preload
        self._shared = tuple(shared)
        self._device = device
        self._limits = limits or LaboratoryLimits()
        self._lock = threading.RLock()
        self._models: dict[str, tuple[dict[str, Any], bytes]] = {}
        self._loaded: set[str] = set()
        self._running: _Running | None = None
        self._closed = threading.Event()
        self._starts = 0

    @property
    def restarts(self) -> int:
        """How many processes have been started after the first."""
        return max(0, self._starts - 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def load(self, name: str, config: Mapping[str, Any], state: bytes) -> ModelShape:
        """Load a planted model, replacing one of the same name.

        Args:
            name: Its name from now on.
            config: Keyword arguments of `HookedTransformerConfig`.
            state: A safetensors file with its parameters.

        Raises:
            InfrastructureError: With cause ``laboratory``, when no process can be started or it can't load the model.
        """
        return self._add(name, {"op": "load", "model": name, "config": dict(config)}, state, "prompt")

    def load_shared(self, module: str) -> ModelShape:
        """Load the language model of a shared module, whose name it gets.

        Raises:
            InfrastructureError: As in `load`.
        """
        return self._add(module, {"op": "load_module", "model": module}, b"", "token")

    def unload(self, name: str) -> None:
        """Remove a model, if it exists."""
        with self._lock:
            self._models.pop(name, None)
            if name in self._loaded:
                self._loaded.discard(name)
                with contextlib.suppress(LaboratoryFailedError):
                    self._ask({"op": "unload", "model": name}, b"", self._limits.stall_s)

    def run(
        self,
        model: str,
        recipes: Sequence[Recipe],
        wanted: Wanted,
        *,
        given_up: Callable[[], bool] = lambda: False,
    ) -> bytes:
        """Compute the last of some recipes.

        Args:
            model: Name of a model.
            recipes: The run, preceded by those that it patches from, in a computable order.
            wanted: The results to return.
            given_up: Called repeatedly: whether the run was abandoned. Then the process is ended.

        Returns:
            A safetensors file: ``outputs``, each site under its name, and ``grad/`` followed by the name of each site.

        Raises:
            RunRefusedError: When the request is invalid.
            LaboratoryFailedError: When the process died, made no progress or had an error, or the run was abandoned.
            InfrastructureError: With cause ``laboratory``, when no process can be started.
        """
        header, tensors = run_message(model, recipes, wanted)
        return self._call(model, header, tensors, given_up).tensors

    def tokenize(
        self, model: str, texts: Sequence[str], *, bos: bool | None = None
    ) -> tuple[Int[np.ndarray, "text position"], Int[np.ndarray, " text"]]:
        """Tokens of texts, padded on the right, and their numbers.

        Args:
            model: Name of a language model.
            texts: One or more.
            bos: Whether the token that begins a text comes first; None for the model's default.

        Raises:
            RunRefusedError: As in `run`, as the others.
        """
        frame = self._call(model, {"op": "tokenize", "model": model, "texts": list(texts), "bos": bos}, b"")
        arrays = _arrays(frame.tensors)
        return arrays["tokens"], arrays["lengths"]

    def decode(
        self, model: str, tokens: Int[np.ndarray, "text position"], lengths: Int[np.ndarray, " text"] | None = None
    ) -> list[str]:
        """Texts of tokens.

        Raises:
            RunRefusedError: As in `run`, as the others.
        """
        tensors = {"tokens": np.ascontiguousarray(tokens)}
        if lengths is not None:
            tensors["lengths"] = np.ascontiguousarray(lengths)
        frame = self._call(model, {"op": "decode", "model": model}, bytes(save(tensors)))
        return [str(text) for text in frame.header.get("texts", [])]

    def close(self) -> None:
        """End the process, even in the middle of a call. May be called twice."""
        self._closed.set()
        running = self._running
        if running is not None:
            running.process.kill()
        with self._lock:
            self._end()

    def _add(self, name: str, header: dict[str, Any], state: bytes, unit: Literal["prompt", "token"]) -> ModelShape:
        with self._lock:
            before = self._models.get(name)
            self._models[name] = (header, state)
            self._loaded.discard(name)
            try:
                self._ready()
                return ModelShape.of_sizes(self._load(name), unit)
            except BaseException as error:
                del self._models[name]
                if before is not None:
                    self._models[name] = before
                if isinstance(error, ValidationError):
                    raise _not_started(f"the model {name} has no sizes") from error
                raise

    def _call(
        self,
        model: str,
        header: Mapping[str, Any],
        tensors: bytes,
        given_up: Callable[[], bool] = lambda: False,
    ) -> frames.Frame:
        with self._lock:
            if given_up():
                raise _given_up()
            if model not in self._models:
                raise RunRefusedError(f"There is no model {model[:40]!r}.")
            self._ready()
            if model not in self._loaded:
                self._load(model)
            return self._ask(header, tensors, self._limits.stall_s, given_up)

    def _load(self, name: str) -> dict[str, Any]:
        header, state = self._models[name]
        try:
            frame = self._ask(header, state, self._limits.start_s)
        except (RunRefusedError, LaboratoryFailedError) as error:
            raise _not_started(f"the model {name} can't be loaded: {str(error).rstrip('.')}") from error
        self._loaded.add(name)
        sizes = frame.header.get("sizes")
        return sizes if isinstance(sizes, dict) else {}

    def _ready(self) -> None:
        """Make sure that a process is running."""
        if self._closed.is_set():
            raise LaboratoryFailedError("The laboratory is closed.")
        if self._running is not None and not self._running.alive():
            self._end()
        if self._running is None:
            self._starts += 1
            self._running = self._start()
            if self._closed.is_set():  # meanwhile, by another thread that found nothing to kill
                self._end()
                raise LaboratoryFailedError("The laboratory is closed.")

    def _start(self) -> _Running:
        stack = ExitStack()
        try:
            sandbox = stack.enter_context(
                Sandbox(
                    self._tier,
                    self._preload,
                    hidden=self._hidden,
                    shared=self._shared,
                    gpu=self._device == "cuda",
                    alone=True,
                )
            )
            private = sandbox.private_folders("p", sandbox.work_folder("w", process_files()), self._read_only)
            channel, theirs = socket.socketpair()
            stack.callback(channel.close)
            with theirs:
                code, arguments = _START.format(package=_HERE.name), (str(CHANNEL_AT), self._device)
                process = sandbox.start_forked(
                    private, code, arguments, self._process_limits, self._policy, {CHANNEL_AT: theirs.fileno()}
                )
            stack.callback(process.close)
            _wait_until_ready(channel, process, self._limits.start_s, self._closed.is_set)
        except (InfrastructureError, OSError) as error:
            stack.close()
            if isinstance(error, InfrastructureError) and error.cause == "laboratory":
                raise
            raise _not_started(str(error).rstrip(".")) from error
        except BaseException:
            stack.close()
            raise
        return _Running(process, channel, stack)

    @property
    def _read_only(self) -> bool:
        # libraries need a folder for temporary files, which Landlock allows only together with the others
        return not self._tier.landlock

    @property
    def _policy(self) -> str | None:
        return POLICY if self._tier.own_root and self._device == "cpu" else None

    @property
    def _process_limits(self) -> ProcessLimits:
        memory = self._limits.memory_bytes
        # CUDA reserves addresses for all memory of all GPUs and the machine; libraries map some gigabytes anyway
        addresses = None if self._device == "cuda" else memory + (8 << 30)
        return ProcessLimits(addresses, memory, tmp_bytes=64 << 20, shm_bytes=64 << 20, processes=MAX_PROCESSES)

    def _ask(
        self,
        header: Mapping[str, Any],
        tensors: bytes,
        timeout_s: float,
        given_up: Callable[[], bool] = lambda: False,
    ) -> frames.Frame:
        """Send a request and wait for its answer; ends the process unless it has answered.

        Args:
            header: The request's header.
            tensors: The same.
            timeout_s: Seconds for accepting it, and afterwards between two progress messages.
            given_up: As in `run`.
        """
        running = self._running
        assert running is not None
        try:
            try:
                frames.send(running.channel, header, tensors, most=MAX_MODEL, deadline=time.monotonic() + timeout_s)
            except (TypeError, ValueError):
                raise RunRefusedError("The request has values that JSON does not have.") from None
            except frames.ClosedError:
                raise
            except frames.FrameError as error:  # nothing has been sent
                raise RunRefusedError(f"The request is too large: {error}") from None
            frame = _answer(running.channel, timeout_s, given_up)
        except RunRefusedError:
            raise
        except TimeoutError:
            self._end()
            raise LaboratoryFailedError(
                f"The laboratory made no progress for {timeout_s:g} s, so it was ended; it is being restarted.",
                timeout=True,
            ) from None
        except frames.ClosedError as error:
            reason = running.ending()
            self._end()
            raise LaboratoryFailedError(
                "The laboratory was closed."
                if self._closed.is_set()
                else f"The laboratory {reason}; it is being restarted."
            ) from error
        except frames.FrameError as error:
            self._end()
            raise LaboratoryFailedError(f"The laboratory gave no answer that can be read. {error}") from error
        except BaseException:  # an interrupt: what it would still answer must not be taken for the next answer
            self._end()
            raise
        if "refused" in frame.header:
            raise RunRefusedError(str(frame.header["refused"]))
        if "failed" in frame.header:
            raise LaboratoryFailedError(f"The laboratory had an internal error ({frame.header['failed']}).")
        return frame

    def _end(self) -> None:
        """End the process and remove its folders."""
        running, self._running = self._running, None
        self._loaded.clear()
        if running is not None:
            running.stack.close()


@dataclass(frozen=True)
class _Running:
    """A process that has reported that it is ready.

    Attributes:
        process: The process.
        channel: The channel to it.
        stack: Ends it and removes its folders.
    """

    process: SandboxedProcess
    channel: socket.socket
    stack: ExitStack

    def alive(self) -> bool:
        """Whether it can answer."""
        return self.process.poll() is None

    def ending(self) -> str:
        """How it ended, as a clause; its exit code is 128 + N for a signal N."""
        try:
            code = self.process.wait(_SILENT_EXIT_S)
        except TimeoutError:
            return "closed its channel"
        if self.process.exceeded:
            return f"was ended because it used too much ({self.process.exceeded})"
        return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"


def process_files() -> dict[str, bytes]:
    """The files of the process, by their path in its working folder; it does not have the package."""
    paths = [_HERE / name for name in SHARED_FILES] + sorted((_HERE / "inside").glob("*.py"))
    return {str(path.relative_to(_HERE.parent)): path.read_bytes() for path in paths}


def _wait_until_ready(
    channel: socket.socket, process: SandboxedProcess, timeout_s: float, given_up: Callable[[], bool]
) -> None:
    """Wait until the process reports that it is ready."""
    deadline = time.monotonic() + timeout_s
    while True:
        process.poll()  # takes the word that it may start
        channel.settimeout(_POLL_S)
        try:
            if not channel.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            if given_up():
                raise LaboratoryFailedError("The laboratory is closed.") from None
            if time.monotonic() > deadline:
                raise _not_started(f"it was not ready within {timeout_s:g} s") from None
            continue
        except OSError:
            break
        try:
            frame = frames.receive(channel, most=0, deadline=deadline)
        except (frames.FrameError, TimeoutError) as error:
            raise _not_started(f"it said something else than that it is ready: {error}") from error
        if frame is not None and frame.header == {"ready": True}:
            return
        break
    raise _not_started(f"it ended: {(process.printed().splitlines() or ['it printed nothing'])[-1][:500]}")


def _answer(channel: socket.socket, timeout_s: float, given_up: Callable[[], bool]) -> frames.Frame:
    """The answer of the process, after any number of progress messages.

    Raises:
        TimeoutError: When nothing arrives for that long.
        LaboratoryFailedError: When it was abandoned.
        FrameError: As in `frames.receive`.
    """
    while True:
        deadline = time.monotonic() + timeout_s
        while not _something_comes(channel):
            if given_up():
                raise _given_up()
            if time.monotonic() > deadline:
                raise TimeoutError
        frame = frames.receive(channel, most=frames.MAX_TENSORS_OUT, deadline=time.monotonic() + timeout_s)
        if frame is None:
            raise frames.ClosedError("The other side has closed the connection.")
        if frame.header != WORKING:
            return frame


def _something_comes(channel: socket.socket) -> bool:
    """Whether there is something to read, or the channel has ended; waits a moment."""
    channel.settimeout(_WATCH_S)
    try:
        channel.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def _given_up() -> LaboratoryFailedError:
    return LaboratoryFailedError("Nothing waits for this run any more, so it was ended.")


def _not_started(reason: str) -> InfrastructureError:
    return InfrastructureError(
        "laboratory", f"The laboratory's process could not be started ({reason}); look for a lack of memory or disk."
    )


def _arrays(tensors: bytes) -> dict[str, np.ndarray]:
    try:
        return dict(load(tensors))
    except (SafetensorError, KeyError, ValueError) as error:
        raise LaboratoryFailedError("The laboratory gave no tensors that can be read.") from error
