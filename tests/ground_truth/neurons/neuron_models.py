"""Instances of the neuron tasks for tests, seen as a solver sees them and answered in the form of their task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from jaxtyping import Float
from safetensors.torch import load
from torch import Tensor
from transformer_lens import HookedTransformer

from ground_truth.neurons.planted.base import Base, base_models
from ground_truth.neurons.planted.hidden import AskedQuestion, Hidden
from ground_truth.neurons.planted.task import PlantedNeuronTask
from scribe_suite.planting.hooked import build_model
from scribe_suite.planting.neurons.measure import all_neurons, neuron_activations
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import Score, TaskInstance

TASKS: Mapping[str, PlantedNeuronTask] = {
    task.name: task for task in default_registry().of_source("planted") if isinstance(task, PlantedNeuronTask)
}
#: The base models of the tasks that do not bring their own.
LANGUAGE_MODELS = base_models(TASKS["unigram"])
SEEDS = range(8)
#: Questions that differ in the direction alone.
OPPOSITE = {"rising": "falling", "falling": "rising", "active": "silent", "silent": "active"}

#: Question name -> neurons, the best one first.
Chosen = Mapping[str, Sequence[str]]


class View:
    """An instance with its public material in memory.

    Attributes:
        instance: The instance.
        rows: How many of its texts are looked at.
    """

    def __init__(self, instance: TaskInstance, rows: int) -> None:
        self.instance = instance
        self.rows = rows

    @property
    def hidden(self) -> Hidden:
        return self.instance.hidden  # type: ignore[no-any-return]

    @property
    def base(self) -> Base:
        """The base model that the instance was made from."""
        task = TASKS[self.instance.task.name]
        return next(base for base in base_models(task) if base.name == self.instance.base_model)

    @cached_property
    def text(self) -> dict[str, Tensor]:
        """The tensors of the text file."""
        tensors = load(self.instance.public.files["text.safetensors"])
        return {name: tensor[: self.rows].long() for name, tensor in tensors.items()}

    @cached_property
    def strings(self) -> list[str]:
        found: list[str] = json.loads(self.instance.public.files["vocabulary.json"])
        return found

    @cached_property
    def model(self) -> HookedTransformer:
        return build_model(self.hidden.weights)

    @cached_property
    def activations(self) -> Float[Tensor, "n neuron"]:
        return neuron_activations(self.model, self.text["tokens"])

    @cached_property
    def names(self) -> list[str]:
        facts = self.instance.public.facts
        return [str(neuron) for neuron in all_neurons(facts["n_layers"], facts["d_mlp"])]

    def top(self, values: Float[Tensor, " neuron"], count: int) -> list[str]:
        """The neurons with the largest values."""
        return [self.names[i] for i in values.argsort(descending=True)[:count].tolist()]

    def feature(self, asked: AskedQuestion) -> Float[Tensor, " n"]:
        """What the prompt asks for, from public material alone."""
        facts = self.instance.public.facts
        tokens = self.text["tokens"]
        place = torch.arange(tokens.shape[1]).expand_as(tokens)
        match asked.question.kind:
            case "unigram":
                spelled = torch.tensor([string.strip().lower() == facts["word"] for string in self.strings])
                holds = spelled[tokens]
            case "alphabet":
                first = torch.tensor([string.strip().lower()[:1] == asked.question.name for string in self.strings])
                holds = first[tokens]
            case "syntax":
                tag_names = json.loads(self.instance.public.files["tag_names.json"])
                holds = self.text["tags"] == tag_names.index(facts["category"])
                if facts["place"] == "previous":
                    holds = torch.cat([torch.zeros_like(holds[:, :1]), holds[:, :-1]], dim=1)
            case "position_1":
                holds = place == 1
            case "position" if facts["shape"] == "band":
                holds = (facts["first"] <= place) & (place <= facts["last"])
            case _:
                holds = place
        return holds.flatten().float()

    def of_other_questions(self, asked: AskedQuestion) -> list[str]:
        """Key neurons of all other questions of the task that the same model could be asked."""
        others = [
            neurons["key"]
            for question, neurons in self.base.key.items()
            if question.partition("/")[0] == asked.question.kind and question != asked.question.id
        ]
        return sorted({self.hidden.symmetry.neuron(name) for names in others for name in names} - asked.neurons)

    def opposite(self) -> list[str]:
        """Key neurons of the question that differs in its direction alone; none where there is no such question."""
        (asked,) = self.hidden.asked
        other = OPPOSITE.get(asked.question.name)
        names = self.base.key[f"{asked.question.kind}/{other}"]["key"] if other else []
        return [self.hidden.symmetry.neuron(name) for name in names]


def submit(instance: TaskInstance, chosen: Chosen) -> Score:
    """The score of an answer; of a letter's neurons only the first counts."""
    letters = instance.answer_schema.facts.get("letters")
    content: dict[str, object] = {"confidence": 0.5, "summary": "A test."}
    if letters is None:
        neurons = sorted({neuron for found in chosen.values() for neuron in found})
        content |= {"neurons": neurons}
    else:
        given = {letter: next(iter(chosen.get(letter, ())), None) for letter in letters}
        content |= {"neurons": given}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(content)))
