"""The cost of a sweep: live totals, and a projection from the finished attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scribe_suite.ledger.sources import planned_by_provider
from scribe_suite.providers.sweep_budget import Amounts, Budget
from scribe_suite.sweeps.plan import Plan, paid_providers
from scribe_suite.sweeps.shard_state import Cost


@dataclass(frozen=True)
class Totals:
    """The cost of a sweep.

    Attributes:
        taken: The cost until now, where ledgers know it.
        unknown: Attempts of paid providers whose cost is unknown.
        projected: The cost at the end, if the remaining attempts cost as much as the finished ones; the plan's estimate
            while none has finished.
    """

    taken: Amounts
    unknown: int
    projected: Amounts

    def lines(self, budget: Budget) -> list[str]:
        """The cost until now and at the end, in words."""
        unknown = f" (and unknown for {self.unknown} attempts)" if self.unknown else ""
        return [
            f"taken: {amounts_text(self.taken, budget)}{unknown}",
            f"projected: {amounts_text(self.projected, budget)}",
        ]


def totals(plan: Plan, costs: Mapping[str, Cost]) -> Totals:
    """Compute the cost of a sweep.

    Args:
        plan: The sweep's plan.
        costs: Provider -> cost of its finished attempts.
    """
    limits, expected = plan.spec.limits, plan.spec.expected
    paid = set(paid_providers(plan.spec))
    hours = usd = 0.0
    for provider, count in planned_by_provider(plan.attempts).items():
        cost = costs.get(provider, Cost())
        known = cost.attempts - cost.unknown
        left = max(0, count - cost.attempts)
        mean_hours = (
            cost.hours / cost.attempts if cost.attempts else (expected.minutes or limits.agent_timeout / 60) / 60
        )
        mean_usd = cost.usd / known if known else (expected.usd or limits.max_cost_usd or 0.0)
        hours += cost.hours + left * mean_hours
        if provider in paid:
            usd += cost.usd + (left + cost.unknown) * mean_usd
    taken = Amounts(
        attempts=sum(cost.attempts for cost in costs.values()),
        hours=sum(cost.hours for cost in costs.values()),
        usd=sum(cost.usd for cost in costs.values()),
    )
    unknown = sum(cost.unknown for provider, cost in costs.items() if provider in paid)
    return Totals(taken, unknown, Amounts(attempts=max(len(plan.attempts), taken.attempts), hours=hours, usd=usd))


def amounts_text(amounts: Amounts, budget: Budget) -> str:
    """Amounts as ``12 of 40 attempts, 1.5 hours, 3.10 of 20.00 US dollars``."""
    parts = []
    for name, unit in budget.UNITS.items():
        amount, most = getattr(amounts, name), getattr(budget, name)
        form = {"attempts": "{:d}", "hours": "{:.2f}", "usd": "{:.2f}"}[name]
        limit = "" if most is None else f" of {form.format(most)}"
        parts.append(f"{form.format(amount)}{limit} {unit}")
    return ", ".join(parts)
