"""Locks shared by processes on several machines, on a file system that need not support locks: files that expire.

A name is held by the process that made its newest generation, the file ``NAME.gN`` that did not exist before; exclusive
creation of a file is atomic on every file system, including NFS. The holder keeps writing to it. A waiting process that
sees, by its own clock, that nothing was written for too long makes the next generation; exactly one of those waiting
succeeds. No two clocks are compared. To release a name, the holder writes that it is free.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two heartbeats of a holder.
BEAT_S = 15.0
#: Seconds without a heartbeat, by the waiting process's clock, after which a lease is taken over. Caches of network
#: file systems show changes up to a minute late.
EXPIRE_S = 120.0
#: How many older generations are kept: a cached listing is never so old that it leads to the number of an earlier
#: generation.
KEPT = 32
#: Bytes that are read of a lease; the rest of a longer file is ignored.
MAX_BYTES = 200
_FREE = "free"
_FILE = re.compile(r"(?P<name>.+)\.g(?P<generation>[0-9]+)")


@dataclass(frozen=True)
class _Seen:
    """The last observation of a lease: its newest generation and text, and since when they have been unchanged."""

    generation: int
    text: str
    since: float


class Lease:
    """A name that is held until `close`, or until another process takes it over because heartbeats are missing.

    Args:
        folder: The folder of the leases.
        name: The name that is held.
        generation: The generation that this process has made.
        beat_s: Seconds between two heartbeats.
    """

    def __init__(self, folder: Path, name: str, generation: int, beat_s: float) -> None:
        self.name = name
        self._folder = folder
        self._generation = generation
        self._beat_s = beat_s
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"lease {name}", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether another process has it now."""
        return self._lost.is_set()

    def close(self) -> None:
        """Release it; may be called twice."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        if not self.lost:
            with contextlib.suppress(OSError):  # it expires
                _write(self._folder, self.name, self._generation, _FREE)

    def _live(self) -> None:
        owner, beat = f"{platform.node()} {os.getpid()}", 0
        while True:
            with contextlib.suppress(OSError):  # a full disk now is no reason to give up what may be written later
                if _newest(self._folder).get(self.name, 0) > self._generation:
                    self._lost.set()
                    return
                _write(self._folder, self.name, self._generation, f"{owner} {beat} {time.time():.0f}")
            beat += 1
            if self._over.wait(self._beat_s):
                return


class Leases:
    """The leases in a folder, as observed by one process.

    Args:
        folder: The shared folder; created when needed.
        beat_s: Seconds between two heartbeats of a holder.
        expire_s: Seconds without a heartbeat after which a lease is taken over; several times `beat_s`.
    """

    def __init__(self, folder: Path, beat_s: float = BEAT_S, expire_s: float = EXPIRE_S) -> None:
        self._folder = folder
        self._beat_s = beat_s
        self._expire_s = expire_s
        self._seen: dict[str, _Seen] = {}

    def take(self, names: Iterable[str]) -> Lease | None:
        """Take the first available name, or None. To take over an expired lease, call this repeatedly.

        Raises:
            OSError: When the folder can't be used.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        newest = _newest(self._folder)
        for name in names:
            generation = newest.get(name, 0)
            if self._can_be_had(name, generation) and self._made(name, generation + 1):
                return Lease(self._folder, name, generation + 1, self._beat_s)
        return None

    def last_word(self, name: str) -> str | None:
        """The last text of a name's holder; None where it is free."""
        with contextlib.suppress(OSError):
            generation = _newest(self._folder).get(name, 0)
            text = _read(self._folder, name, generation) if generation else _FREE
            return None if text == _FREE else text
        return None

    def _can_be_had(self, name: str, generation: int) -> bool:
        if generation == 0:
            return True
        text = _read(self._folder, name, generation)
        if text == _FREE:
            return True
        now, seen = time.monotonic(), self._seen.get(name)
        if seen is None or (seen.generation, seen.text) != (generation, text):
            self._seen[name] = _Seen(generation, text, now)
            return False
        return now - seen.since > self._expire_s

    def _made(self, name: str, generation: int) -> bool:
        """Make a generation; False when another process has made it, or a later one."""
        path = self._folder / f"{name}.g{generation}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        # the listing may be older than the folder
        if _newest(self._folder).get(name, 0) > generation:
            path.unlink(missing_ok=True)
            return False
        (self._folder / f"{name}.g{generation - KEPT}").unlink(missing_ok=True)
        return True


def _newest(folder: Path) -> dict[str, int]:
    """Name -> its newest generation."""
    newest: dict[str, int] = {}
    for entry in os.listdir(folder):  # noqa: PTH208  (a hundred machines look here)
        match = _FILE.fullmatch(entry)
        if match is not None:
            newest[match["name"]] = max(newest.get(match["name"], 0), int(match["generation"]))
    return newest


def _read(folder: Path, name: str, generation: int) -> str:
    """The text of a lease; empty when it was just made, or is gone."""
    try:
        with (folder / f"{name}.g{generation}").open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""


def _write(folder: Path, name: str, generation: int, text: str) -> None:
    """Replace the text of a lease: readers see the old or the new text."""
    temporary = folder / f".{name}.{secrets.token_hex(6)}.tmp"
    try:
        temporary.write_text(f"{text}\n")
        temporary.replace(folder / f"{name}.g{generation}")
    finally:
        temporary.unlink(missing_ok=True)
