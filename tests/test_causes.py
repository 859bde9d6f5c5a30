"""The table of causes: whole, used, and the only place where a cause comes from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from scribe_suite import causes
from scribe_suite.causes import CAUSES, EXCEPTION, PROVIDER_ERROR, infrastructure_cause
from scribe_suite.errors import (
    ConfigurationError,
    FrozenModelError,
    InfrastructureError,
    UnknownCauseError,
    cause_of,
)
from scribe_suite.providers.base import AttemptFailedError, EndReason, ProviderResult

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for folder in ("src", "ground_truth", "fixtures", "benchmarks", "tools", "perf", "studies", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(causes.__file__).resolve()
]
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}
#: Errors whose first argument is a cause; of functions it is the parameter of this name.
ERRORS = {"InfrastructureError": 0, "AttemptFailedError": 0}


def takers() -> dict[str, int]:
    """Functions with a parameter ``cause``, and its place among the arguments of a call."""
    found = dict(ERRORS)
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
                names = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
                if "cause" in names:
                    found[node.name] = names.index("cause")
    return found


def texts(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from texts(value)
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def given(tree: ast.AST, places: dict[str, int]) -> Iterator[str]:
    """Causes written out where one is wanted: as an argument, or assigned to something of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = places.get(name)
            if place is not None and len(node.args) > place:
                yield from texts(node.args[place])
            if place is not None:
                yield from (
                    text for keyword in node.keywords if keyword.arg == "cause" for text in texts(keyword.value)
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {getattr(target, "attr", getattr(target, "id", "")) for target in targets}
            if names & {"cause", "infrastructure_cause"}:
                yield from texts(node.value)


def test_every_cause_in_the_source_is_in_the_table():
    places = takers()
    written = {(path.name, cause) for path, tree in TREES.items() for cause in given(tree, places)}
    assert len(written) > 40, "the search finds nothing"
    assert {(name, cause) for name, cause in written if cause not in CAUSES} == set()


def test_every_cause_in_the_table_is_in_the_source():
    written = {
        node.value
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    own = {PROVIDER_ERROR, EXCEPTION}  # these have names of their own, which may be words of something else too
    assert set(CAUSES) - written - own == set()


def test_the_table_is_whole():
    assert len(CAUSES) == len(causes._TABLE), "a name stands twice"
    for cause in CAUSES.values():
        advice = cause.advice.format(cli="Claude Code", login="log in", variable="SCRIBE_CLAUDE_BIN")
        for sentence in (cause.meaning, advice):
            assert sentence.endswith("."), cause
            assert "{" not in sentence, cause
        assert not (cause.counts and cause.retried), cause
    assert any(cause.counts for cause in CAUSES.values())


@pytest.mark.parametrize("name", ["", "kernel start", "brand_new", "no_tool_call", None])
def test_an_infrastructure_failure_needs_a_cause_of_the_table_that_does_not_count(name):
    with pytest.raises(ValueError, match=r"is not a cause of failure: use 'provider_error'|counts against the agent"):
        infrastructure_cause(name)
    with pytest.raises(UnknownCauseError, match=r"it hangs \(.*is not a cause|it hangs \(.*counts against") as caught:
        InfrastructureError(name, "it hangs")
    # and no ValueError, which readers of odd events and validators of answers take for something of the agent's
    assert not isinstance(caught.value, ValueError)
    assert caught.value.cause == PROVIDER_ERROR


def test_a_provider_of_somebody_else_s_with_a_cause_of_its_own_is_recorded_with_its_message():
    spent = ProviderResult(EndReason.FAILED, tokens={"input": 7})
    with pytest.raises(UnknownCauseError) as caught:
        raise AttemptFailedError("quota_of_ours", "The quota is used up.", spent)
    assert cause_of(caught.value) == PROVIDER_ERROR
    assert str(caught.value).startswith("The quota is used up. ('quota_of_ours' is not a cause")
    assert caught.value.result == spent


class WithoutCauseError(InfrastructureError):
    """Somebody's subclass that forgets to call the constructor."""

    def __init__(self):
        Exception.__init__(self, "broken")


def test_every_exception_has_a_cause_of_the_table():
    changed = InfrastructureError("network", "gone")
    changed.cause = "something else"
    errors = [
        InfrastructureError("network", ""),
        changed,
        WithoutCauseError(),
        ConfigurationError(),
        FrozenModelError(),
        KeyError("x"),
    ]
    assert [cause_of(error) for error in errors] == [
        "network", PROVIDER_ERROR, PROVIDER_ERROR, "configuration", "frozen_model", EXCEPTION,
    ]  # fmt: skip
