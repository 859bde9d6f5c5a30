"""Checks the patches of a request against the model and the runs that provide values, and makes them canonical."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from scribe_suite.laboratory import sites
from scribe_suite.laboratory.recipes import Recipe
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.requests import PatchRequest, PromptChoice
from scribe_suite.laboratory.runs import Runs
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.sites import READ_ONLY, Site, SiteError

#: Tensors of a request that are not vectors of patches.
PROMPT_TENSORS = frozenset({"tokens", "lengths"})


class PatchReader:
    """Reads the patches of one request.

    Args:
        shape: The model's shape.
        runs: The attempt's runs.
        size: Prompts and positions of the patched run.
        shortest: The number of positions that all its prompts have.
        tensors: The request's tensors.

    Attributes:
        vectors: Tensors of the patches, by names that depend only on their content.
    """

    def __init__(
        self,
        shape: ModelShape,
        runs: Runs,
        size: tuple[int, ...],
        shortest: int,
        tensors: Mapping[str, np.ndarray],
    ) -> None:
        self._shape, self._runs, self._tensors = shape, runs, tensors
        self._n_prompts, self._n_positions = size
        self._shortest = shortest
        self._patches: list[tuple[Site, dict[str, Any]]] = []
        self._used: set[str] = set()
        self._needs: dict[str, None] = {}
        self.vectors: dict[str, Float[np.ndarray, "..."]] = {}

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the runs that provide values."""
        return tuple(self._needs)

    def in_order(self) -> list[dict[str, Any]]:
        """The patches in the order of the computation; several at one site in the order of the request."""
        return [patch for _site, patch in sorted(self._patches, key=lambda each: each[0].order)]

    def add(self, request: PatchRequest) -> None:
        """Check and add one patch.

        Raises:
            RefusedError: When it is invalid.
        """
        try:
            site = sites.parse_site(request.site)
            sites.check_site(site, self._shape, self._shortest)
            if site.kind in READ_ONLY:
                raise SiteError(f"{site} can be read only.")
            patch: dict[str, Any] = {"kind": request.kind, "site": str(site)}
            if request.kind == "path":
                receiver = sites.parse_receiver(request.to)
                sites.check_site(receiver, self._shape)
                sites.check_path(site, receiver)
                patch["to"] = str(receiver)
            if request.kind in ("interchange", "mean", "subspace", "path"):
                source = self._source(site, request.run)
                patch["run"] = source.name
                if request.kind != "mean":
                    patch["prompt"] = self._prompt(site, request.prompt, source)
        except SiteError as error:
            raise RefusedError(str(error)) from None
        if request.kind in ("add", "set"):
            patch["vector"] = self._vector(site, request.vector)
        if request.kind == "subspace":
            patch["Q"] = self._basis(site, request.Q)
        self._patches.append((site, patch))

    def require_all_used(self) -> None:
        """Refuse tensors that no patch has named.

        Raises:
            RefusedError: When there are unused tensors.
        """
        if unused := sorted(set(self._tensors) - self._used - PROMPT_TENSORS):
            raise RefusedError(f"No patch uses the tensor {unused[0][:40]!r}.")

    def _source(self, site: Site, name: str) -> Recipe:
        source = self._runs.get(name).recipe
        n_positions = source.tokens.shape[1]
        if site.position is None and n_positions != self._n_positions:
            raise RefusedError(
                f"The patch at {site} takes values of prompts with {n_positions} positions for prompts with "
                f"{self._n_positions}: name one position."
            )
        sites.check_site(site, self._shape, n_positions if source.lengths is None else int(source.lengths.min()))
        self._needs[name] = None
        return source

    def _prompt(self, site: Site, choice: PromptChoice, source: Recipe) -> PromptChoice:
        count = len(source.tokens)
        if choice is None:
            if count != self._n_prompts:
                raise RefusedError(
                    f"The patch at {site} takes values prompt by prompt, but {source.name} has {count} prompts and "
                    f"this run has {self._n_prompts}: name one prompt, or one for each."
                )
            return None
        each = [choice] if isinstance(choice, int) else choice
        if not all(0 <= one < count for one in each):
            raise RefusedError(f"The patch at {site} names a prompt that is none of 0 to {count - 1} of {source.name}.")
        if isinstance(choice, list) and len(choice) != self._n_prompts:
            raise RefusedError(f"The patch at {site} names {len(choice)} prompts for {self._n_prompts}.")
        return choice

    def _vector(self, site: Site, name: str) -> str:
        size = sites.width(site, self._shape)
        shapes: list[tuple[int, ...]] = [(size,), (self._n_prompts, size)]
        if site.position is None:
            shapes.append((self._n_prompts, self._n_positions, size))
        return self._floats(site, name, "The vector", shapes)

    def _basis(self, site: Site, name: str) -> str:
        size = sites.width(site, self._shape)
        given = self._tensors.get(name)
        if given is not None and given.ndim == 2 and given.shape[0] == size and not np.any(given):
            raise RefusedError(f"Q for {site} has no direction but zero.")
        return self._floats(site, name, "Q", [(size, count) for count in range(1, size + 1)], f"[{size}, directions]")

    def _floats(
        self, site: Site, name: str, what: str, shapes: Sequence[tuple[int, ...]], known: str | None = None
    ) -> str:
        """Add a tensor of the request; returns its canonical name."""
        tensor = None if name in PROMPT_TENSORS else self._tensors.get(name)
        if tensor is None:
            raise RefusedError(f"{what} for {site} is the name of a tensor that came with the request.")
        if tensor.dtype.kind != "f":
            raise RefusedError(f"{what} for {site} has numbers of type {tensor.dtype}; it needs floats.")
        if tensor.shape not in shapes:
            known = known or " or ".join(str(list(shape)) for shape in shapes)
            raise RefusedError(f"{what} for {site} has the shape {list(tensor.shape)[:8]}; it needs {known}.")
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(tensor, dtype=np.float32)
        if not np.isfinite(values).all():
            raise RefusedError(f"{what} for {site} has values that are not finite.")
        self._used.add(name)
        checksum = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
        self.vectors[checksum[:16]] = values
        return checksum[:16]
