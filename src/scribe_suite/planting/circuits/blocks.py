"""Which dimensions of the residual stream belong to which node while a circuit is trained alone.

Embeddings get their own block, and so does every node. A node reads the embeddings and the nodes that its variable
is computed from, and nothing else. So a trained node can be placed anywhere after the nodes that it reads, any number
of times (`planting.circuits.assembly`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel, Correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape


@dataclass(frozen=True)
class Blocks:
    """The dimensions of a circuit's residual stream.

    Attributes:
        inputs: How many of them belong to the embeddings; they are the first.
        written: Node -> the dimensions that it writes.
        read: Node -> the nodes whose dimensions it reads, besides the embeddings'.
        outputs: The nodes whose dimensions the unembedding reads; it does not read the embeddings.
    """

    inputs: int
    written: Mapping[str, range]
    read: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]

    @property
    def width(self) -> int:
        """The total number of dimensions."""
        return self.inputs + sum(map(len, self.written.values()))

    def masks(self, shape: TransformerShape) -> dict[str, Tensor]:
        """Parameter name -> what of it may differ from zero, as a tensor of zeros and ones.

        Args:
            shape: The shape of the circuit alone; its d_model is `width`.

        Raises:
            ValueError: When the architecture has another width.
        """
        if shape.d_model != self.width:
            raise ValueError(f"blocks of {self.width} dimensions do not fill a residual stream of {shape.d_model}")
        heads = torch.zeros(shape.n_layers, shape.n_heads, self.width)
        masks = {
            "W_E": self._mask(),
            "W_pos": self._mask(),
            "W_U": self._mask(*self.outputs, embeddings=False)[:, None],
            "b_O": torch.zeros(shape.n_layers, self.width),
            "W_in": torch.zeros(shape.n_layers, self.width, 1),
            "W_out": torch.zeros(shape.n_layers, 1, self.width),
            "b_out": torch.zeros(shape.n_layers, self.width),
        }
        reading, writing = heads.clone(), heads.clone()
        for node in self.written:
            read, written = self._mask(*self.read[node]), self._mask(node, embeddings=False)
            layer, head = layer_and_head(node)
            if head is None:
                masks["W_in"][layer, :, 0] = read
                masks["W_out"][layer, 0] = masks["b_out"][layer] = written
            else:
                reading[layer, head], writing[layer, head] = read, written
        masks |= dict.fromkeys(("W_Q", "W_K", "W_V"), reading[..., None])
        masks["W_O"] = writing[:, :, None, :]
        return masks

    def _mask(self, *nodes: str, embeddings: bool = True) -> Float[Tensor, " width"]:
        mask = torch.zeros(self.width)
        mask[: self.inputs] = float(embeddings)
        for node in nodes:
            mask[list(self.written[node])] = 1.0
        return mask


def blocks_of(causal: CausalModel, correspondence: Correspondence, inputs: int, sizes: Mapping[str, int]) -> Blocks:
    """One block for every node of a circuit.

    Args:
        causal: Its `edges` define which node reads which.
        correspondence: Where the variables are.
        inputs: Dimensions of the embeddings.
        sizes: Variable -> dimensions that each of its nodes writes.
    """
    written: dict[str, range] = {}
    end = inputs
    for variable in causal.variables:
        for node in correspondence[variable]:
            written[node] = range(end, end + sizes[variable])
            end += sizes[variable]
    read = {
        node: tuple(_parents(causal, correspondence, variable))
        for variable in causal.variables
        for node in correspondence[variable]
    }
    return Blocks(inputs, written, read, tuple(_parents(causal, correspondence, "output")))


def _parents(causal: CausalModel, correspondence: Correspondence, reader: str) -> Iterator[str]:
    for source, target in causal.edges:
        if target == reader and source != "input":
            yield from correspondence[source]


def layer_and_head(node: str) -> tuple[int, int | None]:
    """``a2.h1`` is (2, 1), ``m2`` is (2, None)."""
    layer, _, head = node[1:].partition(".h")
    return int(layer), int(head) if head else None
