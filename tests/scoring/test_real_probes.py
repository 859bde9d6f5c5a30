"""What the scorer of probes on a real model does with good, useless, inverted and empty answers, readable or not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.probes import BELOW_CHANCE, fit_probe
from scribe_suite.scoring.real_probes import (
    INVERSE_PENALTY,
    MISSED,
    OVERCLAIM,
    PAY_OFFS,
    REAL_PROBE_METRICS,
    REFUTED,
    MeasuredQuestion,
    TextStatements,
    index_from_end,
    read_from_end,
    score_real_probe,
)
from scribe_suite.tasks.answer_kinds import TextProbeOrNothing

torch.set_num_threads(1)

WIDTH, WORDS, LONGEST = 8, 12, 7
CONFIG = {
    "n_layers": 3,
    "n_heads": 2,
    "d_model": WIDTH,
    "d_head": 4,
    "d_mlp": 16,
    "n_ctx": LONGEST,
    "d_vocab": WORDS,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "device": "cpu",
}
FACTS = {"n_layers": 3, "n_ctx": 4, "d_model": WIDTH}
AXIS = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
READABLE = MeasuredQuestion(readable=True, layer=1, position=-2, ceiling=0.95, low=0.9, twin=0.6, words=0.5)
UNREADABLE = MeasuredQuestion(readable=False, layer=1, position=-2, ceiling=0.52, low=0.47, twin=0.51, words=0.5)


def test_no_answer_that_is_the_same_whatever_is_asked_pays():
    assert 0.25 <= PAY_OFFS.null_share <= 0.33
    assert PAY_OFFS.always_silent == pytest.approx(0.3 - 0.7 * 0.5)
    assert max(PAY_OFFS.always_silent, PAY_OFFS.always_unfounded) < 0


def test_from_the_threshold_on_a_claim_is_worth_more_than_silence():
    def worth(probability, readable, unreadable):
        return probability * readable + (1 - probability) * unreadable

    for step, claims in ((-0.01, False), (0.01, True)):
        probability = PAY_OFFS.claim_threshold + step
        claim = worth(probability, PAY_OFFS.found, PAY_OFFS.overclaim)
        assert (claim > worth(probability, PAY_OFFS.missed, PAY_OFFS.nothing)) is claims


@pytest.fixture(scope="module")
def model():
    """A model in which every token writes its parity along one residual direction, far above everything else."""
    built = untrained_twin(CONFIG, seed=0)
    with torch.no_grad():
        built.embed.W_E += torch.where(torch.arange(WORDS) % 2 == 1, 3.0, -3.0)[:, None] * torch.eye(WIDTH)[2]
    return built


def drawn(seed: int, pairs: int, length_of=lambda pair: 4 + pair % 4) -> TextStatements:
    """Pairs that differ in the parity of the token before the last, which is their truth; four lengths, mixed."""
    generator = torch.Generator().manual_seed(seed)
    tokens, labels = [], []
    for pair in range(pairs):
        row = torch.randint(WORDS, (length_of(pair),), generator=generator)
        for odd in (1, 0):
            tokens.append(row.clone())
            tokens[-1][-2] = int(row[-2]) // 2 * 2 + odd
            labels.append(bool(odd))
    return TextStatements(tokens, np.array(labels), np.repeat(np.arange(pairs), 2))


PUBLIC, HIDDEN = drawn(0, 60), drawn(1, 80)


def answer(weight, **changes):
    fields = {"confidence": 0.5, "summary": "", "layer": 1, "position": -2, "nothing_found": not weight}
    return TextProbeOrNothing.model_validate({**fields, "weight": weight, **changes}, context=FACTS)


def scored(model, submitted, measured):
    return score_real_probe(submitted, model, measured, PUBLIC, HIDDEN)


def fitted(model, statements):
    read = read_from_end(model, statements.tokens, [1], [-2])[0, 0].astype(float)
    probe = fit_probe(read, statements.labels, INVERSE_PENALTY)
    return answer(probe.weight.tolist(), bias=probe.bias, center=probe.center.tolist())


@pytest.mark.parametrize("layers", [[0], [2, 0]])
def test_statements_of_mixed_lengths_are_read_from_their_ends(model, layers):
    read = read_from_end(model, HIDDEN.tokens, layers, [-1, -3])
    for row, tokens in enumerate(HIDDEN.tokens):
        _, cache = model.run_with_cache(tokens[None])
        for place, layer in enumerate(layers):
            for column, position in enumerate((-1, -3)):
                alone = cache["resid_post", layer][0, position].numpy()
                np.testing.assert_allclose(read[place, column, row], alone, atol=1e-5)


def test_many_statements_of_one_length_are_read_like_each_alone(model):
    many = drawn(3, 150, length_of=lambda _: 5)
    read = read_from_end(model, many.tokens, [2], [-1])[0, 0]
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.stack(list(many.tokens)))
    np.testing.assert_allclose(read, cache["resid_post", 2][:, -1].numpy(), atol=1e-5)


@pytest.mark.parametrize(("position", "index"), [("last", -1), (-1, -1), (-4, -4)])
def test_last_is_the_position_minus_one(position, index):
    assert index_from_end(position) == index


def test_the_oracle_has_skill_one_and_every_metric(model):
    score = scored(model, fitted(model, HIDDEN), READABLE)
    assert tuple(score.metrics) == REAL_PROBE_METRICS
    assert score.skill == pytest.approx(1.0)
    assert (score.primary, score.flags, score.metrics["overclaim"]) == ("accuracy", (), 0.0)


def test_the_recipe_fitted_on_the_public_side_is_the_reference(model):
    score = scored(model, fitted(model, PUBLIC), READABLE)
    assert score.metrics["accuracy"] == score.reference == pytest.approx(1.0)
    assert score.skill == 1.0


def test_chance_is_the_best_of_coin_twin_and_words(model):
    score = scored(model, fitted(model, PUBLIC), READABLE)
    assert score.chance == 0.6
    assert score.metrics["control_accuracy"] == 0.6
    assert score.metrics["selectivity"] == pytest.approx(score.metrics["accuracy"] - 0.6)
    assert UNREADABLE.chance == 0.51
    assert (
        MeasuredQuestion(readable=True, layer=0, position=-1, ceiling=0.9, low=0.8, twin=0.4, words=0.3).chance == 0.5
    )


def test_the_reference_is_never_below_the_ceiling_s_lower_end(model):
    elsewhere = MeasuredQuestion(readable=True, layer=0, position=-1, ceiling=0.9, low=0.8, twin=0.5, words=0.5)
    score = scored(model, fitted(model, PUBLIC), elsewhere)  # the recipe reads a coin at the last token
    assert score.reference == 0.8


def test_the_wrong_sign_is_below_chance(model):
    score = scored(model, answer([-value for value in AXIS]), READABLE)
    assert score.metrics["accuracy"] == 0.0
    assert score.skill == -1.0
    assert score.flags == (BELOW_CHANCE,)


@pytest.mark.parametrize("submitted", [answer(AXIS, bias=1e6), answer([0.0] * WIDTH, bias=1.0)], ids=["large", "zero"])
def test_everything_true_is_worth_nothing(model, submitted):
    score = scored(model, submitted, READABLE)
    assert score.metrics["accuracy"] == 0.5
    assert score.skill <= 0.0


def test_random_directions_are_worth_nothing_on_average(model):
    rng = np.random.default_rng(0)
    skills = [scored(model, answer(rng.normal(size=WIDTH).tolist(), position="last"), READABLE).skill for _ in range(8)]
    assert np.mean(skills) < 0.1


def test_nothing_found_misses_what_is_readable(model):
    score = scored(model, answer([]), READABLE)
    assert (score.skill, score.flags) == (PAY_OFFS.missed, (MISSED,))
    assert (score.metrics["accuracy"], score.metrics["auroc"], score.metrics["overclaim"]) == (0.5, 0.5, 0.0)


def test_nothing_found_is_right_where_nothing_can_be_read(model):
    score = scored(model, answer([]), UNREADABLE)
    assert (score.skill, score.flags) == (1.0, ())
    assert score.metrics["overclaim"] == 0.0
    assert np.isfinite(list(score.metrics.values())).all()


@pytest.mark.parametrize(
    "submitted",
    [
        pytest.param(answer(AXIS, position="last"), id="a coin"),
        pytest.param(answer(AXIS, bias=1e6), id="everything true"),
        pytest.param(answer([-value for value in AXIS]), id="inverted"),
        pytest.param(answer(AXIS, position="last", confidence=0.0), id="no confidence"),
    ],
)
def test_a_claim_that_is_not_borne_out_is_an_overclaim_whatever_the_confidence(model, submitted):
    score = scored(model, submitted, UNREADABLE)
    assert score.skill == PAY_OFFS.overclaim
    assert OVERCLAIM in score.flags
    assert score.metrics["overclaim"] == 1.0


def test_a_claim_that_the_hidden_statements_bear_out_is_no_overclaim(model):
    score = scored(model, fitted(model, PUBLIC), UNREADABLE)
    assert (score.skill, score.flags, score.metrics["overclaim"]) == (1.0, (REFUTED,), 0.0)
