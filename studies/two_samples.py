"""Tables of a two-sample test: which statistics, and which classifiers, distinguish a key from the rest.

The test is in `studies.exchangeability` and `studies.classifiers`; `studies.mechanism_signatures` and
`studies.edge_signatures` make the samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from types import MappingProxyType

import torch

from scribe_suite.paths import suite_root
from scribe_suite.planting.circuits.signatures.table import GROUPS
from scribe_suite.text import with_table
from studies.classifiers import SIGHTS, Skill, skills, worst
from studies.exchangeability import HIGHEST, LOWEST, Redraw, Sample, Separation, on_other_nodes, separations

DOCUMENT = "docs/truth/circuits.md"


@dataclass(frozen=True)
class Found:
    """The results of the test on some tasks.

    Attributes:
        separations: The AUROC of single statistics.
        skills: The skills of classifiers.
    """

    separations: Sequence[Separation]
    skills: Sequence[Skill]


def compared(samples: Sequence[Sample], redraw: Redraw, chance: Mapping[str, float] | None) -> Found:
    """The test on the models of some tasks; classifiers are also fitted on the models of the other tasks.

    Args:
        samples: The models.
        redraw: What else the keys might have been.
        chance: Task -> F1 of the best answer without a model; None for the best fixed answer.
    """
    single = [row for row in separations(samples, redraw=redraw) if row.task != "all"]
    return Found(single, skills(samples, redraw=redraw, chance=chance))


def statistics_table(found: Found, words: Mapping[str, str]) -> str:
    """A row per task and group: the statistic of each kind whose AUROC is furthest from a half.

    Args:
        found: The results.
        words: Group -> what it is called here, if it is called otherwise.
    """
    kinds = list(dict.fromkeys(row.kind for row in found.separations))
    lines = [
        f"| task | group | statistics, outside of {LOWEST}-{HIGHEST} | {' | '.join(kinds)} |",
        "|---|---|--:|" + "---|" * len(kinds),
    ]
    for task in dict.fromkeys(row.task for row in found.separations):
        for group in GROUPS:
            here = [row for row in found.separations if (row.task, row.group) == (task, group)]
            if here:
                outside = f"{len(here)}, {sum(row.outside for row in here)}"
                cells = [_furthest([row for row in here if row.kind == kind]) for kind in kinds]
                lines.append(
                    f"| `{task.split('/')[1]}` | {words.get(group, group)} | {outside} | {' | '.join(cells)} |"
                )
    return "\n".join(lines)


def _furthest(rows: Sequence[Separation]) -> str:
    if not rows:
        return "-"
    row = max(rows, key=lambda one: abs(one.auroc - 0.5))
    return f"{row.statistic}: {row.auroc:.2f} (p {row.p:.3f})"


def classifiers_table(found: Found, words: Mapping[str, str]) -> str:
    """A row per task and sight: the skill of the best classifier in hindsight, and the mean of all.

    Args:
        found: The results.
        words: As for `statistics_table`.
    """
    best = worst(found.skills)
    lines = ["| task | sees | classifiers | best | its F1 (chance) | p | mean |", "|---|---|--:|--:|--:|--:|--:|"]
    for task in dict.fromkeys(row.task for row in found.skills):
        for sight in (one for one in SIGHTS if (task, one) in best):
            one = best[task, sight]
            every = [row.skill for row in found.skills if (row.task, row.sight) == (task, sight)]
            cells = (
                *(
                    f"`{task.split('/')[1]}`",
                    ", ".join(words.get(group, group) for group in SIGHTS[sight]),
                    str(len(every)),
                    f"{one.skill:z.2f}",
                ),
                *(f"{one.f1:.2f} ({one.chance:.2f})", f"{one.p:.3f}", f"{mean(every):z.2f}"),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    description: str | None,
    tasks: Sequence[str],
    samples_of: Callable[[str], Sequence[Sample]],
    markers: tuple[str, str],
    redraw: Redraw = on_other_nodes,
    chance_of: Callable[[str], float] | None = None,
    words: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Test, print, and write where asked.

    Args:
        description: The docstring of the study.
        tasks: The tasks, by default.
        samples_of: The models of a task with their statistics.
        markers: Where the tables are in the document.
        redraw: What else the keys might have been.
        chance_of: The F1 of the best answer to a task without a model; None for the best fixed answer.
        words: Group of statistics -> what it is called here, if it is called otherwise.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", metavar="FAMILY/NAME", default=list(tasks), help="which tasks")
    parser.add_argument("--write", action="store_true", help=f"write the tables in {DOCUMENT}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples = [sample for task_id in options.tasks for sample in samples_of(task_id)]
    chance = None if chance_of is None else {task_id: chance_of(task_id) for task_id in options.tasks}
    found = compared(samples, redraw, chance)
    text = f"{statistics_table(found, words)}\n\n{classifiers_table(found, words)}"
    print(text)
    if options.write:
        document = suite_root() / DOCUMENT
        document.write_text(with_table(document.read_text(), markers, text))
