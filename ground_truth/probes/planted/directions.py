"""The base of the label-free probe tasks: activations without labels or model, and a direction as the answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.answers import example_direction, random_direction, reading_facts
from ground_truth.probes.planted.hidden import Hidden
from ground_truth.probes.planted.public import activations_material
from ground_truth.probes.planted.split import Split
from ground_truth.probes.planted.task import PlantedProbeTask
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.directions import direction_accuracy, random_direction_accuracy, score_direction
from scribe_suite.scoring.normalise import SMALLEST_RANGE
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, residual_at
from scribe_suite.scoring.recipes import mean_difference, one_hot, principal_directions, without
from scribe_suite.tasks import Answer, AnswerSchema, DirectionAnswer, PublicMaterial, Score, TaskInstance
from scribe_suite.tasks.answers import expect

#: At most: accuracy of the first principal component as it is, on the worst of a few splits.
FIRST_COMPONENT_BAR = 0.6


class DirectionTask(PlantedProbeTask):
    """Base of the tasks that ask for a direction and give no labels.

    The model is not public: its verdicts would be labels.
    """

    labelled: ClassVar[bool] = False
    recipe_bar: ClassVar[float] = 0.88

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: the first component besides ending and address; labels are not used."""
        frame = one_hot(public.tokens[:, -2:].numpy())
        return LinearProbe(principal_directions(without(hidden, frame))[0], 0.0, hidden.mean(0))

    def judged(
        self,
        probe: LinearProbe,
        hidden: Float[np.ndarray, "statement d_model"],
        labels: Bool[np.ndarray, " statement"],
    ) -> float:
        """See `PlantedProbeTask.judged`: the better of the two signs."""
        return direction_accuracy(probe.weight, hidden, labels)

    def further_checks(self, model: HookedTransformer, splits: Sequence[Split]) -> list[Check]:
        """See `PlantedProbeTask.further_checks`: the nuisance is larger than the truth and independent of it."""
        raw = []
        for split in splits:
            public = residual_at(model, split.public.tokens, TRUTH_LAYER, "last")
            held_out = residual_at(model, split.held_out.tokens, TRUTH_LAYER, "last")
            raw.append(direction_accuracy(principal_directions(public)[0], held_out, split.held_out.labels))
        return [Check(name=f"{self.name}/first_component_max", value=max(raw), bar=FIRST_COMPONENT_BAR, direction="<=")]

    def public_material(
        self, weights: ModelWeights, model: HookedTransformer, split: Split, vocabulary: Sequence[str]
    ) -> PublicMaterial:
        """See `PlantedProbeTask.public_material`: activations at the last token after every block, and statements."""
        return activations_material(weights, model, split, vocabulary, self.further_facts(split, vocabulary))

    def answer_schema(self, config: Mapping[str, Any], length: int) -> AnswerSchema:
        """See `PlantedProbeTask.answer_schema`."""
        return AnswerSchema(DirectionAnswer, reading_facts(config, length), example_direction(int(config["d_model"])))

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy of the better sign on statements about held-out entities."""
        found = expect(answer, DirectionAnswer)
        hidden: Hidden = instance.hidden
        model, held_out = build_model(hidden.weights), hidden.held_out
        # a random direction may be better at the answer's place than where the truth is certified to be
        luck = max(
            random_direction_accuracy(residual_at(model, held_out.tokens, layer, position), held_out.labels)
            for layer, position in ((TRUTH_LAYER, "last"), (found.layer, found.position))
        )
        return score_direction(
            found,
            model,
            held_out,
            control_accuracy=hidden.control_accuracy,
            reference_accuracy=hidden.reference_accuracy,
            random_accuracy=min(luck, hidden.reference_accuracy - SMALLEST_RANGE),
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the difference of the hidden statements' class means."""
        hidden: Hidden = instance.hidden
        residual = residual_at(build_model(hidden.weights), hidden.held_out.tokens, TRUTH_LAYER, "last")
        return {
            "layer": TRUTH_LAYER,
            "position": "last",
            "direction": mean_difference(residual, hidden.held_out.labels).weight.tolist(),
            "confidence": 1.0,
            "summary": "The difference of the means of hidden true and false statements.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random direction at a random layer."""
        return random_direction(instance.answer_schema.facts, rng)
