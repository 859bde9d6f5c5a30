"""The certificate of a model with a gate: one direction turns it on, and short cuts don't find it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.steering.added import MOST_DIVERGENCE, Prompts
from scribe_suite.planting.steering.network import KEPT_LAYER, READING_LAYER, gate_direction
from scribe_suite.planting.steering.plans import CONDITION, GATE, GateDial, GatePlan, draw_contrast, draw_where
from scribe_suite.planting.variables.used.certificate import probe_accuracies

#: The layers after which vectors may be added.
LAYERS = (KEPT_LAYER, READING_LAYER)
#: Least effect of the gate's direction where the gate is read, and the largest of a vector that should do nothing.
GATE_BAR, NOTHING_BAR = 0.95, 0.05
#: Least accuracy of a linear probe for the gate after each layer.
DECODABLE_BAR = 0.98
#: Least effect of the best vector that a search finds where the gate is read, and the largest where it is not.
FOUND_BAR, SEARCH_BAR = 0.5, 0.1
#: Least effect of the difference of means where nothing goes along with the gate, and the largest where something does.
MEANS_BAR, CONFOUNDED_BAR = 0.9, 0.45

_PROMPTS, _JUDGED, _SEARCHED, _DRAWN = 2048, 200, 64, 16
_STARTS, _STEPS, _RATE, _AT_FIRST = 3, 200, 0.05, 0.2


def judged_prompts(model: HookedTransformer, plan: GatePlan, count: int, generator: torch.Generator) -> Prompts:
    """Prompts on which vectors are judged: the gate is off and the condition holds, or the condition does not hold.

    Args:
        model: The model.
        plan: The plan that it computes.
        count: How many of each kind.
        generator: Draws them.
    """
    target = draw_where(plan, count, {GATE: 0, CONDITION: 1}, generator)
    wanted = torch.tensor(plan.partners)[plan.expected(target)]
    neutral = draw_where(plan, count, {CONDITION: 0}, generator)
    return Prompts(model, target, wanted, neutral, LAYERS)


def certify_gate(weights: ModelWeights, dial: GateDial, plan: GatePlan, seed: int) -> Certificate:
    """Measure all claims about a model.

    Args:
        weights: The model that agents get.
        dial: The dial with which it was planted.
        plan: The plan that it should compute.
        seed: The seed of prompts and random vectors.

    Returns:
        Checks ``behaviour``, the share of correct labels; ``decodable/<layer>``, the accuracy of a linear probe for the
        gate; and effects of vectors: ``gate/<layer>`` of the gate's direction, ``random/<layer>`` of random vectors
        (the mean), ``labels/<layer>`` of the difference between the labels' logits, ``means/<layer>`` of the difference
        of means of contrast pairs, and ``search/<layer>`` of the best vector which gradients find. The last shows that
        nothing is there where the gate is not read, since the same search finds something where it is.
    """
    return Certificate(checks=tuple(_checks(build_model(weights), dial, plan, seed)))


def _checks(model: HookedTransformer, dial: GateDial, plan: GatePlan, seed: int) -> Iterator[Check]:
    generator = torch.Generator().manual_seed(seed)
    prompts = torch.randint(dial.d_vocab, (_PROMPTS, model.cfg.n_ctx), generator=generator)
    names = {layer: f"blocks.{layer}.hook_resid_post" for layer in LAYERS}
    with torch.no_grad():
        logits, cache = model.run_with_cache(prompts, names_filter=lambda name: name in names.values())
    right = (logits[:, -1].argmax(-1) == plan.expected(prompts)).float().mean().item()
    yield _at_least("behaviour", right, BEHAVIOUR_BAR)
    gate = plan.variables(prompts)[:, [GATE]].numpy()
    judged, tried = (judged_prompts(model, plan, count, generator) for count in (_JUDGED, _SEARCHED))
    pairs = draw_contrast(plan, dial.pairs, dial.confounded, generator)
    for layer, name in names.items():
        reached = layer == KEPT_LAYER and plan.read
        yield _at_least(f"decodable/{layer}", probe_accuracies(cache[name][:, -1].numpy(), gate)[0], DECODABLE_BAR)
        effect = judged.effect(layer, gate_direction()).effect
        yield (
            _at_least(f"gate/{layer}", effect, GATE_BAR) if reached else _at_most(f"gate/{layer}", effect, NOTHING_BAR)
        )
        drawn = [
            judged.effect(layer, one).effect for one in torch.randn(_DRAWN, model.cfg.d_model, generator=generator)
        ]
        yield _at_most(f"random/{layer}", fmean(drawn), NOTHING_BAR)
        yield _at_most(f"labels/{layer}", judged.effect(layer, label_direction(model, plan)).effect, NOTHING_BAR)
        means = means_direction(model, pairs, layer)
        effect = judged.effect(layer, means).effect
        if not reached:
            yield _at_most(f"means/{layer}", effect, NOTHING_BAR)
        elif dial.confounded:
            yield _at_most(f"means/{layer}", effect, CONFOUNDED_BAR)
        else:
            yield _at_least(f"means/{layer}", effect, MEANS_BAR)
        found = max(judged.effect(layer, one).effect for one in searched(tried, layer, means, generator))
        yield (
            _at_least(f"search/{layer}", found, FOUND_BAR)
            if reached
            else _at_most(f"search/{layer}", found, SEARCH_BAR)
        )


@torch.no_grad()
def means_direction(model: HookedTransformer, pairs: tuple[Tensor, Tensor], layer: int) -> Float[Tensor, " d_model"]:
    """The difference between mean activations of contrast pairs (Rimsky et al. 2024, arXiv 2312.06681)."""
    name = f"blocks.{layer}.hook_resid_post"
    on, off = (model.run_with_cache(one, names_filter=name, return_type=None)[1][name][:, -1].mean(0) for one in pairs)
    difference: Tensor = on - off
    return difference


@torch.no_grad()
def label_direction(model: HookedTransformer, plan: GatePlan) -> Float[Tensor, " d_model"]:
    """The direction that raises the wanted labels and lowers those in whose place they come."""
    kept = [(off, on) for off, on in enumerate(plan.partners) if on >= 0]
    direction: Tensor = torch.stack([model.W_U[:, on] - model.W_U[:, off] for off, on in kept]).sum(0)
    return direction


def searched(
    judged: Prompts, layer: int, start: Float[Tensor, " d_model"], generator: torch.Generator
) -> list[Float[Tensor, " d_model"]]:
    """Vectors that gradients find: a large effect, with a penalty on divergence above what is allowed.

    Args:
        judged: The prompts on which vectors are judged.
        layer: The layer after which they are added.
        start: The direction of a first start; others are random.
        generator: Draws these.
    """
    starts = [_AT_FIRST * judged.length[layer] * start / start.norm()]
    starts += [torch.randn(len(start), generator=generator) for _ in range(_STARTS)]
    found = []
    for one in starts:
        vector = one.clone().requires_grad_()
        optimiser = torch.optim.Adam([vector], lr=_RATE)
        for _ in range(_STEPS):
            wanted, divergence = judged.after(layer, vector)
            # the logarithm has a slope where the effect has none yet
            loss = -wanted.mean() - 0.1 * wanted.clamp(min=1e-9).log().mean()
            loss = loss + 10 * (divergence.mean() - 0.75 * MOST_DIVERGENCE).clamp(min=0)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        found.append(vector.detach())
    return found


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(float(value), 6), bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(float(value), 6), bar=bar, direction="<=")
