"""Imports point one way: which room may know which other one, and that no files import each other in a circle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "scribe_suite"

#: Modules at the package's top that every room may import.
BASE = frozenset(["causes", "errors", "exit_codes", "paths", "progress", "seeds", "text", "untrusted_files"])

#: Room -> the rooms that it may import besides `BASE`. From the bottom to the top: what stands higher knows what
#: stands lower, never the other way round.
ALLOWED: Mapping[str, frozenset[str]] = {
    room: frozenset(known.split())
    for room, known in {
        "sandbox": "",
        "laboratory": "sandbox",
        "tasks": "laboratory",
        "notebook": "sandbox",
        "planting": "laboratory tasks",
        "models": "planting sandbox tasks",
        "measurements": "models planting tasks",
        "scoring": "planting sandbox tasks",
        "providers": "notebook sandbox tasks",
        "ledger": "tasks",
        "claims": "ledger notebook tasks",
        "analysis": "ledger tasks",
        "watching": "ledger",
        "report": "analysis claims ledger measurements notebook tasks",
        "plugin": "analysis claims laboratory ledger measurements models notebook providers report sandbox tasks "
        "watching",
        "cards": "analysis ledger plugin tasks",
        "inspect_tasks": "analysis laboratory ledger measurements models notebook plugin sandbox tasks",
        "exports": "laboratory ledger notebook plugin providers report sandbox tasks",
        "packing": "",
        "sweeps": "ledger measurements plugin providers sandbox watching",
        "cli": "analysis cards exports ledger measurements models notebook packing planting providers report sandbox "
        "sweeps tasks watching",
    }.items()
}

#: Folders of the checkout beside ``src`` -> what they must not import: a library does not know who uses it.
FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "src": ("ground_truth", "tests", "tools", "studies", "perf", "fixtures", "benchmarks"),
    "ground_truth": ("tests", "tools", "studies", "perf", "scribe_suite.plugin", "scribe_suite.cli",
                     "scribe_suite.providers", "scribe_suite.notebook", "scribe_suite.ledger"),
    "tools": ("tests", "studies", "perf", "ground_truth"),
    "studies": ("tests", "perf"),
    "perf": ("tests", "studies"),
    "fixtures": ("tests", "tools", "studies", "perf"),
}  # fmt: skip


def module_name(path: Path) -> str:
    """As Python imports it."""
    parts = path.relative_to(ROOT / "src" if path.is_relative_to(ROOT / "src") else ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str, *, package: bool) -> Iterable[str]:
    """What a module imports, wherever in its code: lazily or for type checkers counts as well.

    A name that is taken from a module is given as if it were a module of it.
    """
    own = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own[: len(own) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def graph(*folders: str) -> Mapping[str, frozenset[str]]:
    """Module -> the modules of the same folders that it imports."""
    paths = [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "solutions" not in path.parts
    ]
    known = {module_name(path): path for path in paths}

    def resolved(name: str) -> str | None:
        return name if name in known else name.rpartition(".")[0] if name.rpartition(".")[0] in known else None

    return {
        module: frozenset(
            found
            for name in imported(path.read_text(), module, package=path.name == "__init__.py")
            if (found := resolved(name)) is not None and found != module
        )
        for module, path in known.items()
    }


def circle(edges: Mapping[str, frozenset[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; empty when there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def room(module: str) -> str:
    """The first name below the package."""
    return module.split(".")[1] if "." in module else ""


def test_no_files_import_each_other_in_a_circle():
    found = circle(graph("src", "ground_truth"))
    assert not found, f"{' -> '.join(reversed(found))}: move what both need into a module below them."


def test_every_room_is_in_the_table():
    folder = ROOT / "src" / PACKAGE
    rooms = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(ALLOWED)
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} <= BASE


@pytest.mark.parametrize("name", ALLOWED)
def test_a_room_imports_only_rooms_below_it(name):
    wrong = [
        f"{module} -> {other}"
        for module, others in graph("src").items()
        for other in sorted(others)
        if room(module) == name and room(other) not in {name, "", *BASE, *ALLOWED[name]}
    ]
    assert not wrong, "\n".join([*wrong, "Move what is needed further down, or draw the edge in ALLOWED and docs."])


def test_the_table_of_rooms_has_no_edge_that_is_not_used():
    used = {name: {room(other) for module, others in graph("src").items() if room(module) == name for other in others}
            for name in ALLOWED}  # fmt: skip
    assert {name: known - used[name] for name, known in ALLOWED.items() if known - used[name]} == {}


@pytest.mark.parametrize(("below", "above"), [("option", "worker"), ("option", "controller"), ("worker", "controller")])
def test_the_plugin_s_options_know_neither_side_and_workers_not_the_controller(below, above):
    inside = f"{PACKAGE}.plugin."
    wrong = [
        f"{module} -> {other}"
        for module, others in graph("src").items()
        for other in sorted(others)
        if module.startswith(f"{inside}{below}.") and other.startswith(f"{inside}{above}.")
    ]
    assert wrong == []


def test_no_task_imports_another_one():
    def is_task(module: str) -> bool:
        return len(module.split(".")) == 3 and module.split(".")[1] not in ("frozen", "measured", "solutions")

    wrong = [
        f"{module} -> {other}"
        for module, others in graph("src", "ground_truth").items()
        for other in sorted(others)
        if module.startswith("ground_truth.")
        and is_task(module)
        and other.startswith("ground_truth.")
        and is_task(other)
    ]
    assert wrong == []


def test_the_table_of_rooms_has_a_direction():
    assert circle(ALLOWED) == []


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_nothing_knows_who_uses_it(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "solutions" not in path.parts
        for name in imported(path.read_text(), module_name(path), package=path.name == "__init__.py")
        if any(name == other or name.startswith(f"{other}.") for other in FORBIDDEN[folder])
    ]
    assert wrong == []


def test_what_runs_inside_the_sandbox_imports_the_standard_library_alone():
    folder = ROOT / "src" / PACKAGE / "sandbox" / "inside"
    wrong = [
        f"{path.name} imports {name}"
        for path in sorted(folder.glob("*.py"))
        for name in imported(path.read_text(), module_name(path), package=path.name == "__init__.py")
        if name.split(".")[0] not in sys.stdlib_module_names
        and not name.startswith(f"{PACKAGE}.sandbox.inside")
        and path.name != "jupyter_kernel.py"  # it is the Jupyter kernel
    ]
    assert wrong == []


def test_what_runs_inside_every_kernel_imports_nothing_of_the_package():
    folder = ROOT / "src" / PACKAGE / "notebook" / "inside"
    wrong = [
        f"{path.name} imports {name}"
        for path in sorted(folder.glob("*.py"))
        for name in imported(path.read_text(), module_name(path), package=path.name == "__init__.py")
        if name.split(".")[0] not in {*sys.stdlib_module_names, "zmq", "ipykernel", "PIL", "tqdm"}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b", ["a.b"]),
        ("from a import b, c", ["a.b", "a.c"]),
        ("from . import x", ["p.q.x"]),
        ("from ..r import y", ["p.r.y"]),
        ("def f():\n    from a import b", ["a.b"]),
        ("if TYPE_CHECKING:\n    import z", ["z"]),
    ],
)
def test_imports_are_found_wherever_they_are(source, names):
    assert list(imported(source, "p.q.m", package=False)) == names


def test_a_circle_is_found():
    assert sorted({*circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")})}) == ["a", "b", "c"]
