"""Copies of circuit nodes that do something else: the same matrices in other directions of the residual stream.

What a random matrix looks like is no secret: its singular values lie close together, those of a trained one do not. So
decoys are made of trained nodes. A copy has another subspace to read from and to write to, and spectra and biases that
vary an ancestor's which it shares with its model. Exact copies would point to their original, and so would variations
of it: it would lie in their middle.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.random_maps import isometry, turn, varied_spectrum

#: How far a copy's spectra and biases are from those of the ancestor it shares with its model.
_VARIATION = 0.25
#: How far a lookalike's weights are turned away from those of the ancestor it shares with its model, in radians.
_ANGLE = 0.3

#: Where a node's weights are: layer and head, or the layer of an MLP.
Model = tuple[int, ...]


class Copies:
    """Draws the weights of copies.

    Args:
        network: Holds the circuit in the first `width` dimensions of its residual stream.
        width: How many.
        generator: Of all random choices.
    """

    def __init__(self, network: PatchableTransformer, width: int, generator: torch.Generator) -> None:
        self._network, self._width, self._generator = network, width, generator
        self._ancestors: dict[tuple[str, Model], Tensor] = {}
        self._turns: dict[Model, Tensor] = {}

    def like(self, name: str, model: Model) -> Tensor:
        """A variation of the model's parameter `name`, as far as it lies in the circuit's dimensions."""
        if (name, model) not in self._ancestors:
            self._ancestors[name, model] = self._varied(self._circuits_part(name, model))
        return self._varied(self._ancestors[name, model])

    def maps(self) -> tuple[Float[Tensor, "d_model width"], Float[Tensor, "width extra"]]:
        """From the circuit's dimensions into those a copy reads, which are all, and into those it writes.

        The circuit reads its own dimensions and writes the same into both halves of the stream; a copy reads the same
        in both and writes into one. With one map for reading and writing there, products such as W_V W_O keep their
        eigenvalues up to the size.
        """
        writing = self.into_the_rest()
        everywhere = torch.cat([isometry(self._width, self._width, self._generator), writing.T])
        return everywhere / math.sqrt(2), writing

    def into_the_rest(self) -> Float[Tensor, "width extra"]:
        """A random map from the circuit's dimensions into the others."""
        return without_mean(isometry(self._width, self._network.shape.d_model - self._width, self._generator))

    def turned(self, model: Model) -> Float[Tensor, "width width"]:
        """A rotation of the circuit's dimensions by which a lookalike still reads most of what the model reads.

        Two of them differ as much from each other as either does from none.
        """
        if model not in self._turns:
            self._turns[model] = self._turn()
        return self._turn() @ self._turns[model]

    def _turn(self) -> Float[Tensor, "width width"]:
        return turn(self._width, _ANGLE, self._generator)

    def _circuits_part(self, name: str, model: Model) -> Tensor:
        parameter: Tensor = getattr(self._network, name)[model]
        if name in ("W_O", "W_out"):
            return parameter[:, : self._width]
        return parameter if name[0] == "b" and name != "b_out" else parameter[: self._width]

    def _varied(self, values: Tensor) -> Tensor:
        if values.dim() == 1:
            return values + torch.randn(len(values), generator=self._generator) * _VARIATION * rms(values)
        return varied_spectrum(values, _VARIATION, self._generator)


def without_mean(rows: Float[Tensor, "rows extra"]) -> Float[Tensor, "rows extra"]:
    """LayerNorm subtracts the mean, which would carry what is written into other dimensions."""
    return rows - rows.mean(-1, keepdim=True)


def rms(values: Float[Tensor, "..."]) -> float:
    """Root mean square."""
    return values.pow(2).mean().sqrt().item()
