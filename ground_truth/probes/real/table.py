"""Prints what was measured as the tables of docs/truth/real-probes.md.

Run in the checkout with ``PYTHONPATH=. python -m ground_truth.probes.real.table``; ``--write`` puts them into the
page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ground_truth.probes.real.ceiling import Judgements
from ground_truth.probes.real.measurement import POSITIONS, layer_at
from ground_truth.probes.real.recipes import RECIPES
from ground_truth.probes.real.statements import Question
from ground_truth.probes.real.task import MeasuredProbeTask
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table

DOCUMENT = Path("docs/truth/real-probes.md")
MARKERS = ("<!-- tables: written by ground_truth/probes/real/table.py -->", "<!-- end of tables -->")


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT}")
    options = parser.parse_args()
    tasks = [task for task in default_registry().of_family("probes", "real") if isinstance(task, MeasuredProbeTask)]
    text = "\n\n".join(
        (
            verdicts(tasks),
            "The gain by recipe, with the verdict where it is not that of the base:",
            recipes(tasks),
            "Accuracy of the recipe on hidden blocks by layer, at the better of the two positions, mean over splits:",
            curves(tasks),
        )
    )
    sys.stdout.write(text + "\n")
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, text))


def verdicts(tasks: list[MeasuredProbeTask]) -> str:
    """A row per question: the measurements and the verdict."""
    head = "| question | example | ceiling | place | untrained | tokens | gain | verdict |\n"
    head += "|---|---|--:|--:|--:|--:|--:|---|"
    rows = []
    for task, question, judged in _measured(tasks):
        found = judged.base
        example = next(s.text for s in question.blocks(0)[0] if s.label)
        verdict = judged.verdict if _asked(task, question) else "not asked"
        layer, position = (int(index) for index in task.measured().arrays[f"{question.name}_model/place"])
        rows.append(
            f"| `{task.name}` {question.name} | {example} | {_with(found.ceiling, found.interval)} "
            f"| {layer_at(layer)}, {POSITIONS[position]} | {found.twin:.2f} | {found.words:.2f} "
            f"| {_with(found.gain, found.gain_interval)} | {verdict} |"
        )
    return "\n".join([head, *rows])


def recipes(tasks: list[MeasuredProbeTask]) -> str:
    """A row per question: the gain under every recipe, marked where the verdict is another than the base's."""
    head = f"| question | {' | '.join(recipe.name for recipe in RECIPES)} |\n|---|{'--:|' * len(RECIPES)}"
    rows = []
    for task, question, judged in _measured(tasks):
        cells = (
            f"{one.gain:.2f}" + ("" if one.verdict == judged.base.verdict else f" ({one.verdict})")
            for one in judged.by_recipe.values()
        )
        rows.append(f"| `{task.name}` {question.name} | {' | '.join(cells)} |")
    return "\n".join([head, *rows])


def curves(tasks: list[MeasuredProbeTask]) -> str:
    """A row per question: accuracy by layer."""
    shown: dict[str, list[float]] = {}
    for task, question, _ in _measured(tasks):
        curve = np.asarray(task.measured().arrays[f"{question.name}_model/curve"], dtype=float)
        shown[f"`{task.name}` {question.name}"] = curve.max(1).tolist()
    depth = max(map(len, shown.values()), default=0)
    head = f"| question | {' | '.join(str(layer_at(index)) for index in range(depth))} |\n|---|{'--:|' * depth}"
    rows = [f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |" for name, values in shown.items()]
    return "\n".join([head, *rows])


def _asked(task: MeasuredProbeTask, question: Question) -> bool:
    return any(question.name == one.name for sides in task.asked().values() for side in sides for one in side)


def _measured(tasks: list[MeasuredProbeTask]) -> Iterator[tuple[MeasuredProbeTask, Question, Judgements]]:
    for task in tasks:
        if task.unavailable() is None:
            for question in task.measurement.questions():
                yield task, question, task.judgements()[question.name]


def _with(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


if __name__ == "__main__":
    main()
