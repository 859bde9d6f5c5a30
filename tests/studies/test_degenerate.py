"""The statistics a cheater would rank nodes by are what they say, and the table of cheap answers is complete."""

from __future__ import annotations

import random

import pytest
import torch

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from studies.degenerate import (
    DEGENERATE,
    GUESSES,
    NORM_SCANS,
    STATISTICS,
    Glance,
    auroc,
    bottom_k,
    glance,
    node_statistics,
    top_k,
)
from tests.planting.circuits.small_circuit import random_network, small_shape
from tests.scoring.hand_made import HEADS, MLPS, Wire, wired

KEY = frozenset({"a0.h1", "m1"})


def prompts(n=32) -> torch.Tensor:
    return torch.randint(6, (n, 3), generator=torch.Generator().manual_seed(0))


# --- statistics -------------------------------------------------------------------------------------------------------


def norm(*tensors) -> float:
    return torch.cat([tensor.flatten() for tensor in tensors]).norm().item()


@pytest.mark.parametrize("normalization", ["LN", None])
@torch.no_grad()
def test_every_statistic_is_what_hooks_and_parameters_say_node_by_node(normalization):
    network = random_network(normalization=normalization)
    model = build_model(network.to_weights())
    _, cache = model.run_with_cache(prompts())
    found = node_statistics(network, prompts())

    def check(node, write, activation, **weights):
        centred = write - write.mean(0)
        expected = {
            **weights,
            "output_norm": write.norm(dim=-1).mean().item(),
            "output_variance": (centred.square().sum(0) / (len(write) - 1)).sum(-1).mean().item(),
            "activation_norm": activation.norm(dim=-1).mean().item(),
        }
        assert {name: values[node] for name, values in found.items()} == pytest.approx(expected, rel=1e-4)

    for layer, block in enumerate(model.blocks):
        for head in range(2):
            q, k, v, o = (getattr(block.attn, f"W_{letter}")[head] for letter in "QKVO")
            z = cache[f"blocks.{layer}.attn.hook_z"][:, :, head]
            check(
                f"a{layer}.h{head}",
                z @ o,
                z,
                weight_norm=norm(q, k, v, o),
                output_weight_norm=norm(o),
                ov_norm=norm(v @ o),
                qk_norm=norm(q @ k.T),
            )
        w_in, w_out = block.mlp.W_in, block.mlp.W_out
        check(
            f"m{layer}",
            cache[f"blocks.{layer}.hook_mlp_out"],
            cache[f"blocks.{layer}.mlp.hook_post"],
            weight_norm=norm(w_in, w_out),
            output_weight_norm=norm(w_out),
            ov_norm=norm(w_in @ w_out),
            qk_norm=norm(w_in @ w_out),
        )


def test_statistics_name_every_node_once():
    found = node_statistics(random_network(), prompts())
    assert tuple(found) == STATISTICS
    assert all(set(values) == set(small_shape().nodes) for values in found.values())


def test_what_a_symmetry_can_change_changes_and_the_rest_does_not():
    network = random_network(normalization=None)
    weights = network.to_weights()
    symmetry = draw_symmetry(weights.config, seed=3)
    before = node_statistics(network, prompts())
    after = node_statistics(
        PatchableTransformer.from_weights(apply_symmetry(weights, symmetry)), symmetry.tokens(prompts())
    )
    for name in ("ov_norm", "qk_norm", "output_norm", "output_variance"):
        moved = {symmetry.component(node): value for node, value in before[name].items()}
        assert after[name] == pytest.approx(moved, rel=1e-3)
    for name in ("weight_norm", "output_weight_norm", "activation_norm"):
        assert any(
            abs(after[name][symmetry.component(node)] / value - 1) > 0.02
            for node, value in before[name].items()
            if node.startswith("a")
        )


