"""The hidden side of the neuron tasks' instances: the questions, the key, and the text that scores use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from torch import Tensor

from scribe_suite.planting.english import TaggedText, sample_text
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.measure import all_neurons, neuron_activations, variance_explained
from scribe_suite.planting.neurons.plan import Question
from scribe_suite.planting.neurons.survey import CONTEXT
from scribe_suite.planting.symmetries import Symmetry

#: Texts on which answers are measured.
_HIDDEN_ROWS = 500


@dataclass(frozen=True)
class AskedQuestion:
    """A question in one instance.

    Attributes:
        question: The question.
        neurons: The key neurons, in the instance's names.
        near_misses: Planted neurons that look like them.
    """

    question: Question
    neurons: frozenset[str]
    near_misses: frozenset[str]


@dataclass(frozen=True)
class Hidden:
    """The evaluator's data.

    Attributes:
        asked: The questions, one or (letters) several.
        weights: This instance's model.
        symmetry: From the base model to this instance.
        text_seed: The seed of the text on which answers are measured.
        reference: The reference solution's primary metric on this base model.
    """

    asked: tuple[AskedQuestion, ...]
    weights: ModelWeights
    symmetry: Symmetry
    text_seed: int
    reference: float

    @property
    def neurons(self) -> frozenset[str]:
        """The key neurons of all questions."""
        return frozenset().union(*(one.neurons for one in self.asked))

    @property
    def near_misses(self) -> frozenset[str]:
        """The near misses of all questions."""
        return frozenset().union(*(one.near_misses for one in self.asked))

    @cached_property
    def text(self) -> TaggedText:
        """Held-out text, in the base model's token ids."""
        return sample_text(self.text_seed, _HIDDEN_ROWS, CONTEXT)

    @cached_property
    def activations(self) -> Tensor:
        """Float[batch*pos neuron] on the held-out text, measured when they are first needed."""
        return neuron_activations(build_model(self.weights), self.symmetry.tokens(self.text.tokens))

    def column(self, neuron: str) -> int:
        """The index of a neuron on the ``neuron`` axis."""
        return _columns(int(self.weights.config["n_layers"]), int(self.weights.config["d_mlp"]))[neuron]

    def statistic(self, asked: AskedQuestion, neurons: Sequence[str]) -> list[float]:
        """The statistic of some neurons for a question, on the held-out text."""
        columns = [self.column(neuron) for neuron in neurons]
        feature = asked.question.feature.values(self.text).flatten()[:, None]
        return asked.question.statistic(variance_explained(self.activations[:, columns], feature)[:, 0]).tolist()


@cache
def _columns(n_layers: int, d_mlp: int) -> dict[str, int]:
    return {str(neuron): column for column, neuron in enumerate(all_neurons(n_layers, d_mlp))}
