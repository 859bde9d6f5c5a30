"""What is published of a circuit task besides its model."""

import random

import pytest
import torch

from ground_truth.circuits.planted.public import data_code, opaque_words, public_source
from ground_truth.circuits.planted.recall import RecallPrompts
from tests.planting.circuits.small_circuit import HalfThenLabel


def test_published_code_has_neither_decorators_nor_annotations():
    source = public_source(HalfThenLabel.sample_prompts)
    assert source.startswith("def sample_prompts(n, generator, groups):")
    space = {"torch": torch}
    exec(source, space)
    drawn = space["sample_prompts"](5, torch.Generator().manual_seed(0), {"tokens": [7, 8]})
    assert set(drawn.flatten().tolist()) == {7, 8}


def test_what_the_code_says_to_readers_of_the_repository_is_not_published():
    assert (
        RecallPrompts.sample_prompts.__doc__ == "A start token, three words between fillers, a filler, an asking token."
    )
    source = public_source(RecallPrompts.sample_prompts)
    assert '"""' not in source
    assert "asking" not in source


def test_words_are_different_and_mean_nothing():
    words = opaque_words(25, random.Random(1))
    assert len(set(words)) == 25
    assert words == opaque_words(25, random.Random(1)) != opaque_words(25, random.Random(2))


@pytest.mark.parametrize("pairs", [False, True])
def test_the_set_up_cell_is_python_that_knows_no_labels(pairs):
    code = data_code(HalfThenLabel(), ["prompts"], pairs=pairs)
    compile(code, "set-up", "exec")
    assert 'prompts = data["prompts"]' in code
    assert ("def generate_pairs(" in code) == pairs
    assert "labelled" not in code
