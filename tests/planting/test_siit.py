"""Training plants the circuit it is told to, and the same seed plants the same weights."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.hooked import public_files
from scribe_suite.planting.patchable import PatchableTransformer
from scribe_suite.planting.siit import SiitRecipe, train_siit
from tests.planting.small_circuit import CORRESPONDENCE, HalfThenLabel, small_shape


def train(steps=3, seed=0, correspondence=CORRESPONDENCE, progress=lambda *_: None, **recipe):
    return train_siit(HalfThenLabel(), correspondence, small_shape(), SiitRecipe(steps, **recipe), seed, progress)


def test_the_same_seed_trains_the_same_bytes():
    def bytes_of(seed):
        return public_files(train(seed=seed).network.to_weights())["model.safetensors"]

    assert bytes_of(0) == bytes_of(0)
    assert bytes_of(0) != bytes_of(1)


def test_training_uses_one_thread_and_restores_the_setting():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        train(progress=lambda *_: seen.append(torch.get_num_threads()))
        assert seen == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_progress_ends_at_one_and_says_how_it_stands():
    calls = []
    train(steps=101, batch=8, progress=lambda done, state: calls.append((done, state)))
    assert [round(done, 3) for done, _ in calls] == [round(100 / 101, 3), 1.0]
    assert all(word in calls[-1][1] for word in ("step 101", "behaviour", "interchange", "without bystanders"))


def test_bystanders_start_loud_and_the_circuit_does_not():
    quiet = train(steps=1, learning_rate=1e-9).network
    loud = train(steps=1, learning_rate=1e-9, bystander_scale=(20.0, 5.0)).network
    ratio = (loud.W_O / quiet.W_O).mean((2, 3))
    assert ((ratio > 9.9) & (ratio < 30.1)).all()
    assert torch.allclose(loud.W_out, quiet.W_out, atol=1e-6)


@pytest.mark.parametrize(
    ("correspondence", "message"),
    [
        ({"half": ("m0",)}, "the correspondence covers"),
        ({"half": ("m0",), "out": ("m7",)}, "no node 'm7'"),
    ],
)
def test_a_correspondence_that_does_not_fit_is_refused(correspondence, message):
    with pytest.raises(ValueError, match=message):
        train(correspondence=correspondence)


@pytest.mark.parametrize(("yield_from", "moved"), [(1.0, False), (0.0, True)])
def test_bystanders_learn_from_strictness_only_when_they_yield(yield_from, moved):
    only_strict = {"behaviour_weight": 0.0, "interchange_weight": 0.0, "match_weight": 0.0, "all_bystanders": 1.0}
    start = PatchableTransformer(small_shape(), 0)
    network = train(steps=2, bystanders_yield=yield_from, **only_strict).network
    assert not torch.equal(network.W_out[1], start.W_out[1])
    # both layers' heads are bystanders, patched everywhere: only the source pass can teach them
    assert torch.equal(network.W_V, start.W_V) is not moved
