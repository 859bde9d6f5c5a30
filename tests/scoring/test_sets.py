from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from scribe_suite.scoring.normalise import expected_score
from scribe_suite.scoring.sets import (
    COMPONENT_METRICS,
    NEURON_METRICS,
    ROLE_METRICS,
    Role,
    best_fixed_set,
    f1,
    score_components,
    score_neurons,
    score_roles,
    set_metrics,
    signed,
    unsigned,
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
    score = score_components({"m0"}, {"m0", "m1"}, chance=0.5, reference_f1=1.0)
    assert set(score.metrics) == set(COMPONENT_METRICS)
    assert score.primary == "f1"
    assert (score.chance, score.reference) == (0.5, 1.0)
    assert score.skill == pytest.approx((2 / 3 - 0.5) / (1.0 - 0.5))


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


ChanceOf = Callable[[list[frozenset[str]], frozenset[str]], Callable[[Collection[str], frozenset[str]], Score]]


def _components(
    keys: list[frozenset[str]], blind: frozenset[str]
) -> Callable[[Collection[str], frozenset[str]], Score]:
    chance = expected_score(blind, keys, f1)
    return lambda submitted, key: score_components(submitted, key, chance, 1.0)


def _neurons(_: list[frozenset[str]], blind: frozenset[str]) -> Callable[[Collection[str], frozenset[str]], Score]:
    return lambda submitted, key: score_neurons(submitted, key, blind, 1.0)


def _mean_skill(
    scorer: ChanceOf,
    universe: list[str],
    groups: list[list[str]],
    sizes: tuple[int, int],
    rule: Rule,
) -> float:
    rng = random.Random(3)
    keys = [frozenset(rng.sample(universe, rng.randint(*sizes))) for _ in range(200)]
    blind = best_fixed_set(keys)
    score = scorer(keys, blind)
    skills = [score(rule(Drawn(rng, universe, groups, key)), key).skill for key in keys]
    return sum(skills) / len(skills)


def component_skill(rule: Rule) -> float:
    return _mean_skill(_components, COMPONENTS, COMPONENT_GROUPS, (2, 6), rule)


def neuron_skill(rule: Rule) -> float:
    return _mean_skill(_neurons, NEURONS, NEURON_GROUPS, (2, 4), rule)


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
    chance = f1(frozenset(COMPONENTS), truth)
    half = {"m0", "a0.h1"}
    assert (
        score_components(half | {"m2"}, truth, chance, 1.0).skill
        < score_components(half, truth, chance, 1.0).skill
        < score_components(truth, truth, chance, 1.0).skill
    )


# --- the best fixed set -----------------------------------------------------------------------------------------------

ELEMENTS = [f"a{i}" for i in range(4)] + [f"b{i}" for i in range(3)]


def every_set(elements: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(chosen) for size in range(len(elements) + 1) for chosen in combinations(elements, size)]


@pytest.mark.parametrize("seed", range(6))
def test_no_set_at_all_has_a_higher_mean_f1_than_the_best_fixed_set(seed: int) -> None:
    rng = random.Random(seed)
    keys = [frozenset(rng.sample(ELEMENTS, rng.randint(1, 4))) for _ in range(9)]
    best = expected_score(best_fixed_set(keys), keys, f1)
    assert best == pytest.approx(max(expected_score(one, keys, f1) for one in every_set(ELEMENTS)))


@pytest.mark.parametrize("seed", range(6))
def test_the_best_fixed_set_says_only_one_thing_of_each_part(seed: int) -> None:
    rng = random.Random(seed)
    elements = [f"{node}{sign}" for node in ("a", "b", "c", "d") for sign in "+-"]
    keys = [frozenset(node + rng.choice("+-") for node in rng.sample("abcd", rng.randint(1, 3))) for _ in range(9)]
    best = best_fixed_set(keys, unsigned)
    possible = [one for one in every_set(elements) if len({unsigned(element) for element in one}) == len(one)]
    assert best in possible
    assert expected_score(best, keys, f1) == pytest.approx(max(expected_score(one, keys, f1) for one in possible))


def test_a_key_that_never_changes_is_the_best_fixed_set() -> None:
    key = frozenset({"a1", "b3", "b4"})
    assert best_fixed_set([key] * 5) == key


def test_the_best_fixed_set_does_not_depend_on_the_order_of_the_keys() -> None:
    rng = random.Random(2)
    keys = [frozenset(rng.sample(ELEMENTS, 3)) for _ in range(30)]
    assert best_fixed_set(keys) == best_fixed_set(keys[::-1])


@pytest.mark.parametrize("keys", [[], [frozenset()]])
def test_there_is_no_best_fixed_set_without_keys(keys: list[frozenset[str]]) -> None:
    with pytest.raises(ValueError, match="needs keys"):
        best_fixed_set(keys)


def test_the_best_fixed_set_has_mean_skill_zero() -> None:
    rng = random.Random(4)
    keys = [frozenset(rng.sample(ELEMENTS, rng.randint(1, 3))) for _ in range(200)]
    blind = best_fixed_set(keys)
    chance = expected_score(blind, keys, f1)
    skills = [score_components(blind, key, chance, 1.0).skill for key in keys]
    assert sum(skills) / len(skills) == pytest.approx(0.0, abs=1e-9)
    # some keys it hits better than others: that chance is not each key's own is what makes luck even out
    assert min(skills) < 0 < max(skills)


# --- roles ------------------------------------------------------------------------------------------------------------

ROLES: dict[str, Role] = {"a0.h1": "supports", "m0": "supports", "m2": "suppresses"}


def flipped(roles: Mapping[str, Role]) -> dict[str, Role]:
    return {node: "suppresses" if role == "supports" else "supports" for node, role in roles.items()}


def drawn_roles(count: int) -> list[dict[str, Role]]:
    """Keys with one suppressor, which is always a head, as the task plants them."""
    rng = random.Random(5)
    keys: list[dict[str, Role]] = []
    for _ in range(count):
        suppressor = rng.choice(COMPONENTS[:12])
        others = rng.sample([name for name in COMPONENTS if name != suppressor], 3)
        keys.append({suppressor: "suppresses", **dict.fromkeys(others, "supports")})
    return keys


def mean_role_skill(rule: Callable[[dict[str, Role]], Mapping[str, Role]]) -> float:
    keys = drawn_roles(200)
    truths = [signed(key) for key in keys]
    chance = expected_score(best_fixed_set(truths, unsigned), truths, f1)
    return sum(score_roles(rule(key), key, chance, 1.0).skill for key in keys) / len(keys)


def test_roles_are_written_as_signs() -> None:
    assert signed(ROLES) == {"a0.h1+", "m0+", "m2-"}
    assert signed({}) == frozenset()
    assert {unsigned(one) for one in signed(ROLES)} == set(ROLES)


def test_a_role_score_has_the_metrics_it_promises() -> None:
    score = score_roles(ROLES, ROLES, 0.4, 1.0)
    assert set(score.metrics) == set(ROLE_METRICS)
    assert score.primary == "signed_f1"
    assert score.skill == 1.0
    assert score.chance == 0.4
    assert {score.metrics[name] for name in ("signed_f1", "f1", "iou", "precision", "recall")} == {1.0}


def test_a_wrong_role_is_one_wrong_element_and_one_missing_one() -> None:
    metrics = score_roles({**ROLES, "m2": "supports"}, ROLES, 0.4, 1.0).metrics
    assert metrics["signed_f1"] == pytest.approx(2 / 3)
    assert metrics["f1"] == 1.0


def test_all_roles_flipped_is_worse_than_not_looking() -> None:
    score = score_roles(flipped(ROLES), ROLES, 0.4, 1.0)
    assert (score.metrics["signed_f1"], score.metrics["f1"]) == (0.0, 1.0)
    assert score.skill < 0
    assert mean_role_skill(flipped) < 0


def test_chance_is_the_signed_f1_of_the_best_blind_answer_with_its_signs() -> None:
    keys = [signed(ROLES), signed({"m0": "supports"})]
    blind = best_fixed_set(keys, unsigned)
    assert blind == {"m0+"}
    assert expected_score(blind, keys, f1) == pytest.approx((1 / 2 + 1) / 2)
    assert expected_score(frozenset({"m0-"}), keys, f1) == 0.0


def test_only_the_right_roles_pay() -> None:
    assert mean_role_skill(lambda key: key) == 1.0
    assert mean_role_skill(lambda key: dict.fromkeys(key, "supports")) < 0.8
    assert mean_role_skill(lambda _: {}) <= 0
    assert mean_role_skill(lambda _: dict.fromkeys(COMPONENTS, "supports")) <= 0.05
    assert mean_role_skill(lambda _: dict.fromkeys(COMPONENTS, "suppresses")) <= 0


def test_roles_without_a_truth_are_refused() -> None:
    with pytest.raises(ValueError, match="non-empty truth"):
        score_roles({}, {}, 0.1, 1.0)
