"""Groups are read as the table of kinds says: what gradients, single and joint zeroing show of each."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.saes.readers import FLAT_ANY, JITTER, KINDS, neurons_of

SIZE, EFFECT = 0.8, 2.0
COUNTS = {"any": 3, "every": 3, "opposed": 2}


def read(kind: str, features: torch.Tensor, flat: float = 1.2, context: int = 0) -> torch.Tensor:
    """The output of a group for features of shape (prompt, member)."""
    total = torch.zeros(len(features))
    for neuron in neurons_of(kind, SIZE, features.shape[1], EFFECT, flat):
        before = features @ torch.tensor(neuron.weights) + neuron.bias + neuron.context[context]
        total = total + neuron.writes * before.clamp(min=0)
    return total


def active(kind: str) -> torch.Tensor:
    levels = torch.rand(200, COUNTS.get(kind, 1), generator=torch.Generator().manual_seed(0))
    return SIZE * (1 + JITTER * levels)


def effect(kind: str, zeroed: list[int], **settings: float) -> float:
    features = active(kind)
    without = features.clone()
    without[:, zeroed] = 0
    return float((read(kind, without, **settings) - read(kind, features, **settings)).square().mean())


def gradient(kind: str, **settings: float) -> float:
    features = active(kind).requires_grad_()
    read(kind, features, **settings).sum().backward()
    return float(features.grad.abs().max())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_read_where_no_feature_is_active(kind):
    for context in (0, 1):
        assert not read(kind, torch.zeros(3, COUNTS.get(kind, 1)), context=context).any()


@pytest.mark.parametrize("kind", ["linear", "saturated", "flipped"])
def test_a_single_feature_has_the_effect_that_was_asked_for(kind):
    assert effect(kind, [0]) == pytest.approx(EFFECT, rel=0.05)


def test_saturated_readers_have_no_gradient_and_flipped_ones_cancel():
    assert gradient("saturated") == 0
    features = active("flipped")
    assert torch.allclose(read("flipped", features, context=0), -read("flipped", features, context=1))


def test_a_hat_is_steep_and_makes_no_difference():
    assert gradient("hat") * SIZE > EFFECT**0.5 * 0.9
    assert effect("hat", [0]) < 0.02 * EFFECT


@pytest.mark.parametrize("flat", FLAT_ANY)
def test_any_needs_all_to_be_zeroed(flat):
    assert effect("any", [0, 1, 2], flat=flat) == pytest.approx(EFFECT, rel=0.01)
    assert effect("any", [0, 2], flat=flat) < 0.06 * EFFECT
    assert effect("any", [1], flat=flat) < 1e-9
    assert gradient("any", flat=flat) == 0


@pytest.mark.parametrize("flat", FLAT_ANY)
def test_every_needs_only_one_to_be_zeroed(flat):
    one, all_of_them = effect("every", [1], flat=flat), effect("every", [0, 1, 2], flat=flat)
    assert one == pytest.approx(EFFECT, rel=0.1)
    assert one == pytest.approx(all_of_them)
    assert (gradient("every", flat=flat) > 0) == (flat > 1)


def test_opposed_features_matter_one_by_one_and_not_together():
    assert effect("opposed", [0]) == pytest.approx(EFFECT, rel=0.05)
    assert effect("opposed", [1]) == pytest.approx(EFFECT, rel=0.05)
    assert effect("opposed", [0, 1]) < 0.02 * EFFECT
