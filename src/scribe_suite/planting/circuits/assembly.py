"""Assembles a large network from copies of a trained circuit's nodes; the unembedding reads one of the circuits.

Every copy writes to its own block of the residual stream, and reads the embeddings and the blocks of earlier copies
like its original. A circuit, its twins and single copies go through the same construction: which of them is the circuit
shows in what reaches the unembedding, and nowhere else in the weights.

A block may be in any basis, since writers and readers share it: each copy draws its own, with different lengths. So
copies differ in size and in the spectra of their weights, but compute exactly the same. `crosstalk` weakens the
separation on purpose, for all copies alike: zeros in products of weights would group the nodes for anyone who
multiplies matrices. The certificate bounds its cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.blocks import Blocks, layer_and_head
from scribe_suite.planting.circuits.layout import Copy
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.random_maps import isometry

#: A copy's parameters: its weights from the residual stream, its biases, its weights into the stream.
_READING = {"a": ("W_Q", "W_K", "W_V"), "m": ("W_in",)}
_BIASES = {"a": ("b_Q", "b_K", "b_V"), "m": ("b_in",)}
_WRITING = {"a": ("W_O",), "m": ("W_out", "b_out")}


@dataclass(frozen=True)
class DecoyRecipe:
    """The recipe for the nodes outside a circuit.

    Attributes:
        size: Standard deviation of the logarithm of a copy's size.
        spread: The same of the lengths of its basis, which vary the spectra of its weights.
        crosstalk: Size of the weights by which nodes and unembedding read blocks that mean nothing to them, relative to
            those by which they read their own.
        leak: Standard deviation of what each decoy adds to the right label's logit, relative to that logit
            (`planting.circuits.leak`).
        anchor: With LayerNorm, the length of a constant in the residual stream, relative to the length that all nodes'
            writes have together (`planting.circuits.anchor`). No node reads it.
    """

    size: float = 0.25
    spread: float = 0.2
    crosstalk: float = 0.01
    leak: float = 0.01
    anchor: float = 6.0


@dataclass(frozen=True)
class Assembled:
    """The assembled network.

    Attributes:
        network: Without LayerNorm; kinds of nodes that the circuit does not have are zero.
        written: Node -> the dimensions that it writes.
        spare: First of the dimensions that no node writes.
    """

    network: PatchableTransformer
    written: Mapping[str, range]
    spare: int


@torch.no_grad()
def assemble(
    core: PatchableTransformer,
    blocks: Blocks,
    copies: Sequence[Copy],
    originals: Mapping[str, str],
    shape: TransformerShape,
    recipe: DecoyRecipe,
    generator: torch.Generator,
) -> Assembled:
    """Put copies of a circuit's nodes where a layout places them.

    Args:
        core: The circuit alone, trained within `blocks`.
        blocks: The dimensions that its nodes write and read.
        copies: The placed copies, including the nodes of the circuit.
        originals: Node of the circuit -> node of `core`.
        shape: The shape of the whole network, without LayerNorm.
        recipe: How the copies vary.
        generator: The source of all random choices.

    Raises:
        ValueError: When the residual stream is too narrow for the copies.
    """
    written = _written(blocks, copies, originals)
    spare = blocks.inputs + sum(map(len, written.values()))
    if spare > shape.d_model:
        raise ValueError(f"{len(copies)} copies need {spare} residual dimensions, the architecture has {shape.d_model}")
    network = PatchableTransformer(shape)
    for parameter in network.parameters():
        parameter.zero_()
    builder = _Builder(core, blocks, originals, network, written, recipe, generator)
    for copy in copies:
        builder.place(copy)
    builder.embed_and_unembed()
    return Assembled(network, written, spare)


@torch.no_grad()
def add_crosstalk(assembled: Assembled, copies: Sequence[Copy], crosstalk: float, generator: torch.Generator) -> None:
    """Let all copies and the unembedding read a little of what they don't need, in place.

    Args:
        assembled: From `assemble`, with nodes of other kinds filled in or not.
        copies: The copies that it was made from.
        crosstalk: See `DecoyRecipe`.
        generator: The source of the random weights.
    """
    network = assembled.network
    readers = [network.W_U]
    for copy in copies:
        readers += [getattr(network, name)[place_of(copy.node)] for name in _READING[copy.node[0]]]
    for matrix in readers:
        deaf = ~matrix.any(1)
        size = crosstalk * matrix[~deaf].pow(2).mean().sqrt()
        matrix[deaf] = torch.randn(int(deaf.sum()), matrix.shape[1], generator=generator) * size


def place_of(node: str) -> tuple[int, ...]:
    """The index of a node's parameters: layer and head, or the layer of an MLP."""
    layer, head = layer_and_head(node)
    return (layer,) if head is None else (layer, head)


def _written(blocks: Blocks, copies: Sequence[Copy], originals: Mapping[str, str]) -> dict[str, range]:
    written, end = {}, blocks.inputs
    for copy in copies:
        size = len(blocks.written[originals[copy.original]])
        written[copy.node] = range(end, end + size)
        end += size
    return written


class _Builder:
    def __init__(
        self,
        core: PatchableTransformer,
        blocks: Blocks,
        originals: Mapping[str, str],
        network: PatchableTransformer,
        written: Mapping[str, range],
        recipe: DecoyRecipe,
        generator: torch.Generator,
    ) -> None:
        self._core, self._blocks, self._originals = core, blocks, originals
        self._network, self._written = network, written
        self._bases = {node: self._basis(len(dimensions), recipe, generator) for node, dimensions in written.items()}

    def place(self, copy: Copy) -> None:
        """Fill in one node."""
        kind, source = copy.node[0], self._originals[copy.original]
        here, there = place_of(copy.node), place_of(source)
        for name in _READING[kind]:
            own, target = getattr(self._core, name)[there], getattr(self._network, name)[here]
            target[: self._blocks.inputs] = own[: self._blocks.inputs]
            for original, read in copy.reads.items():
                self._read(read, own[list(self._blocks.written[self._originals[original]])], target)
        for name in _BIASES[kind]:
            getattr(self._network, name)[here] = getattr(self._core, name)[there]
        for name in _WRITING[kind]:
            own, target = getattr(self._core, name)[there], getattr(self._network, name)[here]
            wrote = own[..., list(self._blocks.written[source])] @ self._bases[copy.node]
            target[..., list(self._written[copy.node])] = wrote

    def embed_and_unembed(self) -> None:
        """Embeddings that all nodes read, and an unembedding that reads the circuit."""
        core, network, inputs = self._core, self._network, self._blocks.inputs
        network.W_E[:, :inputs], network.W_pos[:, :inputs] = core.W_E[:, :inputs], core.W_pos[:, :inputs]
        network.b_U.copy_(core.b_U)
        for node, original in self._originals.items():
            if original in self._blocks.outputs:
                self._read(node, core.W_U[list(self._blocks.written[original])], network.W_U)

    def _read(self, node: str, rows: Float[Tensor, "block out"], target: Float[Tensor, "d_model out"]) -> None:
        target[list(self._written[node])] = torch.linalg.solve(self._bases[node], rows)

    @staticmethod
    def _basis(size: int, recipe: DecoyRecipe, generator: torch.Generator) -> Float[Tensor, "size size"]:
        loud = math.exp(recipe.size * float(torch.randn(1, generator=generator)))
        lengths = loud * torch.exp(recipe.spread * torch.randn(size, generator=generator))
        return isometry(size, size, generator) @ (lengths[:, None] * isometry(size, size, generator))
