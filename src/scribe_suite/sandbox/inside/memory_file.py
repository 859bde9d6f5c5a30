"""An unnamed file of fixed size in memory, through which a sandboxed process passes bytes to the harness.

The file begins with the number of bytes that follow, as eight bytes in little-endian order. A process with a descriptor
may write anything to it, but can neither resize nor replace it, and reading it never blocks. Standard library only.
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

    On systems without unnamed files in memory, such as macOS, it is an unlinked file on disk.

    Raises:
        OSError: When it can't be created.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile(buffering=0) as named:
            file = io.FileIO(os.dup(named.fileno()), "r+b")
        os.ftruncate(file.fileno(), HEADER.size + size)
        return file
    file = io.FileIO(os.memfd_create("scribe", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "r+b")
    try:
        os.ftruncate(file.fileno(), HEADER.size + size)
        # otherwise a writer could fill the machine's memory, or make the harness read past the end
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, seals)
    except BaseException:
        file.close()
        raise
    return file


def read(descriptor: int, limit: int) -> bytes:
    """The content, which is untrusted.

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
    """Keeps the end of a pipe's output in such a file.

    Args:
        descriptor: The file's descriptor.
        size: Bytes to keep.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._kept = b""

    def take(self, pipe: int) -> bool:
        """Read the available content of a non-blocking pipe.

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
        """Append other text."""
        if data:
            self._kept = (self._kept + data)[-self._size :]
            with suppress(OSError):
                write(self._descriptor, self._kept)
