"""A symmetry changes every parameter and every name, and nothing that the model computes."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.hooked import ModelWeights, build_model, public_files, untrained_twin, weights_of
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry, fold_layer_norm


def config(**changes):
    return {
        "n_layers": 2,
        "n_heads": 3,
        "d_model": 24,
        "d_head": 8,
        "d_mlp": 40,
        "n_ctx": 6,
        "d_vocab": 11,
        "d_vocab_out": 7,
        "act_fn": "gelu",
        "normalization_type": "LN",
        "device": "cpu",
        **changes,
    }


def random_weights(settings, seed=0) -> ModelWeights:
    """Every parameter random, biases and LayerNorm weights too, so that nothing hides behind a zero."""
    plain = weights_of(untrained_twin(settings, seed), settings)
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: 0.3 * torch.randn(value.shape, generator=generator) + (1.0 if name.endswith(".w") else 0.0)
        for name, value in plain.state.items()
    }
    return ModelWeights(settings, state)


def tokens_of(settings, n=32):
    return torch.randint(settings["d_vocab"], (n, settings["n_ctx"]), generator=torch.Generator().manual_seed(5))


VARIANTS = [
    pytest.param({"normalization_type": norm, "act_fn": act}, id=f"{norm}-{act}")
    for norm in ("LN", "LNPre", None)
    for act in ("gelu", "relu")
]


@pytest.mark.parametrize("changes", VARIANTS)
@torch.no_grad()
def test_logits_are_equal_up_to_relabelling(changes):
    settings = config(**changes)
    old, x = random_weights(settings), tokens_of(settings)
    symmetry = draw_symmetry(settings, 3)
    new = apply_symmetry(old, symmetry)
    expected = build_model(old)(x)
    found = build_model(new)(symmetry.tokens(x))[..., symmetry.labels(torch.arange(7))]
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-4


@torch.no_grad()
def test_attention_only_models_have_symmetries_too():
    settings = config(attn_only=True)
    old, x = random_weights(settings), tokens_of(settings)
    symmetry = draw_symmetry(settings, 3, labels="fixed")
    found = build_model(apply_symmetry(old, symmetry))(symmetry.tokens(x))
    assert symmetry.neuron_order == ()
    assert (found - build_model(old)(x)).abs().max() < 1e-4


@torch.no_grad()
def test_heads_and_neurons_move_as_stated():
    settings = config()
    old, x = random_weights(settings), tokens_of(settings)
    symmetry = draw_symmetry(settings, 8)
    _, before = build_model(old).run_with_cache(x)
    _, after = build_model(apply_symmetry(old, symmetry)).run_with_cache(symmetry.tokens(x))
    for layer in range(2):
        for head in range(3):
            new = int(symmetry.component(f"a{layer}.h{head}").split(".h")[1])
            pattern = f"blocks.{layer}.attn.hook_pattern"
            assert torch.allclose(before[pattern][:, head], after[pattern][:, new], atol=1e-4)
        assert symmetry.component(f"m{layer}") == f"m{layer}"
        for neuron in range(40):
            new = int(symmetry.neuron(f"L{layer}.N{neuron}").split(".N")[1])
            post = f"blocks.{layer}.mlp.hook_post"
            assert torch.allclose(before[post][..., neuron], after[post][..., new], atol=1e-4)
    assert any(symmetry.component(f"a{layer}.h{head}") != f"a{layer}.h{head}" for layer in (0, 1) for head in range(3))


@torch.no_grad()
def test_the_residual_stream_turns_by_the_rotation_and_loses_its_mean_under_layer_norm():
    settings = config()
    old, x = random_weights(settings), tokens_of(settings)
    symmetry = draw_symmetry(settings, 8)
    ones = torch.ones(24, dtype=torch.float64)
    assert torch.allclose(ones @ symmetry.rotation, ones)
    _, before = build_model(old).run_with_cache(x)
    _, after = build_model(apply_symmetry(old, symmetry)).run_with_cache(symmetry.tokens(x))
    name = "blocks.1.hook_resid_post"
    centred = before[name] - before[name].mean(-1, keepdim=True)
    assert torch.allclose(centred @ symmetry.rotation.float(), after[name], atol=1e-4)
    free = draw_symmetry(config(normalization_type=None), 8).rotation
    assert not torch.allclose(ones @ free, ones, atol=0.1)
    for rotation in (symmetry.rotation, free):
        assert torch.allclose(rotation @ rotation.T, torch.eye(24, dtype=torch.float64), atol=1e-10)


@pytest.mark.parametrize("norm", ["LN", "LNPre"])
@torch.no_grad()
def test_nothing_can_be_read_where_all_instances_have_the_same_direction(norm):
    settings = config(normalization_type=norm)
    old, x = random_weights(settings), tokens_of(settings)
    symmetry = draw_symmetry(settings, 8)
    new = apply_symmetry(old, symmetry)
    _, cache = build_model(new).run_with_cache(symmetry.tokens(x))
    streams = [value for name, value in cache.items() if "hook_resid" in name]
    assert len(streams) == 6
    assert all(value.mean(-1).abs().max() < 1e-5 for value in streams)
    assert build_model(old).run_with_cache(x)[1]["blocks.1.hook_resid_post"].mean(-1).abs().max() > 0.1
    readers = [value for name, value in new.state.items() if name.endswith(("W_Q", "W_K", "W_V", "W_in", "W_U"))]
    assert all(value.mean(-2).abs().max() < 1e-6 for value in readers)


def test_every_parameter_that_can_change_changes():
    settings = config()
    old = fold_layer_norm(random_weights(settings))
    new = apply_symmetry(old, draw_symmetry(settings, 1))
    same = [name for name, value in new.state.items() if torch.allclose(value, old.state[name], atol=1e-3)]
    assert sorted(same) == sorted(name for name in old.state if ".ln" in name or name.startswith("ln_final"))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    settings = config()
    old = random_weights(settings)

    def files(seed):
        return public_files(apply_symmetry(old, draw_symmetry(settings, seed)))

    assert files(4) == files(4)
    assert files(4)["model.safetensors"] != files(5)["model.safetensors"]


def test_tokens_move_within_their_groups_only():
    symmetry = draw_symmetry(config(), 2, token_groups=[range(2, 6), [7, 9, 10]])
    mapped = symmetry.token_map
    assert [mapped[i] for i in (0, 1, 6, 8)] == [0, 1, 6, 8]
    assert sorted(mapped[i] for i in range(2, 6)) == [2, 3, 4, 5]
    assert sorted(mapped[i] for i in (7, 9, 10)) == [7, 9, 10]
    assert mapped != tuple(range(11))


def test_labels_can_follow_the_tokens_or_stay():
    groups = [range(7), range(7, 11)]
    following = draw_symmetry(config(), 2, token_groups=groups, labels="as_tokens")
    assert following.label_map == following.token_map[:7]
    assert draw_symmetry(config(), 2, labels="fixed").label_map == tuple(range(7))
    without_own_vocabulary = {name: value for name, value in config().items() if name != "d_vocab_out"}
    assert len(draw_symmetry(without_own_vocabulary, 2, labels="as_tokens").label_map) == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "as_tokens"}, "token_groups"),
        ({"token_groups": [[1, 2], [2, 3]]}, "disjoint"),
        ({"token_groups": [[11]]}, "0 to 10"),
    ],
)
def test_impossible_renamings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_symmetry(config(), 2, **arguments)


@pytest.mark.parametrize(
    "changes",
    [
        {"positional_embedding_type": "rotary"},
        {"gated_mlp": True},
        {"normalization_type": "RMS"},
        {"act_fn": "solu_ln"},
    ],
)
def test_architectures_without_these_symmetries_are_refused(changes):
    with pytest.raises(ValueError, match=f"no exact symmetries are known for {next(iter(changes))}"):
        draw_symmetry(config(**changes), 0)


@pytest.mark.parametrize("name", ["a2.h0", "a0.h3", "m2", "L0.N0", "a0.h", "a00.h1", ""])
def test_components_that_do_not_exist_are_refused(name):
    with pytest.raises(ValueError, match="has no component"):
        draw_symmetry(config(), 0).component(name)


@pytest.mark.parametrize("name", ["L2.N0", "L0.N40", "m0"])
def test_neurons_that_do_not_exist_are_refused(name):
    with pytest.raises(ValueError, match="has no neuron"):
        draw_symmetry(config(), 0).neuron(name)
