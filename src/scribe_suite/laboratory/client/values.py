"""Requests to the laboratory and their results, as objects: patches, metrics, runs, the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scribe_suite.laboratory.client.wire import LabError

#: What `Run.returns` is where outputs are withheld.
_NOTHING = "nothing"


@dataclass(frozen=True)
class Patch:
    """A change that a run makes; made by `interchange`, `zero`, `mean`, `add`, `set_to`, `subspace` and `path`.

    Attributes:
        fields: What it is.
        tensor: Name of its field for a tensor, or None.
        value: The tensor.
    """

    fields: Mapping[str, Any]
    tensor: str | None = None
    value: Tensor | None = None

    def __repr__(self) -> str:
        rest = ", ".join(f"{key}={value!r}" for key, value in self.fields.items() if key not in ("kind", "site"))
        return f"{self.fields['kind']}({self.fields['site']!r}{', ' if rest else ''}{rest})"


@dataclass(frozen=True)
class Metric:
    """What gradients are of; made by `logit`."""

    labels: int | list[int]
    minus: int | list[int] | None = None


@dataclass(frozen=True)
class Price:
    """What a run would cost.

    Attributes:
        price: In the unit of the budget.
        left: What is left of the budget now.
        repeated: Whether it is identical to an earlier run, and so free.
    """

    price: int
    left: int
    repeated: bool

    def __int__(self) -> int:
        return self.price


@dataclass(frozen=True)
class Budget:
    """What all runs of the attempt may cost together, over all its notebook sessions.

    Attributes:
        spent: Until now.
        left: What can still be spent.
        total: What there was.
        unit: What is counted: prompts or tokens.
    """

    spent: int
    left: int
    total: int
    unit: str

    def __repr__(self) -> str:
        return f"{self.left:,} of {self.total:,} {self.unit}s left"


class SiteValues(Mapping[str, Tensor]):
    """Tensors by site."""

    def __init__(self, values: Mapping[str, Tensor], how: str) -> None:
        self._values, self._how = dict(values), how

    def __getitem__(self, site: str) -> Tensor:
        if site not in self._values:
            known = ", ".join(self._values) or "none"
            raise LabError(f"This run has nothing for {site!r}; it has {known}: name sites in {self._how}=.")
        return self._values[site]

    def __contains__(self, site: object) -> bool:
        return site in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, repr=False)
class Run:
    """A run: what it gave, and a handle that later runs can patch from.

    ``run["a1.h0"]`` is a site that was read, ``run.grad["m1"]`` a gradient. The outputs are under the name of what this
    laboratory returns: `logits`, `log_probs`, `labels` or `samples`; where it returns nothing, there are none.

    Attributes:
        id: Its name in the laboratory; identical runs have the same one.
        price: What was charged for it now.
        left: What is left of the budget after it.
        repeated: Whether it had been done before, and was free.
        returns: What an output is.
        outputs: One row for each prompt; with several positions, those come second.
        read: Tensors of the sites that were read.
        grad: Gradients by site.
    """

    id: str
    price: int
    left: int
    repeated: bool
    returns: str
    outputs: Tensor
    read: SiteValues = field(default_factory=lambda: SiteValues({}, "read"))
    grad: SiteValues = field(default_factory=lambda: SiteValues({}, "grad_at"))

    def __getitem__(self, site: str) -> Tensor:
        return self.read[site]

    @property
    def logits(self) -> Tensor:
        """Logits, where the laboratory returns them."""
        return self._returned("logits")

    @property
    def log_probs(self) -> Tensor:
        """Log-probabilities, where the laboratory returns them."""
        return self._returned("log_probs")

    @property
    def labels(self) -> Tensor:
        """The most probable ids, where the laboratory returns them."""
        return self._returned("labels")

    @property
    def samples(self) -> Tensor:
        """Ids drawn from the model's distribution, where the laboratory returns them."""
        return self._returned("samples")

    def _returned(self, name: str) -> Tensor:
        if self.returns == _NOTHING:
            raise LabError(f"This laboratory does not return {name}: it gives what is read, and no outputs.")
        if name != self.returns:
            raise LabError(f"This laboratory does not return {name}: use run.{self.returns}.")
        return self.outputs

    def __repr__(self) -> str:
        parts = ["no outputs" if self.returns == _NOTHING else f"{self.returns} {list(self.outputs.shape)}"]
        for what, values in (("read", self.read), ("gradients", self.grad)):
            shown = [f"{site} {list(value.shape)}" for site, value in values.items()]
            if shown:
                more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
                parts.append(f"{what} {', '.join(shown[:4])}{more}")
        cost = "free, as it had been run before" if self.repeated else f"cost {self.price:,}"
        return f"<Run {self.id}: {'; '.join(parts)}; {cost}; {self.left:,} left>"


def whole_numbers(values: Any, what: str) -> Tensor:
    """Lists, arrays or tensors of whole numbers as a tensor.

    Raises:
        LabError: When they are something else.
    """
    if isinstance(values, str) or (isinstance(values, list | tuple) and any(isinstance(one, str) for one in values)):
        raise LabError(f"{what} are whole numbers, not texts; lab.tokenize gives the ids of a text.")
    try:
        tensor = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise LabError(f"{what} are whole numbers in lists of one length, or an array of them.") from None
    if tensor.numel() and (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool):
        raise LabError(f"{what} are whole numbers, not {str(tensor.dtype).removeprefix('torch.')}.")
    return tensor.to(torch.int64)


def floats(values: Any, what: str) -> Tensor:
    """Lists, arrays or tensors of numbers as a tensor of 32-bit floats.

    Raises:
        LabError: When they are something else.
    """
    try:
        tensor = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise LabError(f"{what} is an array of numbers.") from None
    if tensor.is_complex():
        raise LabError(f"{what} is an array of real numbers.")
    return tensor.to(torch.float32).contiguous().clone()


def ids(values: Any, what: str) -> int | list[int]:
    """One id, or a list of them."""
    tensor = whole_numbers(values, what)
    if tensor.ndim > 1:
        raise LabError(f"{what} are one number, or a list with one for each prompt.")
    listed: int | list[int] = tensor.tolist()
    return listed
