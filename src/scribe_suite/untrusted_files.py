"""Files in folders with untrusted content, written by a kernel, an agent CLI, or another user of ``runs/``.

A name in such a folder may be a link to any file of the user, a pipe that nobody writes to, a device, or a file of a
terabyte without content; and it may become one between a check and its use. So a folder is opened once, and every
operation in it is relative to its descriptor, follows no link, leaves neither the folder nor its file system, never
blocks, and accepts only regular files up to a size that the caller gives.

Linux does this with one system call, ``openat2``. Where it is missing (macOS, old kernels, containers that forbid it)
names are walked part by part, each with ``O_NOFOLLOW``.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import secrets
import stat
import sys
import weakref
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Literal, Self

#: Most levels of folders, and most entries, in a walk: no honest attempt has more.
MAX_DEPTH = 32
MAX_ENTRIES = 1_000_000
#: How much is read at a time; a file that claims to be large need not be.
_CHUNK = 1 << 20

#: The same number on every architecture.
_SYS_OPENAT2 = 437
_RESOLVE_NO_XDEV, _RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 1, 2, 4, 8
_RESOLVE = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_XDEV
_SAFE = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | _SAFE

_LINK = "a link is not followed"
_NOT_REGULAR = "it is no regular file"
#: The system's errors for things it was told to refuse; any other is an ordinary error.
_REFUSALS = {
    errno.ELOOP: _LINK,
    errno.EXDEV: "it leads out of its folder or file system",
    errno.ENOTDIR: "a part of its path is no folder, or a link, which is not followed",
    errno.ENXIO: _NOT_REGULAR,
    errno.ENODEV: _NOT_REGULAR,
    errno.EISDIR: _NOT_REGULAR,
    errno.EAGAIN: "another process holds it back",
}

HardLinks = Literal["refused", "accepted"]


class UntrustedFileError(OSError):
    """Something in an untrusted folder may not be opened.

    Args:
        number: An error number of `errno`.
        reason: A clause, such as "it is no regular file"; becomes `strerror`.
        path: The refused path; becomes `filename`.
    """

    def __init__(self, number: int, reason: str, path: str) -> None:
        super().__init__(number, reason, path)

    def __str__(self) -> str:
        return f"{self.filename!r} is not opened: {self.strerror}."


class UntrustedFolder:
    """An open folder whose content is untrusted; closed by `close`, a ``with`` block, or garbage collection.

    Names are relative to it and may have several parts; absolute and invalid names and those with ``..`` are refused,
    like everything that is not a regular file.

    Args:
        path: The folder. Links in its path are followed, so the path itself must be trusted.
        hard_links: Whether files with a second name elsewhere are accepted. Creating a hard link needs no permission to
            read, so by default they are not: the other name may be that of a secret.

    Attributes:
        path: Its path when it was opened, for messages only.

    Raises:
        OSError: When it can't be opened or is not a folder.
    """

    def __init__(self, path: Path, hard_links: HardLinks = "refused") -> None:
        self._hold(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK), path, hard_links)

    def _hold(self, descriptor: int, path: Path, hard_links: HardLinks) -> None:
        self.path = path
        self._descriptor = descriptor
        self._hard_links: HardLinks = hard_links
        self._finalizer = weakref.finalize(self, os.close, descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor; may be called twice."""
        self._finalizer()
        self._descriptor = -1  # the number may be another file's soon

    def folder(self, name: str) -> UntrustedFolder:
        """A folder below this one, with its own descriptor.

        Args:
            name: The folder's name; "." opens this folder again.

        Raises:
            UntrustedFileError: When it is refused.
            OSError: When it is missing or can't be opened.
        """
        inner = UntrustedFolder.__new__(UntrustedFolder)
        with self._naming(name):
            descriptor = _open_beneath(self._descriptor, ["."] if name == "." else _parts(name), _FOLDER)
            inner._hold(descriptor, self.path / name, self._hard_links)
        return inner

    def make(self, name: str) -> UntrustedFolder:
        """A folder below this one, created with its parents where they are missing.

        Raises:
            UntrustedFileError: When the name is refused, or something else has it.
            OSError: When it can't be created or opened.
        """
        folder = self.folder(".")
        for part in _parts(name):
            with folder:  # one at a time
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder._descriptor)
                folder = folder.folder(part)
        return folder

    def open(self, name: str) -> BufferedReader:
        """Open a regular file of any size for reading.

        Raises:
            UntrustedFileError: When it is refused.
            OSError: When it is missing or can't be read.
        """
        return os.fdopen(self._open(name, os.O_RDONLY), "rb")

    def append(self, name: str) -> FileIO:
        """Open a regular file, created if missing, for reading and appending, unbuffered.

        Raises:
            UntrustedFileError: When it is refused.
            OSError: When it can't be opened.
        """
        return FileIO(self._open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+b")

    def read(self, name: str, limit: int) -> bytes:
        """The content of a regular file at the time of reading.

        Args:
            name: The file's name.
            limit: Most bytes; a larger file is refused, before reading if its size says so.

        Raises:
            UntrustedFileError: When it is refused or too large.
            OSError: When it is missing or can't be read.
        """
        with self.open(name) as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise self._too_large(name, limit)
            parts: list[bytes] = []
            left = limit + 1
            while left and (part := file.read(min(left, _CHUNK))):
                parts.append(part)
                left -= len(part)
        if not left:
            raise self._too_large(name, limit)
        return b"".join(parts)

    def write(self, name: str, parts: Iterable[bytes], *, durable: bool = False) -> None:
        """Write a new file that takes the name when it is complete.

        An existing file or link of this name is replaced, and neither followed nor written to.

        Args:
            name: The file's name; its folder must exist.
            parts: Its content.
            durable: Whether to wait until it is on disk.

        Raises:
            UntrustedFileError: When the name or its folder is refused.
            OSError: When it can't be written; it is removed then.
        """
        with self._parent(name) as (folder, last):
            temporary = f".{secrets.token_hex(8)}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
            descriptor = _open_beneath(folder, [temporary], flags, 0o666)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(parts)
                    if durable:
                        file.flush()
                        os.fsync(descriptor)
                os.replace(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def remove(self, name: str) -> None:
        """Remove a file, or a link itself.

        Raises:
            UntrustedFileError: When the name or its folder is refused.
            OSError: When it is missing or can't be removed.
        """
        with self._parent(name) as (folder, last):
            os.unlink(last, dir_fd=folder)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder.

        Raises:
            UntrustedFileError: When the name is refused, or is that of something else.
            OSError: When it is missing or can't be removed.
        """
        with self._parent(name) as (folder, last):
            os.rmdir(last, dir_fd=folder)

    def stat(self, name: str) -> os.stat_result:
        """The status of a file, or of a link itself.

        Raises:
            UntrustedFileError: When the name or its folder is refused.
            OSError: When it does not exist.
        """
        with self._parent(name) as (folder, last):
            return os.stat(last, dir_fd=folder, follow_symlinks=False)

    def exists(self, name: str) -> bool:
        """Whether the name exists, as anything; False also if it can't be looked up."""
        try:
            self.stat(name)
        except OSError:
            return False
        return True

    def files(self, pattern: str = "*", depth: int = 0) -> list[str]:
        """The names of regular files, sorted by their parts. Folders that can't be listed are skipped.

        Args:
            pattern: A pattern of `fnmatch` for the last part of a name.
            depth: How many levels of folders below this one are searched, at most `MAX_DEPTH`.

        Raises:
            UntrustedFileError: When there are more than `MAX_ENTRIES` entries.
        """
        found: list[str] = []
        left = MAX_ENTRIES
        waiting = [("", 0)]
        while waiting:
            place, level = waiting.pop()
            for name, is_folder in self._entries(place):
                left -= 1
                if left < 0:
                    reason = f"there are more than {MAX_ENTRIES:,} entries in it"
                    raise UntrustedFileError(errno.EOVERFLOW, reason, str(self.path))
                if not is_folder:
                    if fnmatchcase(name, pattern):
                        found.append(place + name)
                elif level < min(depth, MAX_DEPTH):
                    waiting.append((f"{place}{name}/", level + 1))
        return sorted(found, key=lambda name: name.split("/"))

    def folders(self) -> list[str]:
        """The names of the folders in this one, sorted; no links."""
        return sorted(name for name, is_folder in self._entries("") if is_folder)

    def _entries(self, place: str) -> Iterator[tuple[str, bool]]:
        """Names of the folders (True) and regular files in a folder below; nothing where it can't be listed."""
        with contextlib.suppress(OSError):
            # a separate descriptor: the position in a listing belongs to the descriptor
            descriptor = _open_beneath(self._descriptor, _parts(place) if place else ["."], _FOLDER)
            try:
                with os.scandir(descriptor) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            yield entry.name, True
                        elif entry.is_file(follow_symlinks=False):
                            yield entry.name, False
            finally:
                os.close(descriptor)

    def _open(self, name: str, flags: int) -> int:
        with self._parent(name) as (folder, last):
            with contextlib.suppress(FileNotFoundError):  # opening a device may do something by itself
                self._check(os.stat(last, dir_fd=folder, follow_symlinks=False), name)
            descriptor = _open_beneath(folder, [last], flags | _SAFE, 0o666)
            try:
                self._check(os.fstat(descriptor), name)
            except BaseException:
                os.close(descriptor)
                raise
        return descriptor

    def _check(self, status: os.stat_result, name: str) -> None:
        reason = _LINK if stat.S_ISLNK(status.st_mode) else None if stat.S_ISREG(status.st_mode) else _NOT_REGULAR
        if reason is None and status.st_nlink > 1 and self._hard_links == "refused":
            reason = "it has a second name (a hard link); make a copy if it is meant"
        if reason is not None:
            raise UntrustedFileError(errno.EINVAL, reason, str(self.path / name))

    def _too_large(self, name: str, limit: int) -> UntrustedFileError:
        return UntrustedFileError(errno.EFBIG, f"it has more than {limit:,} bytes", str(self.path / name))

    @contextlib.contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder that the last part of a name is in, and that part."""
        with self._naming(name), contextlib.ExitStack() as stack:
            *before, last = _parts(name)
            folder = self._descriptor
            if before:
                folder = _open_beneath(folder, before, _FOLDER)
                stack.callback(os.close, folder)
            yield folder, last

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Make errors name the path, and distinguish refusals from failures."""
        try:
            yield
        except UntrustedFileError as error:
            error.filename = str(self.path / name)
            raise
        except OSError as error:
            number = error.errno or errno.EIO
            if number in _REFUSALS:
                raise UntrustedFileError(number, _REFUSALS[number], str(self.path / name)) from error
            error.filename, error.filename2 = str(self.path / name), None
            raise


def write_all(file: FileIO, content: bytes) -> None:
    """Write to an unbuffered file, which may accept less than it is given.

    Raises:
        OSError: When it can't be written.
    """
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        parts = []
    if not parts or ".." in parts or name.startswith("/") or "\0" in name:
        raise UntrustedFileError(errno.EINVAL, "it is not the name of a file in this folder", name)
    return parts


def _open_beneath(folder: int, parts: list[str], flags: int, mode: int = 0) -> int:
    if _openat2_works():
        return _openat2(folder, "/".join(parts), flags, mode if flags & os.O_CREAT else 0)
    return _walk(folder, parts, flags, mode)


def _walk(folder: int, parts: list[str], flags: int, mode: int) -> int:
    """Do the same as `_openat2`, one part at a time."""
    device = os.fstat(folder).st_dev
    with contextlib.ExitStack() as held:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            held.close()  # one at a time, however deep it is
            held.callback(os.close, inner)
            folder = inner
            _stay(folder, device)
        descriptor = os.open(parts[-1], flags, mode, dir_fd=folder)
    if flags & os.O_DIRECTORY:
        try:
            _stay(descriptor, device)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def _stay(folder: int, device: int) -> None:
    """Refuse a folder of another file system. Files are not checked: in an overlay theirs may differ.

    Raises:
        OSError: Like ``openat2``.
    """
    if os.fstat(folder).st_dev != device:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _openat2(folder: int, name: str, flags: int, mode: int) -> int:
    how = _OpenHow(flags, mode, _RESOLVE)
    while True:
        descriptor = _libc().syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(folder),
            ctypes.c_char_p(os.fsencode(name)),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if descriptor >= 0:
            return int(descriptor)
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number), name)


@functools.cache
def _openat2_works() -> bool:
    """Whether the call is available; a container's filter may return any error, later errors are genuine."""
    if sys.platform != "linux":
        return False
    try:
        root = os.open("/", _FOLDER)
    except OSError:
        return False
    try:
        os.close(_openat2(root, ".", _FOLDER, 0))
    except OSError:
        return False
    finally:
        os.close(root)
    return True
