"""The variance of the truth in the residual stream: above that of other features, below that of the known nuisance.

Where the truth is by far the strongest direction, any random direction separates true from false. Where it is not the
strongest one that remains after removing the known nuisance, no unsupervised method can find it. The losses here train
a model towards the middle: at the place where the truth is to be read it is the first principal component beside the
nuisance, and there and everywhere else it is a small part of the whole variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.statements.language import ADDRESSES, Statements

_TINY = 1e-8


@dataclass(frozen=True)
class ShapeSettings:
    """The target shape of the residual stream; all numbers are ratios of variances.

    Attributes:
        truth_to_rest: Truth over the strongest direction that neither truth nor ending nor address explains.
        ending_to_truth: Ending over truth.
        address_to_truth: The third strongest direction of the address over truth.
        largest_share: Truth over everything.
    """

    truth_to_rest: float = 2.0
    ending_to_truth: float = 4.0
    address_to_truth: float = 2.0
    largest_share: float = 0.05


def nuisance_loss(
    residual: Float[Tensor, "statement d_model"], statements: Statements, settings: ShapeSettings
) -> Float[Tensor, ""]:
    """The shortfall until the truth is the strongest direction besides ending and address, and these are stronger.

    The residual is regressed on truth, ending and address (ridge regression with a tiny penalty); the strength of the
    residual's strongest direction is the first eigenvalue of its covariance. The shortfall is measured in logarithms of
    variances.

    Args:
        residual: At the last token of every statement.
        statements: The same statements.
        settings: The target ratios.
    """
    addresses = torch.nn.functional.one_hot(statements.address, len(ADDRESSES))
    frame = torch.stack([statements.truth, statements.contrary], dim=1)
    design = torch.cat([torch.ones(len(residual), 1), frame, addresses], dim=1)
    effects = _effects(design, residual)
    rest = residual - design @ effects
    truth, ending = (effects[row].square().sum() * design[:, row].var() for row in (1, 2))
    by_address = effects[3:] - effects[3:].mean(0)
    third = torch.linalg.eigvalsh(by_address @ by_address.T / len(ADDRESSES))[-3]
    loudest = torch.linalg.eigvalsh(rest.T @ rest / len(rest))[-1]
    return (
        _missing(truth, settings.truth_to_rest * loudest)
        # a stronger nuisance, not a weaker truth: while the truth is hardly learned, the easiest solution would be to
        # drop it
        + _missing(ending, settings.ending_to_truth * truth.detach())
        + _missing(third, settings.address_to_truth * truth.detach())
    )


def share_loss(
    residual: Float[Tensor, "statement position d_model"], statements: Statements, settings: ShapeSettings
) -> Float[Tensor, ""]:
    """By how much the truth is too large a share of the variance, mean over positions, in logarithms.

    The effect of truth is the difference between true and false statements of one kind.
    """
    kinds = torch.nn.functional.one_hot(statements.kind).float()
    kinds = kinds[:, kinds.sum(0) > 3]
    contrasts = kinds * (statements.truth.float()[:, None] - 0.5)
    flat = residual.flatten(1)
    by_truth = (contrasts @ _effects(torch.cat([kinds, contrasts], dim=1), flat)[kinds.shape[1] :]).view_as(residual)
    # statements of one kind are asked about together, so differences between kinds are not a nuisance
    within = (flat - kinds @ _effects(kinds, flat)).view_as(residual)
    part, whole = (values.square().sum(2).mean(0) for values in (by_truth, within))
    return _missing(settings.largest_share * whole, part).mean()


def _effects(
    design: Float[Tensor, "statement column"], values: Float[Tensor, "statement value"]
) -> Float[Tensor, "column value"]:
    """Ridge regression with a tiny penalty, so that columns may depend on each other."""
    normal = design.T @ design + 1e-3 * torch.eye(design.shape[1])
    effects: Float[Tensor, "column value"] = torch.linalg.solve(normal, design.T @ values)
    return effects


def _missing(found: Float[Tensor, "..."], wanted: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    missing: Float[Tensor, "..."] = (wanted.clamp_min(_TINY) / found.clamp_min(_TINY)).log().clamp_min(0.0)
    return missing
