"""The contract between a measurement, its store and its command: what is measured, and in which steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from scribe_suite.planting.frozen import Check
from scribe_suite.progress import ProgressCallback

if TYPE_CHECKING:  # a result is looked up without a model and without reading arrays
    from numpy.typing import NDArray
    from transformer_lens import HookedTransformer

#: Arrays of one step by name; strings are stored as arrays of fixed-width unicode.
Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"


@dataclass
class Context:
    """What a step may use.

    Attributes:
        spec: Specification of the real language model.
        progress: To be called from time to time during a step, with the completed fraction of *this step*.
        results: The arrays of the earlier steps, by step.
    """

    spec: str
    progress: ProgressCallback
    results: dict[str, Arrays] = field(default_factory=dict)

    @cached_property
    def model(self) -> HookedTransformer:
        """The model, on the chosen device, without gradients; loaded on first use."""
        from scribe_suite.models.evaluator import evaluator_model

        return evaluator_model(self.spec)

    @cached_property
    def twin(self) -> HookedTransformer:
        """The same shape with random weights: the control for every claim about what training has produced."""
        from scribe_suite.models.evaluator import untrained_model

        return untrained_model(self.spec)


@dataclass(frozen=True)
class Step:
    """One part of a measurement; its results are kept when the run is interrupted later.

    Attributes:
        name: A short name of letters, digits and ``_``.
        summary: What is being done, for the progress line.
        compute: Computes the arrays of the step; must depend only on the context.
    """

    name: str
    summary: str
    compute: Callable[[Context], Arrays]


class Measurement(ABC):
    """An exhaustive computation on one model; its result is the truth of one or several tasks.

    Attributes of the class or of its objects:
        id: ``family/name``, its place below ``ground_truth/measured``.
        version: Raised whenever the steps, or what they mean, change.
        summary: One line for lists.
        cost: The time it takes on one CPU thread, in words ("12 CPU minutes").
    """

    id: str
    version: int = 1
    summary: str
    cost: str

    @abstractmethod
    def inputs_sha256(self) -> str:
        """Checksum of the data (texts, lists) that the steps read besides the model; others make a result stale."""

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """The steps in order: from a few up to dozens, each of at most a few minutes."""

    @abstractmethod
    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """The certificate: why the result can be trusted (sizes, controls, agreement of halves), each with its bar."""

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """The part of the steps' arrays that is the result; by default all of them, as ``step/array``."""
        return {f"{step}/{name}": value for step, arrays in results.items() for name, value in arrays.items()}
