"""Computes a run from its recipe: the runs it needs, their order, and the results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

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
#: Prefix and site; no site for outputs.
Name = tuple[str, Site | None]


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
    least: dict[Name, float] = {}
    if wanted.read_noise and one.patches:
        # patches could silence all of a block but one neuron, whose size the noise would then reveal
        least = _computed(loaded, replace(one, patches=()), (), wanted)[1]
    whole, sizes = _computed(loaded, one, _patchers(loaded, one, runs, kept), wanted)
    outputs = whole.pop((OUTPUTS, None))
    noisy = {
        (prefix, site): wanted.noisy(
            f"{prefix}{site}", value, _size(wanted.scale(site, loaded.sizes), prefix, sizes, least)
        )
        for (prefix, site), value in whole.items()
        if site is not None
    }
    results = {OUTPUTS: outputs[:, 0] if wanted.one_position else outputs}
    for prefix, sites in (("", wanted.read), (GRADIENT, wanted.gradient.at if wanted.gradient else ())):
        for site in sites:
            kept_as = wanted.kept(site)
            value = noisy[prefix, kept_as]
            if kept_as != site:
                value = _at_position(value, one, slice(None), site)
            results[f"{prefix}{site}"] = value[..., 0] if site.kind == "neuron" else value  # it has no axis for a width
    return {name: wanted.rounded(value) for name, value in results.items()}


def _size(block: Sequence[Site], prefix: str, sizes: Mapping[Name, float], least: Mapping[Name, float]) -> float:
    """The root mean square over sites of one block, with patches or without, whichever is larger."""
    if not block:
        return 0.0
    found = [[of.get((prefix, site), 0.0) for site in block] for of in (sizes, least)]
    return float(torch.tensor(found, dtype=torch.float64).mean(1).amax().sqrt())  # of NaN, NaN


def _computed(
    loaded: LoadedModel, one: Run, patchers: Sequence[Patcher], wanted: Wanted
) -> tuple[dict[Name, Tensor], dict[Name, float]]:
    """The outputs and values of a run, and the mean squares at the sites that determine the noise."""
    gradient = wanted.gradient
    named = {"": wanted.read, GRADIENT: gradient.at if gradient else ()}
    kept = {prefix: list(dict.fromkeys(map(wanted.kept, sites))) for prefix, sites in named.items()}
    scales = {
        prefix: list(dict.fromkeys(part for site in sites for part in wanted.scale(site, loaded.sizes)))
        for prefix, sites in named.items()
    }
    uniform = wanted.uniform(one).gather(1, wanted.index)
    found: dict[Name, list[Tensor]] = {}
    squares: dict[Name, float] = {}
    for rows in _parts(loaded, one, wanted.index.shape[1], gradients=gradient is not None):
        with nullcontext() if gradient else torch.no_grad():
            leaves = [*kept[GRADIENT], *scales[GRADIENT]]
            part = ForwardPass(loaded, one, rows, patchers, [*kept[""], *scales[""]], leaves)
            hidden = part.hidden()
            at_sites: dict[str, Mapping[Site, Tensor]] = {"": part.kept}
            if gradient is not None:
                last = _logits(part, hidden, one.index(-1)[rows, None])[:, 0]
                metric = _picked(last, gradient.labels[rows])
                if gradient.minus is not None:
                    metric = metric - _picked(last, gradient.minus[rows])
                at_sites[GRADIENT] = part.gradients(metric.sum())
        with torch.no_grad():
            logits = _logits(part, hidden.detach(), wanted.index[rows])
            found.setdefault((OUTPUTS, None), []).append(wanted.outputs(logits, uniform[rows]).cpu())
        for prefix, values in at_sites.items():
            for site in kept[prefix]:
                value = values[site] if prefix == "" else _at_position(values[site.everywhere], one, rows, site)
                found.setdefault((prefix, site), []).append(value.cpu())
            for site in scales[prefix]:
                square = values[site].detach().cpu().double().square()
                squares[prefix, site] = squares.get((prefix, site), 0.0) + float(square.mean()) * len(square)
    whole = {name: torch.cat(parts) for name, parts in found.items()}
    return whole, {name: total / one.n_prompts for name, total in squares.items()}


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
