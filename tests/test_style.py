"""What the linters do not know of this code's style."""

import ast
import io
import itertools
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Comments that are for tools.
DIRECTIVES = ("# noqa", "# type:", "# fmt:")
FOLDERS = ("src", "ground_truth", "fixtures", "tools", "studies", "perf")


def documented_after(source: str) -> list[int]:
    """Lines of constants, of modules and classes, that a string after them documents."""
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    return [
        constant.lineno
        for body in bodies
        for constant, after in itertools.pairwise(body)
        if isinstance(constant, ast.Assign | ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_constants_are_documented_by_comments_before_them(folder):
    found = [
        f"{path.relative_to(ROOT)}:{line}: write it as '#: ...' above"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "solutions" not in path.parts
        for line in documented_after(path.read_text())
    ]
    assert not found, "\n".join(found)


def commented_beside(source: str) -> list[int]:
    """Lines of constants, of modules, that a comment beside them documents."""
    constants = {
        node.end_lineno: node.lineno
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.end_lineno == node.lineno
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and token.start[0] in constants and not token.string.startswith(DIRECTIVES)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_constants_are_not_documented_by_comments_beside_them(folder):
    found = [
        f"{path.relative_to(ROOT)}:{line}: write it as '#: ...' above"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "solutions" not in path.parts
        for line in commented_beside(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_a_comment_beside_a_constant_is_found():
    assert commented_beside("A = 1  # of A\nB = 2  # noqa: X\nC = 3\n") == [1]


def test_a_string_after_a_constant_is_found():
    assert documented_after('A = 1\n"""Of A."""\n\n\nclass B:\n    c: int = 2\n    """Of c."""\n') == [1, 6]
    assert documented_after('"""Of the module."""\nA = 1\n\n#: Of B.\nB = 2\n') == []
