"""Writes the report of one run: pages, copies of the attempts' files, and a marker that identifies the folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from scribe_suite import __version__
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.report.attempt_folders import attempt_folder
from scribe_suite.report.attempt_list import HREF, attempt_list_context
from scribe_suite.report.attempt_page import attempt_context
from scribe_suite.report.folders import MARKER, replaced_folder
from scribe_suite.report.keys import AnswerKeys, keys_may_be_shown
from scribe_suite.report.overview import overview_context
from scribe_suite.report.pages import render, task_href
from scribe_suite.report.sanitise import writable
from scribe_suite.report.task_page import task_context
from scribe_suite.report.views import RunView

#: Called with the number of written pages, of all pages, and the current page's name.
Progress = Callable[[int, int, str], None]


def write_report(ledger_path: Path, output: Path, *, with_keys: bool, progress: Progress) -> Path:
    """Write the report of a run.

    Args:
        ledger_path: ``runs/<run>.jsonl``; the attempts' folders are next to it, or where it says.
        output: Folder for the report. It appears when it is complete, and then replaces an earlier report.
        with_keys: Whether to show the keys although the run's instances are fresh.
        progress: Called for every page.

    Returns:
        The path of the first page.

    Raises:
        ConfigurationError: When the ledger can't be read, or `output` contains something else.
    """
    run = RunView(read_ledger(ledger_path))
    with replaced_folder(output) as report:
        _write_pages(run, ledger_path.resolve().parent, report, with_keys, progress)
    return output / "index.html"


def _write_pages(run: RunView, results: Path, report: Path, with_keys: bool, progress: Progress) -> None:
    for name in ("tasks", "attempts"):
        (report / name).mkdir()
    keys = AnswerKeys(run.header) if keys_may_be_shown(run.header, with_keys) else None
    pages = 2 + len(run.tasks) + len(run.attempts)
    common = {"run": run, "revealed": keys is not None}

    progress(0, pages, "overview")
    _write(report, "index.html", render("overview.html.j2", "", **(common | overview_context(run))))
    progress(1, pages, "all attempts")
    _write(report, HREF, render("attempts.html.j2", "", **(common | attempt_list_context(run))))
    done = 2
    for task in run.tasks:
        progress(done, pages, task)
        context = common | task_context(run, task, lambda attempt: attempt_folder(results, attempt.record))
        _write(report, task_href(task), render("task.html.j2", "../", **context))
        done += 1
    for attempt in run.attempts:
        progress(done, pages, attempt.slug)
        with attempt_folder(results, attempt.record) or nullcontext() as folder:
            context = attempt_context(run, attempt, folder, report, keys)
        _write(report, attempt.href, render("attempt.html.j2", "../", **context))
        done += 1
    marker = {"run": run.header.run, "suite": __version__, "with_keys": keys is not None}
    _write(report, MARKER, json.dumps(marker, indent=1) + "\n")
    progress(pages, pages, "done")


def _write(report: Path, name: str, text: str) -> None:
    (report / name).write_text(writable(text), encoding="utf-8")
