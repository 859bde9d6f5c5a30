"""The plan of a model with properties: what they are, and which of them are read from the place where all are kept."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from scribe_suite.planting.symmetries import Symmetry
from scribe_suite.planting.variables.plans import Dial, Plan, draw_plan
from scribe_suite.seeds import derive_seed

#: Number of properties, and the most of them that are used.
PROPERTIES, MOST_USED = 5, 2
#: Share of a property to be used, over all models: none, one or two of them are, equally often.
BASE_RATE = MOST_USED / 2 / PROPERTIES


@dataclass(frozen=True)
class UsedDial:
    """The requirements for a plan.

    Attributes:
        shares: The share of tokens in each class. Where they differ, a property says something of single tokens, and of
            its neighbours.
        d_vocab: Number of tokens.
        size: The size of a property at the place where it is kept.
    """

    shares: tuple[float, ...]
    d_vocab: int
    size: float = 1.0

    @property
    def values(self) -> int:
        """Number of values of each property."""
        return len(self.shares)


@dataclass(frozen=True)
class UsedPlan:
    """The computation of a model.

    Attributes:
        plan: The properties, all of which decide the label.
        used: Numbers of the properties that are read from the place where they are kept; all others are computed again.
    """

    plan: Plan
    used: tuple[int, ...]

    def renamed(self, symmetry: Symmetry) -> UsedPlan:
        """The plan with the names of tokens and labels after a symmetry."""
        return replace(self, plan=self.plan.renamed(symmetry))

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON-safe data; the inverse of `of_record`."""
        return {"plan": self.plan.as_record(), "used": list(self.used)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of `as_record`."""
        return cls(Plan.of_record(record["plan"]), tuple(record["used"]))


def draw_used_plan(dial: UsedDial, n_used: int, seed: int) -> UsedPlan:
    """Draw a random plan; deterministic for a seed.

    Args:
        dial: The requirements.
        n_used: Number of used properties.
        seed: The seed.
    """
    plan = draw_plan(Dial(PROPERTIES, dial.values, dial.d_vocab, overlap=0.0), seed)
    rng = random.Random(derive_seed(seed, "used"))
    counts = [round(share * dial.d_vocab) for share in dial.shares]
    counts[0] += dial.d_vocab - sum(counts)
    classes = [value for value, count in enumerate(counts) for _ in range(count)]
    rng.shuffle(classes)
    return UsedPlan(replace(plan, classes=tuple(classes)), tuple(sorted(rng.sample(range(PROPERTIES), n_used))))
