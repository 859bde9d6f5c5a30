"""Written neurons follow their rules, whatever the model, and the model does what it did."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin, weights_of
from scribe_suite.planting.neurons.compound.drawing import FORMS, draw_rule
from scribe_suite.planting.neurons.compound.rules import Alternative, Condition, Rule
from scribe_suite.planting.neurons.compound.writing import REACH, frequencies, prepare, write_rules
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry

CONFIG: dict[str, Any] = {
    "n_layers": 3,
    "d_model": 32,
    "n_heads": 2,
    "d_head": 16,
    "d_mlp": 24,
    "n_ctx": 64,
    "d_vocab": len(vocabulary()),
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}
TEXT = sample_text(41, 40, 64).tokens


@pytest.fixture(scope="module")
def base() -> ModelWeights:
    """An untrained model whose streams are about as large as a trained one's."""
    model = untrained_twin(CONFIG, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.embed.W_E.copy_(0.3 * torch.randn(model.embed.W_E.shape, generator=generator))
        for block in model.blocks:
            block.mlp.W_out.copy_(4.0 * torch.randn(block.mlp.W_out.shape, generator=generator))
            block.mlp.W_in.copy_(0.3 * torch.randn(block.mlp.W_in.shape, generator=generator))
    return weights_of(model, CONFIG)


def activations(weights: ModelWeights, name: str, tokens: torch.Tensor) -> torch.Tensor:
    layer, neuron = map(int, name.removeprefix("L").split(".N"))
    with torch.no_grad():
        _, cache = build_model(weights).run_with_cache(tokens)
    return cache[f"blocks.{layer}.mlp.hook_post"][..., neuron]


def test_neurons_fire_where_their_rules_hold_and_nowhere_else(base):
    rules = [draw_rule(form, random.Random(2)) for form in FORMS]
    written, names = write_rules(prepare(base), rules, torch.Generator().manual_seed(1))
    assert len(set(names)) == len(rules)
    for rule, name in zip(rules, names, strict=True):
        found, values = activations(written, name, TEXT), rule.values(TEXT, len(vocabulary()))
        silent = found[values == 0]
        assert silent.abs().max() < 1.0, rule.described()
        for value in values.unique()[1:]:
            here = found[values == value]
            # an untrained model's norms differ more from token to token than a trained one's
            assert here.min() > max(0.5, float(silent.max())), rule.described()
            assert 0.5 * 6 * value < here.mean() < 2 * 6 * value, rule.described()


def test_the_first_tokens_of_a_text_see_nothing_before_it(base):
    nouns = frozenset(range(20, len(vocabulary())))
    rules = [
        Rule((Alternative((Condition("any", nouns, (0,)), Condition("any", nouns, (place,)))),))
        for place in range(1, REACH + 1)
    ]
    written, names = write_rules(prepare(base), rules, torch.Generator().manual_seed(1))
    tokens = torch.cat([TEXT[:, :1], torch.full((len(TEXT), 6), 400)], dim=1)
    for place, name in enumerate(names, 1):
        fires = activations(written, name, tokens) > 2.0
        assert fires[0].tolist() == [at > place for at in range(7)]


def test_the_model_predicts_what_it_did(base):
    rules = [draw_rule("exception", random.Random(2))]
    written, _ = write_rules(prepare(base), rules, torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = build_model(base)(TEXT).log_softmax(-1)
        after = build_model(written)(TEXT).log_softmax(-1)
    difference = (before.exp() * (before - after)).sum(-1)[:, 1:].mean()
    spread = (before.exp() * (before - before.mean((0, 1)))).sum(-1)[:, 1:].mean()
    assert difference < 0.15 * spread


def test_symmetries_leave_activations_as_they_are(base):
    rules = [draw_rule("window", random.Random(2))]
    written, (name,) = write_rules(prepare(base), rules, torch.Generator().manual_seed(1))
    symmetry = draw_symmetry(written.config, 3, labels="as_tokens")
    turned = apply_symmetry(written, symmetry)
    again = activations(turned, symmetry.neuron(name), symmetry.tokens(TEXT))
    assert torch.allclose(again, activations(written, name, TEXT), atol=0.05)


def test_what_does_not_fit_is_refused(base):
    with pytest.raises(ValueError, match="three layers"):
        prepare(ModelWeights({**base.config, "n_layers": 2}, base.state))
    many = [Rule((Alternative((Condition(f"{token}", frozenset({token}), (0, 1, 2, 3)),)),)) for token in range(20, 60)]
    with pytest.raises(ValueError, match="the rules need"):
        write_rules(prepare(base), many, torch.Generator().manual_seed(1))


def test_waves_tell_a_place_from_all_others():
    apart = torch.arange(1, 64, dtype=torch.float64)
    alias = (frequencies(64)[:, None] * apart).cos().mean(0)
    assert alias.max() < 0.3
