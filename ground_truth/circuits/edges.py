"""Which node reads which? The nodes of a circuit are given; the answer is the set of edges between them.

Base models run random programs over opaque tokens with exact wiring: each input of a node depends on the parents of
its variable, and on nothing else that would change a label. All nodes have weights that read all earlier nodes. Each
instance has the nodes in other places, so that a list of nodes does not name the base model. The key is certified by
path patching.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import torch

from ground_truth.circuits.mechanisms.base import Base, key_of
from ground_truth.circuits.planted.draws import generator, symmetry_of
from ground_truth.circuits.planted.frozen_bases import add_reference_check, chosen_model
from ground_truth.circuits.planted.material import Names, draw_data, facts_of, public_material, right_labels
from ground_truth.circuits.planted.public import opaque_words
from ground_truth.circuits.wirings.blind import BlindRule, Wired
from ground_truth.circuits.wirings.hidden import Hidden
from ground_truth.circuits.wirings.levels import LABORATORY, LEVELS, MODELS
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.causal import Correspondence, RenamedModel, circuit_of, renamed_correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.certificate import EDGE_BAR, OTHER_BAR, certify_moves, certify_wiring
from scribe_suite.planting.circuits.wiring.edges import edges_between, order_of, wiring_of
from scribe_suite.planting.circuits.wiring.moving import WiredNetwork, moved
from scribe_suite.planting.circuits.wiring.planting import plant_wiring
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    add_checks,
    frozen_folder,
    frozen_models,
    load_frozen,
    save_frozen,
)
from scribe_suite.planting.symmetries import apply_symmetry
from scribe_suite.progress import ProgressCallback
from scribe_suite.scoring.edges import EDGE_METRICS, score_edges
from scribe_suite.scoring.information import bits_of_set, least_uses
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import EdgeAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import PlantedTask, Score, TaskInstance

REFERENCE_CHECK = "reference/primary"
REFERENCE_BAR = 0.9
#: Number of other placements in which a base model is certified, and in which chance is measured.
_MOVES, _PLACEMENTS = 2, 40

_NAMED = """

