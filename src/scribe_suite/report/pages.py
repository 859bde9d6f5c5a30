"""Templates, and the formats of numbers."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from scribe_suite.ledger.families import family_view, metric_label
from scribe_suite.ledger.outcomes import rule_of

#: What a browser may do with a page of the report: show it. No script runs, and no network is used. For the page of all
#: attempts, `attempt_list` also allows its own script.
POLICY = (
    "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline' 'self'; base-uri 'none'; form-action 'none'"
)

NOTHING = "\N{EN DASH}"
_TEMPLATES = Path(__file__).with_name("templates")


def number(value: float | None, digits: int = 3) -> str:
    """A metric or skill."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def interval(value: tuple[float, float] | None, digits: int = 2) -> str:
    """An interval, or nothing."""
    return "" if value is None else f"{value[0]:.{digits}f} to {value[1]:.{digits}f}"


def seconds(value: float | None) -> str:
    """A time."""
    if value is None:
        return NOTHING
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{value / 3600:.1f} h"


def count(value: float | None) -> str:
    """A number of things."""
    return NOTHING if value is None else f"{value:,.0f}"


def usd(value: float | None) -> str:
    """An amount of money."""
    if value is None:
        return NOTHING
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.4f}"


def size(value: int) -> str:
    """Bytes."""
    return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{max(value / 1e3, 0.1):.1f} kB"


def moment(value: datetime | None) -> str:
    """A point in time."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M:%S %Z}"


def task_name(task: str) -> str:
    """``family/name`` without its family."""
    return task.partition("/")[2]


def outcome_class(outcome: str) -> str:
    """The style class of an outcome."""
    rule = rule_of(outcome)
    return "infrastructure" if not rule.counts else {"passed": "good", "failed": "bad"}.get(rule.test, "bad")


def task_href(task: str) -> str:
    """The page of a task, relative to the report."""
    return f"tasks/{re.sub(r'[^A-Za-z0-9._-]+', '-', task)}.html"


def anchor(text: str) -> str:
    """An id made from a text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        number, interval, seconds, count, usd, size, moment, metric_label, task_name, outcome_class, anchor, task_href,
    )  # fmt: skip
    environment.filters |= {function.__name__: function for function in filters}
    style = (_TEMPLATES / "report.css").read_text()
    environment.globals |= {
        "policy": POLICY,
        # inline, because browsers disagree on what a page opened as a file may load
        "style": Markup(style),
        "family_title": lambda family: family_view(family).title,
        "meaning": lambda outcome: rule_of(outcome).meaning,
    }
    return environment


def render(template: str, root: str, **context: object) -> str:
    """One page.

    Args:
        template: Name of the template.
        root: The path from the page to the report's folder: empty, or ``../``.
        **context: The template's variables.
    """
    return _environment().get_template(template).render(root=root, **context)
