"""Decoys are as loud as the circuit and, but for the crosstalk that is asked for, say nothing it hears."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from scribe_suite.planting.circuits.compact import compact, place
from scribe_suite.planting.circuits.decoys import DecoyRecipe, add_decoys, attention_score_spreads
from scribe_suite.planting.circuits.interchange import ABLATIONS, PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer
from tests.planting.circuits.small_circuit import WIDTH, HalfThenLabel, planted_shape
from tests.planting.circuits.test_compact import random_core

CAUSAL = HalfThenLabel()
CIRCUIT = ("m0", "m2")
SILENT = DecoyRecipe(crosstalk=0.0)
DECOYS = sorted(set(planted_shape().nodes) - set(CIRCUIT))


def prompts(n=128, seed=2):
    return CAUSAL.sample(n, torch.Generator().manual_seed(seed))


def before_decoys(core) -> PatchableTransformer:
    shape = planted_shape(normalization=core.shape.normalization)
    return place(core, compact(shape, CIRCUIT, WIDTH), shape)


def among_decoys(core, recipe=SILENT, seed=0) -> PatchableTransformer:
    network = before_decoys(core)
    mask = network.shape.mask(CIRCUIT)
    add_decoys(network, mask, WIDTH, prompts(), recipe, torch.Generator().manual_seed(seed))
    return network


def without_layer_norm(core):
    if core.shape.normalization is not None:
        pytest.skip("through LayerNorm everything reaches everything")


@torch.no_grad()
def write_sizes(network) -> dict[str, float]:
    """Root mean square of every node's write."""
    writes = network.writes(network(prompts())[1])
    sizes = writes.pow(2).sum(-1).mean((2, 3)).sqrt()
    return dict(zip(network.shape.nodes, sizes.flatten().tolist(), strict=True))


@torch.no_grad()
def write_spreads(network) -> dict[str, float]:
    """The same of its deviation from the mean over prompts."""
    writes = network.writes(network(prompts())[1])
    spreads = (writes - writes.mean(2, keepdim=True)).pow(2).sum(-1).mean((2, 3)).sqrt()
    return dict(zip(network.shape.nodes, spreads.flatten().tolist(), strict=True))


