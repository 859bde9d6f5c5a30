"""The laboratory on the page of an attempt: a timeline of experiments with the running cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from scribe_suite.analysis.presentation.result_table import Column, ResultTable
from scribe_suite.claims.experiments import FILE_NAME, MAX_BYTES
from scribe_suite.ledger.records import LaboratoryUse
from scribe_suite.report.plots import Labels, Line, step_plot
from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

#: How many experiments get a row.
MOST_ROWS = 200
_SHOWN = 4
_LONGEST = 60


@dataclass(frozen=True)
class ExperimentsView:
    """The timeline.

    Attributes:
        use: The ledger's entry.
        plot: Share of the budget spent, against time; None without experiments.
        table: A row for each of the first experiments.
        left_out: How many have no row.
    """

    use: LaboratoryUse
    plot: Markup | None
    table: ResultTable
    left_out: int


@dataclass(frozen=True)
class Experiment:
    """One experiment that was charged.

    Attributes:
        run: Its id.
        seconds: Seconds since the laboratory was opened.
        what: Reads, patches and gradients in words.
        prompts: The number of its prompts.
        price: Its price.
        spent: The amount of the budget that was used with it.
    """

    run: str
    seconds: float
    what: str
    prompts: int
    price: int
    spent: int


def experiments_view(use: LaboratoryUse | None, outputs: UntrustedFolder | None) -> ExperimentsView | None:
    """The timeline of an attempt, or None where it had no laboratory or its record can't be read.

    Args:
        use: The ledger's entry.
        outputs: The folder of the record, which is untrusted.
    """
    found = None if use is None or outputs is None else read_timeline(outputs)
    if use is None or found is None:
        return None
    return ExperimentsView(use, _plot(found, use) if found else None, _table(found[:MOST_ROWS]), len(found[MOST_ROWS:]))


def read_timeline(outputs: UntrustedFolder) -> list[Experiment] | None:
    """The experiments of an attempt in order, or None where there is no record, or none that can be read.

    Args:
        outputs: The folder of the record, which is untrusted.
    """
    try:
        return list(_experiments(outputs.read(FILE_NAME, MAX_BYTES)))
    except (OSError, ValueError):
        return None


def _experiments(content: bytes) -> Iterator[Experiment]:
    """The experiments of a record; other lines are left out."""
    for line in content.splitlines():
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict) or fields.get("event") != "run":
                continue
            seconds = float(fields["time"])
            if not math.isfinite(seconds):
                continue
            yield Experiment(
                shortened(str(fields["run"]), _LONGEST),
                seconds,
                _what(fields),
                *(int(fields[name]) for name in ("prompts", "price", "spent")),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue


def _what(fields: Mapping[str, Any]) -> str:
    """A short description of a run: reads, patches, gradients."""
    parts = []
    if read := fields.get("read"):
        parts.append(f"read {_sites(read)}")
    if patches := fields.get("patch"):
        kinds: dict[str, list[str]] = {}
        for one in patches if isinstance(patches, list) else []:
            if isinstance(one, Mapping):
                kinds.setdefault(str(one.get("kind")), []).append(str(one.get("site")))
        parts += [f"{kind} {_sites(sites)}" for kind, sites in kinds.items()] or ["many patches"]
    if fields.get("grad"):
        parts.append("gradients")
    return shortened("; ".join(parts) or "outputs", 3 * _LONGEST)


def _sites(sites: Any) -> str:
    if not isinstance(sites, list):  # what is long is told by its size
        return "many sites"
    shown = ", ".join(shortened(str(site), _LONGEST) for site in sites[:_SHOWN])
    return f"{shown} and {len(sites) - _SHOWN} more" if len(sites) > _SHOWN else shown


def _plot(found: list[Experiment], use: LaboratoryUse) -> Markup:
    budget = max(1, use.budget)
    points = [(one.seconds, min(1.0, one.spent / budget)) for one in found]
    labels = Labels(
        "experiments",
        "Budget spent over time",
        "A mark for some of the experiments; the line is the share of the budget that had been spent. The table has "
        "the numbers.",
        "Seconds since the laboratory was opened",
    )
    return step_plot({"": Line(points, points[:: max(1, len(points) // 40)])}, labels, y_axis="Share of the budget")


def _table(found: list[Experiment]) -> ResultTable:
    columns = (
        Column("Seconds", "seconds", tuple(one.seconds for one in found)),
        Column("What", "text", tuple(one.what for one in found)),
        Column("Prompts", "count", tuple(one.prompts for one in found)),
        Column("Price", "count", tuple(one.price for one in found)),
        Column("Spent until then", "count", tuple(one.spent for one in found)),
    )
    return ResultTable("experiments", "Experiments", "Run", tuple(one.run for one in found), (columns,))
