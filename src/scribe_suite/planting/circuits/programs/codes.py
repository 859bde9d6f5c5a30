"""Codes: the vectors in the residual stream for the values of variables."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import Variable
from scribe_suite.planting.circuits.random_maps import isometry

#: Length of a code.
CODE_NORM = 2.0


class Codes:
    """A vector for each value of each variable: the corners of a simplex, or points on a line for counts.

    Each variable has its own dimensions; the remaining ones are for the embeddings.

    Args:
        program: The program with the variables.
        width: Width of the residual stream.
        generator: Draws the basis.

    Raises:
        ValueError: When the residual stream is too narrow.
    """

    def __init__(self, program: Program, width: int, generator: torch.Generator) -> None:
        self._length = program.n_ctx
        needed = [_dimensions(part) for part in program.parts]
        if sum(needed) >= width:
            raise ValueError(f"the codes of the variables need {sum(needed)} dimensions and more, there are {width}")
        basis = isometry(width, width, generator)
        self.free: Float[Tensor, "dimension width"] = basis[sum(needed) :]
        own = torch.split(basis[: sum(needed)], needed)
        self.of: Mapping[str, Float[Tensor, "value width"]] = {
            part.name: _corners(part) @ rows for part, rows in zip(program.parts, own, strict=True)
        }

    def stream(
        self, part: Variable, value: Int[Tensor, "prompt ..."], generator: torch.Generator
    ) -> Float[Tensor, "prompt position width"]:
        """The codes that a variable adds to the stream; random values at positions where one at the end has none."""
        if not part.everywhere:
            drawn = torch.randint(part.size, (len(value), self._length), generator=generator)
            drawn[:, -1] = value
            value = drawn
        return self.of[part.name][value]


def _dimensions(part: Variable) -> int:
    return 1 if part.operation == "count" else part.size - 1


def _corners(part: Variable) -> Float[Tensor, "value dimension"]:
    if part.operation == "count":
        return (torch.arange(part.size) - (part.size - 1) / 2)[:, None] * CODE_NORM
    centred = torch.eye(part.size) - 1 / part.size
    corners: Tensor = torch.linalg.svd(centred).U[:, : part.size - 1]
    return functional.normalize(corners, dim=1) * CODE_NORM
