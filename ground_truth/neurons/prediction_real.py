"""Which neurons of a real language model raise the logits of a class of tokens?

The statistic follows exactly from the weights (`real.effects`), so nothing is hidden but the answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors.torch import save

from ground_truth.neurons.real.classes import class_named
from ground_truth.neurons.real.effects import class_rve, output_weights
from ground_truth.neurons.real.hidden import AskedProperty
from ground_truth.neurons.real.measurement import LOGIT_EFFECTS, PLACES
from ground_truth.neurons.real.task import COUNTS, MeasuredNeuronTask
from ground_truth.neurons.real.tokens import vocabulary

_CLASS_CODE = """\
in_class = load_file("class.safetensors")["members"]  # whether each token of the vocabulary is of the class asked for
"""


class PredictionReal(MeasuredNeuronTask):
    """Find the neurons whose logit effects are explained best by a class of tokens."""

    name = "prediction_real"
    measurement = LOGIT_EFFECTS
    summary = "In a real language model, find the neurons whose weights raise the logits of a class of tokens most."

    def drawn(self, rng: random.Random) -> tuple[tuple[AskedProperty, ...], dict[str, Any]]:
        """See `MeasuredNeuronTask.drawn`: one class, and how many neurons."""
        arrays = self.measured().arrays
        names = arrays["classes"].tolist()
        name, places = rng.choice(names), rng.choice(COUNTS)
        row, at = names.index(name), PLACES.index(places)
        asked = AskedProperty(
            name=name,
            places=places,
            reference=float(arrays["reference"][row, at]),
            untrained=float(arrays["untrained"][row, at]),
            measure=lambda: self.effects(name),
        )
        return (asked,), {"class": class_named(name).description, "count": places}

    def effects(self, name: str) -> Float[np.ndarray, " neuron"]:
        """The statistic of all neurons for a class, from the weights."""
        members = class_named(name).members(vocabulary(self.model))
        model = self.evaluator()
        found: Float[np.ndarray, " neuron"] = class_rve(output_weights(model), model.W_U.detach(), members[None])[0]
        return found

    def material(
        self,
        asked: Sequence[AskedProperty],
        rng: random.Random,  # noqa: ARG002 - see `MeasuredNeuronTask.material`
    ) -> tuple[dict[str, bytes], str, dict[str, Any]]:
        """See `MeasuredNeuronTask.material`: which tokens are of the class."""
        members = class_named(asked[0].name).members(vocabulary(self.model))
        facts = {"n_members": int(members.sum())}
        return {"class.safetensors": save({"members": members})}, _CLASS_CODE, facts
