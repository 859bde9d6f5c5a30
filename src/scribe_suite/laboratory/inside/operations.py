"""Computes a run from its recipe: the runs it needs, their order, and the results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from ..sites import Site, value_shape
from .loading import LoadedModel, ModelSizes
from .passes import ForwardPass, written
from .patching import Patcher
from .refusal import RefusedError
from .runs import Patch, Run, parse_runs
from .wanted import GRADIENT, OUTPUTS, Wanted, parse_wanted

#: Approximate limit of one pass, in bytes; more prompts are split.
PASS_BYTES = 256 << 20
#: Approximate limit of a pass of one prompt, in bytes: gradients of a long one take most of the process's memory.
PROMPT_BYTES = 6 << 30
#: Most bytes that are kept of all runs that one run patches from.
MAX_KEPT = 1 << 30
_FLOAT_BYTES = 4


def run(loaded: LoadedModel, recipes: object, wanted: object, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute the last of some recipes, and what it needs from the others.

    Args:
        loaded: The model.
        recipes: As `recipes.run_message` of the package writes them.
        wanted: The same.
        tensors: The same.

    Returns:
        ``outputs`` (prompt, position unless it is the last one, label unless these are labels), and the sites that were
        read by name, and gradients by `GRADIENT` and name.

    Raises:
        RefusedError: When something is wrong with the request.
    """
    runs = parse_runs(recipes, tensors, loaded.sizes)
    checked = parse_wanted(wanted, runs[-1], loaded.sizes)
    needed = needs(runs)
    _check_kept(needed, runs, loaded)
    _check_prompt(loaded, runs[-1], checked)
    kept: dict[int, dict[Site, Tensor]] = {}
    for number, one in enumerate(runs[:-1]):
        if needed[number]:
            kept[number] = _values(loaded, one, runs, kept, sorted(needed[number], key=str))
            for other in _no_longer_needed(runs, needed, number):
                kept.pop(other, None)
    return _results(loaded, runs[-1], runs, kept, checked)


def needs(runs: Sequence[Run]) -> list[set[Site]]:
    """For each run the sites, at all positions, that the last one is computed from."""
    needed: list[set[Site]] = [set() for _ in runs]
    for number in range(len(runs) - 1, -1, -1):
        if needed[number] or number == len(runs) - 1:
            for patch in runs[number].patches:
                if patch.source is not None:
                    needed[patch.source].add(patch.site.everywhere)
    return needed


def _no_longer_needed(runs: Sequence[Run], needed: Sequence[set[Site]], done: int) -> Iterator[int]:
    """Runs from which nothing after `done` patches."""
    later = {
        patch.source
        for number in range(done + 1, len(runs))
        if needed[number] or number == len(runs) - 1
        for patch in runs[number].patches
    }
    return (number for number in range(done + 1) if number not in later)


def _check_kept(needed: Sequence[set[Site]], runs: Sequence[Run], loaded: LoadedModel) -> None:
    size = sum(
        _FLOAT_BYTES * math.prod(value_shape(site, loaded.sizes, one.n_prompts, one.n_positions))
        for one, sites in zip(runs, needed, strict=True)
        for site in sites
    )
    if size > MAX_KEPT:
        raise RefusedError(
            f"The runs that are patched from would take {size:,} bytes, and {MAX_KEPT >> 30} GiB can be: take fewer "
            "prompts or sites."
        )


def _patchers(
    loaded: LoadedModel, one: Run, runs: Sequence[Run], kept: Mapping[int, Mapping[Site, Tensor]]
) -> list[Patcher]:
    def patcher(patch: Patch) -> Patcher:
        if patch.source is None:
            return Patcher(patch, one, None, None, loaded.device)
        site = patch.site.everywhere
        value = kept[patch.source][site]
        if patch.kind == "path":
            value = written(loaded.model, site, value)
        return Patcher(patch, one, runs[patch.source], value, loaded.device)

    return [patcher(patch) for patch in one.patches]


