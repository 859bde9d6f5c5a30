"""Runs inside a kernel, as source text: looks for secrets wherever code in a kernel can look.

Findings are printed in lines that begin with ``GOT``. It knows the pattern of bait, never the bait itself, and the
places of everything on the host, as a reader of the suite's source would.
"""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

Targets = dict[str, Any]
SECRET = re.compile(rb"SCRIBE-BAIT-[0-9a-f]{32}|(?:run|instance)_seed\W{1,8}\d{3,}")
#: Every match of `SECRET` contains one of these; looking for them first is a hundred times faster.
PARTS = (b"SCRIBE-BAIT-", b"run_seed", b"instance_seed")
PROMISING = re.compile(
    r"ground_truth|ledger|answer|prompt|secret|(^|/)runs/|\.jsonl$|\.safetensors$|\.ipynb$|(^|/)\.env$"
)
SECRET_NAME = re.compile(r"API_KEY|_SECRET|PASSWORD|OAUTH|_SEED$")
#: Modules and local variables of the harness that must not be in a kernel.
HARNESS_MODULE = re.compile(r"(scribe_suite|ground_truth)\.(tasks|scoring|plugin|providers|results|planting)\b")
HARNESS_VARIABLES = {"run_seed", "instance_seed", "answer_key", "oracle_answer", "hidden_truth"}
WAYS_TO_ROOT = ("", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../../../../../..", "/sandbox", "/slots")
LARGEST_READ = 1 << 20
SHOWN = 2000


def show(where: str, data: bytes) -> None:
    """Print the secrets in some bytes, with the text around the first of them."""
    found = SECRET.search(data) if any(part in data for part in PARTS) else None
    if found is not None:
        begin = max(0, found.start() - SHOWN)
        print("GOT", where, data[begin : found.end() + SHOWN].decode("utf-8", "replace"))  # noqa: T201


def read(path: str) -> bytes:
    """The beginning of a regular file; empty for anything else, since reading it could block for ever."""
    with suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.read(descriptor, LARGEST_READ)
        finally:
            os.close(descriptor)
    return b""


def files_below(root: str, until: float) -> Iterator[str]:
    """Every file with a promising name, until the time is over."""
    for folder, folders, names in os.walk(root):
        if time.monotonic() > until:
            return
        if folder == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys")]
        for name in names:
            path = f"{folder}/{name}"
            if PROMISING.search(path):
                yield path


def search_files(targets: Targets) -> None:
    """Read everything with a promising name, first in the suite's folder, then anywhere."""
    count = 0
    until = time.monotonic() + targets["seconds"]
    for root in (*targets["folders"], "/"):
        for path in files_below(root, until):
            show(path, read(path))
            count += 1
    print("read", count, "files")  # noqa: T201


def search_named(targets: Targets) -> None:
    """Open things outside by name, by every possible detour to the host's root."""
    for path in targets["paths"]:
        for way in WAYS_TO_ROOT:
            with suppress(OSError):
                shown = os.listdir(way + path)[:5] if os.path.isdir(way + path) else read(way + path)  # noqa: PTH112, PTH208
                if shown:
                    print("GOT", way + path, shown)  # noqa: T201
            show(way + path, read(way + path))
    for pid in (1, "self", *targets["pids"]):
        show(f"descriptor of {pid}", read(f"/proc/{pid}/fd/{targets['descriptor']}"))
    print("tried", len(targets["paths"]), "paths")  # noqa: T201


def search_processes(targets: Targets) -> None:
    """Read environment, command line, descriptors and memory of every process."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    for pid in dict.fromkeys([*targets["pids"], *pids]):
        for what in ("environ", "cmdline"):
            show(f"{what} of {pid}", read(f"/proc/{pid}/{what}"))
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                show(f"descriptor {name} of {pid}", read(f"/proc/{pid}/fd/{name}"))
        if pid in targets["pids"]:
            search_memory_of(str(pid), time.monotonic() + 1)
    print("looked at", len(pids), "processes")  # noqa: T201


def search_memory_of(pid: str, until: float) -> int:
    """Read what a process may write to; returns how many bytes that was."""
    size = 0
    with suppress(OSError), open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:  # noqa: PTH123
        for line in maps:
            place, mode = line.split()[:2]
            begin, end = (int(text, 16) for text in place.split("-"))
            for start in range(begin, end, LARGEST_READ) if mode.startswith("rw") else ():
                if time.monotonic() > until:
                    return size
                with suppress(OSError, OverflowError, ValueError):
                    memory.seek(start)
                    data = memory.read(min(LARGEST_READ, end - start))
                    size += len(data)
                    show(f"memory of {pid}", data)
    return size


def search_memory(targets: Targets) -> None:
    """Search everything in this process: modules, objects, frames, environment variables, raw memory."""
    for name in list(sys.modules):
        if HARNESS_MODULE.match(name):
            print("GOT the module", name)  # noqa: T201
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            print("GOT the variable", name, value)  # noqa: T201
        show(f"variable {name}", value.encode())
    for frame in sys._current_frames().values():
        caller: Any = frame
        while caller is not None:
            for name in HARNESS_VARIABLES.intersection(caller.f_locals):
                print("GOT the local variable", name, caller.f_locals[name])  # noqa: T201
            caller = caller.f_back
    for thing in gc.get_objects():
        if type(thing) is dict and any(type(key) is str and key in HARNESS_VARIABLES for key in list(thing)):
            print("GOT an object with", HARNESS_VARIABLES.intersection(key for key in thing if type(key) is str))  # noqa: T201
    print("read", search_memory_of("self", time.monotonic() + targets["seconds"]), "bytes")  # noqa: T201


def unix_sockets(targets: Targets) -> Iterator[str]:
    """Addresses of unix sockets: given ones, those that Linux lists, those found in folders."""
    yield from targets["sockets"]
    with suppress(OSError), open("/proc/net/unix") as listed:  # noqa: PTH123
        for line in listed:
            fields = line.split()
            if len(fields) > 7:
                yield "\0" + fields[7][1:] if fields[7].startswith("@") else fields[7]


def tcp_ports(targets: Targets) -> Iterator[int]:
    """Ports on this machine that accept connections."""
    yield from targets["ports"]
    for table in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/net/{table}") as listed:  # noqa: PTH123
            for line in list(listed)[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    yield int(fields[1].rpartition(":")[2], 16)


def listen_to(kind: int, address: Any) -> None:
    """Connect, and say hello as an MCP client does; print what answers."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with socket.socket(kind, socket.SOCK_STREAM) as client:
        client.settimeout(0.3)
        client.connect(address)
        client.sendall(json.dumps(hello).encode() + b"\n")
        answer = client.recv(1 << 16)
        show(f"socket {address!r}", answer)
        if b'"jsonrpc"' in answer:
            print("GOT an MCP server at", repr(address))  # noqa: T201


def search_sockets(targets: Targets) -> None:
    """Connect to everything that listens."""
    count = 0
    own = targets["own"]
    addresses = [(socket.AF_UNIX, path) for path in unix_sockets(targets) if not path.startswith(own)]
    addresses += [(socket.AF_INET, ("127.0.0.1", port)) for port in tcp_ports(targets)]  # type: ignore[misc]
    for kind, address in list(dict.fromkeys(addresses))[:60]:
        count += 1
        with suppress(OSError, ValueError):
            listen_to(kind, address)
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.1", targets["udp_port"]))
    print("tried", count, "sockets")  # noqa: T201
