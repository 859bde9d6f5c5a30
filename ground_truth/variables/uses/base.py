"""Base models with properties."""

from __future__ import annotations

from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.variables.used.plans import UsedPlan


class Base(WrittenBase[UsedPlan]):
    """A base model of this task."""

    plan_type = UsedPlan
