"""What is measured, and in which steps: the contract between a measurement, its store and its command."""

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

#: Arrays of one step by name; strings are kept as arrays of fixed-width unicode.
Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"


@dataclass
class Context:
    """What a step may use.

    Attributes:
        spec: Specification of the real language model.
        progress: To be called now and then during a step, with the fraction of *this step* that is done.
        results: The arrays of the steps before it, by step.
    """

    spec: str
    progress: ProgressCallback
    results: dict[str, Arrays] = field(default_factory=dict)

    @cached_property
    def model(self) -> HookedTransformer:
        """The model, on the device in force, without gradients; loaded when first asked for."""
        from scribe_suite.models.evaluator import evaluator_model

        return evaluator_model(self.spec)

    @cached_property
    def twin(self) -> HookedTransformer:
        """The same shape with random weights: the control of every claim about what training has put there."""
        from scribe_suite.models.evaluator import untrained_model

        return untrained_model(self.spec)


@dataclass(frozen=True)
class Step:
    """One part of a measurement: what is kept when a run is interrupted after it.

    Attributes:
        name: Short, of letters, digits and ``_``.
        summary: What is being done, for the progress line.
        compute: Gives the arrays of the step; must not depend on anything but the context.
    """

    name: str
    summary: str
    compute: Callable[[Context], Arrays]


class Measurement(ABC):
    """An exhaustive computation on one model whose result is the truth of one or several tasks.

    Attributes, of the class or of its objects:
        id: ``family/name``, its place below ``ground_truth/measured``.
        version: Raised whenever the steps, or what they mean, change.
        summary: One line for lists.
        cost: What it takes on one CPU thread, in words ("12 CPU minutes").
    """

    id: str
    version: int = 1
    summary: str
    cost: str

    @abstractmethod
    def inputs_sha256(self) -> str:
        """Checksum of the data that the steps read besides the model (texts, lists); a result for others is stale."""

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """In the order in which they are done. A few to some dozens, each of at most some minutes."""

    @abstractmethod
    def checks(self, results: Mapping[str, Arrays]) -> Sequence[Check]:
        """The certificate: why the result can be trusted (sizes, controls, agreement of halves), each with its bar."""

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """What of the steps' arrays is kept as the result; all of them, as ``step/array``, unless overridden."""
        return {f"{step}/{name}": value for step, arrays in results.items() for name, value in arrays.items()}
