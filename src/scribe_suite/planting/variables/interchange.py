"""Interchanges in a subspace: a prompt's label when one place takes another prompt's values in some directions.

This is the interchange intervention of distributed alignment search (Geiger et al. 2024, arXiv 2303.02536) with two
rates instead of one: whether the target variable changes, and whether the others stay. Exchanging everything
changes all variables, so interchange accuracy alone would be perfect (as in MIB's track of causal variables).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.variables.plans import Plan

#: The sites at which activations can be exchanged.
Site = Literal["resid_mid", "mlp_out", "resid_post"]
SITES: tuple[Site, ...] = get_args(Site)

#: Directions whose share of the largest singular value is below this are ignored.
_SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class Place:
    """A place in a model: ``blocks.{layer}.hook_{site}`` at one position.

    Attributes:
        layer: Index of the block.
        site: One of `SITES`.
        position: Token index; negative ones count from the end.
    """

    layer: int
    site: Site
    position: int


@dataclass(frozen=True)
class Rates:
    """The effects of interchanges.

    Attributes:
        interchange: Share of pairs in which the target variable has the source's value afterwards.
        isolation: Share of pairs in which all other variables have the base's values afterwards.
        chances: Both rates for a random label.
    """

    interchange: float
    isolation: float
    chances: tuple[float, float]

    @property
    def score(self) -> float:
        """Harmonic mean of both rates, each rescaled so that chance is 0, and clipped at 0."""
        parts = (self.interchange, self.isolation)
        moved, kept = (max(0.0, (p - chance) / (1 - chance)) for p, chance in zip(parts, self.chances, strict=True))
        return 0.0 if moved + kept == 0 else 2 * moved * kept / (moved + kept)


def chances(plan: Plan) -> tuple[float, float]:
    """The chance rates of interchange and of isolation."""
    return 1 / plan.values, float(plan.values) ** (1 - plan.n_variables)


def orthonormal(directions: Float[Tensor, "d_model k"]) -> Float[Tensor, "d_model rank"]:
    """An orthonormal basis of the span of columns of any length; nearly dependent columns add no direction."""
    columns = directions.double()
    sizes = columns.abs().amax(0)
    columns = columns[:, sizes > 0] / sizes[sizes > 0]
    if columns.shape[1] == 0:
        return columns.float()
    left, values, _ = torch.linalg.svd(columns, full_matrices=False)
    basis: Tensor = left[:, values > _SMALLEST_SHARE * values[0]].float()
    return basis


@torch.no_grad()
def exchanged_labels(
    model: HookedTransformer,
    base: Int[Tensor, "pair position"],
    source: Int[Tensor, "pair position"],
    place: Place,
    directions: Float[Tensor, "d_model k"],
) -> Int[Tensor, " pair"]:
    """The labels of base prompts with the source's values at a place, in the span of the directions."""
    hook = f"blocks.{place.layer}.hook_{place.site}"
    basis = orthonormal(directions)
    _, cache = model.run_with_cache(
        source, names_filter=lambda name: name == hook, stop_at_layer=place.layer + 1, return_type=None
    )
    wanted = cache[hook][:, place.position]

    def exchange(value: Tensor, hook: object) -> Tensor:  # noqa: ARG001 -- as hooks are called
        changed = value.clone()
        here = value[:, place.position]
        changed[:, place.position] = here + (wanted - here) @ basis @ basis.T
        return changed

    labels: Tensor = model.run_with_hooks(base, fwd_hooks=[(hook, exchange)])[:, -1].argmax(-1)
    return labels


def rates_of(
    labels: Int[Tensor, " pair"],
    base: Int[Tensor, "pair position"],
    source: Int[Tensor, "pair position"],
    plan: Plan,
    variable: int,
) -> Rates:
    """The effects of interchanges, from the labels after them, on pairs that differ in every variable."""
    after = torch.tensor(plan.combinations)[labels]
    others = [i for i in range(plan.n_variables) if i != variable]
    moved = after[:, variable] == plan.variables(source)[:, variable]
    kept = (after[:, others] == plan.variables(base)[:, others]).all(1)
    return Rates(moved.float().mean().item(), kept.float().mean().item(), chances(plan))
