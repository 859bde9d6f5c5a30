"""A kernel's connection to the laboratory: one request at a time, always in step with its reply.

A request and its reply are exchanged in a separate thread. An interrupt of the waiting cell (Ctrl-C raises in the main
thread, between any two instructions) therefore can't stop in the middle of a message: the exchange is completed, and
the next request waits for that.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from scribe_suite.laboratory.frames import (
    MAX_TENSORS_IN,
    MAX_TENSORS_OUT,
    ClosedError,
    Frame,
    FrameError,
    receive,
    send,
)

_AGAIN = (
    "This session can't reach the laboratory any more: resume the notebook, or start a new session; the budget stays "
    "as it is, and runs keep their ids."
)


class LabError(Exception):
    """The laboratory has not done what was asked; the message is one sentence that says why."""


class Connection:
    """The connection of this process; safe to use from several threads, but unusable in a fork.

    Args:
        descriptor: The descriptor of the connected socket.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._number = 0
        self._useless = ""
        self._owner = os.getpid()

    def ask(self, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Ask the laboratory for something, and wait for the answer.

        Args:
            header: The request, JSON-safe.
            tensors: Its tensors.

        Returns:
            Header and tensors of the answer.

        Raises:
            LabError: When it is refused, or there is no laboratory.
        """
        if os.getpid() != self._owner:  # the messages of two processes would be mixed
            raise LabError("This process is a fork of the kernel, and only the kernel itself can use the laboratory.")
        exchange = _Exchange(header, save(dict(tensors)) if tensors else b"")
        try:
            threading.Thread(target=self._make, args=(exchange,), name="laboratory", daemon=True).start()
            exchange.done.wait()
        except BaseException as error:
            exchange.given_up = True
            if header.get("op") == "run":
                error.add_note(
                    "The laboratory goes on with what it was asked for; ask again, and it costs nothing more."
                )
            raise
        if exchange.error is not None:
            raise exchange.error
        assert exchange.answer is not None
        answer = exchange.answer.header
        if "error" in answer:
            raise LabError(str(answer["error"]))
        return answer, load(exchange.answer.tensors) if exchange.answer.tensors else {}

    def _make(self, exchange: _Exchange) -> None:
        try:
            with self._lock:
                if not exchange.given_up:
                    exchange.answer = self._exchanged(exchange)
        except LabError as error:
            exchange.error = error
        except BaseException as error:
            # for example MemoryError: the beginning of the next message is not known any more
            self._useless = f"An answer of the laboratory could not be taken ({type(error).__name__}). {_AGAIN}"
            exchange.error = LabError(self._useless)
        finally:
            exchange.done.set()

    def _exchanged(self, exchange: _Exchange) -> Frame:
        if self._useless:
            raise LabError(self._useless)
        channel = self._connected()
        self._number += 1
        try:
            send(channel, {**exchange.header, "id": self._number}, exchange.tensors, most=MAX_TENSORS_IN)
        except ClosedError:
            pass  # there may be a last word on why
        except (FrameError, ValueError) as error:
            raise LabError(f"The request can't be sent: {error} Ask for less at a time.") from None
        while (answer := self._received(channel)) is not None:
            if answer.header.get("id") == self._number:
                return answer
            if answer.header.get("id") is None:
                self._useless = f"{answer.header.get('error', '')} {_AGAIN}".strip()
                break
        self._useless = self._useless or f"The connection to the laboratory has ended. {_AGAIN}"
        raise LabError(self._useless)

    def _received(self, channel: socket.socket) -> Frame | None:
        with contextlib.suppress(FrameError):
            return receive(channel, most=MAX_TENSORS_OUT)
        return None

    def _connected(self) -> socket.socket:
        if self._channel is None:
            channel = None
            with contextlib.suppress(OSError):
                channel = socket.socket(fileno=self._descriptor)
            if channel is None or (channel.family, channel.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
                if channel is not None:
                    channel.detach()  # it is somebody else's
                raise LabError(
                    "There is no laboratory here: only the kernel of a notebook has one, not what it starts."
                )
            self._channel = channel
        return self._channel


class _Exchange:
    """One request and its result."""

    def __init__(self, header: Mapping[str, Any], tensors: bytes) -> None:
        self.header, self.tensors = header, tensors
        self.answer: Frame | None = None
        self.error: LabError | None = None
        self.given_up = False
        self.done = threading.Event()
