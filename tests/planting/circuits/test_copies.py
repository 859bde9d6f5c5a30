"""Copies look like their models to everyone who does not run them."""

import pytest
import torch

from scribe_suite.planting.circuits.compact import compact, place
from scribe_suite.planting.circuits.copies import Copies
from scribe_suite.planting.circuits.decoys import DecoyRecipe, add_decoys
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from studies.degenerate import auroc
from tests.planting.circuits.small_circuit import WIDTH, HalfThenLabel, planted_shape
from tests.planting.circuits.test_compact import random_core

CIRCUIT = ("a1.h1", "m2")
SHAPE = planted_shape(n_heads=3, d_model=2 * WIDTH)


@torch.no_grad()
def network_with_a_circuit() -> PatchableTransformer:
    """A circuit whose matrices are as steep as trained ones."""
    plan = compact(SHAPE, CIRCUIT, WIDTH)
    core = random_core(plan.shape, [plan.names[node] for node in CIRCUIT])
    for name in ("W_V", "W_O", "W_Q", "W_K", "W_in", "W_out"):
        parameter = getattr(core, name)
        left, values, right = torch.linalg.svd(parameter, full_matrices=False)
        parameter.copy_(left @ ((values * 0.7 ** torch.arange(values.shape[-1]))[..., None] * right))
    return place(core, plan, SHAPE)


def copies(network, seed=0) -> Copies:
    return Copies(network, WIDTH, torch.Generator().manual_seed(seed))


def products(network) -> dict[str, torch.Tensor]:
    """What of every node's weights no change of basis inside it can touch."""
    found = {}
    for layer in range(SHAPE.n_layers):
        found |= {
            f"a{layer}.h{head}": network.W_V[layer, head] @ network.W_O[layer, head] for head in range(SHAPE.n_heads)
        }
        found[f"m{layer}"] = network.W_in[layer] @ network.W_out[layer]
    return found


def flatness(matrix) -> float:
    shares = torch.linalg.svdvals(matrix).pow(2)
    return float(torch.special.entr(shares / shares.sum()).sum())


@pytest.mark.parametrize("name", ["W_Q", "W_V", "W_O"])
@torch.no_grad()
def test_a_copy_has_the_models_size_and_every_time_other_values(name):
    network = network_with_a_circuit()
    drawn = copies(network)
    first, second = drawn.like(name, (1, 1)), drawn.like(name, (1, 1))
    original = getattr(network, name)[1, 1]
    own = original[:, :WIDTH] if name == "W_O" else original[:WIDTH]
    for varied in (first, second):
        assert varied.shape == own.shape
        assert varied.norm() == pytest.approx(own.norm().item(), rel=1e-3)
    assert not torch.allclose(first, second, rtol=0.01)


@torch.no_grad()
def test_the_model_differs_from_its_copies_as_these_do_from_each_other():
    to_model, among = [], []
    for seed in range(40):
        network = network_with_a_circuit()
        drawn = copies(network, seed)
        own = flatness(network.W_O[1, 1, :, :WIDTH])
        found = [flatness(drawn.like("W_O", (1, 1))) for _ in range(2)]
        to_model.append(abs(found[0] - own))
        among.append(abs(found[0] - found[1]))
    assert sum(to_model) / sum(among) == pytest.approx(1.0, abs=0.35)


@torch.no_grad()
def test_maps_keep_what_reading_and_writing_have_in_common():
    network = network_with_a_circuit()
    reading, writing = copies(network).maps()
    extra = SHAPE.d_model - WIDTH
    assert reading.shape == (SHAPE.d_model, WIDTH)
    assert writing.shape == (WIDTH, extra)
    # one direction is lost to the mean that LayerNorm subtracts
    assert torch.allclose(torch.linalg.svdvals(writing)[:-1], torch.ones(WIDTH - 1), atol=1e-4)
    assert torch.allclose(torch.linalg.svdvals(reading)[:-1], torch.ones(WIDTH - 1), atol=1e-4)
    value, output = torch.randn(2, WIDTH, 5, generator=torch.Generator().manual_seed(3))
    output = writing @ writing.T @ output
    copied = (reading @ value, torch.cat([torch.zeros(5, WIDTH), 2**0.5 * output.T @ writing], 1))
    wanted, found = (value @ output.T).trace(), (copied[0] @ copied[1]).trace()
    assert found == pytest.approx(wanted.item(), rel=1e-4)


@torch.no_grad()
def test_no_spectrum_tells_a_steep_circuit_from_its_decoys():
    rows = {"heads": [], "mlps": []}
    for seed in range(12):
        network = network_with_a_circuit()
        tokens = HalfThenLabel().sample(64, torch.Generator().manual_seed(seed))
        mask = SHAPE.mask(CIRCUIT)
        add_decoys(network, mask, WIDTH, tokens, DecoyRecipe(), torch.Generator().manual_seed(seed))
        values = {node: flatness(product) for node, product in products(network).items()}
        for kind, letter in (("heads", "a"), ("mlps", "m")):
            same = {node: value for node, value in values.items() if node[0] == letter}
            rows[kind].append(auroc(same, [node for node in CIRCUIT if node[0] == letter]))
    for found in rows.values():
        assert 0.2 < sum(found) / len(found) < 0.8
