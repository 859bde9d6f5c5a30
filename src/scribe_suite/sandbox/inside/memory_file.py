"""A file of fixed size in memory, without a name: how a sandboxed process hands bytes to the harness.

The file begins with the number of bytes that follow, eight bytes long, least first. Whoever has a descriptor may write
anything into it, but can neither make it longer or shorter nor put something else in its place, and reading it never
waits. Standard library only.
"""

from __future__ import annotations

import fcntl
import io
import os
import struct
import tempfile
from contextlib import suppress

HEADER = struct.Struct("<Q")


def create(size: int) -> io.FileIO:
    """A file for up to `size` bytes of content.

    Where the system has no files without a name in memory, as on macOS, it is a file on disk whose name is gone.

    Raises:
        OSError: When it can't be made.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile(buffering=0) as named:
            file = io.FileIO(os.dup(named.fileno()), "r+b")
        os.ftruncate(file.fileno(), HEADER.size + size)
        return file
    file = io.FileIO(os.memfd_create("scribe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "r+b")
    try:
        os.ftruncate(file.fileno(), HEADER.size + size)
        # a writer could fill the memory of the machine, or make the harness read past the end
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, seals)
    except BaseException:
        file.close()
        raise
    return file


def read(descriptor: int, limit: int) -> bytes:
    """The content, of which nothing is believed.

    Args:
        descriptor: The file's descriptor.
        limit: Bytes to read at most.
    """
    header = os.pread(descriptor, HEADER.size, 0)
    count = HEADER.unpack(header)[0] if len(header) == HEADER.size else 0
    return os.pread(descriptor, min(count, limit), HEADER.size)


def write(descriptor: int, data: bytes) -> None:
    """Replace the content."""
    os.pwrite(descriptor, data, HEADER.size)
    os.pwrite(descriptor, HEADER.pack(len(data)), 0)


class Tail:
    """Keeps the end of what is printed into a pipe, in such a file.

    Args:
        descriptor: The file's descriptor.
        size: Bytes to keep.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._kept = b""

    def take(self, pipe: int) -> bool:
        """Take what is in a pipe that does not block.

        Returns:
            Whether there may be more later.
        """
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.add(data)
        return bool(data)

    def add(self, data: bytes) -> None:
        """Add text of one's own."""
        if data:
            self._kept = (self._kept + data)[-self._size :]
            with suppress(OSError):
                write(self._descriptor, self._kept)
