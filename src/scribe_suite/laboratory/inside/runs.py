"""Turns a request's recipes into runs: all input is untrusted and validated here.

The desk has made the same checks before charging; a refusal here means a bug in one of the two, or an attack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..limits import MAX_PROMPTS, MAX_RUNS, MAX_TOKENS
from ..sites import READ_ONLY, Site, SiteError, check_path, check_site, parse_receiver, parse_site, width
from .loading import ModelSizes
from .refusal import RefusedError

#: Kind of patch -> the fields it has besides ``kind`` and ``site``.
FIELDS: Mapping[str, frozenset[str]] = {
    "interchange": frozenset(["run", "prompt"]),
    "zero": frozenset(),
    "mean": frozenset(["run"]),
    "add": frozenset(["vector"]),
    "set": frozenset(["vector"]),
    "subspace": frozenset(["Q", "run", "prompt"]),
    "path": frozenset(["to", "run", "prompt"]),
}
#: Directions of a subspace that are smaller than its largest one by this factor are rounding errors.
_RANK_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Patch:
    """One change of a run.

    Attributes:
        kind: A key of `FIELDS`.
        site: The changed site; for a path, its sender.
        source: Number of the recipe that provides values, or None.
        prompt: Which prompt of the source: one for all, one for each, or None for prompt by prompt.
        vector: The added or set vector.
        basis: Orthonormal directions.
        receiver: The receiver of a path.
    """

    kind: str
    site: Site
    source: int | None = None
    prompt: int | Int[Tensor, " prompt"] | None = None
    vector: Float[Tensor, "..."] | None = None
    basis: Float[Tensor, "width direction"] | None = None
    receiver: Site | None = None


@dataclass(frozen=True)
class Run:
    """A run to compute.

    Attributes:
        tokens: Token ids, padded on the right.
        lengths: The lengths of the prompts.
        patches: In the order of the computation; several at one site in the order of the request.
    """

    tokens: Int[Tensor, "prompt position"]
    lengths: Int[Tensor, " prompt"]
    patches: tuple[Patch, ...] = field(default=())

    @property
    def n_prompts(self) -> int:
        """The number of prompts."""
        return self.tokens.shape[0]

    @property
    def n_positions(self) -> int:
        """The number of positions of a prompt, padding included."""
        return self.tokens.shape[1]

    @property
    def shortest(self) -> int:
        """The number of positions that every prompt has."""
        return int(self.lengths.min())

    def index(self, position: int) -> Int[Tensor, " prompt"]:
        """The index of a position in each prompt; negative ones count from its own end."""
        return self.lengths + position if position < 0 else torch.full_like(self.lengths, position)


def parse_runs(recipes: object, tensors: Mapping[str, Tensor], sizes: ModelSizes) -> list[Run]:
    """The runs of a request; each patches only from earlier ones, so there are no cycles.

    Args:
        recipes: As `recipes.run_message` of the package writes them.
        tensors: The same.
        sizes: The model's sizes.

    Raises:
        RefusedError: When they are invalid.
    """
    if not isinstance(recipes, list) or not recipes or not all(isinstance(recipe, dict) for recipe in recipes):
        raise RefusedError("A request needs a list of recipes.")
    if len(recipes) > MAX_RUNS:
        raise RefusedError(f"The run is computed from {len(recipes)} runs; at most {MAX_RUNS} are allowed.")
    runs: list[Run] = []
    numbers: dict[str, int] = {}
    used: set[str] = set()
    for number, recipe in enumerate(recipes):
        name = recipe.get("name")
        if not isinstance(name, str) or name in numbers:
            raise RefusedError("Every recipe needs a name of its own.")
        parser = _Parser(number, tensors, sizes, runs, dict(numbers))
        runs.append(parser.run(recipe.get("patches", [])))
        numbers[name] = number
        used |= parser.used
    if unused := sorted(set(tensors) - used):
        raise RefusedError(f"No patch uses the tensor {unused[0].rpartition('/')[2]!r}.")
    return runs


class _Parser:
    """Reads one recipe.

    Args:
        number: The recipe's number.
        tensors: The request's tensors.
        sizes: The model's sizes.
        earlier: The runs before it.
        numbers: Their numbers by name.
    """

    def __init__(
        self,
        number: int,
        tensors: Mapping[str, Tensor],
        sizes: ModelSizes,
        earlier: Sequence[Run],
        numbers: Mapping[str, int],
    ) -> None:
        self._prefix = f"{number}/"
        self._tensors = tensors
        self._sizes = sizes
        self._earlier = earlier
        self._numbers = numbers
        self.used: set[str] = set()

    def run(self, patches: object) -> Run:
        run = self._prompts()
        if not isinstance(patches, list) or not all(isinstance(patch, dict) for patch in patches):
            raise RefusedError("Patches are a list of objects.")
        parsed = [self._patch(patch, run) for patch in patches]
        parsed = [each for patch in parsed for each in _expanded(patch)]
        _refuse_overlapping_paths(parsed)
        return Run(run.tokens, run.lengths, tuple(sorted(parsed, key=lambda patch: patch.site.order)))

    def _take(self, name: str) -> Tensor | None:
        self.used.add(self._prefix + name)
        return self._tensors.get(self._prefix + name)

    def _prompts(self) -> Run:
        tokens = self._take("tokens")
        if tokens is None or tokens.dtype != torch.int64 or tokens.ndim != 2 or not tokens.numel():
            raise RefusedError("Tokens are an int64 tensor with the axes prompt and position.")
        n_prompts, n_positions = tokens.shape
        if n_prompts > MAX_PROMPTS or tokens.numel() > MAX_TOKENS:
            raise RefusedError(
                f"The run has {n_prompts:,} prompts and {tokens.numel():,} tokens; at most {MAX_PROMPTS:,} prompts and "
                f"{MAX_TOKENS:,} tokens are allowed."
            )
        if n_positions > self._sizes.n_ctx:
            raise RefusedError(f"The prompts have {n_positions} positions; the model takes {self._sizes.n_ctx}.")
        if int(tokens.min()) < 0 or int(tokens.max()) >= self._sizes.d_vocab:
            raise RefusedError(f"Tokens are numbers from 0 to {self._sizes.d_vocab - 1}.")
        lengths = self._take("lengths")
        if lengths is None:
            lengths = torch.full((n_prompts,), n_positions)
        if lengths.dtype != torch.int64 or lengths.shape != (n_prompts,):
            raise RefusedError("Lengths are an int64 tensor with one number for each prompt.")
        if int(lengths.min()) < 1 or int(lengths.max()) > n_positions:
            raise RefusedError(f"Lengths are numbers from 1 to {n_positions}, the positions of the tokens.")
        return Run(tokens, lengths)

    def _patch(self, patch: Mapping[str, Any], run: Run) -> Patch:
        kind = patch.get("kind")
        if not isinstance(kind, str) or kind not in FIELDS:
            raise RefusedError(f"A patch is of the kind {', '.join(FIELDS)}.")
        if unknown := set(patch) - FIELDS[kind] - {"kind", "site"}:
            raise RefusedError(f"A patch of the kind {kind} has no {min(unknown)!r}.")
        site = self.site(patch.get("site"), run)
        if site.kind in READ_ONLY:
            raise RefusedError(f"{site} can be read only.")
        receiver = self._receiver(site, patch.get("to")) if kind == "path" else None
        source = self._source(site, patch.get("run"), run) if "run" in FIELDS[kind] else None
        prompt = None
        if source is not None and "prompt" in FIELDS[kind]:
            prompt = self._prompt(site, patch.get("prompt"), run, self._earlier[source])
        vector = self._vector(site, patch.get("vector"), run) if "vector" in FIELDS[kind] else None
        basis = self._basis(site, patch.get("Q")) if "Q" in FIELDS[kind] else None
        return Patch(kind, site, source, prompt, vector, basis, receiver)

    def site(self, text: object, run: Run) -> Site:
        """The site that a text names, which every prompt of a run has."""
        return checked_site(text, run, self._sizes)

    def _receiver(self, sender: Site, text: object) -> Site:
        try:
            receiver = parse_receiver(text)
            check_site(receiver, self._sizes)
            check_path(sender, receiver)
        except SiteError as error:
            raise RefusedError(str(error)) from None
        return receiver

    def _source(self, site: Site, name: object, run: Run) -> int:
        number = self._numbers.get(name) if isinstance(name, str) else None
        if number is None:
            raise RefusedError(f"The patch at {site} needs the name of an earlier run.")
        source = self._earlier[number]
        if site.position is None and source.n_positions != run.n_positions:
            raise RefusedError(
                f"The patch at {site} takes values of prompts with {source.n_positions} positions for prompts with "
                f"{run.n_positions}: name one position."
            )
        checked_site(str(site), source, self._sizes)
        return number

    def _prompt(self, site: Site, prompt: object, run: Run, source: Run) -> int | Int[Tensor, " prompt"] | None:
        if prompt is None:
            if source.n_prompts != run.n_prompts:
                raise RefusedError(
                    f"The patch at {site} takes values prompt by prompt, but {source.n_prompts} prompts have been run "
                    f"and {run.n_prompts} are patched: name one prompt."
                )
            return None
        each: list[Any] = prompt if isinstance(prompt, list) else [prompt]
        if not all(type(one) is int and 0 <= one < source.n_prompts for one in each):
            raise RefusedError(f"The patch at {site} names a prompt that is none of 0 to {source.n_prompts - 1}.")
        if not isinstance(prompt, list):
            return int(each[0])
        if len(each) != run.n_prompts:
            raise RefusedError(f"The patch at {site} names {len(each)} prompts for {run.n_prompts}.")
        return torch.tensor(each)

    def _floats(self, site: Site, name: object) -> Float[Tensor, "..."]:
        tensor = self._take(f"vectors/{name}") if isinstance(name, str) else None
        if tensor is None:
            raise RefusedError(f"The patch at {site} needs a tensor that came with the request.")
        if not tensor.is_floating_point():
            raise RefusedError(f"The patch at {site} needs floats, not {str(tensor.dtype).removeprefix('torch.')}.")
        tensor = tensor.float()
        if not bool(torch.isfinite(tensor).all()):
            raise RefusedError(f"The patch at {site} has a tensor with values that are not finite.")
        return tensor

    def _vector(self, site: Site, name: object, run: Run) -> Float[Tensor, "..."]:
        vector, size = self._floats(site, name), width(site, self._sizes)
        shapes = [(size,), (run.n_prompts, size)]
        if site.position is None:
            shapes.append((run.n_prompts, run.n_positions, size))
        if tuple(vector.shape) not in shapes:
            known = " or ".join(str(list(shape)) for shape in shapes)
            raise RefusedError(f"The vector for {site} has the shape {list(vector.shape)[:8]}; it needs {known}.")
        return vector

    def _basis(self, site: Site, name: object) -> Float[Tensor, "width direction"]:
        given, size = self._floats(site, name), width(site, self._sizes)
        if given.ndim != 2 or given.shape[0] != size or not 1 <= given.shape[1] <= size:
            raise RefusedError(
                f"Q for {site} has the shape {list(given.shape)[:8]}; it needs [{size}, directions], at most {size}."
            )
        left, lengths, _ = torch.linalg.svd(given.double(), full_matrices=False)
        basis: Tensor = left[:, lengths > _RANK_TOLERANCE * lengths.max()]
        if not basis.shape[1]:
            raise RefusedError(f"Q for {site} has no direction but zero.")
        return basis.float()


def checked_site(text: object, run: Run, sizes: ModelSizes) -> Site:
    """The site that a text names, which every prompt of a run has.

    Raises:
        RefusedError: When there is none.
    """
    try:
        site = parse_site(text)
        check_site(site, sizes, run.shortest)
    except SiteError as error:
        raise RefusedError(str(error)) from None
    return site


def _expanded(patch: Patch) -> list[Patch]:
    """A patch, and its effects on sites that are computed before its own.

    An interchanged head also gets the other run's ``z``, so that reading it is consistent.
    """
    if patch.kind != "interchange" or patch.site.kind != "head":
        return [patch]
    site = Site("z", patch.site.layer, patch.site.index, patch.site.position)
    return [Patch("interchange", site, patch.source, patch.prompt), patch]


def _refuse_overlapping_paths(patches: Sequence[Patch]) -> None:
    """Refuse paths from an MLP and one of its neurons to one receiver, whose input would be undefined."""
    paths = [(patch.site, patch.receiver) for patch in patches if patch.kind == "path"]
    whole = {(site.layer, receiver) for site, receiver in paths if site.kind == "mlp"}
    for site, receiver in paths:
        if site.kind == "neuron" and (site.layer, receiver) in whole:
            raise RefusedError(f"Paths to {receiver} start at {site} and at m{site.layer}, of which it is a part.")
