"""A plan becomes weights, is certified as it is shipped, and is tried again where that fails."""

from __future__ import annotations

import dataclasses

import torch

from scribe_suite.planting.circuits import attempts
from scribe_suite.planting.circuits.wiring.planting import WiringPlan, plant_wiring
from scribe_suite.planting.frozen import Certificate, Check
from tests.planting.circuits.wiring.wired import PROGRAM, RECIPE, WHERE, shape

PLAN = WiringPlan(PROGRAM, WHERE, shape(), dataclasses.replace(RECIPE, steps=3))


def verdict(value: float) -> Certificate:
    return Certificate(checks=(Check(name="behaviour", value=value, bar=0.5, direction=">="),))


def test_what_is_certified_is_what_comes_out_rounded():
    seen, told = [], []
    planted = plant_wiring(
        PLAN, 4, lambda weights: seen.append(weights) or verdict(1.0), lambda share, state: told.append((share, state))
    )
    assert planted.weights is seen[0]
    assert planted.failures == ()
    assert all(torch.equal(value, value.half().float()) for value in planted.weights.state.values())
    assert told[-1][1] == "attempt 1, made; certifying"


def test_a_failing_certificate_is_tried_again_and_the_last_is_told():
    values = iter([0.1, 0.9])
    planted = plant_wiring(PLAN, 4, lambda _weights: verdict(next(values)), lambda _share, _state: None)
    assert planted.certificate.passed
    assert planted.failures == ("behaviour = 0.1, needs >= 0.5",)
    planted = plant_wiring(PLAN, 4, lambda _weights: verdict(0.1), lambda _share, _state: None)
    assert len(planted.failures) == attempts.ATTEMPTS
