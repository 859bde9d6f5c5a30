"""docs/reference/audit.md names tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "reference" / "audit.md").read_text())))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_audit_names_is_there(file, name):
    path = ROOT / file
    assert path.is_file(), f"docs/reference/audit.md names {file}, which is not there"
    functions = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    assert name in functions


def test_every_class_of_flaws_is_audited():
    text = (ROOT / "docs" / "reference" / "audit.md").read_text()
    assert all(f"**V{number}," in text for number in range(1, 9))
    assert len(NAMED) > 20
