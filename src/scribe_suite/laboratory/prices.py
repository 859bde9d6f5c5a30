"""The price of an experiment: one fixed formula, known in advance.

A price is a number of units times the price of one unit. The unit is a prompt for a planted model and a token for a
language model (`shape.Unit`).
"""

from __future__ import annotations

from dataclasses import dataclass

#: How many sites a run may return without a surcharge, and how many more each step of the surcharge covers.
SITES_INCLUDED, SITES_PER_STEP = 4, 4


@dataclass(frozen=True)
class Work:
    """The facts about a run that determine its price.

    Attributes:
        units: The number of prompts or tokens.
        patched: Whether it has any patch.
        gradients: Whether it returns gradients.
        sites: The number of sites that it returns, as values or gradients.
    """

    units: int
    patched: bool = False
    gradients: bool = False
    sites: int = 0


@dataclass(frozen=True)
class PriceRow:
    """One row of the price table.

    Attributes:
        what: The description.
        amount: The price per unit of a run that has it; for sites, per step.
    """

    what: str
    amount: int


RUN = PriceRow("a run", 1)
PATCHED = PriceRow("with patches, however many", 1)
GRADIENTS = PriceRow("with gradients, at however many sites", 2)
SITES = PriceRow(f"for each started {SITES_PER_STEP} sites, read or as gradients, beyond the first {SITES_INCLUDED}", 1)
TABLE: tuple[PriceRow, ...] = (RUN, PATCHED, GRADIENTS, SITES)


def price_of(work: Work) -> int:
    """The price of a new run; a repeated one is free."""
    steps = -(-max(0, work.sites - SITES_INCLUDED) // SITES_PER_STEP)
    each = RUN.amount + PATCHED.amount * work.patched + GRADIENTS.amount * work.gradients + SITES.amount * steps
    return work.units * each


def told() -> list[dict[str, str | int]]:
    """The table for an agent, JSON-safe."""
    return [{"what": row.what, "per unit": row.amount} for row in TABLE]


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| a run, for each prompt (planted model) or token (language model) | price |", "|---|--:|"]
    lines += [f"| {row.what} | {'' if row is RUN else '+'}{row.amount} |" for row in TABLE]
    lines.append("| identical to an earlier run of the attempt | free |")
    return "\n".join(lines)
