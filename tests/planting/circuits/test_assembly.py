"""Among its copies a circuit computes what it computed alone, and nothing but the unembedding tells them apart."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.interchange import ABLATIONS
from scribe_suite.planting.circuits.patchable import Patch
from tests.planting.circuits.small_circuit import INPUTS, HalfThenLabel, planted_shape, small_assembly, small_copies

CAUSAL = HalfThenLabel()
CIRCUIT = ("m0", "m2")
SILENT = DecoyRecipe(crosstalk=0.0)
#: Room for another circuit, and for the heads.
ROOM = {"n_layers": 5, "d_model": 46}


def prompts(n=128, seed=2):
    return CAUSAL.sample(n, torch.Generator().manual_seed(seed))


@pytest.fixture(params=range(2))
def seed(request):
    return request.param


def decoys(network):
    return sorted(set(network.shape.nodes) - set(CIRCUIT))


@torch.no_grad()
def test_without_crosstalk_the_circuit_computes_the_same(core, seed):
    wanted, found = core(prompts())[0], small_assembly(core, SILENT, seed, **ROOM).network(prompts())[0]
    assert wanted.std() > 0.5
    assert (found - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("ablation", ABLATIONS)
@torch.no_grad()
def test_without_crosstalk_no_ablation_of_decoys_changes_anything(core, ablation):
    network = small_assembly(core, SILENT, **ROOM).network
    base, source = prompts(), prompts(seed=3)
    clean, base_values = network(base)
    _, source_values = network(source)
    values = {"resample": source_values, "mean": base_values.mean(), "zero": base_values.zeros()}[ablation]
    for names in (*([node] for node in decoys(network)), decoys(network)):
        mask = network.shape.mask(names).expand(len(base), -1, -1)
        assert (network(base, Patch(mask, values))[0] - clean).abs().max() < 1e-4


@torch.no_grad()
def test_copies_say_what_their_originals_say_in_other_words(core, seed):
    assembled = small_assembly(core, SILENT, seed, **ROOM)
    copies = small_copies(planted_shape(**ROOM), seed)
    network = assembled.network
    writes = network.writes(network(prompts())[1])
    written = {
        copy.node: writes[int(copy.node[1]), -1][..., list(assembled.written[copy.node])].flatten(0, 1)
        for copy in copies
    }
    complete = {copy.node for copy in copies if copy.original == "m0" or copy.reads}
    twins = [copy for copy in copies if copy.node not in CIRCUIT and copy.node in complete]
    assert {copy.original for copy in twins} == set(CIRCUIT)
    for copy in twins:
        model, own = written[copy.original], written[copy.node]
        fitted = own @ torch.linalg.lstsq(own, model).solution
        assert (fitted - model).abs().max() < 1e-3 * model.abs().max()
        assert not torch.allclose(own, model, rtol=0.1)


@torch.no_grad()
def test_every_node_writes_into_a_block_of_its_own_and_random_ones_into_none_of_them(core):
    assembled = small_assembly(core, DecoyRecipe(crosstalk=0.1), **ROOM)
    writes = assembled.network.writes(assembled.network(prompts())[1])
    for index, node in enumerate(assembled.network.shape.nodes):
        layer, slot = divmod(index, assembled.network.shape.n_heads + 1)
        loud = writes[layer, slot].abs().amax((0, 1)).nonzero()[:, 0].tolist()
        own = assembled.written.get(node, range(assembled.spare, assembled.network.shape.d_model))
        assert set(loud) <= set(own), node
        assert loud, node


@torch.no_grad()
def test_crosstalk_is_as_loud_as_asked_for_circuit_and_decoys_alike(core):
    network = small_assembly(core, DecoyRecipe(crosstalk=0.05), **ROOM).network
    silent = small_assembly(core, SILENT, **ROOM).network
    for layer in range(network.shape.n_layers):
        deaf = ~silent.W_in[layer].any(1)
        own, others = (network.W_in[layer][rows].pow(2).mean().sqrt().item() for rows in (~deaf, deaf))
        assert others / own == pytest.approx(0.05, rel=0.2)
    assert network.W_U[:INPUTS].any()
    assert not silent.W_U[:INPUTS].any()


@torch.no_grad()
def test_copies_differ_in_size_and_in_their_spectra(core):
    network = small_assembly(core, SILENT, **ROOM).network
    spectra = torch.linalg.svdvals(network.W_out)
    shares = spectra / spectra.norm(dim=1, keepdim=True)
    assert spectra[:, 0].log().std() > 0.05
    assert shares[:, :4].std(0).max() > 0.01


@torch.no_grad()
def test_the_same_generator_assembles_the_same(core):
    one, again, other = (small_assembly(core, SILENT, seed).network for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.W_out, other.W_out)


def test_a_stream_without_room_is_refused(core):
    with pytest.raises(ValueError, match="3 copies need 28 residual dimensions, the architecture has 26"):
        small_assembly(core, SILENT, d_model=26)
    with pytest.raises(ValueError, match="random nodes need residual dimensions of their own"):
        small_assembly(core, SILENT, d_model=28)
