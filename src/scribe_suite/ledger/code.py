"""Hashes of the code that makes instances, runs attempts and scores answers.

A commit is not enough: there are uncommitted changes, files that git does not track yet, and copies without git.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import scribe_suite
from scribe_suite.paths import SHIPPED, find_part, within_suite
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.task import Task

_TRUTH = "ground_truth"


def package_sha256() -> str:
    """Hash of all modules, templates and tables of this package."""
    root = Path(scribe_suite.__file__).parent
    found = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    # the suite inside an installed package is hashed separately, so that package and checkout have the same hash
    return _sha256((path.relative_to(root), path) for path in found if not path.is_relative_to(root / SHIPPED))


def task_sha256(root: Path, task: Task | TaskFacts) -> str:
    """Hash of a task's module and of all modules of ``ground_truth/`` that it imports, directly or not.

    Args:
        root: The suite's folder.
        task: One of its tasks.
    """
    return _sha256((within_suite(root, path), path) for path in task_sources(root, task))


def task_sources(root: Path, task: Task | TaskFacts) -> set[Path]:
    """A task's module and all modules of ``ground_truth/`` that it imports; none for tasks from elsewhere."""
    found: set[Path] = set()
    left = [find_part(root, _TRUTH, task.family, f"{task.name}.py")]
    while left:
        path = left.pop()
        if path not in found and path.is_file():
            found.add(path)
            left.extend(_imported(root, path))
    return found


def _imported(root: Path, path: Path) -> Iterator[Path]:
    """Possible paths of the modules that `path` imports from ground_truth."""
    package = within_suite(root, path).parent.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            names = [module, *((*module, alias.name) for alias in node.names)]
        else:
            continue
        for name in names:
            if name[:1] == (_TRUTH,):
                yield find_part(root, *name[:-1], f"{name[-1]}.py")
                yield find_part(root, *name, "__init__.py")


def _sha256(named: Iterable[tuple[Path, Path]]) -> str:
    """Hash of files, each with its name, which is the same on every machine."""
    digest = hashlib.sha256()
    for name, path in sorted(named):
        content = path.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
