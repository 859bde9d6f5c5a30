"""Training plants the circuit it is told to and nothing else, and the same seed plants the same weights."""

from __future__ import annotations

import copy

import pytest
import torch

from scribe_suite.planting.circuits.causal import CausalRun
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.siit import SiitRecipe, harden, train_circuit
from scribe_suite.planting.hooked import public_files
from tests.planting.circuits.small_circuit import HalfThenLabel, small_shape

CORRESPONDENCE = {"half": ("m0",), "out": ("m1",)}
CIRCUIT_PARAMETERS = {"W_in", "b_in", "W_out", "b_out"}
HEAD_PARAMETERS = {"W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"}


def train(steps=3, seed=0, correspondence=CORRESPONDENCE, progress=lambda *_: None, causal=None, **recipe):
    return train_circuit(
        causal or HalfThenLabel(), correspondence, small_shape(), SiitRecipe(steps, **recipe), seed, progress
    )


def hardened(network, steps=3, seed=0, correspondence=CORRESPONDENCE, **recipe):
    result = copy.deepcopy(network)
    recipe = SiitRecipe(1, hardening_steps=steps, hardening_rate=1e-2, warmup=1, **recipe)
    harden(result, HalfThenLabel(), correspondence, recipe, seed, lambda *_: None)
    return result


def moved(before: PatchableTransformer, after: PatchableTransformer) -> set[str]:
    old = dict(before.named_parameters())
    return {name for name, value in after.named_parameters() if not torch.equal(value, old[name])}


def loud_network() -> PatchableTransformer:
    return PatchableTransformer(small_shape(), 3)


def bytes_of(network: PatchableTransformer) -> bytes:
    return public_files(network.to_weights())["model.safetensors"]


def test_the_same_seed_trains_the_same_bytes():
    assert bytes_of(train(seed=0)) == bytes_of(train(seed=0))
    assert bytes_of(train(seed=0)) != bytes_of(train(seed=1))


def test_the_same_seed_hardens_to_the_same_bytes():
    network = loud_network()
    assert bytes_of(hardened(network)) == bytes_of(hardened(network))
    assert bytes_of(hardened(network)) != bytes_of(hardened(network, seed=1))


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


def test_training_moves_the_circuit_and_leaves_other_nodes_as_they_start():
    start, network = loud_network(), train(seed=3)
    changed = moved(start, network)
    assert changed >= CIRCUIT_PARAMETERS | {"W_E", "W_pos", "W_U", "b_U"}
    # W_O of heads outside the circuit was silenced, not trained
    assert changed & HEAD_PARAMETERS == {"W_O"}
    assert not network.W_O.any()


def test_hardening_changes_no_node_outside_the_circuit():
    network = loud_network()
    changed = moved(network, hardened(network))
    assert changed >= CIRCUIT_PARAMETERS
    assert not changed & HEAD_PARAMETERS


def test_hardening_leaves_the_normalisation_alone():
    network = loud_network()
    assert {name for name in moved(network, hardened(network)) if name.startswith("ln")} == set()
    assert {"ln2_w", "ln_final_b"} <= moved(network, train(seed=3))


def test_hardening_changes_only_the_circuits_part_of_a_parameter():
    network = loud_network()
    result = hardened(network, correspondence={"half": ("a0.h1",), "out": ("m1",)})
    changed = (result.W_Q != network.W_Q).any(-1).any(-1)
    assert changed.tolist() == [[False, True], [False, False]]
    assert (result.W_in != network.W_in).any(-1).any(-1).tolist() == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("share", ["all_bystanders", "one_bystander"])
def test_hardening_makes_loud_bystanders_matter_less(core, share):
    network = copy.deepcopy(core)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        network.W_O.copy_(torch.randn(network.W_O.shape, generator=generator) * 0.5)
    shares = {"all_bystanders": 0.0, "one_bystander": 0.0, share: 1.0}
    result = hardened(network, steps=150, **shares)

    def accuracy(of):
        causal = HalfThenLabel()
        patched = PatchedModel(of, causal, draw_pairs(causal, 256, torch.Generator().manual_seed(5)))
        heads = [node for node in network.shape.nodes if node.startswith("a")]
        return patched.ablated(heads, "resample")

    assert accuracy(network) < 0.95 < accuracy(result)


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
        ({"half": ("m0",), "out": ("m7",)}, "no node 'm7'"),
    ],
)
def test_a_correspondence_that_does_not_fit_is_refused(correspondence, message):
    with pytest.raises(ValueError, match=message):
        train(correspondence=correspondence)
    with pytest.raises(ValueError, match=message):
        hardened(loud_network(), correspondence=correspondence)
