"""The hidden side of an instance of ``saes/dictionary``: the features, and what samples allow to say of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from scribe_suite.planting.dictionaries.features import Features
from scribe_suite.planting.dictionaries.samples import Samples
from scribe_suite.scoring.dictionary import Matched, match


@dataclass(frozen=True)
class Hidden:
    """The hidden data of an instance.

    Attributes:
        features: The features.
        samples: The samples that the agent has, with what each is made of.
    """

    features: Features
    samples: Samples

    @cached_property
    def ceiling(self) -> Matched:
        """The score of least squares on the true magnitudes of the features in the samples."""
        return match(self.samples.least_squares(), self.features.directions)
