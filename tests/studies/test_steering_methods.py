"""Methods on steering/shift: directions of the right width, seeds with an effect, and a row for each method."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.steering.network import KEPT_LAYER
from scribe_suite.tasks.registry import default_registry
from studies.steering_methods import METHODS, known_of, seeds_with_effect, table


@pytest.fixture(scope="module")
def known():
    (seed,) = seeds_with_effect("steering/shift", 1)
    instance = default_registry()["steering/shift"].instance(seed)
    assert instance.hidden.plan.read
    return instance, known_of(instance)


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("search")])
def test_methods_give_vectors_of_the_width(known, name):
    torch.set_num_threads(1)
    for vector in METHODS[name](known[1]):
        assert vector.shape == (known[0].public.facts["d_model"],)
        assert vector.isfinite().all()


def test_what_differs_at_equal_neutral_answers_is_the_gate(known):
    instance, told = known
    (vector,) = METHODS["difference of means without what neutral labels tell"](told)
    assert instance.hidden.judged.effect(KEPT_LAYER, vector).effect > 0.9


def test_the_table_has_a_row_for_each_method_and_the_range():
    rows = [{"planted": 1.0, "probe": 0.25}, {"planted": 1.0, "probe": 0.75}]
    lines = table({"steering/shift": rows}).splitlines()
    assert lines[0] == "| effect: mean (least to largest) | `shift` |"
    assert "| probe | 0.50 (0.25 to 0.75) |" in lines
    assert lines[-1] == "Fresh instances in which a vector has an effect: 2."
