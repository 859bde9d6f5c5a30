"""What the label-free probe tasks share: activations without labels or model, and a direction as the answer."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import save
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.split import Split
from ground_truth.probes.planted.task import Hidden, PlantedProbeTask, reading_facts
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.scoring.directions import direction_accuracy, random_direction_accuracy, score_direction
from scribe_suite.scoring.normalise import SMALLEST_RANGE
from scribe_suite.scoring.probes import LabelledStatements, LinearProbe, residual_at
from scribe_suite.scoring.recipes import mean_difference, one_hot, principal_directions, without
from scribe_suite.tasks import Answer, AnswerSchema, DirectionAnswer, PublicMaterial, Score, TaskInstance

_SETUP_CODE = """\
import json
import torch
from safetensors.torch import load_file

torch.set_num_threads(1)
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
data = load_file("activations.safetensors")
statements = data["tokens"]  # token ids [statement, position]
activations = data["activations"]  # residual stream at the last token of every statement [layer, statement, d_model]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""


class DirectionTask(PlantedProbeTask):
    """Base of the tasks that ask for a direction and give no labels.

    The model is not public: its verdicts would be labels.
    """

    labelled: ClassVar[bool] = False
    recipe_bar: ClassVar[float] = 0.88

    def recipe(self, hidden: Float[np.ndarray, "statement d_model"], public: LabelledStatements) -> LinearProbe:
        """See `PlantedProbeTask.recipe`: the first component beside ending and address; labels are not looked at."""
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
        """See `PlantedProbeTask.further_checks`: the nuisance is larger than the truth and tells nothing of it."""
        raw = []
        for split in splits:
            public = residual_at(model, split.public.tokens, TRUTH_LAYER, "last")
            held_out = residual_at(model, split.held_out.tokens, TRUTH_LAYER, "last")
            raw.append(direction_accuracy(principal_directions(public)[0], held_out, split.held_out.labels))
        return [Check(name=f"{self.name}/first_component_max", value=max(raw), bar=0.6, direction="<=")]

    def public_material(
        self, weights: ModelWeights, model: HookedTransformer, split: Split, vocabulary: Sequence[str]
    ) -> PublicMaterial:
        """Activations at the last token after every block, and the statements."""
        tokens = split.public.tokens
        layers = range(int(weights.config["n_layers"]))
        read = np.stack([residual_at(model, tokens, layer, "last") for layer in layers])
        data = {"tokens": tokens.contiguous(), "activations": torch.from_numpy(read).float().contiguous()}
        return PublicMaterial(
            files={"vocabulary.json": json.dumps(list(vocabulary)).encode(), "activations.safetensors": save(data)},
            setup_code=_SETUP_CODE,
            facts={**self.sizes(weights.config, split, vocabulary), **self.further_facts(split, vocabulary)},
        )

    def answer_schema(self, config: Mapping[str, Any], length: int) -> AnswerSchema:
        """See `PlantedProbeTask.answer_schema`."""
        example = {
            "layer": 0,
            "position": "last",
            "direction": [0.5] * int(config["d_model"]),
            "confidence": 0.7,
            "nothing_found": False,
            "summary": "How the direction was found and what supports it.",
        }
        return AnswerSchema(model=DirectionAnswer, facts=reading_facts(config, length), example=example)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy of the better sign on statements about held-out entities."""
        if not isinstance(answer, DirectionAnswer):
            raise TypeError(f"{self.id} scores a DirectionAnswer, not a {type(answer).__name__}")
        hidden: Hidden = instance.hidden
        model, held_out = build_model(hidden.weights), hidden.held_out
        # a random direction may be luckier where the answer reads than where the truth is certified to be
        luck = max(
            random_direction_accuracy(residual_at(model, held_out.tokens, layer, position), held_out.labels)
            for layer, position in ((TRUTH_LAYER, "last"), (answer.layer, answer.position))
        )
        return score_direction(
            answer,
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
        config = instance.hidden.weights.config
        return {
            "layer": rng.randrange(int(config["n_layers"])),
            "position": "last",
            "direction": [rng.gauss(0.0, 1.0) for _ in range(int(config["d_model"]))],
            "confidence": 0.5,
            "summary": "A random direction.",
        }
