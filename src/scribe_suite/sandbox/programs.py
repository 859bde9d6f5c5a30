"""What a program needs from the host to run: its file, the links on the way to it, its interpreter, its installation.

An agent's program is somewhere on the user's machine and sees as little of it as possible. `HiddenPaths` lists folders
that are never visible as a whole: if the program is in one, only its file is visible.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scribe_suite.errors import InfrastructureError
from scribe_suite.sandbox.visible_files import SYSTEM_FOLDERS

#: Further folders for agents' programs, separated as in PATH.
FOLDERS_VARIABLE = "SCRIBE_COMMAND_FOLDERS"
#: Places where the sandbox has its own content.
TAKEN = ("/proc", "/dev", "/slots", "/sandbox")
#: How many links on a path, and interpreters of interpreters, are followed; Linux follows no more.
MAX_LINKS, MAX_INTERPRETERS = 40, 4
#: Folders in the user's home that contain programs of all kinds.
_OF_ALL_KINDS = (".local", ".local/bin", "bin")
#: Folder of a version manager (pyenv, rbenv, nodenv) whose scripts start programs elsewhere below the manager's root.
_SHIMS = "shims"
#: What is visible besides a program's file: nothing, or the folder that contains it.
Surroundings = Literal["file", "folder"]


@dataclass(frozen=True)
class HiddenPaths:
    """What agents' programs must not see.

    Attributes:
        whole: Folders that are never visible as a whole, although parts of them may be: the checkout, the home.
        sealed: Folders that are hidden completely: keys, ledgers, attempts.
        emptied: Folders and files that look empty inside visible folders, without hiding those: copies of a model in a
            Python environment. With Landlock they can't be read.
    """

    whole: tuple[Path, ...] = ()
    sealed: tuple[Path, ...] = ()
    emptied: tuple[Path, ...] = ()

    def and_usual(self, environ: Mapping[str, str]) -> HiddenPaths:
        """Add what is hidden on every machine: ``/``, the user's home, the folder of temporary files."""
        homes = [home for home in map(Path, _homes(environ)) if not _is_of_the_system(home.resolve())]
        own = [home / name for home in homes for name in ("", *_OF_ALL_KINDS)]
        usual = (Path("/"), *own, Path(tempfile.gettempdir()), Path("/tmp"))
        return HiddenPaths(_resolved((*self.whole, *usual)), _resolved(self.sealed), _resolved(self.emptied))

    @property
    def covered(self) -> tuple[Path, ...]:
        """All folders but ``/``: one inside a system folder is covered there."""
        return tuple(place for place in (*self.whole, *self.sealed) if place != Path("/"))

    def allows(self, folder: Path) -> bool:
        """Whether a folder, without links in its path, may be visible with everything in it."""
        if any(place.is_relative_to(folder) for place in (*self.whole, *self.sealed)):
            return False
        return not any(folder.is_relative_to(place) for place in (*self.sealed, *self.emptied))


