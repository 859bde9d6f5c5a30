import pytest
import torch

from scribe_suite.planting.circuits.certificate import certify_circuit
from scribe_suite.planting.circuits.compact import compact
from scribe_suite.planting.circuits.interchange import draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.plant_circuit import PlantedWeights, plant_circuit
from scribe_suite.planting.circuits.siit import SiitRecipe, train_circuit
from tests.planting.circuits.small_circuit import (
    CORRESPONDENCE,
    WIDTH,
    HalfThenLabel,
    planted_shape,
    small_blocks,
    small_plan,
)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def planted_weights() -> PlantedWeights:
    """A small circuit among decoys, planted once (some seconds)."""
    plan = small_plan()
    pairs = draw_pairs(plan.causal, 256, torch.Generator().manual_seed(9))

    def certify(weights):
        return certify_circuit(weights, plan.causal, plan.correspondence, pairs)

    return plant_circuit(plan, 0, certify, lambda *_: None)


@pytest.fixture(scope="session")
def planted(planted_weights) -> PatchableTransformer:
    """The network of `planted_weights`."""
    return PatchableTransformer.from_weights(planted_weights.weights)


@pytest.fixture(scope="session")
def core() -> PatchableTransformer:
    """A circuit trained alone; not to be changed."""
    small = compact(planted_shape(), {"m0", "m2"}, WIDTH)
    correspondence = {name: tuple(small.names[node] for node in nodes) for name, nodes in CORRESPONDENCE.items()}
    recipe = SiitRecipe(steps=300, warmup=20, learning_rate=1e-2)
    blocks = small_blocks(correspondence)
    return train_circuit(HalfThenLabel(), correspondence, small.shape, blocks, recipe, 0, lambda *_: None)
