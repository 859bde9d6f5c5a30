"""What can be learned of a model's weights in a laboratory, by linear algebra on what runs return.

    python -m studies.extraction --write

Reads and logits are linear in weights, so enough of them can be solved for. Two attacks are made, on random prompts, by
the operations of the model process and under the terms of a level:

- *Values*: what a layer reads and what its heads make of it (``q``, ``k``, ``v``). Both sides of the equations have
  noise. Its variance is told, so it can be subtracted from the covariance of the inputs (least squares for errors in
  variables; Fuller 1987, *Measurement Error Models*, section 2.2).
- *Logits*, where a level returns them: they have no noise, so their leading directions are the last residual stream up
  to a linear map (Carlini et al. 2024, "Stealing part of a production language model", arXiv 2403.06634). Noisy reads
  of the stream determine that map, and with it the unembedding.

Directions in which inputs vary least are left out, as many as make the error smallest. An attacker does not know that
number, so what is found here is more than an attacker can be sure of. An error is that of the matrix, as a share of its
own Frobenius norm after the best common factor: 100 % where nothing is known.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load, save
from torch import Tensor

from scribe_suite.laboratory.inside import loading, operations
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.laboratory.recipes import Recipe, Wanted, run_message
from scribe_suite.laboratory.terms import NOISE_REVISION, Terms
from scribe_suite.paths import suite_root
from scribe_suite.planting.hooked import untrained_twin
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table

DOCUMENT = "docs/guide/laboratory.md"
MARKERS = ("<!-- tables: written by studies/extraction.py -->", "<!-- end of tables -->")
#: The model of the first table.
RANDOM_MODEL: Mapping[str, Any] = {
    "n_layers": 4, "n_heads": 4, "d_model": 64, "d_head": 16, "d_mlp": 256, "n_ctx": 12, "d_vocab": 50,
    "act_fn": "gelu", "normalization_type": None, "attention_dir": "causal", "default_prepend_bos": False,
    "device": "cpu",
}  # fmt: skip
PROMPTS = (6, 12, 48)
NOISE = (0.0, 0.01, 0.1, 1.0)
#: Sets of prompts for each number in the first table.
REPEATS = 3
#: The seed of the instances of the second table.
SEED = 72_000
#: Random prompts, at most: more would not change an error by much, and take the study's memory.
MOST_PROMPTS = 2_000
_PARTS = ("q", "k", "v")
#: Eigenvalues of the inputs' covariance, relative to the largest, below which a direction is left out.
_CUTS = tuple(10.0 ** (-step / 2) for step in range(2, 25))


@dataclass(frozen=True)
class Found:
    """What the attacks leave unknown.

    Attributes:
        prompts: Different prompts that the budget pays for.
        values: The error of W_Q, W_K and W_V, or of W_V alone where a run returns fewer sites than that takes.
        unembedding: The error of W_U; None where the level returns no logits.
    """

    prompts: int
    values: float
    unembedding: float | None


def solved(
    inputs: Float[Tensor, "n width"],
    outputs: Float[Tensor, "n m"],
    true: Float[Tensor, "width m"],
    noise: float = 0.0,
) -> float:
    """The error of the best solution of ``inputs @ matrix + bias = outputs``.

    Args:
        inputs: Rows of inputs, with noise.
        outputs: What was made of them, with noise of its own.
        true: The matrix.
        noise: The variance of the noise of each input.
    """
    inputs, outputs = inputs - inputs.mean(0), outputs - outputs.mean(0)
    values, directions = torch.linalg.eigh(inputs.T @ inputs / len(inputs))
    clean = values - noise
    seen = directions.T @ (inputs.T @ outputs / len(inputs))
    errors = [1.0]
    for cut in _CUTS:
        kept = clean > cut * clean.max()
        if clean.max() > 0 and bool(kept.any()):
            errors.append(relative_error(directions[:, kept] @ (seen[kept] / clean[kept, None]), true))
    return min(errors)


def relative_error(found: Float[Tensor, "width m"], true: Float[Tensor, "width m"]) -> float:
    """The distance of a matrix from the true one, as a share of its norm, after the best common factor."""
    size = found.square().sum()
    factor = (found * true).sum() / size if size > 0 else torch.zeros(())
    return float((factor * found - true).norm() / true.norm())


class Attacked:
    """A model, and the laboratory's operations on it without a process."""

    def __init__(self, loaded: loading.LoadedModel) -> None:
        self._loaded = loaded
        self.sizes = loaded.sizes
        self._normed = loaded.model.cfg.normalization_type is not None
        self._runs = 0

    def prompts(self, n_prompts: int, seed: int) -> Int[np.ndarray, "prompt position"]:
        """Random prompts of full length."""
        shape = (n_prompts, self.sizes.n_ctx)
        return np.random.default_rng(seed).integers(0, self.sizes.d_vocab, shape)

    def run(self, tokens: np.ndarray, sites: Sequence[str], terms: Terms) -> dict[str, Tensor]:
        """What a run returns, as a double; the noise is that of a run of its own."""
        self._runs += 1
        wanted = Wanted(
            read=list(sites),
            outputs="all" if terms.positions == "any" else "last",
            returns=terms.returns,
            temperature=terms.temperature,
            decimals=terms.decimals,
            read_noise=terms.read_noise,
            seed=f"run {self._runs}",
        )
        header, data = run_message("model", [Recipe("run", tokens)], wanted)
        found = operations.run(self._loaded, header["recipes"], header["wanted"], load(data))
        return {name: value.double() for name, value in found.items()}

    def matrix(self, kind: str, layer: int, head: int) -> Float[Tensor, "width d_head"]:
        """W_Q, W_K or W_V of a head."""
        weights: Tensor = getattr(self._loaded.model, f"W_{kind.upper()}")[layer, head].double()
        return weights - weights.mean(0, keepdim=True) if self._normed else weights

    @property
    def unembedding(self) -> Float[Tensor, "width d_vocab_out"]:
        """W_U, without what all labels have in common, which neither probabilities nor centred logits show."""
        weights: Tensor = self._loaded.model.W_U.double()
        if self._normed:
            weights = weights - weights.mean(0, keepdim=True)
        return weights - weights.mean(1, keepdim=True)

    def inputs(
        self, stream: Float[Tensor, "prompt position width"], noise: float
    ) -> tuple[Float[Tensor, "n width"], float]:
        """What a layer reads of a noisy stream, and the variance of its noise."""
        rows = stream.reshape(-1, stream.shape[-1])
        # what was read has the variance of the stream and that of the noise
        variance = float(rows.square().mean()) * noise**2 / (1 + noise**2)
        if not self._normed:
            return rows, variance
        rows = rows - rows.mean(1, keepdim=True)
        sizes = (rows.square().mean(1, keepdim=True) - variance).clamp(min=0.1 * variance + 1e-9).sqrt()
        return rows / sizes, float((variance / sizes.square()).mean())


