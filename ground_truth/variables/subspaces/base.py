"""Base models with variables."""

from __future__ import annotations

from ground_truth.variables.written.base import WrittenBase
from scribe_suite.planting.variables.plans import Plan


class Base(WrittenBase[Plan]):
    """A base model of this task."""

    plan_type = Plan
