"""Base models that add along a tree."""

from __future__ import annotations

from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.variables.sums import SumPlan


class Base(WrittenBase[SumPlan]):
    """A base model of this task."""

    plan_type = SumPlan
