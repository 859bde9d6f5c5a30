"""Basis-free statistics of one matrix, or of the product of two."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

_TINY = 1e-12


def log(value: Float64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    """The logarithm of a size, which may be 0."""
    logarithm: Tensor = (value + _TINY).log()
    return logarithm


def composition(first: Float64[Tensor, "row inner"], second: Float64[Tensor, "inner column"]) -> Float64[Tensor, ""]:
    """``||AB|| / (||A|| ||B||)``, the composition score of Elhage et al. 2021 (Frobenius norms)."""
    score: Tensor = (first @ second).norm() / (first.norm() * second.norm() + _TINY)
    return score


def cosine(first: Float64[Tensor, "..."], second: Float64[Tensor, "..."]) -> Float64[Tensor, ""]:
    """The cosine of two vectors or matrices of the same shape."""
    similarity: Tensor = (first * second).sum() / (first.norm() * second.norm() + _TINY)
    return similarity


def kurtosis(values: Float64[Tensor, " n"]) -> Float64[Tensor, ""]:
    """The fourth moment over the squared second, both about the mean; 3 for a normal distribution."""
    centred = values - values.mean()
    return centred.pow(4).mean() / (centred.pow(2).mean().pow(2) + _TINY)


def distribution(name: str, values: Float64[Tensor, " n"]) -> dict[str, Float64[Tensor, ""]]:
    """Mean, spread, tails and extremes of some numbers."""
    return {
        f"{name}, mean": values.mean(),
        f"{name}, std": values.std(correction=0),
        f"{name}, kurtosis": log(kurtosis(values)),
        f"{name}, max": values.max(),
        f"{name}, min": values.min(),
    }


def sizes(name: str, values: Float64[Tensor, " n"]) -> dict[str, Float64[Tensor, ""]]:
    """Mean of positive numbers, and how unequal they are."""
    mean = values.mean() + _TINY
    share = values / (values.sum() + _TINY)
    return {
        f"{name}, mean": log(mean),
        f"{name}, variation": log(values.std(correction=0) / mean),
        f"{name}, kurtosis": log(kurtosis(values)),
        f"{name}, largest": log(values.max() / mean),
        f"{name}, smallest": log(values.min() / mean),
        f"{name}, entropy": -(share * log(share)).sum(),
    }


def spectrum(name: str, matrix: Float64[Tensor, "row column"]) -> dict[str, Float64[Tensor, ""]]:
    """Norms and the shape of the singular values."""
    values = torch.linalg.svdvals(matrix)
    values = values[values > 1e-7 * values[0].clamp(min=_TINY)] if len(values) else values
    if not len(values):
        values = torch.full((1,), _TINY, dtype=matrix.dtype)
    energy = values.pow(2) / values.pow(2).sum()
    share = values / values.sum()
    middle = values[len(values) // 2]
    return {
        f"{name}, Frobenius norm": log(values.pow(2).sum().sqrt()),
        f"{name}, spectral norm": log(values[0]),
        f"{name}, nuclear norm": log(values.sum()),
        f"{name}, stable rank": log(1 / energy[0]),
        f"{name}, participation ratio": log(1 / energy.pow(2).sum()),
        f"{name}, effective rank": -(share * log(share)).sum(),
        f"{name}, second over first": log(values[min(1, len(values) - 1)] / values[0]),
        f"{name}, median over first": log(middle / values[0]),
        f"{name}, last over first": log(values[-1] / values[0]),
    }


def square(name: str, matrix: Float64[Tensor, "d_model d_model"]) -> dict[str, Float64[Tensor, ""]]:
    """What a map from the residual stream to itself has besides: trace, eigenvalues, symmetry."""
    size = matrix.norm() + _TINY
    eigenvalues = torch.linalg.eigvals(matrix)
    moduli = eigenvalues.abs()
    total = moduli.sum() + _TINY
    return {
        f"{name}, trace": matrix.trace() / size,
        # the copying score of Elhage et al. 2021
        f"{name}, positive eigenvalues": eigenvalues.real.sum() / total,
        f"{name}, real eigenvalues": eigenvalues.real.abs().sum() / total,
        f"{name}, spectral radius": log(moduli.max() / size),
        f"{name}, eigenvalues over size": log(moduli.pow(2).sum().sqrt() / size),
        f"{name}, symmetric part": log((matrix + matrix.T).norm() / (2 * size)),
        f"{name}, applied twice": log(composition(matrix, matrix)),
        f"{name}, overlap of what it reads and writes": _overlap(matrix),
    }


def _overlap(matrix: Float64[Tensor, "d_model d_model"], *, largest: int = 8) -> Float64[Tensor, ""]:
    """How much of the strongest directions that are read lies among the strongest that are written."""
    left, values, right = torch.linalg.svd(matrix)
    count = min(largest, int((values > 1e-6 * values[0]).sum()))
    return log((left[:, :count].T @ right[:count].T).pow(2).sum() / max(1, count))
