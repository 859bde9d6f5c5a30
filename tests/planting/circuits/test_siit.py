"""Training plants the circuit it is told to and nothing else, and the same seed plants the same weights."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.causal import CausalRun
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.siit import SiitRecipe, train_circuit
from scribe_suite.planting.hooked import public_files
from tests.planting.circuits.small_circuit import WIDTH, HalfThenLabel, small_blocks, small_shape

CORRESPONDENCE = {"half": ("m0",), "out": ("m1",)}
CIRCUIT_PARAMETERS = {"W_in", "b_in", "W_out", "b_out"}
HEAD_PARAMETERS = {"W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"}


SHAPE = small_shape(d_model=WIDTH, act_fn="relu", normalization=None)


def train(steps=3, seed=0, correspondence=CORRESPONDENCE, progress=lambda *_: None, causal=None, **recipe):
    blocks, recipe = small_blocks(CORRESPONDENCE), SiitRecipe(steps, **recipe)
    blocks = small_blocks(correspondence) if set(correspondence) == set(CORRESPONDENCE) else blocks
    return train_circuit(causal or HalfThenLabel(), correspondence, SHAPE, blocks, recipe, seed, progress)


def moved(before: PatchableTransformer, after: PatchableTransformer) -> set[str]:
    old = dict(before.named_parameters())
    return {name for name, value in after.named_parameters() if not torch.equal(value, old[name])}


def bytes_of(network: PatchableTransformer) -> bytes:
    return public_files(network.to_weights())["model.safetensors"]


def test_the_same_seed_trains_the_same_bytes():
    assert bytes_of(train(seed=0)) == bytes_of(train(seed=0))
    assert bytes_of(train(seed=0)) != bytes_of(train(seed=1))


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
    assert all(word in calls[-1][1] for word in ("step 101", "behaviour", "interchange"))


@pytest.mark.parametrize("name", ["half", "out"])
def test_the_circuit_is_learned_where_it_was_told_to_be(core, name):
    causal = HalfThenLabel()
    patched = PatchedModel(core, causal, draw_pairs(causal, 256, torch.Generator().manual_seed(5)))
    assert patched.behaviour() >= 0.99
    assert patched.interchange([name], CORRESPONDENCE).accuracy_where_changed >= 0.98


def test_nodes_outside_the_circuit_write_nothing():
    network = train(steps=5, correspondence={"half": ("m0",), "out": ("a1.h1",)})
    tokens = HalfThenLabel().sample(16, torch.Generator().manual_seed(1))
    with torch.no_grad():
        writes = network.writes(network(tokens)[1])
    circuit = network.shape.mask(["m0", "a1.h1"])
    loud = writes.abs().amax((2, 3, 4)) > 0
    assert torch.equal(loud, circuit)


def test_training_moves_the_circuit_within_its_blocks():
    start = PatchableTransformer(SHAPE, 3)
    network, blocks = train(seed=3), small_blocks(CORRESPONDENCE)
    assert moved(start, network) >= CIRCUIT_PARAMETERS | {"W_E", "W_pos", "W_U", "b_U"}
    for name, mask in blocks.masks(SHAPE).items():
        value = getattr(network, name)
        assert not value[(mask == 0).expand_as(value)].any(), name
        assert name == "b_O" or name in HEAD_PARAMETERS or value.any(), name


def test_prescribed_logits_are_what_is_learned():
    class Prescribed(HalfThenLabel):
        """Logits of 3 for the label and 0 else, whatever a cross-entropy would like better."""

        def run(self, tokens, interventions=None):
            result = super().run(tokens, interventions)
            return CausalRun(result.values, result.labels, 3.0 * torch.nn.functional.one_hot(result.labels, 3).float())

    causal = Prescribed()
    network = train(150, causal=causal, warmup=20, learning_rate=1e-2)
    patched = PatchedModel(network, causal, draw_pairs(causal, 256, torch.Generator().manual_seed(5)))
    assert patched.logit_error() < 0.35


@pytest.mark.parametrize(
    ("correspondence", "message"),
    [
        ({"half": ("m0",)}, "the correspondence covers"),
    ],
)
def test_a_correspondence_that_does_not_fit_is_refused(correspondence, message):
    with pytest.raises(ValueError, match=message):
        train(correspondence=correspondence)
