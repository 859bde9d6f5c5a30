"""Landlock: a process permanently gives up access to files, without being root. Standard library only.

The kernel's interface is versioned (Linux, Documentation/userspace-api/landlock.rst): a version that is too low for a
right can't take it away.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

PR_SET_NO_NEW_PRIVS = 38
#: The same numbers on every machine: create_ruleset, add_rule, restrict_self.
CREATE, ADD_RULE, RESTRICT = 444, 445, 446
RULE_PATH_BENEATH, VERSION_QUERY = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REFER, TRUNCATE, IOCTL_DEVICE = 1, 2, 4, 8, 1 << 13, 1 << 14, 1 << 15
#: The rights that each version has added.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEVICE}
TCP_SINCE, SCOPE_SINCE = 4, 6
TCP_BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3
READING = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
#: What is not prevented below a version, or by any. (Moving files between folders is not a gap: version 1 refuses it.)
GAPS: dict[str, int | None] = {
    "truncating files": 3,
    "TCP connections": 4,
    "ioctl calls on devices": 5,
    "signals to other processes": 6,
    "abstract unix sockets": 6,
    "seeing names, sizes and times of files": None,
    "unix sockets with a path": None,
}


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None, use_errno=True).syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "landlock")
    return result


def abi() -> int:
    """Version of Landlock here; 0 where there is none."""
    try:
        return _call(CREATE, None, ctypes.c_size_t(0), VERSION_QUERY)
    except OSError:
        return 0


def restrict(
    read_only: Sequence[str], writable: Sequence[str], network: bool = False, hidden: Sequence[str] = ()
) -> int:
    """Remove all file access from this process and its children, except to what is named here.

    Args:
        read_only: Files and folders (recursively) that may be read and executed.
        writable: Those with full access. Paths that do not exist are ignored.
        network: Whether TCP connections stay allowed.
        hidden: Files and folders, without links in their paths, that may not be read although they are below a readable
            one; names in them can be listed.

    Returns:
        The version that was used.

    Raises:
        OSError: When there is no Landlock, or when a path can't be opened or allowed; it names the path.
    """
    version = abi()
    handled = sum(rights for since, rights in FILE_RIGHTS.items() if since <= version)
    fields = [handled, TCP_BIND_AND_CONNECT if version >= TCP_SINCE and not network else 0]
    fields.append(ABSTRACT_SOCKETS_AND_SIGNALS if version >= SCOPE_SINCE else 0)
    size = 24 if version >= SCOPE_SINCE else 16 if version >= TCP_SINCE else 8
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", *fields)[:size], size)
    ruleset = _call(CREATE, attributes, ctypes.c_size_t(size), 0)
    try:
        for path in read_only:
            for place, rights in around(path, hidden):
                _allow(ruleset, place, rights & handled)
        for path in writable:
            _allow(ruleset, path, handled)
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def stay_among_themselves() -> bool:
    """Cut off this process and its children from abstract unix sockets and signals of others; files are not affected.

    Returns:
        Whether this version of Landlock supports it.

    Raises:
        OSError: When it refuses.
    """
    if abi() < SCOPE_SINCE:
        return False
    attributes = ctypes.create_string_buffer(struct.pack("QQQ", 0, 0, ABSTRACT_SOCKETS_AND_SIGNALS), 24)
    ruleset = _call(CREATE, attributes, ctypes.c_size_t(24), 0)
    try:
        _call(RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def around(path: str, hidden: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The readable parts of a file or folder, with their rights, when some things below it are hidden.

    Landlock can only allow, and allowing a folder allows everything below it. So siblings of hidden things are named
    individually, and the folders above may be listed. Links need no right, but their targets do.

    Args:
        path: The file or folder; it is allowed even inside something hidden.
        hidden: As in `restrict`.
    """
    below = [one for one in hidden if one.startswith(f"{os.path.realpath(path).rstrip('/')}/")]
    if not below:
        yield path, READING
        return
    yield path, READ_DIR
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_symlink() and os.path.realpath(entry.path) not in below:
                yield from around(entry.path, below)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow one path, if it exists."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rule = struct.pack("=Qi", rights if is_folder else rights & OF_FILES, descriptor)
        _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)
