"""The certificate of a model that adds along a tree: which heads carry which sums, and that others have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import draw_prompts
from scribe_suite.planting.variables.sum_exchange import HeadExchange
from scribe_suite.planting.variables.sums import Sum, SumDial, SumPlan

#: Least share of pairs with the expected label after an exchange.
EXCHANGE_BAR = 0.98
#: Least accuracy with which every computed sum, with an effect or without, is decoded.
DECODED_BAR = 0.98

_PAIRS = 512


def certify_sums(weights: ModelWeights, dial: SumDial, plan: SumPlan, seed: int) -> Certificate:
    """Measure all claims about a model.

    Args:
        weights: The model that agents get.
        dial: The dial with which it was planted.
        plan: The plan that it should compute.
        seed: The seed of prompts.

    Returns:
        Checks ``behaviour``, the share of correct labels; for each sum with an effect ``exchanged/<positions>``, the
        share of labels that are as if the sum were the source's, when a smallest set of its carriers is exchanged (the
        worst set); ``less/<positions>``, the share of unchanged labels when one head less is (where that is any), and
        ``less/all``, when as many carriers of every sum are; for
        each sum without an effect ``unused/<positions>``, the share of unchanged labels when all its carriers are
        exchanged; ``others``, the same for all heads after the first layer that carry no sum with an effect, at once;
        ``decoded/<positions>``, the accuracy with which what carriers write is decoded, for every sum.
    """
    return Certificate(checks=tuple(_checks(weights, dial, plan, seed)))


def smallest(dial: SumDial) -> int:
    """Number of carriers of a sum that must be exchanged: the majority."""
    return dial.carriers // 2 + 1


def _checks(weights: ModelWeights, dial: SumDial, plan: SumPlan, seed: int) -> Iterator[Check]:
    generator = torch.Generator().manual_seed(seed)
    base, source = (draw_prompts(_PAIRS, dial.d_vocab, generator) for _ in range(2))
    exchange, need = HeadExchange(weights, base, source), smallest(dial)
    plain = plan.expected(base)

    def check(name: str, right: Bool[Tensor, " pair"], bar: float = EXCHANGE_BAR) -> Check:
        return Check(name=name, value=round(right.float().mean().item(), 6), bar=bar, direction=">=")

    yield check("behaviour", exchange.labels([]) == plain, BEHAVIOUR_BAR)
    for of in plan.parts:
        if of == plan.total:
            continue
        heads, name = plan.heads(of), _name(plan, of)
        if of in plan.used:
            moved = [exchange.labels(some) == plan.expected(base, source, of) for some in combinations(heads, need)]
            yield check(f"exchanged/{name}", torch.stack(moved).all(0))
            kept = [exchange.labels(some) == plain for some in combinations(heads, need - 1)]
            if need > 1:
                yield check(f"less/{name}", torch.stack(kept).all(0))
        else:
            yield check(f"unused/{name}", exchange.labels(heads) == plain)
    carriers = {head for of in plan.used for head in plan.heads(of)}
    later = [f"a{layer}.h{head}" for layer in range(1, dial.n_layers) for head in range(dial.n_heads)]
    if need > 1:
        one_less = [head for of in plan.used for head in plan.heads(of)[: need - 1]]
        yield check("less/all", exchange.labels(one_less) == plain)
    yield check("others", exchange.labels([head for head in later if head not in carriers]) == plain)
    for of, right in _decoded(weights, plan, base).items():
        yield check(f"decoded/{_name(plan, of)}", right, DECODED_BAR)


def _name(plan: SumPlan, of: Sum) -> str:
    return "-".join(map(str, plan.positions(of)))


@torch.no_grad()
def _decoded(weights: ModelWeights, plan: SumPlan, prompts: Tensor) -> dict[Sum, Bool[Tensor, " prompt"]]:
    """Whether the nearest mean, of the other half of the prompts, tells each sum from what its carriers write."""
    net = PatchableTransformer.from_weights(weights)
    moved = net(prompts)[1].heads[:, :, -1]  # [layer, prompt, head, d_head]
    half, found = len(prompts) // 2, {}
    for of in plan.parts:
        if of == plan.total:
            continue
        heads = [carrier for carrier in plan.carriers if carrier.of == of]
        writes: list[Float[Tensor, "prompt d_model"]] = [
            moved[one.layer, :, one.head] @ net.W_O[one.layer, one.head] for one in heads
        ]
        here = torch.stack(writes).sum(0)
        values = plan.terms(prompts)[:, list(of)].sum(1) % plan.values
        means = torch.stack([here[:half][values[:half] == value].mean(0) for value in range(plan.values)])
        found[of] = torch.cdist(here[half:], means).argmin(1) == values[half:]
    return found
