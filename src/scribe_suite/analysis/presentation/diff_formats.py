"""A diff of two runs as text, as Markdown for a pull request's comment, and as JSON.

Reasons may quote an agent, so in Markdown they are code spans: no markup, no mentions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict

from scribe_suite.analysis.diff import Change, Diff, TestChange, ValueChange
from scribe_suite.analysis.presentation.formats import markdown_code, markdown_rows, markdown_text
from scribe_suite.text import shortened

#: The parts that are shown, in this order.
TITLES = {
    Change.NEWLY_UNSOLVED: "Newly unsolved",
    Change.NEWLY_INFRASTRUCTURE: "Newly failed by infrastructure",
    Change.NEWLY_SOLVED: "Newly solved",
    Change.CHANGED: "Changed metrics",
    Change.SCORED_AGAIN: "Scored again, after an infrastructure failure",
    Change.OTHER_VERSION: "Another version of the task, not compared",
}

#: A comment on GitHub can have 65,536 characters; this many lines of each kind stay well below.
_MOST_LISTED = 100

_LONGEST_REASON = 120


def as_text(diff: Diff) -> str:
    """Plain lines for a terminal or a log."""
    lines = []
    for change, title in TITLES.items():
        tests = diff.of(change)
        if tests:
            lines += [f"{title} ({len(tests)}):"]
            lines += [f"  {_mark(test)}{test.nodeid}: {_told(test)}" for test in tests]
    lines += [*_only(diff), *diff.notes, _verdict(diff)]
    return "\n".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", line) for line in lines) + "\n"


def as_markdown(diff: Diff) -> str:
    """Headings and tables."""
    parts = [f"### Scribe Task Suite: {_verdict(diff)}"]
    parts.append(f"{markdown_code(diff.old)} → {markdown_code(diff.new)}")
    for change, title in TITLES.items():
        tests = diff.of(change)
        if not tests:
            continue
        rows = [
            [markdown_code(test.nodeid), _mark(test).strip(), *_markdown_cells(test)] for test in tests[:_MOST_LISTED]
        ]
        table = markdown_rows(["test", "", "before", "after", "what"], rows, numbers=False)
        more = f"\n\nand {len(tests) - _MOST_LISTED} more" if len(tests) > _MOST_LISTED else ""
        parts.append(f"#### {title} ({len(tests)})\n\n{table}{more}")
    if notes := [*_only(diff), *diff.notes]:
        parts.append("\n".join(f"- {markdown_text(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def as_json(diff: Diff) -> str:
    """Everything, with the exit code."""
    content = {"format": 1, **asdict(diff), "regressions": len(diff.regressions), "exit_code": diff.exit_code}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


DIFF_FORMATS: dict[str, Callable[[Diff], str]] = {"terminal": as_text, "markdown": as_markdown, "json": as_json}


def _verdict(diff: Diff) -> str:
    counts = {
        f"regressions beyond {diff.tolerance:g}": len(diff.regressions),
        "newly solved": len(diff.of(Change.NEWLY_SOLVED)),
        "newly unsolved": len(diff.of(Change.NEWLY_UNSOLVED)),
        "newly failed by infrastructure": len(diff.of(Change.NEWLY_INFRASTRUCTURE)),
        "the same": diff.same,
    }
    return ", ".join(f"{what}: {count}" for what, count in counts.items())


def _only(diff: Diff) -> list[str]:
    sides = (("old", diff.removed), ("new", diff.added))
    return [f"Tests that only the {age} run has: {len(tests)}." for age, tests in sides if tests]


def _mark(test: TestChange) -> str:
    return "REGRESSION " if test.regression else ""


def _told(test: TestChange) -> str:
    outcome = f"{test.old_outcome} -> {test.new_outcome}" if test.old_outcome != test.new_outcome else ""
    values = ", ".join(f"{value.name} {_change_text(value)}" for value in test.values)
    reason = f"({shortened(test.reason, _LONGEST_REASON)})" if test.reason and outcome else ""
    return " ".join(part for part in (outcome, values, reason) if part)


def _markdown_cells(test: TestChange) -> list[str]:
    reason = test.reason if test.reason and test.old_outcome != test.new_outcome else ""
    changes = [f"{markdown_text(value.name)} {_change_text(value)}" for value in test.values]
    if reason:
        changes.append(markdown_code(shortened(reason, _LONGEST_REASON)))
    return [markdown_text(test.old_outcome), markdown_text(test.new_outcome), "<br>".join(changes)]


def _change_text(value: ValueChange) -> str:
    before, after = ("none" if number is None else f"{number:.3f}" for number in (value.old, value.new))
    return f"{before} → {after}"
