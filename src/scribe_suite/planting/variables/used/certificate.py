"""The certificate of a model with properties: all can be decoded, and those that are used move the label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.variables.interchange import Place, Rates, exchanged_labels, rates_of
from scribe_suite.planting.variables.plans import draw_pairs, draw_prompts
from scribe_suite.planting.variables.used.network import KEPT_LAYER, illusory_directions, kept_directions
from scribe_suite.planting.variables.used.plans import PROPERTIES, UsedDial, UsedPlan

#: Least accuracy of a linear probe for each property, and the largest difference between two properties.
DECODABLE_BAR, EQUAL_BAR = 0.98, 0.02
#: Least share of labels that a used property moves, and the largest for another.
USED_BAR, UNUSED_BAR = 0.98, 0.02
#: Least share of labels that illusory directions move, for all properties.
ILLUSION_BAR = 0.75

_PROMPTS, _PAIRS = 3000, 300
#: The place where the properties are kept.
KEPT = Place(KEPT_LAYER, "resid_post", -1)


@dataclass(frozen=True)
class Effect:
    """What exchanging directions at the place does.

    Attributes:
        moved: Share of pairs after which the label has the source's value of the property.
        kept: Share of pairs after which the label has the base's values of all others.
    """

    moved: float
    kept: float


def effect_of(
    model: HookedTransformer, plan: UsedPlan, number: int, directions: Float[Tensor, "d_model k"], seed: int
) -> Effect:
    """What exchanging directions between prompts does, on pairs that differ in every property."""
    pairs = draw_pairs(plan.plan, _PAIRS, torch.Generator().manual_seed(seed))
    rates: Rates = rates_of(exchanged_labels(model, *pairs, KEPT, directions), *pairs, plan.plan, number)
    return Effect(rates.interchange, rates.isolation)


def certify_used(weights: ModelWeights, dial: UsedDial, plan: UsedPlan, seed: int) -> Certificate:
    """Measure all claims about a model.

    Returns:
        Checks ``behaviour``, the share of correct labels; for each property ``decodable/<n>``, the accuracy of a linear
        probe on other prompts, and ``illusion/<n>``, the share of labels that illusory directions move;
        ``decodable/difference`` between the best and the worst; ``used/<n>`` or ``unused/<n>``, the share of labels
        that exchanging its own dimensions moves; ``kept/<n>``, the share of labels in which that leaves the others as
        they are.
    """
    return Certificate(checks=tuple(_checks(build_model(weights), dial, plan, seed)))


def _checks(model: HookedTransformer, dial: UsedDial, plan: UsedPlan, seed: int) -> Iterator[Check]:
    generator = torch.Generator().manual_seed(seed)
    prompts = draw_prompts(_PROMPTS, dial.d_vocab, generator)
    hook = f"blocks.{KEPT.layer}.hook_{KEPT.site}"
    with torch.no_grad():
        logits, cache = model.run_with_cache(prompts, names_filter=lambda name: name == hook)
    right = (logits[:, -1].argmax(-1) == plan.plan.expected(prompts)).float().mean().item()
    yield Check(name="behaviour", value=round(right, 6), bar=BEHAVIOUR_BAR, direction=">=")
    accuracies = probe_accuracies(cache[hook][:, -1].numpy(), plan.plan.variables(prompts).numpy())
    for number, accuracy in enumerate(accuracies):
        yield Check(name=f"decodable/{number}", value=round(accuracy, 6), bar=DECODABLE_BAR, direction=">=")
    difference = round(max(accuracies) - min(accuracies), 6)
    yield Check(name="decodable/difference", value=difference, bar=EQUAL_BAR, direction="<=")
    for number in range(PROPERTIES):
        effect = effect_of(model, plan, number, kept_directions(dial, number), seed)
        if number in plan.used:
            yield Check(name=f"used/{number}", value=round(effect.moved, 6), bar=USED_BAR, direction=">=")
        else:
            yield Check(name=f"unused/{number}", value=round(effect.moved, 6), bar=UNUSED_BAR, direction="<=")
        yield Check(name=f"kept/{number}", value=round(effect.kept, 6), bar=USED_BAR, direction=">=")
        illusion = effect_of(model, plan, number, illusory_directions(dial, number), seed)
        yield Check(name=f"illusion/{number}", value=round(illusion.moved, 6), bar=ILLUSION_BAR, direction=">=")


def probe_accuracies(
    here: Float[np.ndarray, "prompt d_model"], values: Int[np.ndarray, "prompt property"]
) -> Sequence[float]:
    """The accuracy of a linear probe for each property, by least squares, on the second half of the prompts."""
    half = len(here) // 2
    rows = np.concatenate([here.astype(float), np.ones((len(here), 1))], axis=1)
    one_hots = np.eye(int(values.max()) + 1)[values]
    weights = np.linalg.lstsq(rows[:half], one_hots[:half].reshape(half, -1), rcond=1e-6)[0]
    said = (rows[half:] @ weights).reshape(len(here) - half, values.shape[1], -1).argmax(-1)
    return [float(share) for share in (said == values[half:]).mean(0)]