def test_a_constant_write_is_loud_but_does_not_vary():
    network = wired(Wire(layer=1))
    network.b_out.data[2, 0] = 5.0
    tokens = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    found = node_statistics(network, tokens)
    assert found["output_norm"]["m2"] == pytest.approx(5.0)
    assert found["output_variance"]["m2"] == 0.0
    # one of three tokens, equally often: 3 dimensions of variance 1/3 * 2/3, times 9/8 for the sample
    assert found["output_variance"]["m1"] == pytest.approx(3 * 2 / 9 * 9 / 8)
    assert found["weight_norm"]["m1"] == pytest.approx(6**0.5)
    assert found["output_weight_norm"]["m1"] == pytest.approx(3**0.5)
    assert all(values[node] == 0.0 for values in found.values() for node in (*HEADS, "m0"))


# --- how well a statistic finds the key -------------------------------------------------------------------------------


def test_auroc_of_perfect_reversed_and_uninformative_statistics():
    nodes = ("a0.h0", "a0.h1", "m0", "m1")
    inside = {node: float(node in KEY) for node in nodes}
    assert auroc(inside, KEY) == 1.0
    assert auroc({node: -value for node, value in inside.items()}, KEY) == 0.0
    assert auroc(dict.fromkeys(nodes, 1.0), KEY) == 0.5
    assert auroc({"a0.h0": 2.0, "a0.h1": 3.0, "m0": 4.0, "m1": 1.0}, KEY) == 0.25


@pytest.mark.parametrize("key", [frozenset(), frozenset({"m0", "m1"})])
def test_auroc_needs_both_kinds_of_node(key):
    with pytest.raises(ValueError, match="inside and outside"):
        auroc({"m0": 1.0, "m1": 2.0}, key)


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen() -> Glance:
    return glance(wired(Wire(0), Wire(1, strength=3.0)), torch.tensor([[0, 1], [1, 2], [2, 0]]), 2, random.Random(0))


def test_the_table_holds_every_answer_and_both_ends_of_every_statistic(seen):
    assert set(DEGENERATE) == set(GUESSES) | set(NORM_SCANS)
    assert set(NORM_SCANS) == {f"{end}_k_{name}" for end in ("top", "bottom") for name in STATISTICS}
    for answer in DEGENERATE.values():
        assert answer(seen) <= set(seen.nodes)


def test_guesses_are_the_sets_they_are_called_after(seen):
    found = {name: guess(seen) for name, guess in GUESSES.items()}
    assert found["empty"] == frozenset()
    assert found["all_nodes"] == {*HEADS, *MLPS}
    assert found["all_heads"] == set(HEADS)
    assert found["all_mlps"] == set(MLPS)
    assert len(found["random_same_size"]) == 2


def test_random_answers_differ_from_draw_to_draw_and_repeat_with_the_seed(seen):
    def draws(seed):
        fresh = Glance(seen.nodes, seen.statistics, 2, random.Random(seed))
        return [GUESSES["random_same_size"](fresh) for _ in range(20)]

    assert len(set(draws(1))) > 5
    assert draws(1) == draws(1) != draws(2)


@pytest.mark.parametrize("name", STATISTICS)
def test_each_scan_ranks_by_its_own_statistic(seen, name):
    other = {node: float(-i) for i, node in enumerate(seen.nodes)}
    statistics = dict.fromkeys(STATISTICS, other) | {name: {node: -value for node, value in other.items()}}
    fresh = Glance(seen.nodes, statistics, 2, random.Random(0))
    assert NORM_SCANS[f"top_k_{name}"](fresh) == set(seen.nodes[-2:])
    assert NORM_SCANS[f"bottom_k_{name}"](fresh) == set(seen.nodes[:2])


def test_scans_find_a_circuit_that_is_alone_in_being_large(seen):
    for name in STATISTICS:
        assert NORM_SCANS[f"top_k_{name}"](seen) == {"m0", "m1"}


def test_ends_of_a_ranking():
    statistic = {"m1": 1.0, "m0": 1.0, "m2": 3.0, "a0.h0": -2.0}
    assert top_k(statistic, 2) == {"m2", "m0"}
    assert bottom_k(statistic, 2) == {"a0.h0", "m0"}
    assert top_k(statistic, 0) == frozenset()
