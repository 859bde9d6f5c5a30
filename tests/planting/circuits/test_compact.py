"""The small network of a circuit, and that placing it in the large one changes nothing it computes."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.compact import compact, place
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from tests.planting.circuits.small_circuit import CORRESPONDENCE, WIDTH, HalfThenLabel, planted_shape, small_shape

EXACT, WITH_LAYER_NORM = 1e-5, 1e-3


def prompts(n=64):
    return HalfThenLabel().sample(n, torch.Generator().manual_seed(2))


def shape_of(core):
    return planted_shape(normalization=core.shape.normalization)


def placed(core) -> PatchableTransformer:
    shape = shape_of(core)
    return place(core, compact(shape, {"m0", "m2"}, WIDTH), shape)


def test_layers_and_heads_that_hold_nothing_are_left_out():
    shape = planted_shape(n_layers=5, n_heads=4)
    plan = compact(shape, ["a1.h3", "a1.h0", "m3", "a4.h2"], width=12)
    assert (plan.shape.n_layers, plan.shape.n_heads, plan.shape.d_model, plan.shape.d_mlp) == (3, 2, 12, 32)
    assert plan.names == {"a1.h0": "a0.h0", "a1.h3": "a0.h1", "m3": "m1", "a4.h2": "a2.h0"}
    assert set(plan.names.values()) <= set(plan.shape.nodes)
    assert (plan.shape.normalization, plan.shape.act_fn) == (shape.normalization, shape.act_fn)


def test_a_circuit_of_heads_has_nearly_no_mlp_and_one_of_mlps_nearly_no_heads():
    assert compact(planted_shape(), ["a0.h1", "a2.h0"], WIDTH).shape.d_mlp == 1
    assert compact(planted_shape(), ["m1"], WIDTH).shape.n_heads == 1


@pytest.mark.parametrize(
    ("circuit", "width", "message"), [(["m7"], 8, "no node 'm7'"), (["m0"], 41, "can't be 41 wide")]
)
def test_what_does_not_fit_is_refused(circuit, width, message):
    with pytest.raises(ValueError, match=message):
        compact(planted_shape(), circuit, width)


@torch.no_grad()
def test_a_placed_circuit_computes_the_same(core):
    wanted, found = core(prompts())[0], placed(core)(prompts())[0]
    assert wanted.std() > 0.5
    assert (found - wanted).abs().max() < (WITH_LAYER_NORM if core.shape.normalization else EXACT)


@pytest.mark.parametrize("normalization", ["LN", None])
@torch.no_grad()
def test_a_placed_circuit_of_heads_and_mlps_computes_the_same(normalization):
    shape = planted_shape(n_layers=4, n_heads=3, normalization=normalization)
    circuit = ["a0.h2", "a2.h0", "a2.h1", "m2", "m3"]
    plan = compact(shape, circuit, WIDTH)
    core = random_core(plan.shape, [plan.names[node] for node in circuit])
    wanted, found = core(prompts())[0], place(core, plan, shape)(prompts())[0]
    assert wanted.std() > 0.5
    assert (found - wanted).abs().max() < (WITH_LAYER_NORM if normalization else EXACT)


def random_core(shape, circuit) -> PatchableTransformer:
    """Every parameter random, LayerNorm's too; only the circuit writes."""
    network = PatchableTransformer(shape, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        mask = shape.mask(circuit)
        network.W_O[~mask[:, :-1]] = 0.0
        network.W_out[~mask[:, -1]] = 0.0
        network.b_out[~mask[:, -1]] = 0.0
    return network


@torch.no_grad()
def test_nodes_and_dimensions_outside_the_circuit_are_silent(core):
    network = placed(core)
    _, values = network(prompts())
    writes = network.writes(values)
    circuit = network.shape.mask(["m0", "m2"])
    assert not writes[~circuit].any()
    assert not writes[..., WIDTH:].any()
    assert not network.W_E[:, WIDTH:].any()
    assert not network.W_U[WIDTH:].any()


def test_the_variables_sit_in_the_new_places(core):
    causal = HalfThenLabel()
    patched = PatchedModel(placed(core), causal, draw_pairs(causal, 256, torch.Generator().manual_seed(5)))
    for name in causal.variables:
        assert patched.interchange([name], CORRESPONDENCE).accuracy_where_changed >= 0.98


@torch.no_grad()
def test_under_layer_norm_nothing_is_written_along_the_all_ones_direction(core):
    if core.shape.normalization is None:
        pytest.skip("only LayerNorm treats that direction apart")
    network = placed(core)
    for name in ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out"):
        assert getattr(network, name).mean(-1).abs().max() < 1e-5
    assert (network.ln1_w == 1).all()
    assert (network.ln_final_b == 0).all()


def test_placing_keeps_the_core_as_it_is(core):
    before = {name: value.clone() for name, value in core.named_parameters()}
    placed(core)
    assert all(torch.equal(value, before[name]) for name, value in core.named_parameters())


def test_a_shape_is_only_made_smaller():
    shape = small_shape(act_fn="relu")
    everything = compact(shape, shape.nodes, shape.d_model)
    assert everything.shape == shape
    assert everything.names == {node: node for node in shape.nodes}
