"""A ranking is worth what its circuits do, and cheap ones are worth nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from scribe_suite.scoring import circuit_curve
from scribe_suite.scoring.circuit_curve import METRICS, SHARES, Curve, CurveMeter, circuit_sizes, score_ranking
from scribe_suite.scoring.circuit_patching import PatchedRuns, component_names

from . import tiny_circuit

COMPONENTS = component_names(tiny_circuit.LAYERS, tiny_circuit.HEADS)


def curve(faithfulness):
    """A curve with these values of f, on two pairs."""
    means = 2 + 3 * np.array(faithfulness)
    return Curve(np.stack([means - 1, means + 1], axis=1))


@pytest.fixture(scope="module")
def meter():
    return CurveMeter(tiny_circuit.model(), tiny_circuit.pairs(12))


@pytest.fixture(scope="module")
def reference():
    """Components by what the metric loses without each of them, on other pairs."""
    pairs = tiny_circuit.pairs(12, seed=1)
    runs = PatchedRuns(tiny_circuit.model(), pairs)
    lost = {name: -runs.metric(set(COMPONENTS) - {name}).mean().item() for name in COMPONENTS}
    return sorted(COMPONENTS, key=lambda name: -abs(lost[name] - -runs.metric(COMPONENTS).mean().item()))


@pytest.fixture(scope="module")
def blind():
    return {str(seed): random.Random(seed).sample(COMPONENTS, len(COMPONENTS)) for seed in range(3)}


class TestCurve:
    def test_a_circuit_that_is_faithful_at_once_is_close_but_for_the_first_step(self):
        assert curve([0, 1, 1, 1, 1, 1, 1, 1]).cmd == pytest.approx(SHARES[1] / 2)

    def test_nothing_before_the_whole_model_is_far(self):
        assert curve([0, 0, 0, 0, 0, 0, 0, 1]).cmd == pytest.approx(0.75)

    def test_a_curve_on_the_diagonal_is_half_way(self):
        diagonal = curve(SHARES)
        assert diagonal.cmd == pytest.approx(0.5)
        assert diagonal.cpr == pytest.approx(0.5)
        assert diagonal.faithfulness == pytest.approx(SHARES)

    def test_shooting_over_costs_as_falling_short(self):
        short, over = (curve([0, *[value] * 6, 1]) for value in (0.7, 1.3))
        distances = [np.trapezoid(np.abs(one.faithfulness[1:] - 1), SHARES[1:]) for one in (short, over)]
        assert distances[0] == pytest.approx(distances[1])
        assert short.cpr < over.cpr

    @pytest.mark.parametrize("wild", [-50.0, 50.0])
    def test_no_size_counts_for_worse_than_an_empty_circuit(self, wild):
        assert curve([0, 0, 0, 0, 0, 0, wild, 1]).cmd == pytest.approx(0.75)

    def test_closeness_and_its_interval(self):
        rng = np.random.default_rng(0)
        noisy = Curve(np.linspace(0, 1, len(SHARES))[:, None] + 0.2 * rng.standard_normal((len(SHARES), 20)))
        low, high = noisy.interval()
        assert noisy.closeness == 1 - noisy.cmd
        assert 0 <= low < noisy.closeness < high <= 1
        assert noisy.interval() == (low, high)

    def test_a_resample_without_a_gap_gives_numbers(self):
        low, high = Curve(np.stack([np.zeros(8), np.linspace(0, 1, 8)], axis=1)).interval()
        assert np.isfinite([low, high]).all()


def test_sizes_of_smollm2():
    assert circuit_sizes(300) == [0, 3, 6, 15, 30, 60, 150, 300]


class TestMeter:
    def test_ends_are_the_empty_circuit_and_the_model(self, meter):
        measured = meter.measure(COMPONENTS)
        runs = PatchedRuns(tiny_circuit.model(), tiny_circuit.pairs(12))
        assert measured.metrics[0] == pytest.approx(runs.metric(()).numpy())
        assert measured.metrics[-1] == pytest.approx(runs.metric(COMPONENTS).numpy())
        assert measured.faithfulness[[0, -1]] == pytest.approx([0, 1])

    def test_sizes_in_between_are_circuits_of_the_first_components(self, meter, reference):
        runs = PatchedRuns(tiny_circuit.model(), tiny_circuit.pairs(12))
        size = circuit_sizes(len(COMPONENTS))[6]
        assert meter.measure(reference).metrics[6] == pytest.approx(runs.metric(reference[:size]).numpy(), abs=1e-5)

    def test_what_is_left_out_is_kept_in_the_whole_model_only(self, meter, reference):
        short = meter.measure(reference[:2]).faithfulness
        assert short[-2] == pytest.approx(short[SHARES.index(0.1)])
        assert short[-1] == pytest.approx(1)

    def test_a_component_twice_is_refused(self, meter):
        with pytest.raises(ValueError, match="twice"):
            meter.measure(["m0", "m0"])

    def test_pairs_without_the_behaviour_are_refused(self):
        pairs = tiny_circuit.pairs()
        with pytest.raises(ValueError, match="faithfulness is undefined"):
            CurveMeter(tiny_circuit.model(), replace(pairs, counterfactual=pairs.clean))

    def test_the_same_circuit_is_run_once(self, meter, reference, monkeypatch):
        meter.measure(reference)
        monkeypatch.setattr(PatchedRuns, "metric", None)
        assert meter.measure(reference).closeness == meter.measure(list(reference)).closeness


class TestScore:
    def test_the_reference_has_skill_1(self, meter, reference, blind):
        score = score_ranking(meter, reference, reference, blind)
        assert score.skill == 1
        assert score.primary == "closeness"
        assert tuple(score.metrics) == METRICS
        assert score.metrics["closeness"] == pytest.approx(1 - score.metrics["cmd"])
        assert score.interval is not None
        assert score.interval[0] <= score.metrics["closeness"] <= score.interval[1]

    def test_the_best_blind_ranking_has_skill_0(self, meter, reference, blind):
        best = max(blind.values(), key=lambda one: meter.measure(one).closeness)
        assert score_ranking(meter, best, reference, blind).skill == 0

    def test_a_reversed_ranking_and_an_empty_one_are_below_chance(self, meter, reference, blind):
        assert score_ranking(meter, reference[::-1], reference, blind).skill < 0
        assert score_ranking(meter, [], reference, blind).skill < 0

    def test_naming_everything_is_worth_what_its_order_is(self, meter, reference, blind):
        assert score_ranking(meter, sorted(COMPONENTS), reference, blind).skill < 0.5

    def test_few_pairs_with_a_small_gap_are_flagged(self, meter, reference, blind, monkeypatch):
        assert score_ranking(meter, reference, reference, blind).flags == ()
        monkeypatch.setattr(circuit_curve, "_SMALLEST_GAP", 1e6)
        score = score_ranking(meter, reference, reference, blind)
        assert score.flags == ("weak_behaviour",)
        assert "mostly noise" in score.notes[-1]

    def test_a_reference_no_better_than_chance_can_not_normalise(self, meter, reference):
        with pytest.raises(ValueError, match="does not beat chance"):
            score_ranking(meter, reference, reference, {"itself": reference})
