"""No statistic of a node changes under a symmetry, and what is planted as a difference shows in the right one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.signatures.table import GROUPS, KINDS, Signatures, node_signatures
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry

SHAPE = TransformerShape(
    n_layers=3, n_heads=3, d_model=24, d_head=6, d_mlp=30, n_ctx=5, d_vocab=9, d_vocab_out=4, act_fn="relu"
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def random_weights(shape: TransformerShape) -> ModelWeights:
    """Every parameter random, biases too, so that nothing hides behind a zero."""
    generator = torch.Generator().manual_seed(0)
    plain = PatchableTransformer(shape, seed=1).to_weights()
    state = {name: value + 0.2 * torch.randn(value.shape, generator=generator) for name, value in plain.state.items()}
    return ModelWeights(plain.config, state)


def prompts() -> torch.Tensor:
    return torch.randint(SHAPE.d_vocab, (40, SHAPE.n_ctx), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("normalization", [None, "LN"])
def test_no_symmetry_changes_a_statistic(normalization):
    weights = random_weights(replace(SHAPE, normalization=normalization))
    symmetry = draw_symmetry(weights.config, 7)
    before = node_signatures(weights, prompts())
    after = node_signatures(apply_symmetry(weights, symmetry), symmetry.tokens(prompts()))
    for kind in KINDS:
        old, new = before[kind], after[kind]
        assert (old.statistics, old.groups) == (new.statistics, new.groups)
        order = [new.nodes.index(symmetry.component(node)) for node in old.nodes]
        for name, one, other in zip(old.statistics, old.values.T, new.values[order].T, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3, err_msg=f"{kind}: {name}")


def test_every_group_has_statistics_and_without_prompts_there_are_fewer():
    weights = random_weights(SHAPE)
    full, plain = node_signatures(weights, prompts()), node_signatures(weights)
    for kind in KINDS:
        assert set(full[kind].groups) == set(GROUPS)
        assert "activations" not in plain[kind].groups
        assert set(plain[kind].statistics) < set(full[kind].statistics)
        assert len(set(full[kind].statistics)) == len(full[kind].statistics)
    assert full["head"].nodes == tuple(f"a{layer}.h{head}" for layer in range(3) for head in range(3))
    assert full["mlp"].nodes == ("m0", "m1", "m2")


def column(table: Signatures, name: str) -> dict[str, float]:
    return dict(zip(table.nodes, table.values[:, table.statistics.index(name)].tolist(), strict=True))


def test_a_louder_bias_shows_as_one():
    weights = random_weights(SHAPE)
    state = {**weights.state, "blocks.1.mlp.b_out": 10 * weights.state["blocks.1.mlp.b_out"]}
    found = column(node_signatures(ModelWeights(weights.config, state))["mlp"], "bias over through")
    assert max(found, key=found.__getitem__) == "m1"


def test_a_head_that_reads_what_another_writes_shows_in_the_composition():
    weights = random_weights(SHAPE)
    value = weights.state["blocks.2.attn.W_V"].clone()
    value[1] = weights.state["blocks.0.attn.W_O"][0].T  # of as many rows as the head has dimensions
    state = {**weights.state, "blocks.2.attn.W_V": value}
    found = column(node_signatures(ModelWeights(weights.config, state))["head"], "value of what earlier write, max")
    found = {node: value for node, value in found.items() if not node.startswith("a0")}  # nobody writes before them
    assert max(found, key=found.__getitem__) == "a2.h1"


def test_values_are_standardised_within_a_model():
    table = Signatures(
        nodes=("m0", "m1", "m2"),
        statistics=("constant", "growing", "missing"),
        groups=("weights",) * 3,
        values=np.array([[5.0, 1.0, np.nan], [5.0, 2.0, 1.0], [5.0, 6.0, 3.0]]),
    )
    found = table.standardised()
    np.testing.assert_array_equal(found[:, 0], 0)
    np.testing.assert_allclose(found[:, 1].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(found[:, 1].std(), 1)
    np.testing.assert_allclose(found[:, 2], [0, -1, 1])
    np.testing.assert_allclose(table.ranks()[:, 1], [-0.5, 0, 0.5])
