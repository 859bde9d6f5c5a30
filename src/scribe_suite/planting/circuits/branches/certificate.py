"""The certificate of a model with a rare branch, or of its null twin: it agrees with its plan everywhere.

That a condition changes the prediction is checked for each placement of its parts, since a rule that fails at the edges
of prompts would be a different rule. That near misses have no effect is checked on labels, also for each placement,
and on logits: their distribution must be that of ordinary prompts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import mannwhitneyu
from torch import Tensor

from scribe_suite.planting.circuits.branches.conditions import Condition
from scribe_suite.planting.circuits.branches.network import CONDITIONS_LAYER
from scribe_suite.planting.circuits.branches.plans import N_CTX, Plan, draw_prompts
from scribe_suite.planting.circuits.branches.prompts import NEAR, Drawing, chosen, that_meet, that_miss
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights

#: Least share of correct labels, for every placement and every kind.
RULE_BAR = 0.98
#: Largest distance from one half of the AUROC between margins of near misses and of ordinary prompts.
QUIET_BAR = 0.1
#: Above this activation, the neuron of a condition counts as firing: its output is then 1, or nearly so.
FULLY = 0.9

_PROMPTS = 4096
_PER_PLACEMENT = 16
_PER_KIND = 512


def certify_branch(weights: ModelWeights, plan: Plan, rarity: float, seed: int) -> Certificate:
    """Measure all claims about a model.

    Args:
        weights: The model that agents get.
        plan: The plan that it should compute.
        rarity: Largest probability that a condition may have.
        seed: The seed of prompts.

    Returns:
        Checks ``ordinary``, the share of ordinary prompts with the ordinary label; ``rarity``, the probability of the
        likeliest condition that can be met. With a branch: ``holds/least``, the share of exceptions at the placement
        with the fewest; ``near/<kind>/least``, the share of ordinary labels among near misses, at the placement with
        the fewest; ``quiet/<kind>``, the distance from one half of the AUROC between the logit margins of near misses
        and of ordinary prompts. For each condition that can be met, heard or not: ``computed/<number>/least``, the
        share of prompts that meet it in which its neuron fires, at the placement with the fewest, and
        ``computed/<number>/ordinarily``, the share of ordinary prompts in which it does. For each condition that
        changes nothing: ``unheard/<number>/least``, the share of ordinary labels where it is met, at the placement with
        the fewest; if it can't be met, on prompts that meet as much of it as possible. For one that can't be met also
        ``unheard/<number>/any``, the same with every token of the model in turn at the place that requires a
        nonexistent token, or more than one.
    """
    return Certificate(checks=tuple(_Certifier(weights, plan, seed).checks(rarity)))


class _Certifier:
    def __init__(self, weights: ModelWeights, plan: Plan, seed: int) -> None:
        self.network, self.plan = PatchableTransformer.from_weights(weights), plan
        self.generator = torch.Generator().manual_seed(seed)
        self.drawing = Drawing(plan.d_vocab, random.Random(seed))

    def checks(self, rarity: float) -> Iterator[Check]:
        plan = self.plan
        usual = draw_prompts(_PROMPTS, plan.d_vocab, self.generator)
        yield _at_least("ordinary", self._ordinary_share(usual), BEHAVIOUR_BAR)
        probabilities = [one.probability(N_CTX, plan.d_vocab) for one in plan.conditions]
        yield Check(name="rarity", value=max(probabilities), bar=rarity, direction="<=")
        if plan.exception is not None:
            yield from self._branch(*plan.exception, usual)
        yield from self.computed()
        for number, condition in enumerate(plan.conditions):
            if number != plan.branch:
                name = f"unheard/{number}/least"
                yield _at_least(name, self._least_ordinary(self._as_far_as_possible(condition)), RULE_BAR)
                if not condition.is_met(N_CTX, plan.d_vocab):
                    yield _at_least(f"unheard/{number}/any", self._ordinary_share(self._any_token(condition)), 1.0)

    def computed(self) -> Iterator[Check]:
        """Check that the neuron of each condition that can be met, heard or not, fires only where it is met."""
        usual = self._fired(draw_prompts(_PROMPTS, self.plan.d_vocab, self.generator))
        for number, condition in enumerate(self.plan.conditions):
            if condition.is_met(N_CTX, self.plan.d_vocab):
                repeated = [place for place in condition.placements(N_CTX) for _ in range(_PER_PLACEMENT)]
                fired = self._fired(that_meet(condition, repeated, self.drawing))[:, number].float()
                yield _at_least(
                    f"computed/{number}/least", fired.view(-1, _PER_PLACEMENT).mean(1).min().item(), RULE_BAR
                )
                share = usual[:, number].float().mean().item()
                yield Check(name=f"computed/{number}/ordinarily", value=share, bar=0.0, direction="<=")

    @torch.no_grad()
    def _fired(self, prompts: Int[Tensor, "prompt position"]) -> Bool[Tensor, "prompt condition"]:
        """Whether the neuron of each condition fires in full anywhere, in the order of `build_network`."""
        layer, count = CONDITIONS_LAYER, len(self.plan.conditions)
        net = self.network
        found = []
        for some in torch.split(prompts, 2048):
            inner = net.residual_streams(some)[f"mid{layer}"] @ net.W_in[layer] + net.b_in[layer]
            found.append((inner[..., :count] > FULLY).any(1))
        return torch.cat(found)

    def _branch(self, condition: Condition, label: int, usual: Int[Tensor, "prompt position"]) -> Iterator[Check]:
        repeated = [place for place in condition.placements(N_CTX) for _ in range(_PER_PLACEMENT)]
        rows = that_meet(condition, repeated, self.drawing)
        exceptions = (self._logits(rows).argmax(-1) == label).float().view(-1, _PER_PLACEMENT)
        yield _at_least("holds/least", exceptions.mean(1).min().item(), RULE_BAR)
        ordinary = self._margins(usual, label)
        for kind in NEAR:
            rows = that_miss(condition, kind, repeated, self.drawing)
            yield _at_least(f"near/{kind}/least", self._least_ordinary(rows.view(-1, _PER_PLACEMENT, N_CTX)), RULE_BAR)
        for kind in NEAR:
            rows = that_miss(condition, kind, chosen(condition, _PER_KIND, self.drawing.rng), self.drawing)
            near = self._margins(rows, label)
            auroc = float(mannwhitneyu(near, ordinary).statistic) / (len(near) * len(ordinary))
            yield Check(name=f"quiet/{kind}", value=round(abs(auroc - 0.5), 6), bar=QUIET_BAR, direction="<=")

    def _as_far_as_possible(self, condition: Condition) -> Int[Tensor, "placement prompt position"]:
        """Prompts that meet a condition as far as possible; arbitrary tokens replace those that don't exist."""
        plan, places = self.plan, list(condition.places(N_CTX))
        rows = draw_prompts(len(places) * _PER_PLACEMENT, plan.d_vocab, self.generator)
        rows = rows.view(len(places), _PER_PLACEMENT, N_CTX)
        for some, place in zip(rows, places, strict=True):
            for part in torch.randperm(len(place), generator=self.generator).tolist():
                tokens = [token for token in list(condition.tokens.values())[part] if token < plan.d_vocab]
                drawn = torch.tensor(tokens or range(1, plan.d_vocab))
                some[:, place[part]] = drawn[torch.randint(len(drawn), (len(some),), generator=self.generator)]
        return rows

    def _any_token(self, condition: Condition) -> Int[Tensor, "prompt position"]:
        """Prompts that meet a condition except at one place, where each has a different token, over all tokens."""
        d_vocab, places = self.plan.d_vocab, list(condition.places(N_CTX))
        place = self.drawing.rng.choice(places)
        rows = draw_prompts(d_vocab - 1, d_vocab, self.generator)
        free = {at for at in place if place.count(at) > 1}
        for at, tokens in zip(place, condition.tokens.values(), strict=True):
            if tokens[0] >= d_vocab:
                free.add(at)
            else:
                rows[:, at] = tokens[0]
        for at in free:
            rows[:, at] = torch.arange(1, d_vocab)
        return rows

    @torch.no_grad()
    def _logits(self, prompts: Int[Tensor, "prompt position"]) -> Float[Tensor, "prompt label"]:
        return torch.cat([self.network(some)[0][:, -1] for some in torch.split(prompts, 2048)])

    def _ordinary_share(self, prompts: Int[Tensor, "prompt position"]) -> float:
        return (self._logits(prompts).argmax(-1) == self.plan.ordinary(prompts)).float().mean().item()

    def _least_ordinary(self, rows: Int[Tensor, "placement prompt position"]) -> float:
        prompts = rows.flatten(0, 1)
        right = self._logits(prompts).argmax(-1) == self.plan.ordinary(prompts)
        return right.float().view(rows.shape[:2]).mean(1).min().item()

    def _margins(self, prompts: Int[Tensor, "prompt position"], label: int) -> Float[Tensor, " prompt"]:
        """The ordinary label's logit minus that of the exception's label, on prompts where the two labels differ."""
        logits, ordinary = self._logits(prompts), self.plan.ordinary(prompts)
        margins = logits.gather(1, ordinary[:, None])[:, 0] - logits[:, label]
        # the last token may be one of the exception's label, which is not part of the condition
        last = torch.tensor(self.plan.classes)[prompts[:, -1]]
        return margins[(ordinary != label) & (last != label) & (last != ordinary)]


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")
