"""Triples, on which answers are judged: a prompt to run, one to take values from, and the patched nodes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence, circuit_of, interchanged
from scribe_suite.planting.circuits.interchange import Pairs, draw_pairs
from scribe_suite.planting.circuits.patchable import Patch, PatchableTransformer

#: Strata: the number of patched nodes of the program, and whether irrelevant nodes are patched with them.
STRATA = tuple(f"{count}, {company}" for company in ("alone", "among others") for count in ("one", "two", "several"))
#: Share of triples with several nodes that may include the output node: patched, it determines the label alone.
_OUTPUT_SHARE = 1 / 8
#: Number of triples that the network runs at a time.
_AT_ONCE = 400


@dataclass(frozen=True)
class Triples:
    """Triples that cycle through the strata.

    Attributes:
        pairs: Base and source of each triple.
        chosen: The interchanged variables.
        patched: The patched nodes, in an uninformative order.
        strata: The stratum of each, one of `STRATA`.
    """

    pairs: Pairs
    chosen: Bool[Tensor, "triple variable"]
    patched: Sequence[Sequence[str]]
    strata: Sequence[str]


def draw_triples(
    causal: CausalModel, correspondence: Correspondence, nodes: Sequence[str], per_stratum: int, seed: int
) -> Triples:
    """Draw the same number of triples of every stratum.

    Args:
        causal: The program.
        correspondence: The nodes of its variables.
        nodes: All nodes of the network.
        per_stratum: Number of triples.
        seed: The seed of all draws.
    """
    rng = random.Random(seed)
    count, variables = per_stratum * len(STRATA), list(causal.variables)
    pairs = draw_pairs(causal, count, torch.Generator().manual_seed(seed))
    others = sorted(set(nodes) - circuit_of(correspondence))
    chosen = torch.zeros(count, len(variables), dtype=torch.bool)
    patched: list[list[str]] = []
    strata = [STRATA[number % len(STRATA)] for number in range(count)]
    for number, stratum in enumerate(strata):
        size, company = stratum.split(", ")
        picked = _picked(variables, size, rng)
        chosen[number, [variables.index(name) for name in picked]] = True
        row = [node for name in picked for node in correspondence[name]]
        if company == "among others":
            row += rng.sample(others, rng.randint(1, len(others)))
        patched.append(rng.sample(row, len(row)))
    return Triples(pairs, chosen, patched, strata)


def _picked(variables: Sequence[str], size: str, rng: random.Random) -> list[str]:
    if size == "one":
        return [rng.choice(variables)]
    drawn = variables if rng.random() < _OUTPUT_SHARE else variables[:-1]
    return rng.sample(drawn, 2 if size == "two" else rng.randint(3, max(3, len(variables) // 2)))


def program_labels(causal: CausalModel, triples: Triples) -> Int[Tensor, " triple"]:
    """The labels of the program under the interventions."""
    return interchanged(causal, triples.pairs.base, triples.pairs.source, triples.chosen).labels[:, 0]


@torch.no_grad()
def network_labels(
    network: PatchableTransformer, pairs: Pairs, patched: Sequence[Sequence[str]], position: int
) -> Int[Tensor, " triple"]:
    """The labels of a network at one position under the patches."""
    masks = torch.stack([network.shape.mask(row) for row in patched])
    labels = []
    for start in range(0, len(masks), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        # sources are run only for patches
        patch = Patch(masks[rows], network(pairs.source[rows])[1]) if masks[rows].any() else None
        logits, _ = network(pairs.base[rows], patch)
        labels.append(logits[:, position].argmax(-1))
    return torch.cat(labels)