@dataclass
class ShownPaths:
    """The parts of the host that are visible, at their own places, read-only.

    Attributes:
        links: Symbolic links by place.
        paths: Folders and files without links in their paths.
        programs: Files that the program's user must be able to read.
    """

    links: dict[str, str] = field(default_factory=dict)
    paths: dict[Path, None] = field(default_factory=dict)
    programs: dict[Path, None] = field(default_factory=dict)

    def outermost(self) -> list[Path]:
        """The paths without those below another one."""
        return outermost(self.paths)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that are not below another one."""
    known = tuple(paths)
    return [path for path in known if not any(other in path.parents for other in known)]


class Finder:
    """Finds what programs need.

    Args:
        hidden: What must not be visible, besides what is hidden on every machine.
        environ: The user's environment.

    Attributes:
        hidden: Everything that must not be visible.
        shown: What was found so far.
    """

    def __init__(self, hidden: HiddenPaths, environ: Mapping[str, str]) -> None:
        self.hidden = hidden.and_usual(environ)
        self._path = environ.get("PATH", os.defpath)
        self.shown = ShownPaths()

    def command(self, argv: Sequence[str], surroundings: Surroundings) -> None:
        """Show what a command line runs: its program, and files among its arguments.

        Args:
            argv: The first item is an absolute path. Every file but the last counts as an interpreter.
            surroundings: What is visible besides a file that belongs to no installation.
        """
        files = [Path(argument) for argument in argv[1:] if argument.startswith("/") and Path(argument).is_file()]
        self._program(Path(argv[0]), surroundings, interpreter=bool(files))
        for file in files:
            self._program(file, surroundings, interpreter=file != files[-1])

    def pump(self, argv: Sequence[str]) -> None:
        """Show what connects a program to the notebook: Python and one script.

        Args:
            argv: As `NotebookEndpoint.pump_argv` gives it.
        """
        python = self._follow(Path(sys.executable))
        base = Path(sys.base_prefix).resolve()
        self._show(base if self.hidden.allows(base) else python)
        for argument in argv:
            if argument.endswith(".py") and Path(argument).is_file():
                script = self._follow(Path(argument))
                self._show(script)
                self.shown.programs[script] = None

    def folders(self, named: str) -> None:
        """Show further folders.

        Args:
            named: Value of `FOLDERS_VARIABLE`.

        Raises:
            InfrastructureError: With cause ``isolation_unavailable`` when there is no such folder or it is hidden.
        """
        for name in filter(None, named.split(os.pathsep)):
            folder = Path(name)
            if not folder.is_absolute() or not folder.is_dir():
                raise InfrastructureError(
                    "isolation_unavailable",
                    f"{FOLDERS_VARIABLE} names {name!r}, which is not a folder: give absolute paths, separated by "
                    f"{os.pathsep!r}.",
                )
            real = self._follow(folder)
            if not self.hidden.allows(real):
                raise InfrastructureError(
                    "isolation_unavailable",
                    f"{FOLDERS_VARIABLE} names {name}, which contains, or is inside, what agents must not see (keys, "
                    "ledgers, other attempts, your home as a whole): name a folder with nothing but what the agent "
                    "needs.",
                )
            self._show(real)

    def file(self, path: Path) -> None:
        """Show a file, if it exists."""
        if path.is_file():
            self._show(self._follow(path))

    def _program(self, path: Path, surroundings: Surroundings, interpreter: bool = False, depth: int = 0) -> None:
        real = self._follow(path)
        if interpreter:
            for place in [*map(Path, self.shown.links), real]:
                self._environment(place.parent.parent)
        self.shown.programs[real] = None
        self._show(self._installation(real, surroundings, interpreter))
        for line in _interpreters(real, self._path) if depth < MAX_INTERPRETERS else []:
            self._program(line, surroundings, True, depth + 1)

    def _installation(self, real: Path, surroundings: Surroundings, interpreter: bool) -> Path:
        """The folder that a program needs, or its file where that folder must stay hidden."""
        candidates: list[Path] = []
        if "node_modules" in real.parts:
            candidates.append(Path(*real.parts[: real.parts.index("node_modules") + 1]))
        if real.parent.name == _SHIMS or (interpreter and real.parent.name == "bin"):
            candidates.append(real.parents[1])
        if surroundings == "folder" and not interpreter:
            candidates.append(real.parent)
        return next(filter(self.hidden.allows, candidates), real)

    def _environment(self, folder: Path) -> None:
        """Show a virtual environment, and the Python it was created from."""
        try:
            lines = (folder / "pyvenv.cfg").read_text().splitlines()
        except (OSError, ValueError):
            return
        if self.hidden.allows(folder):
            self._show(folder)
        settings = dict(line.split("=", 1) for line in lines if "=" in line)
        home = next((value.strip() for name, value in settings.items() if name.strip() == "home"), "")
        base = self._follow(Path(home)).parent if home.startswith("/") else folder
        if self.hidden.allows(base):
            self._show(base)

    def _follow(self, path: Path) -> Path:
        """Show the links in a path; returns its target."""
        left, current, links = list(path.parts[1:]), Path("/"), 0
        while left:
            part = left.pop(0)
            step = current.parent if part == ".." else current / part
            if not step.is_symlink():
                current = step
                continue
            links += 1
            if links > MAX_LINKS:
                raise InfrastructureError("isolation_unavailable", f"There are too many links on the way to {path}.")
            target = Path(os.readlink(step))  # noqa: PTH115 -- as it is written
            if not self._is_there(step):
                self.shown.links[str(step)] = str(target)
            current = Path("/") if target.is_absolute() else current
            left = [part for part in target.parts if part != "/"] + left
        return current

    def _show(self, path: Path) -> None:
        if any(path.is_relative_to(place) for place in TAKEN):
            raise InfrastructureError(
                "isolation_unavailable",
                f"{path} can't be shown to an agent's program, because its sandbox has something of its own there: "
                "move it to another place.",
            )
        if not self._is_there(path):
            self.shown.paths[path] = None

    def _is_there(self, path: Path) -> bool:
        """Whether every program sees it: it is in a system folder, and not in a hidden one inside it."""
        for folder in filter(path.is_relative_to, SYSTEM_FOLDERS):
            return not any(place.is_relative_to(folder) and path.is_relative_to(place) for place in self.hidden.covered)
        return False


def _homes(environ: Mapping[str, str]) -> list[str]:
    """The user's home, according to the environment and the system."""
    found = [environ.get("HOME", "")]
    with contextlib.suppress(KeyError):  # a user without an entry
        found.append(pwd.getpwuid(os.geteuid()).pw_dir)
    return [home for home in found if home.startswith("/")]


def _is_of_the_system(home: Path) -> bool:
    """Whether it is a system folder such as ``/`` or ``/usr/sbin``, which system users have as their home."""
    return str(home) in ("/", *SYSTEM_FOLDERS) or str(home.parent) in SYSTEM_FOLDERS


def _resolved(folders: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder.resolve() for folder in folders))


def _interpreters(script: Path, path: str) -> list[Path]:
    """The interpreter in the first line of a script; after ``env``, the program that it finds."""
    try:
        with script.open("rb") as file:
            first = file.readline(4096)
    except OSError:
        return []
    if not first.startswith(b"#!"):
        return []
    try:
        words = shlex.split(first[2:].decode("utf-8", "replace"))
    except ValueError:
        return []
    found = [Path(word) for word in words[:1]]
    if words and Path(words[0]).name == "env":
        named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
        program = shutil.which(named, path=path)
        found += [Path(program).absolute()] if program else []
    return [interpreter for interpreter in found if interpreter.is_absolute()]
