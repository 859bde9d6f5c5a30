"""Which features are activations made of? Find the directions of a hidden sparse model from its samples.

A sample is the sum of the contributions of few features and of noise. Features occur in families, and some have similar
directions. There is no model to look into and nothing to train on but the samples, whose number is the budget; so a
dictionary is compared with the features themselves. Nothing is frozen: each instance is written from its seed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ground_truth.saes.dictionaries.hidden import Hidden
from ground_truth.saes.dictionaries.levels import LEVELS
from ground_truth.saes.dictionaries.public import public_material
from scribe_suite.planting.dictionaries.features import draw_features
from scribe_suite.planting.dictionaries.samples import draw_samples
from scribe_suite.scoring.dictionary import DICTIONARY_METRICS, match, score_dictionary
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import DictionaryAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.arrays import as_json
from scribe_suite.tasks.task import Score, Task, TaskInstance


class Dictionary(Task):
    """``saes/dictionary``; see the module's docstring."""

    family = "saes"
    name = "dictionary"
    summary = "Find the features of a hidden sparse model from samples of its activations."
    levels: ClassVar[Mapping[int, str]] = {
        level: f"{dial.features} features in {dial.width} dimensions, {dial.samples:,} samples, noise {dial.noise:g}"
        for level, dial in LEVELS.items()
    }
    default_levels = (1,)
    metrics = DICTIONARY_METRICS

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: features and samples drawn from the seed."""
        dial = LEVELS[self.level]
        features = draw_features(dial, self._rng(seed, "features"))
        hidden = Hidden(features, draw_samples(features, self._rng(seed, "samples")))
        public = public_material(dial, hidden.samples)
        example = {
            "dictionary": [[1.0] + [0.0] * (dial.width - 1)],
            "confidence": 0.7,
            "summary": "How the directions were found, and what supports them.",
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=f"{self.question_id}, written for the instance",
            public=public,
            hidden=hidden,
            answer_schema=AnswerSchema(DictionaryAnswer, public.facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: the submitted rows against the directions of the features."""
        said, hidden = expect(answer, DictionaryAnswer), instance.hidden
        return score_dictionary(match(said.dictionary.values, hidden.features.directions), hidden.ceiling)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The directions of the features."""
        return {
            "dictionary": as_json(instance.hidden.features.directions.astype(np.float16)),
            "confidence": 1.0,
            "summary": "What was written.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:  # noqa: ARG002
        """As many random directions as there are features."""
        dial = LEVELS[self.level]
        rows = np.random.default_rng(rng.getrandbits(63)).standard_normal((dial.features, dial.width))
        return {"dictionary": as_json(rows.astype(np.float16)), "confidence": 0.0, "summary": "Drawn at random."}

    def _rng(self, seed: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(seed, self.question_id, purpose))
