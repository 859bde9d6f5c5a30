"""What an attempt shares with others: its provider's slots and, in a part of a sweep, the budget."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from scribe_suite.plugin.settings import Settings
from scribe_suite.providers.slots import Slots
from scribe_suite.providers.sweep_budget import SweepBudget
from scribe_suite.providers.sweep_slots import SweepSlots


def slots_of(settings: Settings, provider: str) -> Slots:
    """The slots of a provider: over the workers of this run, or over all parts of its sweep."""
    places = settings.max_concurrent.get(provider)
    if settings.sweep is None:
        return Slots(settings.shared_dir, provider, places)
    return SweepSlots(settings.sweep, provider, places)


@cache
def budget_of(sweep: Path) -> SweepBudget:
    """The budget of a sweep; one object for all attempts of a process, which has one file for their use."""
    return SweepBudget(sweep)
