"""Vectors for tokens, such that a threshold can recognise any small class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.branches.conditions import START

#: Largest projection of any other token on the vector that recognises a class; its members have 1.
NEAREST = 0.6


class CodeError(ValueError):
    """There are too many tokens to distinguish in the given number of dimensions."""


class Codes:
    """A unit vector for each token except the start, and for each class of tokens a vector that recognises it.

    Args:
        count: Number of tokens, including those that only conditions use.
        classes: Disjoint classes of tokens that must be recognised.
        width: Number of dimensions.
        generator: Draws all random choices.

    Raises:
        CodeError: When there are too few dimensions.
    """

    def __init__(self, count: int, classes: Iterable[tuple[int, ...]], width: int, generator: torch.Generator) -> None:
        listed = list(classes)
        self.of: Float[Tensor, "token width"] = _unit(count, width, generator)
        self.of[START] = 0
        named = [token for one in listed for token in one]
        for _ in range(1000):
            clear = self._recognising(listed)
            near = (self.of[named] @ clear.T - _members(named, listed)).amax(1) > NEAREST
            if not near.any():
                break
            again = [token for token, too_near in zip(named, near.tolist(), strict=True) if too_near]
            self.of[again] = _unit(len(again), width, generator)
        else:
            raise CodeError(f"{len(named)} tokens can't be recognised in {width} dimensions")
        rest = torch.tensor(sorted({*range(START + 1, count)} - {*named}))
        while len(rest):
            self.of[rest] = _unit(len(rest), width, generator)
            rest = rest[(self.of[rest] @ clear.T).amax(1) > NEAREST]
        #: Class -> the vector whose dot product with each member is 1.
        self.recognising: Mapping[tuple[int, ...], Float[Tensor, " width"]] = dict(zip(listed, clear, strict=True))

    def _recognising(self, classes: list[tuple[int, ...]]) -> Float[Tensor, "class width"]:
        return torch.stack([torch.linalg.pinv(self.of[list(one)]) @ torch.ones(len(one)) for one in classes])


def _unit(count: int, width: int, generator: torch.Generator) -> Float[Tensor, "token width"]:
    return functional.normalize(torch.randn(count, width, generator=generator), dim=1)


def _members(named: list[int], classes: list[tuple[int, ...]]) -> Float[Tensor, "token class"]:
    return torch.tensor([[1.0 if token in one else 0.0 for one in classes] for token in named])
