from __future__ import annotations

import pytest

from scribe_suite.planting.neurons.draw import draw_plan
from scribe_suite.planting.neurons.plan import NeuronPlan
from tests.planting.neurons.checking import KINDS

N_LAYERS, D_MLP = 3, 128


@pytest.fixture(scope="session")
def plans() -> list[NeuronPlan]:
    """The plans of two seeds (some seconds each)."""
    return [draw_plan(seed, KINDS, N_LAYERS, D_MLP) for seed in (0, 1)]


@pytest.fixture(scope="session", params=[0, 1], ids=["plan 0", "plan 1"])
def plan(plans: list[NeuronPlan], request: pytest.FixtureRequest) -> NeuronPlan:
    """One of them."""
    return plans[request.param]
