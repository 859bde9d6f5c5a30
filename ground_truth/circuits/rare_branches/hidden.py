"""The hidden side of an instance of ``circuits/rare_branch``: prompts and the model's labels for them."""

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

#: Numbers of hidden prompts that meet the condition, and of each other kind.
MEETING, OTHERS = 200, 60
#: Kinds of prompts that do not meet the condition.
OTHER_KINDS = (*NEAR, ORDINARY)


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance, in the instance's own names.

    Prompts and labels are computed on first use: they would take most of the time that an instance takes.

    Attributes:
        plan: The plan that the model implements.
        start: The token that prompts start with.
        weights: The model.
        seed: Seed of the prompts.
    """

    plan: Plan
    start: int
    weights: ModelWeights
    seed: int

    @property
    def is_null(self) -> bool:
        """Whether the model has no exception."""
        return self.plan.exception is None

    @cached_property
    def prompts(self) -> Int[Tensor, "prompt position"]:
        """The hidden prompts; none where the model has no exception."""
        return self._drawn[0]

    @cached_property
    def judged(self) -> list[Judged]:
        """The model's label for each hidden prompt; it is the ground truth."""
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
            # where the ordinary label equals that of the exception, the two can't be distinguished
            some = some[plan.ordinary(some) != label][:wanted]
            rows.append(some)
            kinds += [kind] * len(some)
        return torch.cat(rows), kinds
