"""Which neurons of a real language model raise the logits of a class of tokens?

The statistic follows exactly from the weights (`real.effects`), so only the answer is hidden.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save
from transformer_lens import HookedTransformer

from ground_truth.neurons.real.classes import class_named
from ground_truth.neurons.real.effects import class_rve, output_weights
from ground_truth.neurons.real.hidden import AskedProperty
from ground_truth.neurons.real.measurement import LOGIT_EFFECTS, PLACES
from ground_truth.neurons.real.task import COUNTS, MeasuredNeuronTask
from ground_truth.neurons.real.tokens import vocabulary
from scribe_suite.scoring.neuron_share import fixed_share

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

    def fixed_share(self) -> float:
        """See `MeasuredNeuronTask.fixed_share`: from the weights, for all possible classes."""
        arrays = self.measured().arrays
        columns = [PLACES.index(count) for count in COUNTS]
        zero, one = (np.asarray(arrays[name])[:, columns].astype(np.float64) for name in ("untrained", "reference"))
        return fixed_share(self._all_effects(), zero, one, COUNTS)

    def effects(self, name: str) -> Float[np.ndarray, " neuron"]:
        """The statistic of all neurons for a class, from the weights."""
        found: Float[np.ndarray, " neuron"] = self._all_effects()[
            self.measured().arrays["classes"].tolist().index(name)
        ]
        return found

    def _all_effects(self) -> Float[np.ndarray, "class neuron"]:
        names = tuple(self.measured().arrays["classes"].tolist())
        return _effects(self.evaluator(), self.model, names)

    def material(
        self,
        asked: Sequence[AskedProperty],
        rng: random.Random,  # noqa: ARG002 - see `MeasuredNeuronTask.material`
    ) -> tuple[dict[str, bytes], str, dict[str, Any]]:
        """See `MeasuredNeuronTask.material`: which tokens are of the class."""
        members = class_named(asked[0].name).members(vocabulary(self.model))
        facts = {"n_members": int(members.sum())}
        return {"class.safetensors": save({"members": members})}, _CLASS_CODE, facts


@lru_cache(maxsize=1)
def _effects(model: HookedTransformer, spec: str, names: tuple[str, ...]) -> Float[np.ndarray, "class neuron"]:
    """The statistic of all neurons for some classes; all classes take hardly longer than one."""
    members = torch.stack([class_named(name).members(vocabulary(spec)) for name in names])
    found: Float[np.ndarray, "class neuron"] = class_rve(output_weights(model), model.W_U.detach(), members)
    return found
