"""Applies patches to the values at their sites."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .runs import Patch, Run

#: The value at a site, at all positions.
Value = Float[Tensor, "prompt position width"]


class Patcher:
    """Applies one patch to some prompts of a run.

    Args:
        patch: The patch.
        run: The patched run.
        source: The run that provides values, or None.
        value: That run's values at the site, for all prompts.
        device: The device of the values.
    """

    def __init__(self, patch: Patch, run: Run, source: Run | None, value: Value | None, device: torch.device) -> None:
        self.patch = patch
        self._device = device
        position = patch.site.position
        self._target = None if position is None else run.index(position).to(device)
        self._values = None
        if source is not None and value is not None:
            self._values = value if position is None else _at(value, source.index(position).to(device))
            if patch.kind == "mean":
                valid = torch.ones_like(source.lengths, dtype=torch.bool)[:, None]
                if position is None:
                    valid = torch.arange(source.n_positions)[None] < source.lengths[:, None]
                self._values = _mean(self._values, valid.to(device))
        self._vector = None if patch.vector is None else patch.vector.to(device)
        self._basis = None if patch.basis is None else patch.basis.to(device)

    def apply(self, value: Value, rows: slice) -> Value:
        """The value after the patch.

        Args:
            value: The value before it; not changed.
            rows: The prompts of the run that it belongs to.
        """
        if self._target is None:
            return self._changed(value, rows)
        target = self._target[rows]
        changed = self._changed(_at(value, target), rows)
        return value.index_put((torch.arange(len(value), device=self._device), target), changed)

    def _changed(self, now: Tensor, rows: slice) -> Tensor:
        """The new value, at all positions or at one position of each prompt."""
        kind = self.patch.kind
        if kind == "zero":
            return torch.zeros_like(now)
        if kind in ("add", "set"):
            vector = self._given(now, rows)
            return now + vector if kind == "add" else vector.expand_as(now)
        other = self._other(rows).expand_as(now)
        if kind == "subspace":
            assert self._basis is not None
            return now + (other - now) @ self._basis @ self._basis.T
        return other  # interchange, mean, and what a path's receiver reads of its sender

    def _given(self, now: Tensor, rows: slice) -> Tensor:
        assert self._vector is not None
        if self._vector.ndim == 1:
            return self._vector
        own = self._vector[rows]
        return own[:, None] if own.ndim < now.ndim else own

    def _other(self, rows: slice) -> Tensor:
        """The source's values for these prompts."""
        assert self._values is not None
        if self.patch.kind == "mean":
            return self._values[None]
        prompt = self.patch.prompt
        if prompt is None:
            return self._values[rows]
        if isinstance(prompt, int):
            return self._values[prompt : prompt + 1]
        return self._values[prompt[rows].to(self._device)]


def _at(value: Value, index: Int[Tensor, " prompt"]) -> Float[Tensor, "prompt width"]:
    """The value at one position of each prompt."""
    return value[torch.arange(len(value), device=value.device), index]


def _mean(value: Tensor, valid: Tensor) -> Tensor:
    """The mean over prompts, without their padding; zero where all are padded."""
    weight = valid.to(value.dtype)
    weight = weight[..., None] if weight.ndim < value.ndim else weight
    return (value * weight).sum(0) / weight.sum(0).clamp(min=1)
