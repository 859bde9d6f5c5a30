"""The page of a task: the question, and the results of all attempts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from markupsafe import Markup

from scribe_suite.report.overview import pass_marks, skill_limits
from scribe_suite.report.plots import Labels, distribution_plot
from scribe_suite.report.sanitise import clean_markdown, require_inert
from scribe_suite.report.views import AttemptRef, RunView
from scribe_suite.untrusted_files import UntrustedFolder

PROMPT = "prompt.md"
MAX_PROMPT_BYTES = 1_000_000
#: How many prompts a page shows; those of further instances are on the pages of their attempts.
MAX_PROMPTS = 10

#: Opens the folder of an attempt; None when none may be read.
FolderOf = Callable[[AttemptRef], UntrustedFolder | None]


@dataclass(frozen=True)
class PromptView:
    """A prompt and its trials; other trials have other instances."""

    trials: str
    html: Markup


def task_context(run: RunView, task: str, folder_of: FolderOf) -> dict[str, object]:
    """The context of a task's page.

    Args:
        run: The run.
        task: Task id.
        folder_of: Opens the folder of an attempt.
    """
    attempts = run.attempts_at(task)
    counted = [attempt for attempt in attempts if not attempt.superseded and attempt.skill is not None]
    prompts, left_out = _prompts(attempts, folder_of)
    return {
        "run": run,
        "task": task,
        "attempts": attempts,
        # dict.fromkeys keeps the task's own order
        "metrics": list(dict.fromkeys(metric for attempt in attempts for metric in attempt.record.metrics)),
        "cells": [(name, run.cell(task, name)) for name in run.providers],
        "plot": _distribution(run, counted) if counted else None,
        "prompts": prompts,
        "prompts_left_out": left_out,
    }


def read_prompt(folder: UntrustedFolder) -> str | None:
    """The prompt of an attempt, or None when it was not kept."""
    try:
        return folder.read(f"outputs/{PROMPT}", MAX_PROMPT_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def prompt_html(text: str) -> Markup:
    """A rendered prompt; it comes from an attempt's folder, so it is cleaned like everything there."""
    return Markup(require_inert(clean_markdown(text)))


def _prompts(attempts: list[AttemptRef], folder_of: FolderOf) -> tuple[list[PromptView], int]:
    trials: dict[str, list[int]] = {}
    for attempt in attempts:
        with folder_of(attempt) or nullcontext() as folder:
            text = read_prompt(folder) if folder is not None else None
        if text is not None:
            trials.setdefault(text, []).append(attempt.record.trial)
    shown = list(trials.items())[:MAX_PROMPTS]
    views = [PromptView(", ".join(f"t{trial}" for trial in sorted(set(had))), prompt_html(text)) for text, had in shown]
    return views, len(trials) - len(shown)


def _distribution(run: RunView, counted: list[AttemptRef]) -> Markup:
    skills: dict[str, list[float]] = {name: [] for name in run.providers}
    for attempt in counted:
        if attempt.skill is not None:
            skills[attempt.record.provider].append(attempt.skill)
    labels = Labels(
        "distribution",
        "Skills of all attempts",
        "A row for each provider, a mark for each attempt that counts; equal ones are stacked. The table has numbers.",
        "Skill (0: chance, 1: reference)",
    )
    return distribution_plot(
        skills,  # also those without any, so that a provider has the same colour everywhere
        labels,
        skill_limits([skill for values in skills.values() for skill in values]),
        pass_marks(counted),
    )
