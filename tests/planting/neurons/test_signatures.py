"""No statistic of a neuron changes under a symmetry."""

from __future__ import annotations

import numpy as np
import torch

from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin, weights_of
from scribe_suite.planting.neurons.measure import neuron_activations
from scribe_suite.planting.neurons.signatures import neuron_signatures
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry

CONFIG = {
    "n_layers": 2,
    "n_heads": 2,
    "d_model": 16,
    "d_head": 8,
    "d_mlp": 24,
    "n_ctx": 6,
    "d_vocab": 11,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "device": "cpu",
}


def random_weights() -> ModelWeights:
    plain = weights_of(untrained_twin(CONFIG, 0), CONFIG)
    generator = torch.Generator().manual_seed(0)
    state = {name: value + 0.3 * torch.randn(value.shape, generator=generator) for name, value in plain.state.items()}
    return ModelWeights(CONFIG, state)


def test_no_symmetry_changes_a_statistic():
    weights = random_weights()
    symmetry = draw_symmetry(CONFIG, 3, labels="as_tokens")
    tokens = torch.randint(11, (30, 6), generator=torch.Generator().manual_seed(1))
    renamed = apply_symmetry(weights, symmetry)
    before = neuron_signatures(weights, neuron_activations(build_model(weights), tokens))
    after = neuron_signatures(renamed, neuron_activations(build_model(renamed), symmetry.tokens(tokens)))
    for layer in range(2):
        old, new = before[layer], after[layer]
        assert set(old.groups) == {"weights", "composition", "activations", "unembedding"}
        order = [new.nodes.index(symmetry.neuron(node)) for node in old.nodes]
        for name, one, other in zip(old.statistics, old.values.T, new.values[order].T, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-3, err_msg=name)


def test_without_activations_those_columns_are_left_out():
    table = neuron_signatures(random_weights())[1]
    assert "activations" not in table.groups
    assert table.nodes[0] == "L1.N0"
    assert np.isfinite(table.values).all()
