"""What the probe scorer does with good, useless, inverted and absurd probes on a model with a known direction."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.probes import (
    BELOW_CHANCE,
    PROBE_METRICS,
    LabelledStatements,
    LinearProbe,
    below_chance,
    cluster_interval,
    fit_probe,
    probe_accuracy,
    project,
    residual_at,
    score_probe,
)
from scribe_suite.tasks.answer_kinds import ProbeAnswer

torch.set_num_threads(1)

CONFIG = {
    "n_layers": 2,
    "n_heads": 2,
    "d_model": 8,
    "d_head": 4,
    "d_mlp": 16,
    "n_ctx": 4,
    "d_vocab": 12,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "device": "cpu",
}
N = 400


@pytest.fixture(scope="module")
def model():
    """A model whose last token writes its parity along one residual direction, far above everything else."""
    built = untrained_twin(CONFIG, seed=0)
    with torch.no_grad():
        built.embed.W_E += torch.where(torch.arange(12) % 2 == 1, 3.0, -3.0)[:, None] * torch.eye(8)[2]
    return built


@pytest.fixture(scope="module")
def statements():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(12, (N, 4), generator=generator)
    tokens[:, -1] = torch.arange(N) % 12
    tokens = tokens[: N // 12 * 12]
    labels = (tokens[:, -1] % 2 == 1).numpy()
    return LabelledStatements(tokens, labels, np.arange(len(labels)) // 2)


def answer(weight, **changes):
    fields = {"confidence": 0.5, "summary": "", "layer": 1, "weight": weight, **changes}
    facts = {"n_layers": 2, "n_ctx": 4, "d_model": 8}
    return ProbeAnswer.model_validate(fields, context=facts)


def scored(model, statements, submitted, control=0.5, reference=1.0):
    return score_probe(submitted, model, statements, control_accuracy=control, reference_accuracy=reference)


AXIS = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_the_right_direction_has_skill_one(model, statements):
    score = scored(model, statements, answer(AXIS))
    assert score.metrics == {"accuracy": 1.0, "auroc": 1.0, "control_accuracy": 0.5, "selectivity": 0.5}
    assert tuple(score.metrics) == PROBE_METRICS
    assert (score.primary, score.skill, score.flags) == ("accuracy", 1.0, ())


def test_the_wrong_sign_has_skill_minus_one_and_a_flag(model, statements):
    score = scored(model, statements, answer([-value for value in AXIS]))
    assert score.skill == -1.0
    assert score.metrics["auroc"] == 0.0
    assert score.flags == (BELOW_CHANCE,)


@pytest.mark.parametrize(
    "submitted",
    [
        pytest.param(answer([]), id="nothing found"),
        pytest.param(answer([], bias=3.0), id="nothing found with a bias"),
        pytest.param(answer([0.0] * 8), id="zero vector"),
        pytest.param(answer([0.0] * 8, bias=1.0), id="zero vector that says true"),
        pytest.param(answer(AXIS, bias=1e6), id="always true"),
        pytest.param(answer(AXIS, bias=-1e308), id="always false"),
    ],
)
def test_a_constant_prediction_has_skill_zero_and_no_flag(model, statements, submitted):
    score = scored(model, statements, submitted)
    assert score.metrics["accuracy"] == 0.5
    assert score.skill == 0.0
    assert score.flags == ()


def test_auroc_ignores_the_bias(model, statements):
    assert scored(model, statements, answer(AXIS, bias=1e6)).metrics["auroc"] == 1.0
    assert scored(model, statements, answer([0.0] * 8, bias=1e6)).metrics["auroc"] == 0.5


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_scale_does_not_matter(model, statements, size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = scored(model, statements, answer([size * value for value in AXIS], bias=0.1 * size))
    assert score.metrics["accuracy"] == 1.0


@pytest.mark.parametrize("center", [[1e308] * 8, [-1.7e308, 1.7e308] * 4])
def test_a_huge_center_makes_a_constant_probe_and_no_warning(model, statements, center):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = scored(model, statements, answer([1.7e308, -1.7e308] * 4, center=center, bias=-1.7e308))
    assert score.metrics["accuracy"] == 0.5
    assert all(np.isfinite(value) for value in score.metrics.values())


def test_center_and_bias_mean_what_the_prompt_says(model, statements):
    rng = np.random.default_rng(0)
    weight, center, bias = rng.normal(size=8), rng.normal(size=8), 0.3
    hidden = residual_at(model, statements.tokens, 0, 2)
    expected = np.mean((((hidden - center) @ weight + bias) > 0) == statements.labels)
    submitted = answer(weight.tolist(), layer=0, position=2, center=center.tolist(), bias=bias)
    assert scored(model, statements, submitted).metrics["accuracy"] == expected


@pytest.mark.parametrize(("position", "same"), [("last", 3), (-1, 3), (-4, 0), (1, 1)])
def test_positions_are_read_where_they_say(model, statements, position, same):
    _, cache = model.run_with_cache(statements.tokens)
    expected = cache["resid_post", 0][:, same].double().numpy()
    np.testing.assert_allclose(residual_at(model, statements.tokens, 0, position), expected, atol=1e-6)


def test_other_layer_and_position_are_other_answers(model, statements):
    assert scored(model, statements, answer(AXIS, position=0)).metrics["accuracy"] < 0.7


def test_batches_do_not_change_what_is_read(model, statements):
    many = statements.tokens.repeat(4, 1)
    assert len(many) > 1024
    once = residual_at(model, statements.tokens, 1, "last")
    np.testing.assert_allclose(residual_at(model, many, 1, "last"), np.tile(once, (4, 1)), atol=1e-6)


def test_a_control_above_one_half_is_the_floor_of_skill(model, statements):
    score = scored(model, statements, answer([]), control=0.6, reference=0.9)
    assert score.chance == 0.6
    assert score.skill == pytest.approx(-1 / 3)
    assert score.metrics["selectivity"] == pytest.approx(-0.1)


def test_a_control_below_one_half_does_not_lower_chance(model, statements):
    assert scored(model, statements, answer([]), control=0.3).chance == 0.5


def test_a_fitted_probe_is_given_in_raw_coordinates(model, statements):
    hidden = residual_at(model, statements.tokens, 1, "last")
    probe = fit_probe(hidden, statements.labels, 1.0)
    submitted = answer(probe.weight.tolist(), bias=probe.bias, center=probe.center.tolist())
    assert probe_accuracy(probe, hidden, statements.labels) == 1.0
    assert scored(model, statements, submitted).metrics["accuracy"] == 1.0


def test_projections_are_finite_whatever_the_probe():
    probe = LinearProbe(np.full(8, 1.7e308), 1.7e308, np.full(8, -1.7e308))
    projections, _ = project(probe, np.ones((3, 8)))
    assert np.isfinite(projections).all()


def test_the_interval_holds_the_accuracy_and_counts_groups_not_rows():
    rng = np.random.default_rng(1)
    per_group = rng.random(60) < 0.8
    correct, groups = np.repeat(per_group, 4), np.repeat(np.arange(60), 4)
    low, high = cluster_interval(correct, groups)
    assert low < correct.mean() < high
    row_low, row_high = cluster_interval(correct, np.arange(240))
    assert high - low > 1.5 * (row_high - row_low)


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        correct = np.repeat(rng.random(80) < 0.7, 2)
        low, high = cluster_interval(correct, np.repeat(np.arange(80), 2))
        covered += low <= 0.7 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_two_orders_of_one_pair_are_one_piece_of_evidence():
    correct, groups = np.array([False] * 6 + [True] * 2), np.array([0, 0, 0, 0, 0, 0, 1, 1])
    assert not below_chance(correct, groups)
    assert below_chance(np.zeros(20, dtype=bool), np.arange(20))
    assert not below_chance(np.tile([True, False], 50), np.repeat(np.arange(50), 2))


def test_a_coin_is_rarely_flagged():
    rng = np.random.default_rng(3)
    flagged = [below_chance(rng.random(100) < 0.5, np.arange(100)) for _ in range(300)]
    assert np.mean(flagged) < 0.04
