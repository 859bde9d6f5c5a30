from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import pytest

from scribe_suite.scoring.normalise import best_blind_answer
from scribe_suite.scoring.sets import (
    COMPONENT_METRICS,
    NEURON_METRICS,
    f1,
    score_components,
    score_neurons,
    set_metrics,
)
from scribe_suite.tasks.task import Score

COMPONENTS = [f"a{layer}.h{head}" for layer in range(3) for head in range(4)] + [f"m{layer}" for layer in range(3)]
COMPONENT_GROUPS = [COMPONENTS[:12], COMPONENTS[12:]]
NEURONS = [f"L{layer}.N{index}" for layer in range(2) for index in range(256)]
NEURON_GROUPS = [NEURONS[:256], NEURONS[256:]]


def test_metrics_of_a_partly_right_set() -> None:
    found = set_metrics({"a", "b", "c"}, {"b", "c", "d", "e"})
    assert found == pytest.approx({"iou": 2 / 5, "precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7})


@pytest.mark.parametrize(
    ("submitted", "expected"),
    [
        ({"a", "b"}, {"iou": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0}),
        ({"c"}, {"iou": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}),
        (set(), {"iou": 0.0, "precision": 0.0, "recall": 0.0, "f1": 0.0}),
        ({"a", "b", "c", "d"}, {"iou": 0.5, "precision": 0.5, "recall": 1.0, "f1": 2 / 3}),
    ],
)
def test_metrics_at_the_edges(submitted: set[str], expected: dict[str, float]) -> None:
    assert set_metrics(submitted, {"a", "b"}) == pytest.approx(expected)


def test_duplicates_in_a_submission_count_once() -> None:
    assert set_metrics(["a", "a", "b"], ["a", "b", "b"])["f1"] == 1.0


def test_an_empty_truth_is_refused() -> None:
    with pytest.raises(ValueError, match="non-empty truth"):
        set_metrics({"a"}, set())


def test_f1_alone_agrees_with_the_metrics() -> None:
    rng = random.Random(0)
    for _ in range(200):
        submitted = frozenset(rng.sample(COMPONENTS, rng.randint(0, 8)))
        truth = frozenset(rng.sample(COMPONENTS, rng.randint(1, 8)))
        assert f1(submitted, truth) == pytest.approx(set_metrics(submitted, truth)["f1"])


def test_a_component_score_has_the_metrics_it_promises() -> None:
    score = score_components({"m0"}, {"m0", "m1"}, blind={"m0", "m1", "m2"}, reference_f1=1.0)
    assert set(score.metrics) == set(COMPONENT_METRICS)
    assert score.primary == "f1"
    assert score.chance == pytest.approx(4 / 5)
    assert score.reference == 1.0


def test_a_neuron_score_has_the_metrics_it_promises() -> None:
    score = score_neurons({"L0.N1"}, {"L0.N1"}, blind={"L1.N1"}, reference_f1=1.0)
    assert set(score.metrics) == set(NEURON_METRICS)
    assert score.metrics["success"] == 1.0


@pytest.mark.parametrize(("needed", "success"), [(1.0, 0.0), (0.8, 1.0), (0.81, 0.0)])
def test_success_needs_the_stated_f1(needed: float, success: float) -> None:
    score = score_neurons({"a", "b"}, {"a", "b", "c"}, blind={"z"}, reference_f1=1.0, success_f1=needed)
    assert score.metrics["f1"] == pytest.approx(0.8)
    assert score.metrics["success"] == success


def test_a_weaker_reference_raises_skill_but_never_above_one() -> None:
    answer, truth = {"a", "b"}, {"a", "b", "c"}
    strict = score_neurons(answer, truth, blind={"z"}, reference_f1=1.0)
    lenient = score_neurons(answer, truth, blind={"z"}, reference_f1=0.8)
    assert strict.skill == pytest.approx(0.8)
    assert lenient.skill == 1.0
    assert score_neurons(truth, truth, blind={"z"}, reference_f1=0.8).skill == 1.0


@dataclass(frozen=True)
class Drawn:
    """One random key, and what somebody could answer from."""

    rng: random.Random
    universe: list[str]
    groups: list[list[str]]
    key: frozenset[str]


Rule = Callable[[Drawn], Collection[str]]


def _mean_skill(
    scorer: Callable[[Collection[str], Collection[str], Collection[str], float], Score],
    universe: list[str],
    groups: list[list[str]],
    sizes: tuple[int, int],
    rule: Rule,
) -> float:
    rng = random.Random(3)
    keys = [frozenset(rng.sample(universe, rng.randint(*sizes))) for _ in range(200)]
    blind = best_blind_answer(keys, groups, f1)
    skills = [scorer(rule(Drawn(rng, universe, groups, key)), key, blind, 1.0).skill for key in keys]
    return sum(skills) / len(skills)


def component_skill(rule: Rule) -> float:
    return _mean_skill(score_components, COMPONENTS, COMPONENT_GROUPS, (2, 6), rule)


def neuron_skill(rule: Rule) -> float:
    return _mean_skill(score_neurons, NEURONS, NEURON_GROUPS, (2, 4), rule)


def test_the_key_itself_has_skill_one() -> None:
    assert component_skill(lambda drawn: drawn.key) == 1.0
    assert neuron_skill(lambda drawn: drawn.key) == 1.0


DEGENERATE: dict[str, Rule] = {
    "empty": lambda _: (),
    "everything": lambda drawn: drawn.universe,
    "one group": lambda drawn: drawn.groups[0],
    "the other group": lambda drawn: drawn.groups[1],
    "random of the right size": lambda drawn: drawn.rng.sample(drawn.universe, len(drawn.key)),
    "one random element": lambda drawn: [drawn.rng.choice(drawn.universe)],
    "the complement": lambda drawn: set(drawn.universe) - drawn.key,
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_a_degenerate_answer_has_no_skill(kind: str) -> None:
    assert component_skill(DEGENERATE[kind]) <= 0.05
    assert neuron_skill(DEGENERATE[kind]) <= 0.05


def test_adding_wrong_elements_never_helps_and_right_ones_never_hurt() -> None:
    truth = frozenset({"m0", "a0.h1", "a1.h2"})
    blind = frozenset(COMPONENTS)
    half = {"m0", "a0.h1"}
    assert (
        score_components(half | {"m2"}, truth, blind, 1.0).skill
        < score_components(half, truth, blind, 1.0).skill
        < score_components(truth, truth, blind, 1.0).skill
    )
