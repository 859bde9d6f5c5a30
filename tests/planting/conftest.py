import pytest
import torch

from scribe_suite.planting.siit import SiitRecipe, train_siit
from tests.planting.small_circuit import CORRESPONDENCE, HalfThenLabel, small_shape


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def planted():
    """A network with a small circuit, trained once (a good second)."""
    recipe = SiitRecipe(steps=150, warmup=20, learning_rate=1e-2)
    return train_siit(HalfThenLabel(), CORRESPONDENCE, small_shape(), recipe, 0, lambda *_: None).network
