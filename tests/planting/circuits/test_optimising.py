from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch

from scribe_suite.planting.circuits.optimising import one_thread, optimise


@dataclass(frozen=True)
class Rates:
    steps: int = 200
    learning_rate: float = 0.1
    warmup: int = 10
    clip: float = 1.0


def test_it_finds_the_least_loss_and_tells_of_every_step():
    wanted, found = torch.tensor([2.0, -1.0]), torch.zeros(2, requires_grad=True)
    told = []
    optimise(
        [found],
        lambda: (found - wanted).pow(2).sum(),
        Rates(),
        0.01,
        lambda step, loss: told.append((step, loss)),
    )
    assert [step for step, _ in told] == list(range(1, 201))
    assert told[0][1] == pytest.approx(5.0)
    assert found.tolist() == pytest.approx([2.0, -1.0], abs=0.02)


def test_the_rate_rises_falls_and_stays_at_its_floor():
    """Adam moves a parameter by its rate where the gradient is always the same."""
    place, places = torch.zeros(1, requires_grad=True), [0.0]
    optimise([place], lambda: place.sum(), Rates(), 0.5, lambda _step, _loss: places.append(-place.item()))
    moved = [later - earlier for earlier, later in pairwise(places)]
    assert moved[0] == pytest.approx(0.01, rel=1e-3)
    assert moved[9] == pytest.approx(0.1 * (1 - 9 / 200), rel=1e-3)
    assert moved[120:] == pytest.approx([0.05] * 80, rel=1e-3)


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), one_thread():
            {2: "threads"}.pop(torch.get_num_threads())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