nodes = {nodes}
edges = {edges}
"""


class Edges(PlantedTask):
    """``circuits/edges``; see the module's docstring."""

    family = "circuits"
    name = "edges"
    version = 3
    summary = "Find which nodes of a known circuit read which others, and with which input."
    levels: ClassVar[Mapping[int, str]] = {1: "ten nodes in seven layers", 2: "fourteen nodes in ten layers"}
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    headroom_levels = (4,)
    laboratory_solution = "edges_lab"
    default_levels = (1,)
    metrics = EDGE_METRICS

    @property
    def models_id(self) -> str:
        """See `PlantedTask.models_id`: laboratories have the models of a level with weights."""
        return f"{self.family}/{self.name}" + (f"_{self._open_level}" if self._open_level > 1 else "")

    def choose(self, seed: int) -> Base:
        """The base model of the instance of `seed`.

        Raises:
            FrozenModelError: If there is none, or one of them can't be trusted.
        """
        return Base.of(chosen_model(self, seed))

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: a base model chosen by `seed`, its nodes moved, under a symmetry, with fresh prompts."""
        return self.instance_of(self.choose(seed), seed)

    def placement(self, program: Program, seed: int) -> Correspondence:
        """The node of each variable of a program in the instance of `seed`, but for the order of heads."""
        return LEVELS[self._open_level].placement(program, derive_seed(seed, self.question_id, "placement"))

    def placed(self, base: Base, seed: int) -> Base:
        """The base model with its nodes in the places of the instance of `seed`."""
        where = self.placement(base.program, seed)
        others = generator(self.question_id, seed, "places of other nodes")
        return replace(base, weights=moved(_network(base, self._open_level), where, others), correspondence=where)

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """The instance of `seed` made from this base model."""
        base = self.placed(base, seed)
        symmetry = symmetry_of(self.question_id, base.weights.config, seed)
        causal = RenamedModel(base.program, symmetry)
        where = renamed_correspondence(base.correspondence, symmetry)
        key = frozenset(map(str, wiring_of(base.program, where)))
        hidden = Hidden(causal, where, apply_symmetry(base.weights, symmetry), key)
        words = opaque_words(
            causal.d_vocab + causal.n_labels, random.Random(derive_seed(seed, self.question_id, "names"))
        )
        labels = [word.upper() for word in words[causal.d_vocab :]]
        names = Names(words[: causal.d_vocab], labels).renamed(symmetry)
        data = draw_data(causal, generator(self.question_id, seed, "public"), with_pairs=False)
        data["labels"] = right_labels(causal, data["prompts"])
        nodes = sorted(circuit_of(where), key=order_of)
        edges = [str(edge) for edge in edges_between(nodes)]
        shape = TransformerShape.of_config(base.weights.config)
        facts = {
            **facts_of(shape, causal, data, names, with_pairs=True),
            "nodes": nodes,
            "edges": edges,
            "n_edges": len(edges),
            "edge_bar": EDGE_BAR,
            "other_bar": OTHER_BAR,
        }
        public = public_material(hidden.weights, causal, data, names, facts, with_pairs=False)
        example = {
            "edges": [edges[0], edges[-1]],
            "confidence": 0.7,
            "summary": "How I found them, and what supports it.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base.name,
            public=replace(public, data_code=public.data_code + _NAMED.format(nodes=nodes, edges=edges)),
            hidden=hidden,
            answer_schema=AnswerSchema(EdgeAnswer, {"nodes": nodes, "edges": edges}, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: F1 against the certified edges."""
        return score_edges(expect(answer, EdgeAnswer).edges, instance.hidden.key, self.blind.chance)

    def bound(self, instance: TaskInstance) -> int | None:
        """See `Task.bound`: a patched prompt returns one label, which carries at most log2(number of labels) bits.

        The argument assumes that the number of edges is known and all sets of that size are equally probable.
        """
        terms, facts = self.terms, instance.public.facts
        if self.access != "lab" or terms is None or terms.returns not in ("labels", "samples"):
            return None
        chance = self.blind.chance
        enough = chance + self.pass_mark * (1 - chance)
        bits = bits_of_set(facts["n_edges"], len(instance.hidden.key), enough)
        prompts = least_uses(bits, math.log2(facts["n_labels"]))
        return prompts * price_of(Work(units=1, patched=True)) or None

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The certified edges."""
        return {
            "edges": sorted(instance.hidden.key),
            "confidence": 1.0,
            "summary": "The wiring that was planted and certified.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random number of random edges."""
        universe = list(instance.public.facts["edges"])
        return {
            "edges": rng.sample(universe, rng.randint(1, len(universe))),
            "confidence": 0.5,
            "summary": "Drawn at random.",
        }

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `PlantedTask.plant`."""
        plan = LEVELS[self._open_level].plan(seed)
        planted = plant_wiring(
            plan,
            derive_seed(seed, self.models_id, "planting"),
            lambda weights: self.certify(Base("", weights, plan.program, plan.correspondence), seed),
            progress,
        )
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            planted.weights,
            key=key_of(plan.program, plan.correspondence),
            certificate=planted.certificate,
            training={
                "steps": plan.recipe.steps,
                "failed_attempts": list(planted.failures),
                "cpu_seconds": round(planted.cpu_seconds, 1),
                "torch": torch.__version__,
            },
        )
        self.add_checks(seed, progress)

    def certify(self, base: Base, seed: int) -> Certificate:
        """Check all claims about the base model of a training seed that can be checked from its weights alone."""
        found = certify_wiring(base.weights, base.program, base.correspondence, self._certified(seed))
        return Certificate(checks=(*found.checks, *self._moves(base, seed)))

    def _certified(self, seed: int) -> int:
        """The seed of the data on which the base model of a training seed is certified."""
        return derive_seed(seed, self.models_id, "certificate")

    def _moves(self, base: Base, seed: int) -> tuple[Check, ...]:
        """Checks of a base model with its nodes in other places."""
        level, drawn = LEVELS[self._open_level], self._certified(seed)
        places = [level.placement(base.program, drawn + number) for number in range(_MOVES)]
        return certify_moves(_network(base, self._open_level), places, drawn).checks

    def add_checks(self, seed: int, progress: ProgressCallback) -> bool:
        """See `PlantedTask.add_checks`: what holds in other places, and the reference solution's score with weights."""
        task, path = type(self)(self._open_level), frozen_folder(self) / f"seed{seed}.json"
        model, added = load_frozen(path, self), False
        if not any(check.name.startswith("moved/") for check in model.record.certificate.checks):
            progress(0.7, "certifying it with its nodes in other places")
            add_checks(path, self, self._moves(Base.of(model), seed), model)
            added = True

        def instance(model: FrozenModel) -> TaskInstance:
            progress(0.8, "certified; measuring the reference solution")
            return task.instance_of(Base.of(model), derive_seed(seed, task.question_id, "reference"))

        reached = add_reference_check(
            self, seed, REFERENCE_CHECK, REFERENCE_BAR, instance, lambda score: score.metrics["f1"]
        )
        return reached or added

    @property
    def _open_level(self) -> int:
        """The level with the same base models at which weights are public."""
        return MODELS.get(self.level, self.level)

    @cached_property
    def blind(self) -> BlindRule:
        """The best rule over all base models, in many placements, that does not use the model."""
        level = LEVELS[self._open_level]
        programs = [Base.of(model).program for model in frozen_models(self).values()]
        return BlindRule.over(
            [wired(program, level.placement(program, number)) for program in programs for number in range(_PLACEMENTS)]
        )


def _network(base: Base, level: int) -> WiredNetwork:
    return WiredNetwork(base.weights, base.program, base.correspondence, LEVELS[level].recipe)


def wired(program: Program, correspondence: Correspondence) -> Wired:
    """Nodes and edges of a program that is placed in a network."""
    return Wired(circuit_of(correspondence), frozenset(wiring_of(program, correspondence)))
