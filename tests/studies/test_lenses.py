"""The three views of a metric tell a perfect metric from one that is noise, and name what a metric fails in."""

from __future__ import annotations

import random

import pytest

from studies.lenses import (
    LARGEST_NOISE,
    SMALLEST_CORRELATION,
    SMALLEST_SEPARATION,
    Graded,
    Lenses,
    Seen,
    auc,
    failures,
    look,
    reseed_noise,
    separations,
    truth_correlations,
)

PATHS = ("dropped", "added", "swapped")


def toy(seed: int) -> Seen:
    """An instance scored by a perfect metric, its mirror image, pure noise, a constant, and one that sees one way."""
    rng = random.Random(seed)

    def metrics(right: float, path: str = "swapped", jitter: float = 0.0) -> dict[str, float]:
        return {
            "perfect": right + jitter * rng.uniform(-1, 1),
            "cmd": 1 - right,
            "noise": rng.random(),
            "constant": 1.0,
            "half": 1.0 if path == "added" else right,
            "recall": 1.0 if path == "added" else right,
        }

    levels = [step / 8 for step in range(9)]
    return Seen(
        graded=[Graded(path, 1 - right, metrics(right, path)) for path in PATHS for right in levels],
        samples=[[metrics(0.5, jitter=0.01) for _ in range(4)] for _ in PATHS],
        methods={"truth": [metrics(1.0)], "method": [metrics(0.6)], "random": [metrics(0.1) for _ in range(4)]},
    )


INSTANCES = [toy(seed) for seed in range(6)]


@pytest.mark.parametrize("metric", ["perfect", "cmd"])
def test_a_perfect_metric_meets_every_criterion(metric):
    lenses = look(metric, INSTANCES)
    assert lenses.noise < LARGEST_NOISE
    assert lenses.correlations == pytest.approx(dict.fromkeys(PATHS, 1.0))
    assert lenses.separations == {"truth > method": 1.0, "method > random": 1.0}
    assert failures(metric, lenses) == []


def test_a_metric_that_is_noise_fails_in_all_three_views():
    assert failures("noise", look("noise", INSTANCES)) == ["noise", "truth", "separation"]


def test_a_constant_is_free_of_noise_and_tells_nothing():
    lenses = look("constant", INSTANCES)
    assert lenses.noise == 0.0
    assert lenses.correlations == dict.fromkeys(PATHS, 0.0)
    assert failures("constant", lenses) == ["truth", "separation"]


def test_what_a_metric_does_not_see_fails_it_unless_it_never_claimed_to():
    assert failures("half", look("half", INSTANCES)) == ["truth"]
    assert failures("recall", look("recall", INSTANCES)) == []
    assert look("half", INSTANCES).correlations["added"] == 0.0


def test_a_metric_is_judged_by_the_steps_that_it_claims():
    steps = {"best measured > random": 0.0, "a > b": 1.0}
    assert failures("selectivity", Lenses(0.0, {}, steps)) == []
    assert failures("effect", Lenses(0.0, {}, steps)) == ["separation"]
    assert failures("selectivity", Lenses(0.0, {}, {**steps, "a > b": 0.0})) == ["separation"]


def test_a_metric_that_says_nothing_about_the_answer_is_not_judged():
    assert failures("control_accuracy", look("constant", INSTANCES)) == []


def test_noise_is_relative_to_the_range_and_never_above_one():
    def seen(low: float, high: float) -> Seen:
        graded = [Graded("swapped", 0, {"m": high}), Graded("swapped", 1, {"m": low})]
        return Seen(graded, [[{"m": 0.4}, {"m": 0.6}]], {})

    deviation = 0.02**0.5
    assert reseed_noise("m", [seen(0.0, 1.0)]) == pytest.approx(deviation)
    assert reseed_noise("m", [seen(0.0, 0.5)]) == pytest.approx(2 * deviation)
    assert reseed_noise("m", [seen(0.5, 0.5)]) == 1.0


def test_without_other_samples_there_is_no_noise_to_state():
    one = Seen([Graded("swapped", 0, {"m": 1.0})], [], {})
    assert reseed_noise("m", [one]) is None
    assert failures("m", look("m", [one])) == []


def test_a_way_to_be_wrong_with_one_degree_has_no_correlation():
    one = Seen([Graded("dropped", 0, {"m": 1.0}), Graded("dropped", 0, {"m": 1.0})], [], {})
    assert truth_correlations("m", [one]) == {}


def test_a_method_that_gives_no_answer_of_its_own_is_passed_over():
    one = Seen([], [], {"truth": [{"m": 1.0}], "same as truth": [], "random": [{"m": 0.0}]})
    assert separations("m", [one]) == {"truth > random": 1.0}


def test_ties_count_half():
    assert auc([1.0, 1.0], [1.0, 0.0]) == 0.75


@pytest.mark.parametrize(
    ("lenses", "failed"),
    [
        (Lenses(LARGEST_NOISE, {"a": SMALLEST_CORRELATION}, {"x > y": SMALLEST_SEPARATION}), []),
        (Lenses(LARGEST_NOISE + 0.01, {"a": 1.0}, {"x > y": 1.0}), ["noise"]),
        (Lenses(0.0, {"a": 1.0, "b": SMALLEST_CORRELATION - 0.01}, {"x > y": 1.0}), ["truth"]),
        (Lenses(0.0, {"a": 1.0}, {"x > y": 1.0, "y > z": SMALLEST_SEPARATION - 0.01}), ["separation"]),
    ],
)
def test_the_criteria_hold_at_their_bars(lenses, failed):
    assert failures("m", lenses) == failed
