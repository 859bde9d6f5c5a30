"""The two-sample tests of programs' nodes and of edges: what is compared with what, and the tables."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scribe_suite.planting.circuits.signatures.table import Signatures
from scribe_suite.planting.circuits.wiring.edges import edges_between
from scribe_suite.tasks.registry import default_registry
from studies import exchangeability
from studies.edge_signatures import WORDS, _by_name, other_writers
from studies.exchangeability import Sample, shuffled_within
from studies.two_samples import classifiers_table, compared, statistics_table

NODES = ["a0.h0", "m0", "a1.h0", "m1", "a2.h1", "m2"]


def samples(marked: float, models: int = 4) -> list[Sample]:
    """Models with one MLP input of several writers; the key's rows have one statistic larger by `marked`."""
    rng = np.random.default_rng(0)
    names = tuple(str(edge) for edge in edges_between(NODES) if edge.role == "in")
    found = []
    for model in range(models):
        chosen = rng.permutation(len(names)) < 3
        values = rng.normal(size=(len(names), 6))
        values[chosen, 2] += marked
        table = Signatures(names, tuple(f"s{i}" for i in range(6)), ("weights",) * 3 + ("composition",) * 3, values)
        key = frozenset(name for name, inside in zip(names, chosen, strict=True) if inside)
        found.append(Sample("circuits/toy", f"toy/{model}", {"in": table}, key))
    return found


@pytest.fixture
def _few_permutations(monkeypatch):
    monkeypatch.setattr(exchangeability, "PERMUTATIONS", 200)


def test_rows_are_shuffled_within_their_groups_alone():
    groups, chosen = np.array([1, 0, 1, 0, 2, 1]), np.array([True, False, False, True, True, True])
    drawn = shuffled_within(groups, chosen, 40, np.random.default_rng(0))
    for group, count in ((0, 1), (1, 2), (2, 1)):
        assert set(drawn[:, groups == group].sum(1)) == {count}
    assert 0 < drawn[:, 0].mean() < 1


def test_redrawn_wirings_have_as_many_writers_at_every_input():
    (sample, *_) = samples(0.0)
    inputs = [name.partition("->")[2] for name in sample.tables["in"].nodes]
    wanted = Counter(name.partition("->")[2] for name in sample.key)
    for drawn in other_writers(sample, "in", [], 20, np.random.default_rng(0)):
        assert Counter(where for where, inside in zip(inputs, drawn, strict=True) if inside) == wanted


def test_names_of_edges_say_where_their_ends_are():
    edges = edges_between(NODES)
    columns = {name: column.tolist() for name, column in _by_name(edges).items()}
    row = {str(edge): number for number, edge in enumerate(edges)}
    at = row["m1->a2.h1.v"]
    assert {name: values[at] for name, values in columns.items()} == {
        "embedding": 0,
        "MLP": 1,
        "layer of the reader": 2,
        "layer of the writer": 1,
        "layers between": 1,
        "earlier writers": 4,  # the embedding and three nodes
    }
    assert columns["embedding"][row["embed->m0"]] == 1


@pytest.mark.usefixtures("_few_permutations")
@pytest.mark.parametrize(("marked", "is_told"), [(9.0, True), (0.0, False)])
def test_a_statistic_that_tells_the_key_is_named_and_pays(marked, is_told):
    found = compared(samples(marked), other_writers, {"circuits/toy": 0.4})
    assert any(row.auroc > 0.98 and row.p < 0.02 for row in found.separations) == is_told
    rows = [line.strip("| ").split(" | ") for line in statistics_table(found, WORDS).splitlines()[2:]]
    assert [row[:2] for row in rows] == [["`toy`", "names"], ["`toy`", "products of weights"]]
    assert rows[0][3].startswith("s2: 1.00 (p 0.00") == is_told
    best = {row[1]: float(row[3]) for row in map(_cells, classifiers_table(found, WORDS).splitlines()[2:])}
    assert list(best) == ["names", "names, products of weights", "names, products of weights, activations"]
    assert (min(best.values()) > 0.8) == is_told


def _cells(line: str) -> list[str]:
    return line.strip("| ").split(" | ")


@pytest.mark.slow
def test_samples_have_every_node_and_edge_of_the_first_models(monkeypatch):
    from ground_truth.circuits.mechanisms.base import Base
    from studies import edge_signatures, mechanism_signatures

    registry = default_registry()
    for study, task_id, inside in (
        (mechanism_signatures, "circuits/mechanism", 7),
        (edge_signatures, "circuits/edges", 16),
    ):
        models = dict(list(study.frozen_models(registry.planted(task_id)).items())[:1])
        monkeypatch.setattr(study, "frozen_models", lambda _, models=models: models)
        (sample,) = study.samples_of(task_id)
        (base,) = map(Base.of, models.values())
        assert sample.key <= set(sample.nodes)
        assert len(sample.key) >= inside
        assert len(base.program.parts) <= len(sample.nodes)
        assert len({table.statistics for table in sample.tables.values()}) >= 1
