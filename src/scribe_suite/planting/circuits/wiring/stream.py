"""The layout of the residual stream, by which a node can be restricted to its inputs.

Tokens, positions and constants have their own dimensions, and so has every variable: the corners of a simplex, one for
each of its values. The remaining dimensions are for irrelevant outputs. Instances are rotated (`planting.symmetries`),
so the layout is not visible in them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.edges import EMBED

#: Length of a code.
CODE_NORM = 2.0
#: Number of dimensions of tokens and of positions.
TOKEN_DIMENSIONS, POSITION_DIMENSIONS = 14, 10
#: Number of dimensions that hold 1 on every prompt, at every position.
CONSTANTS = 3


class Stream:
    """The layout for one program.

    Args:
        program: The program with the variables.

    Attributes:
        dimensions: Variable (or `EMBED` for tokens) -> its dimensions.
        positions: The dimensions of positions.
        constants: The dimensions that are 1 everywhere.
        width: Total number of dimensions.
        codes: Variable -> a vector for each of its values, in its dimensions.
    """

    def __init__(self, program: Program) -> None:
        self.dimensions: dict[str, range] = {EMBED: range(TOKEN_DIMENSIONS)}
        self.positions = range(TOKEN_DIMENSIONS, TOKEN_DIMENSIONS + POSITION_DIMENSIONS)
        self.constants = range(self.positions.stop, self.positions.stop + CONSTANTS)
        self.width = self.constants.stop
        self.codes: Mapping[str, Float[Tensor, "value dimension"]] = {}
        for part in program.parts:
            self.dimensions[part.name] = range(self.width, self.width + part.size - 1)
            self.codes[part.name] = corners(part.size)
            self.width += part.size - 1

    def filled(
        self, values: Mapping[str, Int[Tensor, "prompt ..."]], generator: torch.Generator
    ) -> dict[str, Int[Tensor, "prompt position"]]:
        """Values at every position, random where a variable has none.

        Args:
            values: Variable -> its values, at every position or only at the last one.
            generator: Draws missing values.
        """
        found = {}
        for name, code in self.codes.items():
            value = values[name]
            if value.dim() == 1:
                drawn = torch.randint(len(code), (len(value), SHORT.length), generator=generator)
                drawn[:, -1] = value
                value = drawn
            found[name] = value
        return found

    def written(self, values: Mapping[str, Int[Tensor, "prompt position"]]) -> Float[Tensor, "prompt position width"]:
        """The sum of all variables' contributions to the stream."""
        codes = [self.codes[name][values[name]] for name in self.codes]
        before = torch.zeros(*codes[0].shape[:2], self.constants.stop)
        return torch.cat([before, *codes], -1)


def corners(size: int) -> Float[Tensor, "value dimension"]:
    """The corners of a simplex centred at 0; it has one dimension fewer than corners."""
    centred = torch.eye(size) - 1 / size
    found: Tensor = torch.linalg.svd(centred).U[:, : size - 1]
    return functional.normalize(found, dim=1) * CODE_NORM
