"""Combines several modules into one file, which is put into kernels."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

#: The name under which kernels import it.
NAME = "lab.py"
#: Code for the first cell of a notebook whose working folder contains the file.
SETUP_CODE = """import sys

sys.path.append(".")  # lab.py
import lab
"""
#: In dependency order; the docstring of the last one becomes that of the whole. They are read, not imported, which
#: would import torch.
_PARTS = ("../frames.py", "place.py", "wire.py", "values.py", "api.py")
_PACKAGE = "scribe_suite"


def client_file() -> tuple[str, bytes]:
    """Name and content of the file that a kernel needs in its working folder; it talks to `place.DESCRIPTOR`."""
    here = Path(__file__).parent
    return NAME, joined([(here / part).read_text() for part in _PARTS]).encode()


def joined(sources: Sequence[str]) -> str:
    """One module of the text of several, without their imports of each other.

    Args:
        sources: Each may import names, but not modules, from earlier ones.

    Raises:
        ValueError: When a name is defined by two of them.
    """
    imports: set[tuple[str, str]] = set()
    bodies: list[str] = []
    owners: dict[str, int] = {}
    teaching = ""
    for number, source in enumerate(sources):
        tree = ast.parse(source)
        teaching = ast.get_docstring(tree, clean=False) or ""
        left_out: set[int] = set()
        for statement in tree.body:
            is_import = isinstance(statement, ast.Import | ast.ImportFrom)
            if is_import or (teaching and statement is tree.body[0]):
                left_out |= set(range(statement.lineno - 1, statement.end_lineno or statement.lineno))
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports |= set(_imports(statement))
            for name in _defined(statement):
                if owners.setdefault(name, number) != number:
                    raise ValueError(f"two parts of the client define {name}")
        bodies.append("\n".join(line for at, line in enumerate(source.splitlines()) if at not in left_out).strip("\n"))
    head = f'"""{teaching}"""\n\nfrom __future__ import annotations\n\n{_import_lines(imports)}'
    return "\n\n\n".join([head, *bodies]) + "\n"


def _imports(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """What a statement imports from outside this package: module and name, or an empty text and module."""
    module = statement.module or "" if isinstance(statement, ast.ImportFrom) else ""
    if module != "__future__" and module.partition(".")[0] != _PACKAGE:
        yield from ((module, ast.unparse(alias)) for alias in statement.names)


def _import_lines(imports: Iterable[tuple[str, str]]) -> str:
    modules: dict[str, list[str]] = {}
    for module, name in sorted(imports):
        modules.setdefault(module, []).append(name)
    plain = [f"import {name}" for name in modules.pop("", [])]
    return "\n".join([*plain, *(f"from {module} import {', '.join(names)}" for module, names in modules.items())])


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    yield from (target.id for target in targets if isinstance(target, ast.Name))