def attack_values(model: Attacked, terms: Terms, budget: int, seed: int = 0) -> tuple[int, float]:
    """Solve for what heads do with what their layer reads, at the layer in the middle.

    Args:
        model: The model.
        terms: What runs may return.
        budget: The total price of the runs.
        seed: Of the prompts.

    Returns:
        The number of prompts and the error.
    """
    layer = model.sizes.n_layers // 2
    heads = [f"{kind}.{layer}.{head}" for head in range(model.sizes.n_heads) for kind in _PARTS]
    stream = f"resid_pre.{layer}"
    if terms.sites_per_run is not None and terms.sites_per_run < 1 + len(heads):
        heads = [f"v.{layer}.{head}" for head in range(terms.sites_per_run - 1)] or [f"v.{layer}.0"]
    together = terms.sites_per_run is None or terms.sites_per_run > len(heads)
    runs = [[stream, *heads]] if together else [[stream], heads]
    price = sum(price_of(Work(1, sites=len(sites))) for sites in runs)
    n_prompts = min(budget // price, MOST_PROMPTS)
    tokens = model.prompts(n_prompts, seed)
    found: dict[str, Tensor] = {}
    for sites in runs:
        found |= model.run(tokens, sites, terms)
    inputs, noise = model.inputs(found[stream], terms.read_noise)
    outputs = torch.cat([found[name].reshape(len(inputs), -1) for name in heads], 1)
    true = torch.cat([model.matrix(kind, layer, int(head)) for kind, _, head in (n.split(".") for n in heads)], 1)
    return n_prompts, solved(inputs, outputs, true, noise)


def attack_logits(model: Attacked, terms: Terms, budget: int, seed: int = 0) -> float | None:
    """Solve for W_U from logits and reads of the last stream; None where there are no logits, or no reads."""
    if terms.returns not in ("logits", "log_probs") or "read" not in terms.operations:
        return None
    n_prompts = min(budget, MOST_PROMPTS)
    site = f"resid_post.{model.sizes.n_layers - 1}"
    found = model.run(model.prompts(n_prompts, seed), [site if terms.positions == "any" else f"{site}@-1"], terms)
    logits = found["outputs"].reshape(-1, model.sizes.d_vocab_out)
    logits = logits - logits.mean(1, keepdim=True)
    rows, noise = model.inputs(next(value for name, value in found.items() if name != "outputs"), terms.read_noise)
    true = model.unembedding
    errors = [solved(rows, logits, true, noise)]
    rank = min(model.sizes.d_model, model.sizes.d_vocab_out - 1, len(logits))
    centred = logits - logits.mean(0)
    # random combinations of the labels have the same rank, and are fewer
    mixed = (
        centred @ torch.randn(model.sizes.d_vocab_out, 2 * rank, generator=torch.Generator().manual_seed(seed)).double()
    )
    scores = torch.linalg.svd(mixed, full_matrices=False)[0][:, :rank]
    stream = torch.linalg.lstsq(scores, rows - rows.mean(0)).solution  # logits have no noise, so that this is unbiased
    errors.append(solved(scores @ stream, centred, true))
    return min(errors)


def measured(model: Attacked, terms: Terms) -> Found:
    """What the attacks leave unknown under the terms of a level, each with the whole budget."""
    n_prompts, values = attack_values(model, terms, terms.budget)
    return Found(n_prompts, values, attack_logits(model, terms, terms.budget))


def random_model() -> Attacked:
    """The model of the first table."""
    model = untrained_twin(RANDOM_MODEL, seed=0)
    state = bytes(save({name: value.contiguous() for name, value in model.named_parameters()}))
    return Attacked(loading.from_weights(RANDOM_MODEL, state, "cpu"))


def task_model(name: str) -> tuple[Attacked, Terms]:
    """The model of one instance of a level, and the level's terms."""
    instance = default_registry()[name].instance(SEED)
    files = instance.public.run_files
    assert instance.task.terms is not None
    loaded = loading.from_weights(json.loads(files["config.json"]), bytes(files["model.safetensors"]), "cpu")
    return Attacked(loaded), instance.task.terms


def levels() -> dict[str, Terms]:
    """The planted levels with reads; of those in a family that differ only by their budget, one with the largest."""
    registry = default_registry()
    largest: dict[tuple[str, str], tuple[str, Terms]] = {}
    for facts in registry.facts.values():
        if facts.access != "lab":
            continue
        task = registry[facts.id]
        if task.source != "planted" or task.terms is None or "read" not in task.terms.operations:
            continue
        group = (task.family, task.terms.model_copy(update={"budget": 0}).model_dump_json())
        if group not in largest or task.terms.budget > largest[group][1].budget:
            largest[group] = (facts.id, task.terms)
    return dict(sorted(largest.values()))


def table_of_noise(model: Attacked) -> str:
    """Prompts and noise against errors, for all sites in one run, as Markdown."""
    kinds = ("exact", *(f"{_percent(noise)} noise" for noise in NOISE[1:]))
    lines = [f"| prompts | price | {' | '.join(kinds)} |", f"|{'--:|' * (2 + len(kinds))}"]
    for n_prompts in PROMPTS:
        price = n_prompts * price_of(Work(1, sites=1 + len(_PARTS) * model.sizes.n_heads))
        errors = []
        for noise in NOISE:
            terms = Terms(budget=price, read_noise=noise)
            errors.append(statistics.mean(attack_values(model, terms, price, seed)[1] for seed in range(REPEATS)))
        lines.append(f"| {n_prompts} | {price} | {' | '.join(map(_percent, errors))} |")
    return "\n".join(lines)


def table_of_levels() -> str:
    """What the whole budget of a level leaves unknown, as Markdown."""
    head = "| level | budget | noise | sites a run | W_Q, W_K, W_V | W_U |"
    lines = [head, f"|---|{'--:|' * (head.count('|') - 2)}"]
    for name in levels():
        model, terms = task_model(name)
        found = measured(model, terms)
        print(name, found, file=sys.stderr, flush=True)
        cells = (
            f"`{name}`",
            f"{terms.budget:,}",
            _percent(terms.read_noise) if terms.read_noise else "none",
            "any" if terms.sites_per_run is None else terms.sites_per_run,
            _percent(found.values),
            "no logits" if found.unembedding is None else _percent(found.unembedding),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1g} %"


def main(argv: Sequence[str] | None = None) -> int:
    """Make the attacks, and print or store the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the tables to {DOCUMENT}")
    options = parser.parse_args(argv)
    made = "\n".join(
        [
            f"A random model, all sites in one run (noise of revision {NOISE_REVISION}):",
            "",
            table_of_noise(random_model()),
            "",
            "The tasks' own models, with the whole budget:",
            "",
            table_of_levels(),
        ]
    )
    if options.write:
        path = suite_root() / DOCUMENT
        path.write_text(with_table(path.read_text(), MARKERS, made))
    else:
        print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
