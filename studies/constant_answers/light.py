"""Instances with nothing but their key: enough for scores, and hundreds in seconds.

Where the skill of constants depends only on the key, the prompts, weights and text of an instance are not needed, and
they take most of the time of drawing it. A light instance has those of a template, which has the same question in
other names, and omits all measurements except the skill.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from scribe_suite.planting.circuits.causal import renamed_correspondence
from scribe_suite.planting.english import sample_text
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.scoring.faithfulness import Faithfulness
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks.task import Task, TaskInstance

if TYPE_CHECKING:  # the registry makes ground_truth importable, and the script is run before it
    from ground_truth.circuits.planted.task import PlantedCircuitTask
    from ground_truth.neurons.planted.task import PlantedNeuronTask
    from ground_truth.neurons.real.task import MeasuredNeuronTask

#: Number of texts of a light instance; nothing relevant is measured on them.
_ROWS = 2


def light_instance(template: TaskInstance, seed: int) -> TaskInstance:
    """The instance of another seed, with the template's model, data and prompt.

    Args:
        template: Any instance of a task that `has_light_instances`.
        seed: The seed of the instance; key and base model are those of ``task.instance(seed)``.
    """
    from ground_truth.circuits.planted.task import PlantedCircuitTask
    from ground_truth.neurons.planted.task import PlantedNeuronTask
    from ground_truth.neurons.real.task import MeasuredNeuronTask

    task = template.task
    if isinstance(task, PlantedCircuitTask):
        return _circuit(task, template, seed)
    if isinstance(task, PlantedNeuronTask):
        return _planted_neurons(task, template, seed)
    if isinstance(task, MeasuredNeuronTask):
        return _real_neurons(task, template, seed)
    raise TypeError(f"{task.id} has no light instances")


def has_light_instances(task: Task) -> bool:
    """Whether the skill of a constant depends only on the key: sets of components or neurons, and neurons by statistic.

    Scoring a submitted function needs prompts, and scoring a ranking needs the model. Instances of edges are light.
    """
    if "rve" in task.metrics or "rve_share" in task.metrics:
        return True
    return (
        task.family == "circuits"
        and task.source == "planted"
        and not {"combined", "novel", "holds", "pair_f1"} & {*task.metrics}
    )


def _circuit(task: PlantedCircuitTask, template: TaskInstance, seed: int) -> TaskInstance:
    from ground_truth.circuits.planted.draws import symmetry_of

    base = task.choose(seed)
    symmetry = symmetry_of(task.id, base.weights.config, seed)
    correspondence = renamed_correspondence(base.correspondence, symmetry)
    hidden = replace(template.hidden, correspondence=correspondence)
    vars(hidden)["meter"] = _Unmeasured()  # overrides the cached property
    return replace(template, seed=seed, base_model=base.name, hidden=hidden)


def _planted_neurons(task: PlantedNeuronTask, template: TaskInstance, seed: int) -> TaskInstance:
    from ground_truth.neurons.planted.base import base_models

    draw = task.draw(base_models(task), seed)
    reference = draw.base.references.get(task.label, 1.0)
    hidden = replace(template.hidden, asked=draw.asked(task.kind), symmetry=draw.symmetry, reference=reference)
    facts = template.answer_schema.facts
    size = (_ROWS * CONTEXT, facts["n_layers"] * facts["d_mlp"])
    noise = torch.randn(*size, generator=torch.Generator().manual_seed(0))
    vars(hidden).update(text=sample_text(0, _ROWS, CONTEXT), activations=noise)
    return replace(
        template, seed=seed, base_model=draw.base.name, hidden=hidden, answer_schema=task.answer_schema(draw)
    )


def _real_neurons(task: MeasuredNeuronTask, template: TaskInstance, seed: int) -> TaskInstance:
    from ground_truth.neurons.real.hidden import Hidden

    asked, question = task.drawn(instance_rng(task.id, seed))
    return replace(template, seed=seed, hidden=Hidden(asked), answer_schema=task.answer_schema(question))


class _Unmeasured:
    """Replaces the meter of faithfulness, which affects a note and not the skill."""

    def measure(self, nodes: object) -> Faithfulness:  # noqa: ARG002 -- as a meter's
        return Faithfulness(0.0, 0.0)
