"""What the direction scorer does with good, inverted, random and empty directions, on a model with a loud nuisance."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.directions import (
    direction_accuracy,
    random_direction_accuracy,
    score_direction,
    separated,
)
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.probes import PROBE_METRICS, LabelledStatements, cluster_interval, residual_at
from scribe_suite.tasks.answer_kinds import DirectionAnswer
from scribe_suite.tasks.task import Score

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
N = 120
#: Residual directions of the last token's parity and, much louder, of the half of the vocabulary it is in.
TRUTH, NUISANCE = 2, 5

#: A direction in which the nuisance is nearly as loud as the truth.
PARTLY = [0.0, 0.0, 1.0, 0.0, 0.0, 0.11, 0.0, 0.0]


def axis(index: int, size: float = 1.0) -> list[float]:
    return [size if index == place else 0.0 for place in range(8)]


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    """A model whose tokens write their parity along one direction and their half along another."""
    built = untrained_twin(CONFIG, seed=0)
    token = torch.arange(12)
    with torch.no_grad():
        built.embed.W_E += torch.where(token % 2 == 1, 3.0, -3.0)[:, None] * torch.eye(8)[TRUTH]
        built.embed.W_E += torch.where(token < 6, 20.0, -20.0)[:, None] * torch.eye(8)[NUISANCE]
    return built


@pytest.fixture(scope="module")
def statements() -> LabelledStatements:
    tokens = torch.randint(12, (N, 4), generator=torch.Generator().manual_seed(0))
    tokens[:, -1] = torch.arange(N) % 12
    labels = (tokens[:, -1] % 2 == 1).numpy()
    return LabelledStatements(tokens, labels, np.arange(N) // 2)


@pytest.fixture(scope="module")
def hidden(model: HookedTransformer, statements: LabelledStatements) -> np.ndarray:
    return residual_at(model, statements.tokens, 1, "last")


@pytest.fixture(scope="module")
def luck(hidden: np.ndarray, statements: LabelledStatements) -> float:
    return random_direction_accuracy(hidden, statements.labels)


def answer(direction: list[float], **changes: object) -> DirectionAnswer:
    fields = {"confidence": 0.5, "summary": "", "layer": 1, "direction": direction}
    facts = {"n_layers": 2, "n_ctx": 4, "d_model": 8}
    return DirectionAnswer.model_validate({**fields, **changes}, context=facts)


def scored(
    model: HookedTransformer,
    statements: LabelledStatements,
    submitted: DirectionAnswer,
    control: float = 0.5,
    reference: float = 1.0,
    luck: float = 0.5,
) -> Score:
    return score_direction(
        submitted,
        model,
        statements,
        control_accuracy=control,
        reference_accuracy=reference,
        random_accuracy=luck,
    )


def test_the_right_direction_has_skill_one(model: HookedTransformer, statements: LabelledStatements) -> None:
    score = scored(model, statements, answer(axis(TRUTH)))
    assert score.metrics == {"accuracy": 1.0, "auroc": 1.0, "control_accuracy": 0.5, "selectivity": 0.5}
    assert tuple(score.metrics) == PROBE_METRICS
    assert (score.primary, score.skill, score.flags) == ("accuracy", 1.0, ())


@pytest.mark.parametrize("direction", [axis(TRUTH), PARTLY], ids=["right", "partly right"])
def test_a_direction_has_no_sign(
    model: HookedTransformer, statements: LabelledStatements, direction: list[float]
) -> None:
    one, other = (scored(model, statements, answer([sign * value for value in direction])) for sign in (1.0, -1.0))
    assert one == other
    assert one.metrics["accuracy"] > 0.7
    assert one.metrics["auroc"] > 0.7


def test_a_direction_that_is_right_half_of_the_time_has_no_sign(
    model: HookedTransformer, statements: LabelledStatements
) -> None:
    mixed = [truth + 0.5 * nuisance for truth, nuisance in zip(axis(TRUTH), axis(NUISANCE), strict=True)]
    one, other = (scored(model, statements, answer([sign * value for value in mixed])) for sign in (1.0, -1.0))
    assert one.metrics["accuracy"] == 0.5
    assert one == other


def test_auroc_has_the_sign_of_the_accuracy(hidden: np.ndarray, statements: LabelledStatements) -> None:
    for sign in (1.0, -1.0):
        right, projections = separated(sign * np.array(axis(TRUTH)), hidden, statements.labels)
        assert right.all()
        assert projections[statements.labels].min() > projections[~statements.labels].max()


def test_auroc_tells_directions_of_one_accuracy_apart(model: HookedTransformer, statements: LabelledStatements) -> None:
    weak = [truth + 0.5 * nuisance for truth, nuisance in zip(axis(TRUTH), axis(NUISANCE), strict=True)]
    score = scored(model, statements, answer(weak))
    assert score.metrics["accuracy"] == 0.5
    assert 0.5 < score.metrics["auroc"] < 0.9


@pytest.mark.parametrize(
    "submitted",
    [
        pytest.param(answer([]), id="nothing found"),
        pytest.param(answer([0.0] * 8), id="zeros"),
        pytest.param(answer([-0.0] * 8), id="negative zeros"),
    ],
)
def test_no_direction_separates_nothing(
    model: HookedTransformer, statements: LabelledStatements, submitted: DirectionAnswer, luck: float
) -> None:
    score = scored(model, statements, submitted)
    assert (score.metrics["accuracy"], score.metrics["auroc"], score.skill) == (0.5, 0.5, 0.0)
    assert scored(model, statements, submitted, luck=luck).skill < 0.0


def test_the_loudest_direction_is_not_the_truth(
    model: HookedTransformer, statements: LabelledStatements, hidden: np.ndarray, luck: float
) -> None:
    loudest = np.linalg.svd(hidden - hidden.mean(0))[2][0]
    assert abs(loudest[NUISANCE]) > 0.99
    for direction in (axis(NUISANCE), loudest.tolist()):
        score = scored(model, statements, answer(direction), luck=luck)
        assert score.metrics["accuracy"] == 0.5
        assert score.skill < 0.0


@pytest.mark.slow
def test_random_directions_have_no_skill_on_average(
    model: HookedTransformer, statements: LabelledStatements, hidden: np.ndarray, luck: float
) -> None:
    assert 0.5 < luck < 0.65
    drawn = np.random.default_rng(7).normal(size=(600, 8))
    skills = [normalised_skill(direction_accuracy(one, hidden, statements.labels), luck, 1.0) for one in drawn]
    assert abs(np.mean(skills)) < 0.08
    assert max(skills) > 0.5
    for one, skill in zip(drawn[:3], skills, strict=False):
        assert scored(model, statements, answer(one.tolist()), luck=luck).skill == pytest.approx(skill)


def test_what_random_directions_reach_is_always_the_same_and_above_one_half(
    hidden: np.ndarray, statements: LabelledStatements, luck: float
) -> None:
    assert random_direction_accuracy(hidden, statements.labels) == luck
    noise = np.random.default_rng(0).normal(size=(100, 8))
    assert 0.5 < random_direction_accuracy(noise, statements.labels[:100]) < 0.6
    # with one direction only, every direction is the right one
    assert random_direction_accuracy(hidden[:, [TRUTH]], statements.labels) == 1.0


@pytest.mark.parametrize(
    ("control", "luck", "chance"),
    [(0.5, 0.5, 0.5), (0.2, 0.3, 0.5), (0.6, 0.55, 0.6), (0.55, 0.7, 0.7), (0.4, 0.52, 0.52)],
)
def test_chance_is_the_best_of_a_coin_the_control_and_a_random_direction(
    model: HookedTransformer, statements: LabelledStatements, control: float, luck: float, chance: float
) -> None:
    score = scored(model, statements, answer([]), control=control, luck=luck, reference=0.9)
    assert score.chance == chance
    assert score.skill == pytest.approx((0.5 - chance) / (0.9 - chance))
    assert score.metrics["selectivity"] == pytest.approx(0.5 - control)
    assert score.reference == 0.9


@pytest.mark.parametrize(("control", "luck"), [(0.5, 0.9), (0.9, 0.5)])
def test_skill_is_undefined_where_the_reference_does_not_beat_chance(
    model: HookedTransformer, statements: LabelledStatements, control: float, luck: float
) -> None:
    with pytest.raises(ValueError, match="does not beat chance"):
        scored(model, statements, answer(axis(TRUTH)), control=control, luck=luck, reference=0.9)


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_scale_does_not_matter(model: HookedTransformer, statements: LabelledStatements, size: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = scored(model, statements, answer(axis(TRUTH, size)))
    assert score == scored(model, statements, answer(axis(TRUTH)))


@pytest.mark.parametrize("direction", [[1.7e308, -1.7e308] * 4, [1.7e308] * 8, [5e-324] * 8])
def test_absurd_directions_give_finite_metrics_and_no_warning(
    model: HookedTransformer, statements: LabelledStatements, direction: list[float]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = scored(model, statements, answer(direction))
    assert all(np.isfinite(value) for value in score.metrics.values())
    assert np.isfinite(score.skill)


@pytest.mark.parametrize("offset", [-50.0, 0.0, 50.0])
def test_the_threshold_is_the_mean_of_the_activations(
    hidden: np.ndarray, statements: LabelledStatements, offset: float
) -> None:
    assert direction_accuracy(np.array(axis(TRUTH)), hidden + offset, statements.labels) == 1.0


def test_accuracy_is_the_better_of_the_two_signs() -> None:
    hidden = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    labels = np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]]) == 1
    found = [direction_accuracy(np.ones(1), hidden, truth) for truth in labels]
    assert found == [1.0, 1.0, 0.75, 0.75, 0.5, 0.5]


def test_other_layers_and_positions_are_other_answers(model: HookedTransformer, statements: LabelledStatements) -> None:
    assert scored(model, statements, answer(axis(TRUTH), position=0)).metrics["accuracy"] < 0.65
    assert scored(model, statements, answer(axis(TRUTH), position=3)).metrics["accuracy"] == 1.0
    read = [residual_at(model, statements.tokens, layer, "last") @ PARTLY for layer in (0, 1)]
    expected = [max(roc_auc_score(statements.labels, sign * one) for sign in (1, -1)) for one in read]
    found = [scored(model, statements, answer(PARTLY, layer=layer)).metrics["auroc"] for layer in (0, 1)]
    assert found == pytest.approx(expected)
    assert found[0] != found[1]


def test_the_interval_is_that_of_the_better_sign_and_counts_groups(
    model: HookedTransformer, statements: LabelledStatements, hidden: np.ndarray
) -> None:
    direction = np.array(PARTLY)
    right, _ = separated(direction, hidden, statements.labels)
    for sign in (1.0, -1.0):
        score = scored(model, statements, answer((sign * direction).tolist()))
        assert score.interval == cluster_interval(right, statements.groups)
        low, high = score.interval
        assert low < score.metrics["accuracy"] < high
        assert score.flags == ()
