"""Can statistics that no symmetry changes distinguish the nodes of planted circuits from decoys?

    python -m studies.signatures                    # all frozen base models of all circuit tasks
    python -m studies.signatures --tasks circuits/ioi --json
    python -m studies.signatures --label circuit    # any node of the circuit, where the key is only a part of it
    python -m studies.signatures --folder DIR       # candidates, as DIR/circuits/<task>/seed<N>.{json,safetensors}

The study takes two minutes. The methods are in `studies.exchangeability` and `studies.classifiers`, the statistics in
`planting.circuits.signatures`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Int
from rich.console import Console
from rich.table import Table
from torch import Tensor

from scribe_suite.planting.circuits.causal import circuit_of
from scribe_suite.planting.circuits.signatures.table import node_signatures
from scribe_suite.planting.frozen import FrozenModel, frozen_folder, frozen_models, list_frozen, load_all_frozen
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.tasks.registry import default_registry
from studies.classifiers import SIGHTS, SKILL_BAR, Skill, skills, worst
from studies.exchangeability import Sample, Separation, families, separations, signatures

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.planted.task import PlantedCircuitTask

#: Prompts of the forward pass.
_PROMPTS = 128
#: Number of statistics in the table, per task and kind.
_NAMED = 4

Label = Literal["key", "circuit"]


@dataclass(frozen=True)
class PlantedModel:
    """A model whose circuit is known, frozen or not.

    Attributes:
        task: Id of its task.
        name: Different for all models of a survey.
        weights: The model's weights, before or after a symmetry.
        key: The nodes to be found.
        prompts: Prompts for the statistics of a forward pass; without prompts, these are left out.
    """

    task: str
    name: str
    weights: ModelWeights
    key: frozenset[str]
    prompts: Int[Tensor, "prompt position"] | None = None


@dataclass(frozen=True)
class Survey:
    """The results of a survey.

    Attributes:
        separations: The AUROC of single statistics.
        skills: The skills of classifiers.
    """

    separations: Sequence[Separation]
    skills: Sequence[Skill]

    def to_json(self) -> dict[str, Any]:
        """The results, and whether they pass, as JSON."""
        return {
            "passed": self.passed,
            "signatures": [asdict(row) for row in self.signatures],
            "separations": [asdict(row) for row in self.separations],
            "skills": [asdict(row) for row in self.skills],
        }

    @property
    def signatures(self) -> list[Separation]:
        """Statistics, without those of the unembedding, that reveal the key."""
        return [row for row in signatures(self.separations) if row.group != "unembedding"]

    @property
    def too_skilled(self) -> list[Skill]:
        """Classifiers, without those that see the unembedding, that find the key more often than luck explains."""
        judged = [row for row in self.skills if "unembedding" not in SIGHTS[row.sight]]
        return [row for row in judged if row.is_finding(len(judged))]

    @property
    def passed(self) -> bool:
        """Whether neither a statistic nor a classifier reveals the key."""
        return not self.signatures and not self.too_skilled


def survey(models: Sequence[PlantedModel], *, with_skills: bool = True) -> Survey:
    """Survey some models; fitting classifiers needs several tasks with several models each."""
    samples = samples_of(models)
    return Survey(separations(samples), skills(samples) if with_skills else [])


def samples_of(models: Sequence[PlantedModel]) -> list[Sample]:
    """The statistics of models; a second or two each."""
    return [
        Sample(
            model.task,
            model.name,
            {str(kind): table for kind, table in node_signatures(model.weights, model.prompts).items()},
            model.key,
        )
        for model in models
    ]


def planted_model(
    task: PlantedCircuitTask, seed: int, weights: ModelWeights, *, name: str = "", label: Label = "key"
) -> PlantedModel:
    """The model of a task's training seed.

    Args:
        task: A circuit task.
        seed: The seed of the plan that the weights implement.
        weights: The model, in the plan's names of nodes and tokens.
        name: By default the task and the seed.
        label: The nodes to be found: the task's key, or all nodes of the circuit.
    """
    plan = task.plan(seed)
    signed = task.key(plan.correspondence) if label == "key" else circuit_of(plan.correspondence)
    return PlantedModel(
        task=task.id,
        name=name or f"{task.id}/seed{seed}",
        weights=weights,
        key=frozenset(node.rstrip("+-") for node in signed),
        prompts=plan.causal.sample(_PROMPTS, torch.Generator().manual_seed(seed)),
    )


def circuit_tasks() -> list[PlantedCircuitTask]:
    """All tasks that ask for the components of a circuit and have base models."""
    tasks = default_registry().of_family("circuits")
    from ground_truth.circuits.planted.task import PlantedCircuitTask

    return [task for task in tasks if isinstance(task, PlantedCircuitTask) and list_frozen(frozen_folder(task))]


def base_models_of(tasks: Sequence[PlantedCircuitTask], label: Label, folder: Path | None) -> list[PlantedModel]:
    """The frozen models of some tasks, or those in another folder, which need not have models of every task."""
    found = []
    for task in tasks:
        if folder is None:
            models: list[FrozenModel] = list(frozen_models(task).values())
        else:
            place = folder / task.models_id
            models = load_all_frozen(task, place) if place.is_dir() else []
        found += [planted_model(task, model.record.seed, model.weights, label=label) for model in models]
    return found


def print_survey(found: Survey, console: Console) -> None:
    """Print the tables of a survey."""
    console.print(_separation_table(found.separations))
    console.print(_worst_table(worst(found.skills)))
    console.print(_skill_table(found.skills))
    console.print(
        f"signatures: {len(found.signatures)}; classifiers with skill >= {SKILL_BAR} that luck does not explain: "
        f"{len(found.too_skilled)}"
    )


def _separation_table(rows: Sequence[Separation]) -> Table:
    table = Table(title="single statistics", title_justify="left")
    for column in ("task", "kind", "group", "statistics", "outside", "signatures", "furthest: AUROC (p)"):
        table.add_column(column, overflow="fold")
    count = families(rows)
    for task, kind, group in dict.fromkeys((row.task, row.kind, row.group) for row in rows):
        here = [row for row in rows if (row.task, row.kind, row.group) == (task, kind, group)]
        furthest = sorted(here, key=lambda row: -abs(row.auroc - 0.5))[:_NAMED]
        table.add_row(
            task,
            kind,
            group,
            str(len(here)),
            str(sum(row.outside for row in here)),
            str(sum(row.is_signature(count) for row in here)),
            "; ".join(f"{row.statistic}: {row.auroc:.2f} ({row.p:.3f})" for row in furthest),
        )
    return table


def _worst_table(chosen: Mapping[tuple[str, str], Skill]) -> Table:
    table = Table(title="skill of the best classifier in hindsight", title_justify="left")
    for column in ("task", "chance", *SIGHTS):
        table.add_column(column)
    for task in dict.fromkeys(task for task, _ in chosen):
        cells = [chosen.get((task, sight)) for sight in SIGHTS]
        chance = next(cell.chance for cell in cells if cell is not None)
        table.add_row(task, f"{chance:.2f}", *("-" if cell is None else f"{cell.skill:.2f}" for cell in cells))
    return table


def _skill_table(rows: Sequence[Skill]) -> Table:
    tasks = list(dict.fromkeys(row.task for row in rows))
    table = Table(title="skill of classifiers", title_justify="left")
    for column in ("sight", "fitted on", "classifier", *(task.split("/")[1] for task in tasks)):
        table.add_column(column, overflow="fold")
    cells = {(row.sight, row.training, row.classifier, row.task): row.skill for row in rows}
    for sight, training, classifier in dict.fromkeys((row.sight, row.training, row.classifier) for row in rows):
        values = [cells.get((sight, training, classifier, task)) for task in tasks]
        table.add_row(sight, training, classifier, *("-" if v is None else f"{v:.2f}" for v in values))
    return table


def main() -> None:
    """Survey and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", metavar="FAMILY/NAME", help="which tasks; all with base models")
    parser.add_argument("--label", choices=("key", "circuit"), default="key", help="what is to be found (default: key)")
    parser.add_argument("--folder", type=Path, help="survey the models in this folder instead of the frozen ones")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tasks = [task for task in circuit_tasks() if not options.tasks or task.id in options.tasks]
    found = survey(base_models_of(tasks, options.label, options.folder))
    if options.json:
        print(json.dumps(found.to_json(), indent=1))
    else:
        print_survey(found, Console(width=200))


if __name__ == "__main__":
    main()
