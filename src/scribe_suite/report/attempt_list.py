"""The page of all attempts, which our script sorts, filters and searches in the browser.

It is the report's only page with a script. The script is inline, and the page's policy allows only this script, by its
hash. The content of attempts is data to it, which it shows only as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from markupsafe import Markup

from scribe_suite.report.pages import POLICY, outcome_class
from scribe_suite.report.views import AttemptRef, RunView
from scribe_suite.text import shortened

HREF = "attempts.html"

#: Numeric columns of a row, besides those that refer to names: key -> title.
_NUMBERS = {
    "trial": "Trial",
    "skill": "Skill",
    "confidence": "Confidence",
    "cost": "Cost",
    "seconds": "Time",
    "tokens": "Tokens",
    "cells": "Cells",
}
#: Key -> title of all columns, from left to right.
COLUMNS = {
    "task": "Task",
    "provider": "Provider",
    "trial": _NUMBERS["trial"],
    "outcome": "Outcome",
    **{key: title for key, title in _NUMBERS.items() if key != "trial"},
    "note": "Reason and flags",
}
_LONGEST_NOTE = 240
_SCRIPT = Path(__file__).with_name("templates") / "attempts.js"


def attempt_list_context(run: RunView) -> dict[str, object]:
    """The context of the page's template."""
    script = _SCRIPT.read_text()
    return {
        "run": run,
        "policy": f"{POLICY}; script-src '{script_hash(script)}'",
        "columns": {key: COLUMNS[key] for key in _columns(run)},
        "numbers": frozenset(_NUMBERS),
        "filters": {"family": run.families, "provider": run.providers, "outcome": _outcomes(run)},
        "data": as_data(list_data(run)),
        "script": Markup(script),
    }


def list_data(run: RunView) -> dict[str, object]:
    """The attempts as the script reads them: names once each, and a row of numbers and texts for each attempt."""
    outcomes = _outcomes(run)
    places = {
        names: {name: place for place, name in enumerate(found)}
        for names, found in (("tasks", run.tasks), ("providers", run.providers), ("outcomes", outcomes))
    }
    rows = [
        [
            attempt.slug,
            places["tasks"][attempt.record.task],
            places["providers"][attempt.record.provider],
            places["outcomes"][attempt.record.outcome],
            _note(attempt),
            *map(_rounded, _numbers_of(attempt).values()),
        ]
        for attempt in run.in_order
    ]
    return {
        "tasks": run.tasks,
        "providers": run.providers,
        "outcomes": [[outcome, outcome_class(outcome)] for outcome in outcomes],
        "columns": _columns(run),
        "fields": ["slug", "task", "provider", "outcome", "note", *_NUMBERS],
        "rows": rows,
    }


def as_data(value: object) -> Markup:
    """JSON that is safe inside an element of a page, whatever texts it contains."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def script_hash(script: str) -> str:
    """The name of a script in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _columns(run: RunView) -> list[str]:
    """The columns in which some attempt has a value."""
    found = {key for attempt in run.attempts for key, value in _numbers_of(attempt).items() if value is not None}
    found |= {"note"} if any(map(_note, run.attempts)) else set()
    return [key for key in COLUMNS if key in found or key not in {*_NUMBERS, "note"}]


def _outcomes(run: RunView) -> list[str]:
    return sorted({attempt.record.outcome for attempt in run.attempts})


def _numbers_of(attempt: AttemptRef) -> dict[str, float | None]:
    record = attempt.record
    return {
        "trial": record.trial,
        "skill": attempt.skill,
        "confidence": record.confidence,
        "cost": record.cost_usd,
        "seconds": record.times.agent_s,
        "tokens": attempt.tokens,
        "cells": record.cells,
    }


def _rounded(value: float | None) -> float | None:
    """A number rounded to the digits that the page shows."""
    return round(value, 4) if isinstance(value, float) else value


def _note(attempt: AttemptRef) -> str:
    record = attempt.record
    again = ("made again",) if attempt.superseded else ()
    return shortened("; ".join([*again, *record.flags, *([record.reason] if record.reason else [])]), _LONGEST_NOTE)
