"""A probe is worth the same whoever asks: the scorers of planted, label-free and real probes share what they can."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.scoring.directions import score_direction
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.probes import BELOW_CHANCE, LabelledStatements, residual_at, score_probe
from scribe_suite.scoring.real_probes import MeasuredQuestion, TextStatements, score_real_probe
from scribe_suite.tasks.answer_kinds import DirectionAnswer, ProbeAnswer, TextProbeAnswer

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
FACTS = {"n_layers": 2, "n_ctx": 4, "d_model": 8}
PROBES = 40
CONTROL = 0.55


@pytest.fixture(scope="module")
def model():
    """A model whose last token writes its parity along one direction, among noise of the same size."""
    built = untrained_twin(CONFIG, seed=0)
    with torch.no_grad():
        built.embed.W_E += torch.where(torch.arange(12) % 2 == 1, 0.3, -0.3)[:, None] * torch.eye(8)[2]
    return built


@pytest.fixture(scope="module")
def statements():
    tokens = torch.randint(12, (120, 4), generator=torch.Generator().manual_seed(0))
    tokens[:, -1] = torch.arange(120) % 12
    return LabelledStatements(tokens, (tokens[:, -1] % 2 == 1).numpy(), np.arange(120) // 2)


@pytest.fixture(scope="module")
def drawn():
    """Probes from inverted to right: weights, biases, and blocks."""
    rng = np.random.default_rng(1)
    axis = np.eye(8)[2] * np.linspace(-3, 3, PROBES)[:, None]
    return list(zip(rng.normal(size=(PROBES, 8)) + axis, rng.normal(size=PROBES) / 10, range(PROBES), strict=True))


def fields(layer, **further):
    return {"layer": layer % 2, "confidence": 0.5, "summary": "", **further}


@pytest.mark.slow
def test_planted_and_real_models_judge_a_probe_alike(model, statements, drawn):
    texts = TextStatements(list(statements.tokens), statements.labels, statements.groups)
    # a reference that no recipe reaches on this model is the lower end of the measured ceiling
    measured = MeasuredQuestion(True, layer=1, position=-1, ceiling=1.0, low=1.0, twin=CONTROL, words=0.5)
    flagged = 0
    for weight, bias, layer in drawn:
        answer = fields(layer, weight=weight.tolist(), bias=float(bias))
        planted = score_probe(ProbeAnswer.model_validate(answer, context=FACTS), model, statements, CONTROL, 1.0)
        real = score_real_probe(TextProbeAnswer.model_validate(answer, context=FACTS), model, measured, texts, texts)
        assert dict(real.metrics) == pytest.approx({**planted.metrics, "overclaim": 0.0})
        assert (real.skill, real.chance, real.reference) == pytest.approx((planted.skill, CONTROL, 1.0))
        assert real.interval == pytest.approx(planted.interval)
        assert real.flags == planted.flags
        flagged += BELOW_CHANCE in planted.flags
    assert 0 < flagged < PROBES


def test_a_direction_is_the_better_sign_of_the_centred_probe(model, statements, drawn):
    worse = 0
    for weight, _, layer in drawn:
        center = residual_at(model, statements.tokens, layer % 2, "last").mean(0)
        probe = ProbeAnswer.model_validate(fields(layer, weight=weight.tolist(), center=center.tolist()), context=FACTS)
        signed = score_probe(probe, model, statements, CONTROL, 1.0)
        direction = DirectionAnswer.model_validate(fields(layer, direction=weight.tolist()), context=FACTS)
        found = score_direction(direction, model, statements, CONTROL, 1.0, random_accuracy=0.5)
        accuracy = signed.metrics["accuracy"]
        assert found.metrics["accuracy"] == pytest.approx(max(accuracy, 1 - accuracy))
        assert found.skill == pytest.approx(normalised_skill(found.metrics["accuracy"], CONTROL, 1.0))
        assert found.flags == ()
        if accuracy > 0.5:
            assert found.metrics == pytest.approx(dict(signed.metrics))
            assert found.interval == pytest.approx(signed.interval)
        worse += accuracy < 0.5
    assert 0 < worse < PROBES
