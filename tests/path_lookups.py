"""Finds every place in a module that looks a path up, by reading its code."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Of `pathlib.Path` and what works like it, `UntrustedFolder` and sockets included.
METHODS = _words(
    """open read_text read_bytes write_text write_bytes exists is_file is_dir is_symlink is_fifo is_socket is_mount stat
    lstat glob rglob iterdir walk unlink rename replace mkdir rmdir touch chmod lchmod symlink_to hardlink_to readlink
    resolve samefile owner group connect connect_ex bind"""
)
#: Of modules; ``*`` is all of one.
FUNCTIONS = {
    "os": _words(
        """open stat lstat statvfs truncate listdir scandir walk fwalk chown lchown chmod lchmod chflags unlink remove
        removedirs rename renames replace mkdir makedirs rmdir link symlink readlink access mkfifo mknod utime chdir
        chroot getxattr setxattr listxattr pathconf startfile"""
    ),
    "os.path": _words("exists lexists isfile isdir islink ismount realpath getsize getmtime samefile"),
    "io": _words("open open_code FileIO"),
    "shutil": _words("*"),
    "tempfile": _words("*"),
    "glob": _words("*"),
    "np": _words("load save savez loadtxt savetxt fromfile memmap"),
    "torch": _words("load save"),
    "nbformat": _words("read write"),
    "ast": frozenset(),  # it has a walk of its own
}
NAMES = _words("open FileIO FileLock SoftFileLock load_file save_file safe_open UntrustedFolder")
#: These look nothing up.
HARMLESS = frozenset(["shutil.get_terminal_size", "shutil.which"])


def lookups(source: str) -> dict[str, Counter[str]]:
    """What looks a path up in a module: function, or ``<module>`` -> what it uses, and how often.

    Args:
        source: Of the module.
    """
    tree = ast.parse(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    found: dict[str, Counter[str]] = {}
    for node in ast.walk(tree):
        for label in _labels(node, parents):
            found.setdefault(_function(node, parents), Counter())[label] += 1
    return found


def _labels(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[str]:
    parent = parents.get(node)
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):  # also one that is only handed on
        module = ast.unparse(node.value)
        names = FUNCTIONS.get(module)
        if names is not None:
            if ("*" in names or node.attr in names) and f"{module}.{node.attr}" not in HARMLESS:
                yield f"{module}.{node.attr}"
        elif node.attr in METHODS and not _replaces_text(node, parent):
            yield f".{node.attr}"
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(parent, ast.Call) and parent.func is node:
        yield node.id
    elif isinstance(node, ast.ImportFrom) and node.module in FUNCTIONS:
        names = FUNCTIONS[node.module] - NAMES  # those are found where they are called
        yield from (f"from {node.module} import {name.name}" for name in node.names if {"*", name.name} & names)


def _replaces_text(node: ast.Attribute, parent: ast.AST | None) -> bool:
    """Whether it is the method of texts, dates and the like, which takes two arguments or named ones."""
    called = isinstance(parent, ast.Call) and parent.func is node
    return node.attr == "replace" and called and (len(parent.args) != 1 or bool(parent.keywords))


def _function(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    names: list[str] = []
    inside: ast.AST | None = node
    while inside is not None:
        if isinstance(inside, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(inside.name)
        inside = parents.get(inside)
    return ".".join(reversed(names)) or "<module>"
