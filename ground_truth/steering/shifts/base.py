"""Base models with a gate."""

from __future__ import annotations

from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.steering.plans import GatePlan


class Base(WrittenBase[GatePlan]):
    """A base model of this task."""

    plan_type = GatePlan
