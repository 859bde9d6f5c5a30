"""The hidden side of the neuron tasks' instances on a real model: the statistics of all neurons, by property."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from scribe_suite.scoring.neuron_share import Places, top, top_mean


@dataclass(frozen=True)
class AskedProperty:
    """A property in one instance: of text, or of tokens.

    Attributes:
        name: Its name.
        places: How many neurons are asked for.
        reference: The mean statistic of a good choice.
        untrained: Mean of the best neurons of the untrained twin.
        measure: Computes the hidden statistic of all neurons, layer by layer.
    """

    name: str
    places: int
    reference: float
    untrained: float
    measure: Callable[[], Float[np.ndarray, " neuron"]] = field(repr=False)

    @cached_property
    def statistic(self) -> Float[np.ndarray, " neuron"]:
        """The hidden statistic, computed on first use."""
        return self.measure().astype(np.float64)

    @cached_property
    def best(self) -> list[int]:
        """The best neurons."""
        return top(self.statistic, self.places)

    def scored(self, neurons: Sequence[int]) -> Places:
        """Some neurons in the form that the scorer needs."""
        return Places(
            given=[float(self.statistic[neuron]) for neuron in neurons],
            places=self.places,
            best=top_mean(self.statistic, self.places),
            reference=self.reference,
            untrained=self.untrained,
        )


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data: the properties in question, one or (letters) several."""

    asked: tuple[AskedProperty, ...]
