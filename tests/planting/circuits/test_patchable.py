"""The fast transformer is a HookedTransformer: same logits, same activations, same effect of a patch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from scribe_suite.planting.circuits.patchable import (
    NodeValues,
    Patch,
    PatchableTransformer,
    TransformerShape,
    concatenate,
)
from scribe_suite.planting.hooked import ModelWeights, build_model
from tests.planting.circuits.small_circuit import random_network, small_shape


def prompts(n=16, seed=0):
    return torch.randint(6, (n, 3), generator=torch.Generator().manual_seed(seed))


VARIANTS = [{"normalization": norm, "act_fn": act} for norm in ("LN", None) for act in ("gelu", "relu")]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@torch.no_grad()
def test_the_exported_model_computes_the_same(changes):
    network = random_network(**changes)
    hooked = build_model(network.to_weights())
    logits, values = network(prompts())
    expected, cache = hooked.run_with_cache(prompts())
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-4)
    for layer in range(2):
        assert torch.allclose(values.heads[layer], cache[f"blocks.{layer}.attn.hook_z"], rtol=1e-4, atol=1e-4)
        assert torch.allclose(values.mlps[layer], cache[f"blocks.{layer}.hook_mlp_out"], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_patch_is_what_hooks_would_do():
    network = random_network()
    hooked = build_model(network.to_weights())
    base, source = prompts(seed=0), prompts(seed=1)
    _, source_values = network(source)
    _, source_cache = hooked.run_with_cache(source)

    def replace_head(value, hook):
        value[:, :, 1] = source_cache[hook.name][:, :, 1]
        return value

    hooks = [
        ("blocks.0.attn.hook_z", replace_head),
        ("blocks.1.hook_mlp_out", lambda *_, hook: source_cache[hook.name]),
    ]
    mask = network.shape.mask(["a0.h1", "m1"]).expand(len(base), -1, -1)
    patched, seen = network(base, Patch(mask, source_values))
    assert torch.allclose(patched, hooked.run_with_hooks(base, fwd_hooks=hooks), atol=1e-5)
    assert torch.equal(seen.mlps[1], source_values.mlps[1])
    assert (patched - network(base)[0]).abs().max() > 0.1


@torch.no_grad()
def test_examples_are_patched_independently():
    network = random_network()
    _, source_values = network(prompts(seed=1))
    mask = torch.zeros(16, 2, 3, dtype=torch.bool)
    mask[3] = network.shape.mask(["m0"])
    changed = (network(prompts(), Patch(mask, source_values))[0] - network(prompts())[0]).abs().amax((1, 2)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [3]


@torch.no_grad()
def test_writes_add_up_to_the_residual_stream():
    network = random_network()
    hooked = build_model(network.to_weights())
    _, values = network(prompts())
    _, cache = hooked.run_with_cache(prompts())
    total = network.writes(values).sum((0, 1)) + network.b_O.sum(0)
    assert torch.allclose(total, cache["blocks.1.hook_resid_post"] - cache["blocks.0.hook_resid_pre"], atol=1e-4)


@torch.no_grad()
def test_weights_survive_a_round_trip():
    network = random_network()
    again = PatchableTransformer.from_weights(network.to_weights())
    assert torch.equal(network(prompts())[0], again(prompts())[0])


def test_weights_that_do_not_fit_are_refused():
    weights = random_network().to_weights()
    state = {name: value for name, value in weights.state.items() if name != "blocks.1.attn.W_Q"}
    with pytest.raises(ValueError, match=r"blocks\.1\.attn\.W_Q"):
        PatchableTransformer.from_weights(ModelWeights(weights.config, state))


@pytest.mark.parametrize("changes", [{"positional_embedding_type": "rotary"}, {"n_key_value_heads": 1}])
def test_other_architectures_are_refused(changes):
    with pytest.raises(ValueError, match="a patchable transformer has the config"):
        TransformerShape.of_config({**small_shape().config(), **changes})


@pytest.mark.parametrize("changes", [{"act_fn": "silu"}, {"normalization_type": "RMS"}])
def test_other_functions_are_refused(changes):
    with pytest.raises(ValueError, match=f"not {next(iter(changes.values()))}"):
        TransformerShape.of_config({**small_shape().config(), **changes})


def test_a_config_that_lacks_a_size_is_refused():
    config = small_shape().config()
    del config["d_mlp"]
    with pytest.raises(ValueError, match="needs 'd_mlp'"):
        TransformerShape.of_config(config)


def test_nodes_are_named_layer_by_layer():
    assert small_shape().nodes == ("a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1")
    assert small_shape().mask(["a1.h1", "m0"]).tolist() == [[False, False, True], [False, True, False]]
    with pytest.raises(ValueError, match=r"no node 'a2\.h0'"):
        small_shape().mask(["a2.h0"])


def test_node_values_average_select_and_join():
    values = NodeValues(torch.randn(2, 4, 3, 2, 8), torch.randn(2, 4, 3, 16))
    assert torch.allclose(values.mean().heads[:, 0], values.heads.mean(1))
    assert values.mean().mlps.shape == values.mlps.shape
    mask = torch.zeros(4, 2, 3, dtype=torch.bool)
    mask[1, 0, 1], mask[2, 1, 2] = True, True
    mixed = values.where(mask, values.zeros())
    assert torch.equal(mixed.heads[0, 1, :, 1], values.heads[0, 1, :, 1])
    assert torch.equal(mixed.mlps[1, 2], values.mlps[1, 2])
    assert mixed.heads.count_nonzero() == 3 * 8
    assert mixed.mlps.count_nonzero() == 3 * 16
    joined = concatenate([values, values.zeros()])
    assert {field.name: getattr(joined, field.name).shape[1] for field in dataclasses.fields(joined)} == {
        "heads": 8,
        "mlps": 8,
    }