def _parts(loaded: LoadedModel, one: Run, n_outputs: int, *, gradients: bool) -> Iterator[slice]:
    """How prompts are split: a function of the request alone, so that rounding is reproducible."""
    count = max(1, PASS_BYTES // _bytes_of_a_prompt(loaded.sizes, one.n_positions, n_outputs, gradients=gradients))
    return (slice(start, min(start + count, one.n_prompts)) for start in range(0, one.n_prompts, count))


def _bytes_of_a_prompt(sizes: ModelSizes, positions: int, n_outputs: int, *, gradients: bool) -> int:
    """Approximate bytes of a pass per prompt: one block at a time, or for gradients those of all blocks."""
    width, patterns = 8 * sizes.d_model + 4 * sizes.d_mlp + 6 * sizes.n_heads * sizes.d_head, sizes.n_heads * positions
    block = sizes.n_layers * 2 * (width + patterns) if gradients else width + 4 * patterns
    return _FLOAT_BYTES * (positions * block + 4 * n_outputs * sizes.d_vocab_out)


def _check_prompt(loaded: LoadedModel, one: Run, wanted: Wanted) -> None:
    """Refuse a prompt that would exceed the memory of the process."""
    if wanted.gradient is None:
        return
    size = _bytes_of_a_prompt(loaded.sizes, one.n_positions, wanted.index.shape[1], gradients=True)
    if size > PROMPT_BYTES:
        raise RefusedError(
            f"Gradients of a prompt with {one.n_positions:,} tokens would take {size / (1 << 30):.1f} GiB, and "
            f"{PROMPT_BYTES >> 30} GiB can be: take shorter prompts."
        )


def _values(
    loaded: LoadedModel,
    one: Run,
    runs: Sequence[Run],
    kept: Mapping[int, Mapping[Site, Tensor]],
    sites: Sequence[Site],
) -> dict[Site, Tensor]:
    """The values of a run at some sites."""
    patchers = _patchers(loaded, one, runs, kept)
    found: dict[Site, list[Tensor]] = {site: [] for site in sites}
    with torch.no_grad():
        for rows in _parts(loaded, one, 0, gradients=False):
            part = ForwardPass(loaded, one, rows, patchers, sites)
            part.hidden()
            for site in sites:
                found[site].append(part.kept[site])
    return {site: torch.cat(values) for site, values in found.items()}


def _results(
    loaded: LoadedModel, one: Run, runs: Sequence[Run], kept: Mapping[int, Mapping[Site, Tensor]], wanted: Wanted
) -> dict[str, Tensor]:
    patchers = _patchers(loaded, one, runs, kept)
    gradient = wanted.gradient
    uniform = wanted.uniform(one).gather(1, wanted.index)
    found: dict[tuple[str, Site | None], list[Tensor]] = {}
    for rows in _parts(loaded, one, wanted.index.shape[1], gradients=gradient is not None):
        with nullcontext() if gradient else torch.no_grad():
            keep = list(dict.fromkeys(kept for site in wanted.read for kept in (wanted.kept(site), wanted.scale(site))))
            part = ForwardPass(loaded, one, rows, patchers, keep, gradient.at if gradient else ())
            hidden = part.hidden()
            values: dict[tuple[str, Site | None], Tensor] = {("", site): part.kept[site] for site in keep}
            if gradient is not None:
                last = _logits(part, hidden, one.index(-1)[rows, None])[:, 0]
                metric = _picked(last, gradient.labels[rows])
                if gradient.minus is not None:
                    metric = metric - _picked(last, gradient.minus[rows])
                at_sites = part.gradients(metric.sum())
                for site in map(wanted.kept, gradient.at):
                    values[GRADIENT, site] = _at_position(at_sites[site.everywhere], one, rows, site)
        with torch.no_grad():
            logits = _logits(part, hidden.detach(), wanted.index[rows])
            values[OUTPUTS, None] = wanted.outputs(logits, uniform[rows])
        for key, value in values.items():
            found.setdefault(key, []).append(value.cpu())
    whole = {key: torch.cat(parts) for key, parts in found.items()}
    outputs = whole.pop((OUTPUTS, None))
    named = [("", wanted.kept(site)) for site in wanted.read]
    named += [(GRADIENT, wanted.kept(site)) for site in (gradient.at if gradient else ())]
    # gradients are scaled by their own size: those at all neurons of a block were not requested
    noisy = {
        (prefix, site): wanted.noisy(whole[prefix, site], whole.get((prefix, wanted.scale(site)), whole[prefix, site]))
        for prefix, site in dict.fromkeys(named)
    }
    results = {OUTPUTS: outputs[:, 0] if wanted.one_position else outputs}
    for prefix, sites in (("", wanted.read), (GRADIENT, gradient.at if gradient else ())):
        for site in sites:
            kept_as = wanted.kept(site)
            value = noisy[prefix, kept_as]
            if kept_as != site:
                value = _at_position(value, one, slice(None), site)
            results[f"{prefix}{site}"] = value[..., 0] if site.kind == "neuron" else value  # it has no axis for a width
    return {name: wanted.rounded(value) for name, value in results.items()}


def _logits(part: ForwardPass, hidden: Tensor, index: Tensor) -> Tensor:
    index = index.to(hidden.device)
    return part.logits(hidden[torch.arange(len(hidden), device=hidden.device)[:, None], index])


def _picked(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels.to(logits.device)[:, None])[:, 0]


def _at_position(value: Tensor, one: Run, rows: slice, site: Site) -> Tensor:
    if site.position is None:
        return value
    index = one.index(site.position)[rows].to(value.device)
    return value[torch.arange(len(value), device=value.device), index]
