"""Written neurons follow their rules, whatever the model, and the model does what it did."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin, weights_of
from scribe_suite.planting.neurons.compound.drawing import FORMS, draw_rule
from scribe_suite.planting.neurons.compound.rules import ANYWHERE, Alternative, Condition, Rule
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


@pytest.mark.parametrize("forms", [tuple(FORMS)[:4], *((form,) for form in tuple(FORMS)[4:])])
def test_neurons_fire_where_their_rules_hold_and_nowhere_else(base, forms):
    rules = [draw_rule(form, random.Random(2)) for form in forms]
    written, names = write_rules(prepare(base), rules, torch.Generator().manual_seed(1))
    assert len(set(names)) == len(rules)
    for rule, name in zip(rules, names, strict=True):
        found, values = activations(written, name, TEXT), rule.values(TEXT, len(vocabulary()))
        silent = found[values == 0]
        assert silent.abs().max() < 1.0, rule.described()
        for value in values.unique()[1:]:
            here = found[values == value]
            # an untrained model's norms differ more from token to token than a trained one's
            assert here.min() > max(0.4, float(silent.max())), rule.described()
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


@pytest.mark.parametrize("least", [2, 3])
def test_more_tokens_than_a_count_asks_for_do_not_make_up_for_another_condition(base, least):
    here, many, other = frozenset({200}), frozenset({300}), frozenset({400})
    conditions = (
        Condition("here", here, (0,)),
        Condition("many", many, (1, 2, 3), least=least),
        Condition("other", other, ANYWHERE, negated=True),
    )
    rule = Rule((Alternative(conditions),))
    written, (name,) = write_rules(prepare(base), [rule], torch.Generator().manual_seed(1))
    starts = (
        [300, 300, 300, 200],
        [300, 300, 20, 200],
        [300, 20, 20, 200],
        [300, 300, 300, 20],
        [400, 300, 300, 300, 200],
    )
    for start in starts:
        tokens = torch.tensor([[int(TEXT[0, 0]), *start]])
        fires = activations(written, name, tokens)[0] > 2.0
        assert fires.tolist() == (rule.values(tokens, len(vocabulary()))[0] > 0).tolist(), start


def test_what_occurred_anywhere_before_is_known_at_the_end_of_a_text(base):
    rule = Rule((Alternative((Condition("here", frozenset({200}), (0,)), Condition("x", frozenset({300}), ANYWHERE))),))
    written, (name,) = write_rules(prepare(base), [rule], torch.Generator().manual_seed(1))
    tokens = torch.full((4, 64), 20)
    tokens[:, 0], tokens[:, [2, 30, 63]] = TEXT[0, 0], 200
    tokens[1, 1], tokens[2, 29], tokens[3, 31:62] = 300, 300, 300
    fires = activations(written, name, tokens) > 2.0
    assert fires.nonzero().tolist() == [[1, 2], [1, 30], [1, 63], [2, 30], [2, 63], [3, 63]]


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
    far = [Rule((Alternative((Condition(f"{token}", frozenset({token}), ANYWHERE),)),)) for token in (20, 21, 22)]
    with pytest.raises(ValueError, match="3 sets from all of the text: there are 2 heads"):
        write_rules(prepare(base), far, torch.Generator().manual_seed(1))
    twice = Rule((Alternative(tuple(Condition("a", frozenset({20}), (1, 2), least=2) for _ in range(2))),))
    with pytest.raises(ValueError, match="one may count tokens"):
        write_rules(prepare(base), [twice], torch.Generator().manual_seed(1))


def test_waves_tell_a_place_from_all_others():
    apart = torch.arange(1, 64, dtype=torch.float64)
    alias = (frequencies(64)[:, None] * apart).cos().mean(0)
    assert alias.max() < 0.3