@torch.no_grad()
def test_without_crosstalk_and_layer_norm_decoys_change_nothing(core):
    without_layer_norm(core)
    wanted, found = before_decoys(core)(prompts())[0], among_decoys(core)(prompts())[0]
    assert (found - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("ablation", ABLATIONS)
@torch.no_grad()
def test_without_crosstalk_and_layer_norm_no_ablation_of_them_does(core, ablation):
    without_layer_norm(core)
    network = among_decoys(core)
    base, source = prompts(), prompts(seed=3)
    clean, base_values = network(base)
    _, source_values = network(source)
    values = {"resample": source_values, "mean": base_values.mean(), "zero": base_values.zeros()}[ablation]
    for names in (*([node] for node in DECOYS), DECOYS):
        mask = network.shape.mask(names).expand(len(base), -1, -1)
        patched, _ = network(base, Patch(mask, values))
        assert (patched - clean).abs().max() < 1e-5


@torch.no_grad()
def test_with_layer_norm_the_behaviour_survives_them(core):
    network = among_decoys(core)
    patched = PatchedModel(network, CAUSAL, draw_pairs(CAUSAL, 256, torch.Generator().manual_seed(5)))
    assert patched.behaviour() >= 0.9


@torch.no_grad()
def test_decoys_are_heard_as_loudly_as_the_crosstalk_says(core):
    def disturbance(crosstalk):
        # the clean output differs by the decoys' noise; what matters is what their resampling does
        network = among_decoys(core, DecoyRecipe(crosstalk=crosstalk))
        base = prompts()
        clean, _ = network(base)
        mask = network.shape.mask(DECOYS).expand(len(base), -1, -1)
        return (network(base, Patch(mask, network(prompts(seed=3))[1]))[0] - clean).pow(2).mean().sqrt().item()

    without_layer_norm(core)
    quiet, middle, loud = (disturbance(crosstalk) for crosstalk in (0.0, 0.01, 0.1))
    assert quiet < 1e-5 < 0.01 < middle
    assert 5 < loud / middle < 20


def test_the_circuit_listens_to_decoys_everywhere_it_reads(core):
    network = among_decoys(core, DecoyRecipe(crosstalk=0.05))
    for matrix in (network.W_U, network.W_in[0], network.W_in[2]):
        own, others = (part.pow(2).mean().sqrt().item() for part in (matrix[:WIDTH], matrix[WIDTH:]))
        assert others / own == pytest.approx(0.05, rel=0.15)
    silent = among_decoys(core)
    assert not silent.W_U[WIDTH:].any()
    assert not silent.W_in[0, WIDTH:].any()


@torch.no_grad()
def test_every_decoy_depends_on_the_prompt_and_writes_only_where_nothing_matters(core):
    network = among_decoys(core)
    writes = network.writes(network(prompts())[1])
    decoys = ~network.shape.mask(CIRCUIT)
    assert not writes[decoys][..., :WIDTH].any()
    assert (writes[decoys].std(1).norm(dim=-1).mean(-1) > 0.01).all()


@torch.no_grad()
def test_nothing_they_write_moves_the_mean_that_layer_norm_subtracts(core):
    network = among_decoys(core)
    writes = network.writes(network(prompts())[1])
    decoys = ~network.shape.mask(CIRCUIT)
    assert writes[decoys].mean(-1).abs().max() < 1e-4


# --- the anchor of LayerNorm ------------------------------------------------------------------------------------------


def anchor_of(core, length: float) -> torch.Tensor:
    """What the anchor adds to every position; position embeddings are drawn before it."""
    anchored, plain = (among_decoys(core, DecoyRecipe(crosstalk=0.1, anchor=anchor)) for anchor in (length, 0.0))
    difference = anchored.W_pos - plain.W_pos
    assert torch.equal(difference[0].expand_as(difference).round(decimals=4), difference.round(decimals=4))
    return difference[0].detach()


def test_without_layer_norm_there_is_no_anchor(core):
    without_layer_norm(core)
    assert not anchor_of(core, 2.0).any()


def test_the_anchor_lies_where_the_circuit_does_not_and_no_node_reads_it(core):
    if core.shape.normalization is None:
        pytest.skip("there is none")
    anchor = anchor_of(core, 2.0)
    assert anchor.norm() > 1.0
    assert not anchor[:WIDTH].any()
    assert abs(anchor.mean()) < 1e-5
    network = among_decoys(core, DecoyRecipe(crosstalk=0.1))
    read = [network.W_Q, network.W_K, network.W_V, network.W_in, network.W_U]
    for matrix in read:
        heard = torch.einsum("...do,d->...o", matrix, anchor) / anchor.norm()
        assert heard.abs().max() < 1e-4 * matrix.abs().max()


@torch.no_grad()
def test_it_keeps_what_layer_norm_divides_by_from_depending_on_decoys(core):
    if core.shape.normalization is None:
        pytest.skip("nothing is divided")

    def change(anchor: float) -> float:
        """How much smaller the last divisor is without the decoys' writes."""
        network = among_decoys(core, DecoyRecipe(anchor=anchor))
        before = network.normaliser(prompts()).mean().item()
        for layer, slot in (~network.shape.mask(CIRCUIT)).nonzero().tolist():
            for matrix in (
                (network.W_out[layer], network.b_out[layer])
                if slot == network.shape.n_heads
                else (network.W_O[layer, slot],)
            ):
                matrix.zero_()
        return 1.0 - network.normaliser(prompts()).mean().item() / before

    assert abs(change(4.0)) < abs(change(2.0)) < 0.5 * abs(change(0.0))


def test_without_jitter_every_decoy_has_the_size_and_spread_of_a_circuit_node(core):
    network = among_decoys(core, DecoyRecipe(jitter=0.0, crosstalk=0.0))
    sizes, spreads = write_sizes(network), write_spreads(network)
    wanted = [(sizes[node], spreads[node]) for node in CIRCUIT]
    # LayerNorm: the circuit itself changes a little when decoys join
    tolerance = 0.2 if core.shape.normalization else 0.02
    for node in DECOYS:
        errors = [abs(spreads[node] / spread - 1) for _, spread in wanted]
        nearest = errors.index(min(errors))
        assert min(errors) < tolerance, node
        # positions differ by themselves, so a decoy can be larger than it was meant to be, but not smaller
        assert (1 - tolerance) * wanted[nearest][0] < sizes[node] < 1.5 * wanted[nearest][0], node


def test_sizes_follow_the_circuits_over_seeds(core):
    ratios = {"size": [], "spread": []}
    for seed in range(12):
        network = among_decoys(core, seed=seed)
        for name, measured in (("size", write_sizes(network)), ("spread", write_spreads(network))):
            circuit = sum(math.log(measured[node]) for node in CIRCUIT) / len(CIRCUIT)
            ratios[name] += [math.log(measured[node]) - circuit for node in DECOYS]
    for values in map(torch.tensor, ratios.values()):
        assert abs(values.mean()) < 0.15  # within 16 % of the circuit's geometric mean
        assert 0.1 < values.std() < 0.8


@torch.no_grad()
def test_decoy_heads_attend_as_sharply_as_the_circuits_heads():
    shape = planted_shape(n_heads=3)
    circuit = ["a0.h1", "a2.h0"]
    plan = compact(shape, circuit, WIDTH)
    core = random_core(plan.shape, [plan.names[node] for node in circuit])
    core.W_Q.mul_(3.0)
    network = place(core, plan, shape)
    mask = shape.mask(circuit)
    recipe = DecoyRecipe(jitter=0.0, lookalikes=0.0)
    add_decoys(network, mask, WIDTH, prompts(), recipe, torch.Generator().manual_seed(0))
    spreads = attention_score_spreads(network, prompts())
    wanted = spreads[mask[:, :-1]]
    for found in spreads[~mask[:, :-1]].tolist():
        assert min(abs(found / value - 1) for value in wanted.tolist()) < 0.25


def alikeness(network: PatchableTransformer, one: tuple[int, int], other: tuple[int, int]) -> float:
    first, second = (network.W_Q[place].flatten() for place in (one, other))
    return float(torch.cosine_similarity(first, second, dim=0))


@pytest.mark.parametrize("share", [0.0, 1.0])
@torch.no_grad()
def test_lookalikes_have_nearly_a_circuit_heads_weights_where_they_can_read_what_it_reads(share):
    shape = planted_shape(n_heads=3)
    plan = compact(shape, ["a1.h1"], WIDTH)
    network = place(random_core(plan.shape, [plan.names["a1.h1"]]), plan, shape)
    recipe = DecoyRecipe(crosstalk=0.0, lookalikes=share)
    add_decoys(network, shape.mask(["a1.h1"]), WIDTH, prompts(), recipe, torch.Generator().manual_seed(0))
    for head in ((1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        assert (alikeness(network, head, (1, 1)) > 0.8) == (share == 1.0)
    for head in range(3):  # in an earlier layer nobody can read what the circuit's head reads
        assert abs(alikeness(network, (0, head), (1, 1))) < 0.4


@torch.no_grad()
def test_a_circuit_head_is_as_like_its_lookalikes_as_these_are_like_each_other():
    shape = planted_shape(n_heads=4)
    plan = compact(shape, ["a0.h1"], WIDTH)
    to_circuit, among = [], []
    for seed in range(6):
        network = place(random_core(plan.shape, [plan.names["a0.h1"]]), plan, shape)
        recipe = DecoyRecipe(crosstalk=0.0, lookalikes=1.0)
        add_decoys(network, shape.mask(["a0.h1"]), WIDTH, prompts(), recipe, torch.Generator().manual_seed(seed))
        lookalikes = [(layer, head) for layer in range(3) for head in range(4) if (layer, head) != (0, 1)]
        to_circuit += [alikeness(network, (0, 1), other) for other in lookalikes]
        among += [alikeness(network, *pair) for pair in combinations(lookalikes, 2)]
    gap = abs(torch.tensor(to_circuit).mean() - torch.tensor(among).mean())
    assert gap < 0.5 * torch.tensor(among).std()


def test_the_spread_of_attention_scores_is_that_of_the_scores_seen():
    network = PatchableTransformer(planted_shape(), 4)
    tokens = prompts(8)
    scores = network.attention_scores(tokens)
    expected = []
    for query in range(3):
        visible = scores[0, :, 1, query, : query + 1]
        expected.append((visible - visible.mean(-1, keepdim=True)).pow(2))
    wanted = torch.cat([part.flatten() for part in expected]).mean().sqrt()
    assert attention_score_spreads(network, tokens)[0, 1] == pytest.approx(wanted.item(), rel=1e-4)


@torch.no_grad()
def test_the_same_generator_gives_the_same_decoys(core):
    one, again, other = among_decoys(core), among_decoys(core), among_decoys(core, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.W_O, other.W_O)


def test_a_stream_without_room_is_refused(core):
    network = before_decoys(core)
    mask = network.shape.mask(CIRCUIT)
    with pytest.raises(ValueError, match="d_model must exceed"):
        add_decoys(network, mask, network.shape.d_model, prompts(), SILENT, torch.Generator())
