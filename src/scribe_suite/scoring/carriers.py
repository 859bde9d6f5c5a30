"""Scores for claims on which heads carry which intermediate sums.

Primary is F1 over pairs of a sum and a head. The share of right sums and what exchanges of the claimed heads do on
hidden pairs are further metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.sets import set_metrics
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order; the first is primary.
CARRIER_METRICS = ("f1", "precision", "recall", "sums_f1", "exchange")

#: Positions of a sum -> names of heads.
Carriers = Mapping[tuple[int, ...], Collection[str]]


def pairs_of(carriers: Carriers) -> frozenset[str]:
    """Pairs of a sum and a head, as text."""
    return frozenset(f"{_named(positions)} {head}" for positions, heads in carriers.items() for head in heads)


def score_carriers(claimed: Carriers, truth: Carriers, everything: Carriers, exchange: float) -> Score:
    """Score which heads carry which sums.

    Args:
        claimed: The answer.
        truth: The certified carriers.
        everything: An answer with all that is possible; its F1 is chance.
        exchange: What exchanges of the claimed heads do on hidden pairs (`exchange_rate`).
    """
    right = pairs_of(truth)
    metrics = set_metrics(pairs_of(claimed), right)
    sums = set_metrics(map_sums(claimed), map_sums(truth))
    chance = set_metrics(pairs_of(everything), right)["f1"]
    return Score(
        metrics={
            **{name: metrics[name] for name in ("f1", "precision", "recall")},
            "sums_f1": sums["f1"],
            "exchange": exchange,
        },
        primary="f1",
        skill=normalised_skill(metrics["f1"], chance, 1.0),
        chance=chance,
        reference=1.0,
    )


def map_sums(carriers: Carriers) -> frozenset[str]:
    """The sums that have a carrier."""
    return frozenset(_named(positions) for positions, heads in carriers.items() if heads)


def exchange_rate(changed: float, unchanged: float) -> float:
    """What an exchange does, rescaled so that doing nothing and exchanging everything have 0.

    Args:
        changed: Share of right labels among pairs whose label should change.
        unchanged: Share of right labels among pairs whose label should not change.
    """
    return max(0.0, changed + unchanged - 1)


def _named(positions: tuple[int, ...]) -> str:
    return "+".join(map(str, sorted(positions)))
