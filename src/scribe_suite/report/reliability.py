"""Confidences, abstentions and consistency on the overview: the tables of `compare`, and two plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from scribe_suite.analysis.calibration import ToldConfidences, risk_at
from scribe_suite.analysis.columns import AttemptColumns
from scribe_suite.analysis.pairing import Side, sides_of
from scribe_suite.analysis.presentation.reliability_tables import bins_table, reliability_notes, reliability_tables
from scribe_suite.analysis.presentation.result_table import ResultTable
from scribe_suite.analysis.reliability import Reliability, reliability, rows_with_confidence, told_confidences
from scribe_suite.analysis.statistics import Codes
from scribe_suite.report.plots import Labels, Line, line_plot
from scribe_suite.report.views import RunView

_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
#: Shares of the attempts for which the curve is computed.
_COVERAGES = np.linspace(0.01, 1, 100)
#: Drawn as marks, so that a series keeps its shape.
_MARKED = slice(9, None, 10)


@dataclass(frozen=True)
class ReliabilitySection:
    """A section of the overview; `diagram` and `curve` are None where no attempt states a confidence.

    Attributes:
        diagram: Solved rate against confidence.
        bins: Its numbers.
        curve: Share of failures against the share of attempts, the most confident ones first.
        tables: As `scribe-suite compare` prints them.
        notes: What the tables can't show.
    """

    diagram: Markup | None
    bins: ResultTable
    curve: Markup | None
    tables: tuple[ResultTable, ...]
    notes: tuple[str, ...]


def reliability_section(run: RunView) -> ReliabilitySection:
    """The section for a run."""
    attempts = run.columns
    # a planned provider without attempts has no colour
    rows = {side.label: _counting(attempts, side) for side in sides_of(attempts) if len(side.rows)}
    sides = {label: reliability(attempts, own) for label, own in rows.items()}
    told = {label: told_confidences(attempts, rows_with_confidence(attempts, own)) for label, own in rows.items()}
    return ReliabilitySection(
        diagram=_diagram(sides) if any(one.attempts for one in told.values()) else None,
        bins=bins_table(sides),
        curve=_curve(told) if any(one.attempts for one in told.values()) else None,
        tables=tuple(reliability_tables(sides)),
        notes=tuple(f"{label}: {note}" for label, one in sides.items() for note in reliability_notes(one)),
    )


def _counting(attempts: AttemptColumns, side: Side) -> Codes:
    return side.rows[attempts.counts[side.rows]]


def _diagram(sides: Mapping[str, Reliability]) -> Markup:
    points = {
        label: [(one.confidence, one.solved_rate) for one in side.calibration.bins] for label, side in sides.items()
    }
    labels = Labels(
        "reliability",
        "Reliability diagram",
        "A mark for each tenth of the confidence: how often attempts with such a confidence were solved. On the "
        "diagonal, confidence is right; below, it is too high. The table below has the numbers.",
        "Confidence, mean of the bin",
    )
    lines = {label: Line(own, own) for label, own in points.items()}
    return line_plot(lines, labels, "Solved rate", reference={"": _DIAGONAL})


def _curve(told: Mapping[str, ToldConfidences]) -> Markup:
    lines, least = {}, {}
    for label, own in told.items():
        points: list[tuple[float, float]] = []
        if own.attempts:
            risk, possible = risk_at(own.table, _COVERAGES)
            points = list(zip(_COVERAGES.tolist(), risk.tolist(), strict=True))
            least[label] = list(zip(_COVERAGES.tolist(), possible.tolist(), strict=True))
        lines[label] = Line(points, points[_MARKED])
    labels = Labels(
        "risk-coverage",
        "Risk-coverage curve",
        "The share of failures among the most confident attempts, over the share of attempts that are looked at; the "
        "dashed line is the least that is possible with as many failures. The table of confidences has the scores.",
        "Share of the attempts, most confident first",
    )
    return line_plot(lines, labels, "Share not solved", reference=least)
