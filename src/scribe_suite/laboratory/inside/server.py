"""The model process: answers the harness's requests one after another, on one inherited socket, until it closes.

The process sees neither the harness's files nor a network, and has nothing but models. It keeps no runs. An invalid
request is answered with one sentence (``refused``), and so is an internal error (``failed``): the process continues.
While it computes, it reports progress (``working``) after blocks of the model, at most once a second. The harness ends
computations that make no progress or take too much memory.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from .. import frames
from . import loading, operations, texts
from .refusal import RefusedError

#: Most bytes of a model's parameters, the largest input.
MAX_MODEL = 2 << 30
READY, WORKING = "ready", "working"
#: Seconds between two progress messages.
PULSE_S = 1.0
Reply = tuple[dict[str, Any], bytes]


@dataclass
class Server:
    """Models by name, and the operations on them.

    Attributes:
        device: The device of the models.
        models: The loaded models.
        working: Called when a block of one of them has been computed.
    """

    device: str = "cpu"
    models: dict[str, loading.LoadedModel] = field(default_factory=dict)
    working: Callable[[], None] = lambda: None

    def answer(self, frame: frames.Frame) -> Reply:
        """Execute the request of a frame; never raises."""
        header = frame.header
        operation = OPERATIONS.get(str(header.get("op")))
        try:
            if operation is None:
                raise RefusedError(f"There is no operation {str(header.get('op'))[:40]!r}.")
            return operation(self, header, frame.tensors)
        except RefusedError as error:
            return {"refused": str(error)}, b""
        except SafetensorError as error:
            return {"refused": f"The tensors can't be read: {_line(error)}."}, b""
        except MemoryError:
            return {"refused": "The run needs more memory than the laboratory has: take fewer prompts."}, b""
        except Exception as error:
            if _is_about_memory(error):
                return {"refused": "The run needs more memory than the laboratory has: take fewer prompts."}, b""
            return {"failed": f"{type(error).__name__}: {_line(error)}"}, b""

    def load(self, header: Mapping[str, Any], tensors: bytes) -> Reply:
        """``model``, ``config`` and parameters."""
        return self._added(str(header["model"]), loading.from_weights(header["config"], tensors, self.device))

    def load_module(self, header: Mapping[str, Any], _tensors: bytes) -> Reply:
        """``model``, the name of a module too."""
        name = str(header["model"])
        return self._added(name, loading.from_module(name, self.device))

    def unload(self, header: Mapping[str, Any], _tensors: bytes) -> Reply:
        """``model``; does nothing if there is none."""
        self.models.pop(str(header.get("model")), None)
        return {}, b""

    def run(self, header: Mapping[str, Any], tensors: bytes) -> Reply:
        """``model``, ``recipes``, ``wanted`` and tensors."""
        given: dict[str, Tensor] = load(tensors)
        results = operations.run(self._model(header), header.get("recipes"), header.get("wanted"), given)
        return {}, save(results)

    def tokenize(self, header: Mapping[str, Any], _tensors: bytes) -> Reply:
        """``model``, ``texts`` and ``bos``."""
        return {}, save(texts.tokenize(self._model(header), header))

    def decode(self, header: Mapping[str, Any], tensors: bytes) -> Reply:
        """``model`` and tensors."""
        return {"texts": texts.decode(self._model(header), load(tensors))}, b""

    def _added(self, name: str, loaded: loading.LoadedModel) -> Reply:
        loading.watch(loaded, lambda: self.working())
        self.models[name] = loaded
        return {"sizes": loaded.sizes.as_message()}, b""

    def _model(self, header: Mapping[str, Any]) -> loading.LoadedModel:
        found = self.models.get(str(header.get("model")))
        if found is None:
            raise RefusedError(f"There is no model {str(header.get('model'))[:40]!r}.")
        return found


OPERATIONS: Mapping[str, Callable[[Server, Mapping[str, Any], bytes], Reply]] = {
    "load": Server.load,
    "load_module": Server.load_module,
    "unload": Server.unload,
    "run": Server.run,
    "tokenize": Server.tokenize,
    "decode": Server.decode,
}


def serve(channel: socket.socket, server: Server) -> None:
    """Answer until the channel closes."""
    server.working = Pulse(channel)
    frames.send(channel, {READY: True})
    while (frame := frames.receive(channel, most=MAX_MODEL)) is not None:
        header, tensors = server.answer(frame)
        try:
            frames.send(channel, header, tensors)
        except frames.ClosedError:
            return
        except frames.FrameError as error:
            frames.send(channel, {"refused": f"What would be returned is too large: {error}"})


class Pulse:
    """Reports progress when called, at most once in `PULSE_S`."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Note that a block is done."""
        now = time.monotonic()
        if now - self._last >= PULSE_S:
            self._last = now
            frames.send(self._channel, {WORKING: True})


def main() -> None:
    """Serve on the descriptor given as first argument, with models on the device given as second."""
    descriptor, device = int(sys.argv[1]), sys.argv[2]
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what CUDA needs for the same sum twice
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    serve(socket.socket(fileno=descriptor), Server(device))


def _is_about_memory(error: Exception) -> bool:
    """Whether torch ran out of memory, which has its own exception only on GPUs."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
