"""The table of tiers is the only place that knows their names."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from scribe_suite.sandbox import inside, requests, tiers
from scribe_suite.sandbox.inside import seccomp
from scribe_suite.sandbox.requests import Execution, Places, ProcessRequest, Resources, process_request
from scribe_suite.sandbox.tiers import TIERS, IsolationTier, Promise, Requirement, TierName

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("src", "ground_truth", "fixtures", "tools", "perf", "studies")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(tiers.__file__).resolve()
]
#: Comparisons with the word ``none`` that are about what a user asks for, not about what was found.
REQUESTED = {"requested"}


def texts(node: ast.AST) -> set[str]:
    """Texts that stand in an expression, in tuples and sets too, but not below another comparison."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def comparisons(source: str) -> Iterator[str]:
    """Where a name of a tier is compared with something, is a key of a table, or a case of a match."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            found = set().union(*(texts(part) for part in (node.left, *node.comparators)))
            if found & {"namespaces", "landlock"}:
                yield ast.unparse(node)
            if "none" in found and ast.unparse(node.left) not in REQUESTED:
                yield ast.unparse(node)
        elif isinstance(node, ast.Dict):
            if {"namespaces"} & {key.value for key in node.keys if isinstance(key, ast.Constant)}:
                yield ast.unparse(node)
        elif isinstance(node, ast.MatchValue) and texts(node) & set(TIERS):
            yield ast.unparse(node)


@pytest.mark.parametrize(
    "source",
    [
        "tier.name == 'namespaces'",
        "tier.name not in ('landlock', 'none')",
        "if request['tier'] != 'none': pass",
        "POLICY = {'namespaces': 1, 'landlock': 2}",
        "match name:\n    case 'landlock': pass",
    ],
)
def test_a_comparison_would_be_found(source):
    assert list(comparisons(source))


def test_no_module_but_the_table_compares_names_of_tiers():
    found = {path.relative_to(ROOT).as_posix(): list(comparisons(path.read_text())) for path in SOURCES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_table_has_every_tier_and_each_promises_less_than_the_one_before():
    assert list(TIERS) == list(get_args(TierName))
    rows = list(TIERS.values())
    for better, worse in pairwise(rows):
        assert better.promises > worse.promises
    assert [row.strict for row in rows] == [True, False, False]
    assert rows[-1].requirements == ()
    assert not rows[-1].confined


@pytest.mark.parametrize("tier", TIERS.values(), ids=lambda tier: tier.name)
def test_the_fields_of_a_tier_fit_together(tier):
    assert {tier.kernel_filter, tier.program_filter} <= {None, *seccomp.POLICIES}
    assert tier.confined == (tier.kernel_filter is not None) == (Requirement.FILTER in tier.requirements)
    assert tier.own_root == (Promise.OWN_ROOT in tier.promises)
    assert tier.landlock == (Requirement.LANDLOCK in tier.requirements)
    assert tier.in_memory <= tier.own_root, "only a file system of its own can be in memory"
    assert not (tier.own_root and tier.landlock)


def request(name: TierName, uid: int | None) -> ProcessRequest:
    execution = Execution({"PATH": "/bin"}, "/work", argv=["/bin/true"])
    places = Places(on_disk=["/disk"], in_memory=["/tmp"], tmpfs={"/tmp": 1})
    resources = Resources({"RLIMIT_CORE": 1}, 2, 3, 4)
    return process_request(IsolationTier(name), uid, execution, resources, places, policy="kernel", network=False)


def test_a_request_has_what_follows_from_the_tier_and_not_its_name():
    own, host = request("namespaces", None), request("landlock", None)
    assert (own.own_root, own.user_namespace, own.disk, own.on_disk, own.in_memory) == (True, True, None, (), ["/tmp"])
    assert (host.own_root, host.user_namespace, host.disk, host.on_disk) == (False, False, 4, ["/disk"])
    assert host.in_memory == ()
    assert not request("namespaces", 20_000).user_namespace
    assert "namespaces" not in json.dumps(own.as_message())


def test_processes_are_limited_where_they_can_be_counted():
    assert request("namespaces", None).limits == {"RLIMIT_CORE": 1, "RLIMIT_NPROC": 3}
    assert request("landlock", 20_000).limits == {"RLIMIT_CORE": 1, "RLIMIT_NPROC": 3}
    assert request("landlock", None).limits == {"RLIMIT_CORE": 1}


def test_a_request_has_every_field_that_the_inside_reads_of_it():
    """The inside reads plain JSON: nobody else would notice a field that was renamed on one side."""
    read: set[str] = set()
    for name in ("supervisor", "view", "fork_server"):
        source = (Path(inside.__file__).parent / f"{name}.py").read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "request":
                read |= texts(node.slice)
    fields = set(ProcessRequest.__dataclass_fields__)
    assert read - fields == {"op", "home", "descriptors"}, "these the fork-server's own side adds"
    assert fields - read == set()


def test_the_inside_imports_nothing_from_outside_it():
    prefix = requests.__name__.rpartition(".")[0] + ".inside"
    for path in sorted(Path(inside.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.startswith("scribe_suite")]
            assert all(name.startswith(prefix) for name in ours), f"{path.name} imports {ours}"
