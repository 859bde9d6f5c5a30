"""Exchanges that keep what they can't change: the same as hooks on the whole model."""

from __future__ import annotations

import pytest
import torch

from scribe_suite.scoring.crossed_prompts import (
    SITES,
    CrossedPrompts,
    Exchanges,
    Spot,
    both_changed,
    flat_index,
    twins,
)

from . import tiny_circuit

CONTEXTS = 4


def drawn(contexts: int = CONTEXTS) -> CrossedPrompts:
    """The first property is the token at position 1, the second that at position 2; random ones elsewhere."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, tiny_circuit.VOCABULARY, (contexts, 1, 1, tiny_circuit.LENGTH), generator=generator)
    tokens = tokens.repeat(1, 2, 2, 1)
    tokens[:, :, :, 1], tokens[:, :, :, 2] = torch.tensor([[0], [1]]), torch.tensor([[2, 3]])
    return CrossedPrompts(tokens, torch.tensor([[10, 11], [12, 13]]).repeat(contexts, 1, 1))


PROMPTS = drawn()


def hooked(spot: Spot, sources: torch.Tensor, basis: torch.Tensor | None) -> torch.Tensor:
    """The same by hooks, with everything computed."""
    model, tokens = tiny_circuit.model(), PROMPTS.tokens.flatten(0, 2)
    there = model.run_with_cache(tokens)[1][spot.hook][sources, spot.position]

    def exchange(value, hook):
        change = there - value[:, spot.position]
        value = value.clone()
        value[:, spot.position] += change if basis is None else change @ basis @ basis.T
        return value

    logits = model.run_with_hooks(tokens, fwd_hooks=[(spot.hook, exchange)])[:, -1]
    return logits.gather(-1, PROMPTS.options.repeat_interleave(4, 0).flatten(1)).unflatten(-1, (2, 2))


def test_rows_are_listed_by_context_and_both_values():
    rows = flat_index(4)
    assert rows[1, 0, 1] == 5
    assert both_changed(4)[rows[2, 0, 1]] == rows[2, 1, 0]
    assert twins(4)[rows[2, 0, 1]] == rows[3, 0, 1]
    assert twins(4)[rows[1, 1, 1]] == rows[0, 1, 1]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("layer", [0, 2, tiny_circuit.LAYERS - 1])
@pytest.mark.parametrize("position", [2, tiny_circuit.LENGTH - 1])
@pytest.mark.parametrize("dimensions", [None, 3])
def test_an_exchange_is_what_hooks_on_the_whole_model_make(site, layer, position, dimensions):
    generator = torch.Generator().manual_seed(1)
    basis = None if dimensions is None else torch.linalg.qr(torch.randn(32, dimensions, generator=generator))[0]
    exchanges = Exchanges(tiny_circuit.model(), PROMPTS, position, [layer])
    spot, sources = Spot(layer, site, position), both_changed(CONTEXTS)
    found = exchanges.after(spot, sources, basis)
    torch.testing.assert_close(found, hooked(spot, sources, basis), atol=1e-4, rtol=1e-4)


def test_without_an_exchange_they_are_the_logits_of_the_options():
    exchanges = Exchanges(tiny_circuit.model(), PROMPTS, -1, [1])
    spot = Spot(1, "resid_post", tiny_circuit.LENGTH - 1)
    wanted = hooked(spot, torch.arange(4 * CONTEXTS), None)
    torch.testing.assert_close(exchanges.before, wanted, atol=1e-4, rtol=1e-4)
    assert exchanges.position == tiny_circuit.LENGTH - 1
    assert len(exchanges) == 4 * CONTEXTS


def test_some_rows_alone_give_the_same_and_gradients_reach_the_basis():
    exchanges = Exchanges(tiny_circuit.model(), PROMPTS, 2, [1])
    spot, rows = Spot(1, "resid_post", 2), torch.tensor([3, 9])
    basis = torch.eye(32)[:, :2].requires_grad_()
    some = exchanges.after(spot, both_changed(CONTEXTS)[rows], basis, rows)
    torch.testing.assert_close(some, exchanges.after(spot, both_changed(CONTEXTS), basis)[rows], atol=1e-4, rtol=1e-4)
    some.sum().backward()
    assert basis.grad is not None
    assert basis.grad.abs().max() > 0


def test_contexts_must_come_in_pairs_with_options_of_their_own():
    with pytest.raises(ValueError, match="3 contexts"):
        CrossedPrompts(PROMPTS.tokens[:3], PROMPTS.options[:3])
    with pytest.raises(ValueError, match="same contexts"):
        CrossedPrompts(PROMPTS.tokens, PROMPTS.options[:2])
