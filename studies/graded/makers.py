"""Selects the maker of a task's material by its family, source and kind of answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import (
    BehaviourAnswer,
    CarrierAnswer,
    ComponentAnswer,
    DictionaryAnswer,
    DirectionAnswer,
    EdgeAnswer,
    EncodingAnswer,
    ExceptionAnswer,
    ExplanationAnswer,
    LatentAnswer,
    LetterAnswer,
    MechanismAnswer,
    NeuronAnswer,
    ProbeAnswer,
    RankingAnswer,
    RoleAnswer,
    SteeringAnswer,
    SubspaceAnswer,
    TextProbeOrNothing,
    UsedAnswer,
    WindowSubspaceOrNothing,
)
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.task import Score, TaskInstance
from studies.graded.branches import planted_branch
from studies.graded.circuits import planted_circuit
from studies.graded.dictionaries import written_dictionary
from studies.graded.edges import planted_edges
from studies.graded.encodings import planted_encoding
from studies.graded.explanations import planted_explanation, real_explanation
from studies.graded.latents import written_latents
from studies.graded.material import Content, Material
from studies.graded.mechanisms import planted_mechanism
from studies.graded.neurons import planted_letters, planted_neurons
from studies.graded.probes import planted_probe
from studies.graded.real import real_neurons, real_probe, real_ranking
from studies.graded.steering import planted_steering
from studies.graded.subspaces import planted_subspaces, real_subspaces
from studies.graded.sums import planted_sums
from studies.graded.uses import planted_uses

#: Makes the material of one instance.
Maker = Callable[[TaskInstance, random.Random], Material]

#: Source of the truth and kind of answer -> maker.
MAKERS: Mapping[tuple[str, type[Answer]], Maker] = {
    ("planted", ComponentAnswer): planted_circuit,
    ("planted", RoleAnswer): planted_circuit,
    ("planted", BehaviourAnswer): planted_circuit,
    ("planted", MechanismAnswer): planted_mechanism,
    ("planted", ExceptionAnswer): planted_branch,
    ("planted", EdgeAnswer): planted_edges,
    ("planted", NeuronAnswer): planted_neurons,
    ("planted", ExplanationAnswer): planted_explanation,
    ("planted", LetterAnswer): planted_letters,
    ("planted", ProbeAnswer): planted_probe,
    ("planted", DirectionAnswer): planted_probe,
    ("planted", SubspaceAnswer): planted_subspaces,
    ("planted", CarrierAnswer): planted_sums,
    ("planted", EncodingAnswer): planted_encoding,
    ("planted", UsedAnswer): planted_uses,
    ("planted", SteeringAnswer): planted_steering,
    ("planted", DictionaryAnswer): written_dictionary,
    ("planted", LatentAnswer): written_latents,
    ("real", RankingAnswer): real_ranking,
    ("real", NeuronAnswer): real_neurons,
    ("real", LetterAnswer): real_neurons,
    ("real", TextProbeOrNothing): real_probe,
    ("real", ExplanationAnswer): real_explanation,
    ("real", WindowSubspaceOrNothing): real_subspaces,
}


def material_of(instance: TaskInstance) -> Material:
    """Answers of known wrongness, methods of known order and hidden samples; the same for the same instance.

    Raises:
        KeyError: If there is no maker for the task's kind of answer.
    """
    kind = (instance.task.source, instance.answer_schema.model)
    if kind not in MAKERS:
        raise KeyError(f"{instance.task.id}: no graded answers are made for {kind[0]} {kind[1].__name__}; add a maker")
    return MAKERS[kind](instance, random.Random(derive_seed(instance.seed, instance.task.id, "graded answers")))


def scored(instance: TaskInstance, content: Content) -> Score:
    """The score of an answer, validated and scored like an agent's."""
    answer = {"confidence": 0.5, "summary": "Graded.", **content}
    return instance.task.score(instance, instance.answer_schema.parse(json.dumps(answer)))
