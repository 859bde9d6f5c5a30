"""The harness's handle for a sandboxed process, however it was started."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from typing import Protocol

from scribe_suite.sandbox.cgroups import Cgroup
from scribe_suite.sandbox.inside import memory_file
from scribe_suite.sandbox.inside.supervisor import LOG_BYTES, NOT_STARTED
from scribe_suite.sandbox.inside.usage import OUT_OF_MEMORY

logger = logging.getLogger(__name__)

#: Seconds after which a supervisor that was told to end everything is killed itself, which also ends everything.
KILL_S = 5.0
#: Most folders that may be requested with one process.
MAX_OPENED = 4


class SandboxedProcess(Protocol):
    """The harness's operations on a process; none blocks except `wait`."""

    @property
    def pid(self) -> int | None:
        """PID of the process that ends with it, or None while it is not known."""

    @property
    def exceeded(self) -> str:
        """The limit of `inside.usage` for which it was ended, or an empty string."""

    @property
    def lost(self) -> bool:
        """Whether it was lost with its supervisor, without an order of the harness, so that its end is unknown."""

    def printed(self) -> str:
        """The end of its output, for a message; available even after closing."""

    def poll(self) -> int | None:
        """Its exit code (128 + N for a signal N) once it has ended, else None."""

    def wait(self, timeout_s: float) -> int:
        """Wait for its end.

        Raises:
            TimeoutError: When it has not ended by then.
        """

    def interrupt(self) -> None:
        """Send SIGINT to its process group."""

    def kill(self) -> None:
        """Kill it and everything it started; `poll` reports when it has ended."""

    def close(self) -> None:
        """Kill it, wait, and release the harness's resources for it. May be called twice."""


class ForkedProcess:
    """A process of the fork-server.

    Args:
        channel: The channel to its supervisor.
        cgroup: Its control group, which it joins before it starts; removed at the end.
        log: The `inside.memory_file` in which its supervisor keeps the end of its output.
    """

    def __init__(self, channel: socket.socket, cgroup: Cgroup | None, log: io.FileIO) -> None:
        channel.setblocking(False)
        self._log = log
        self._printed = ""
        self._channel = channel
        self._cgroup = cgroup
        self._pid: int | None = None
        self._opened: list[int] = []
        self._code: int | None = None
        self._reason = ""
        self._killed_at: float | None = None
        self._lost = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """PID of its supervisor."""
        return self._pid

    def take_opened(self) -> list[int]:
        """Descriptors of the requested folders; the caller must close them."""
        opened, self._opened = self._opened, []
        return opened

    @property
    def exceeded(self) -> str:
        """The limit for which the supervisor's watch or its control group ended it."""
        return self._reason

    @property
    def lost(self) -> bool:
        """Whether its supervisor is gone without reporting how it ended."""
        return self._lost

    def printed(self) -> str:
        """The end of its output, if nothing else reads it."""
        if not self._log.closed:
            self._printed = memory_file.read(self._log.fileno(), LOG_BYTES).decode("utf-8", "replace").strip()
        return self._printed

    def poll(self) -> int | None:
        """Read the supervisor's messages; returns the exit code once there is one."""
        while self._code is None:
            try:
                data, opened, _flags, _address = socket.recv_fds(self._channel, 4096, MAX_OPENED)
            except BlockingIOError:
                break
            except OSError:
                data, opened = b"", []
            if not data:
                # killed with its supervisor, or never started; the log may say why
                self._lost = self._pid is not None and self._killed_at is None
                self._end(NOT_STARTED if self._pid is None else 128 + signal.SIGKILL)
                break
            message = json.loads(data)
            if "pid" in message:
                self._pid, self._opened = int(message["pid"]), opened
                if self._cgroup is not None and not self._cgroup.add(self._pid):
                    logger.warning("a kernel could not be moved into its control group; its limits do not hold")
                self._send(b"go")
            else:
                self._end(int(message["exit"]), str(message["reason"]))
        if self._code is None and self._killed_at is not None and time.monotonic() > self._killed_at + KILL_S:
            self._killed_at = time.monotonic()
            if self._pid is not None:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
        return self._code

    def wait(self, timeout_s: float) -> int:
        """Wait for its end, polling every few milliseconds.

        Raises:
            TimeoutError: When it has not ended by then.
        """
        deadline = time.monotonic() + timeout_s
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.005)
        return code

    def interrupt(self) -> None:
        """Send SIGINT to its process group."""
        self._send(b"interrupt")

    def kill(self) -> None:
        """Close the channel to the supervisor, which then kills everything."""
        if self._killed_at is None and not self._closed:
            self._killed_at = time.monotonic()
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Kill it, wait a while for its end, and remove its control group."""
        if self._closed:
            return
        self.kill()
        with contextlib.suppress(TimeoutError):
            self.wait(2 * KILL_S)
        self._closed = True
        self._channel.close()
        for descriptor in self.take_opened():
            os.close(descriptor)
        self.printed()
        self._log.close()
        if self._cgroup is not None:
            self._cgroup.remove()

    def _end(self, code: int, reason: str = "") -> None:
        if not reason and self._cgroup is not None and self._cgroup.out_of_memory():
            reason = OUT_OF_MEMORY
        self._code, self._reason = code, reason

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(message)


class PlainProcess:
    """A process that is started directly, where forking is not safe.

    Args:
        process: Leader of its own process group; its stdout is a pipe.
    """

    exceeded = ""
    lost = False

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        """Read its output, so that it never blocks; ends with the last process that holds the pipe."""
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._process.stdout.fileno(), 1 << 16):
                self._kept = (self._kept + data)[-LOG_BYTES:]

    def printed(self) -> str:
        """The end of its output."""
        return self._kept.decode("utf-8", "replace").strip()

    @property
    def pid(self) -> int | None:
        """Its PID."""
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, as in a shell."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout_s: float) -> int:
        """Wait for its end.

        Raises:
            TimeoutError: When it has not ended by then.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return code if code >= 0 else 128 - code

    def interrupt(self) -> None:
        """Send SIGINT to its process group."""
        self._signal_group(signal.SIGINT)

    def kill(self) -> None:
        """Kill its process group, which may have outlived it."""
        self._signal_group(signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Kill it and wait for its end."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            self.wait(2 * KILL_S)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
