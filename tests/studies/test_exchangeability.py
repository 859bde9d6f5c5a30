"""A signature is found where one was put, and none where nodes are exchangeable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scribe_suite.planting.circuits.signatures.table import Signatures
from scribe_suite.scoring.sets import f1
from studies import exchangeability
from studies.classifiers import SKILL_BAR, chance_of, skills, worst
from studies.exchangeability import Sample, layer_of, separations, signatures

LAYERS, STATISTICS = 5, 24


@pytest.fixture(autouse=True)
def _fewer_permutations(monkeypatch):
    monkeypatch.setattr(exchangeability, "PERMUTATIONS", 400)


def samples(mark: Callable[[np.ndarray, int], None], *, tasks: int = 3, models: int = 6, seed: int = 0) -> list[Sample]:
    """Models of five layers with one MLP and two heads each; `mark` changes the values of the key's row."""
    rng = np.random.default_rng(seed)
    found = []
    for task in range(tasks):
        for model in range(models):
            tables, key = {}, set()
            for kind, nodes in (
                ("head", [f"a{layer}.h{head}" for layer in range(LAYERS) for head in range(2)]),
                ("mlp", [f"m{layer}" for layer in range(LAYERS)]),
            ):
                values = rng.normal(size=(len(nodes), STATISTICS))
                chosen = int(rng.integers(len(nodes)))
                key.add(nodes[chosen])
                mark(values, chosen)
                names = tuple(f"s{i}" for i in range(STATISTICS))
                tables[kind] = Signatures(tuple(nodes), names, ("weights",) * STATISTICS, values)
            found.append(Sample(f"task{task}", f"task{task}/{model}", tables, frozenset(key)))
    return found


def nothing(values: np.ndarray, row: int) -> None:
    """Leaves the key alone."""


def small(values: np.ndarray, row: int) -> None:
    """The key has the smallest value of one statistic."""
    values[row, 7] = -9.0


def a_little_of_many(values: np.ndarray, row: int) -> None:
    """The key's values are a little larger in many statistics, and in none of them surely."""
    values[row, :20] += 1.0


def test_exchangeable_nodes_have_no_signature_and_pay_no_classifier():
    found = samples(nothing)
    assert signatures(separations(found)) == []
    means: dict[tuple[str, str], list[float]] = {}
    for row in skills(found, classifiers=["single statistic", "logistic, 10 best"], sights=["weights"]):
        means.setdefault((row.training, row.classifier), []).append(row.skill)
    assert max(np.mean(values) for values in means.values()) < SKILL_BAR


def test_a_planted_difference_is_found_in_its_statistic_alone():
    found = separations(samples(small))
    hits = signatures(found)
    assert {row.statistic for row in hits} == {"s7"}
    assert {(row.task, row.kind) for row in hits} >= {("all", "head"), ("all", "mlp")}
    assert all(row.auroc == 0 for row in hits)


def test_a_planted_difference_pays_every_classifier_also_on_other_tasks():
    for row in skills(samples(small, tasks=2, models=8), sights=["weights"]):
        assert row.skill > 0.5, row


def test_what_is_spread_over_many_statistics_is_found_by_a_classifier():
    found = samples(a_little_of_many)
    best = worst(skills(found, classifiers=["logistic"], sights=["weights"]))
    assert np.mean([row.skill for row in best.values()]) > SKILL_BAR


def test_a_statistic_that_only_tells_the_layer_is_no_signature():
    """Keys that are always in the last layer are known without a model; the exchange of keys knows it too."""
    rng = np.random.default_rng(0)
    found = []
    for model in range(6):
        nodes = tuple(f"a{layer}.h{head}" for layer in range(LAYERS) for head in range(4))
        values = np.array([[float(layer_of(node))] for node in nodes]) + rng.normal(size=(len(nodes), 1)) / 100
        table = Signatures(nodes, ("layer",), ("weights",), values)
        found.append(Sample("task", str(model), {"head": table}, frozenset({f"a4.h{model % 4}"})))
    (row,) = separations(found)
    assert row.outside
    assert row.p > 0.05


def test_chance_is_that_of_the_best_fixed_answer():
    nodes = tuple(f"m{layer}" for layer in range(LAYERS))
    table = Signatures(nodes, (), (), np.zeros((LAYERS, 0)))
    always = [Sample("task", str(i), {"mlp": table}, frozenset({"m1", "m3"})) for i in range(3)]
    assert chance_of(always) == 1
    anywhere = [Sample("task", str(i), {"mlp": table}, frozenset({f"m{i}"})) for i in range(LAYERS)]
    assert chance_of(anywhere) == pytest.approx(f1(frozenset(nodes), frozenset({"m0"})), abs=0.05)


@pytest.mark.parametrize(("node", "layer"), [("a0.h1", 0), ("m12", 12), ("L2.N45", 2)])
def test_layers_of_nodes(node, layer):
    assert layer_of(node) == layer


def test_another_name_has_no_layer():
    with pytest.raises(ValueError, match="no node"):
        layer_of("x1")
