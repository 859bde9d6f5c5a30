"""The hidden side of an instance of ``circuits/rare_branch``: prompts, and what the model says of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.branches.plans import Plan, draw_prompts
from scribe_suite.planting.circuits.branches.prompts import NEAR, Drawing, Rows, chosen, that_meet, that_miss
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.scoring.rare_branch import HOLDS, ORDINARY, Judged, balanced_share

#: Hidden prompts that meet the condition, and those of each other kind.
MEETING, OTHERS = 200, 60
#: Kinds of prompts that don't.
OTHER_KINDS = (*NEAR, ORDINARY)


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps, in the instance's own names.

    Prompts and labels are made when they are asked for: most of the time an instance takes would be theirs.

    Attributes:
        plan: What the model computes.
        start: The token that prompts start with.
        weights: The model.
        seed: Of the prompts.
    """

    plan: Plan
    start: int
    weights: ModelWeights
    seed: int

    @property
    def is_null(self) -> bool:
        """Whether there is nothing to be found."""
        return self.plan.exception is None

    @cached_property
    def prompts(self) -> Int[Tensor, "prompt position"]:
        """What no agent sees; none where there is nothing to be found."""
        return self._drawn[0]

    @cached_property
    def judged(self) -> list[Judged]:
        """What the model says of each of them; what it says is right."""
        prompts, kinds = self._drawn
        if not kinds:
            return []
        with torch.no_grad():
            labels = PatchableTransformer.from_weights(self.weights)(prompts)[0][:, -1].argmax(-1)
        rows = zip(kinds, labels.tolist(), self.plan.ordinary(prompts).tolist(), strict=True)
        return [Judged(*row) for row in rows]

    @cached_property
    def ceiling(self) -> float:
        """The score of the rule itself."""
        return balanced_share(self.plan.expected(self.prompts).tolist(), self.judged)

    @cached_property
    def _drawn(self) -> tuple[Int[Tensor, "prompt position"], list[str]]:
        plan, rng = self.plan, random.Random(self.seed)
        if plan.exception is None:
            return torch.zeros(0, 0, dtype=torch.long), []
        condition, label = plan.exception
        drawing, generator = Drawing(plan.d_vocab, rng, self.start), torch.Generator().manual_seed(self.seed)

        def drawn(kind: str, count: int) -> Rows:
            if kind == ORDINARY:
                return draw_prompts(count, plan.d_vocab, generator, self.start)
            places = chosen(condition, count, rng)
            if kind == HOLDS:
                return that_meet(condition, places, drawing)
            return that_miss(condition, kind, places, drawing)

        rows, kinds = [], []
        for kind in (HOLDS, *OTHER_KINDS):
            wanted = MEETING if kind == HOLDS else OTHERS
            some = drawn(kind, 2 * wanted)
            # where the ordinary label is the exception's, nothing tells the two apart
            some = some[plan.ordinary(some) != label][:wanted]
            rows.append(some)
            kinds += [kind] * len(some)
        return torch.cat(rows), kinds
