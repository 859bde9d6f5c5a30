"""What all models with variables have in common: residual dimensions, heads that bring tokens' classes, random parts.

In layer 0, head i attends to slot i from every position and moves the class of the token there. All heads and neurons
that a model does not need are random: they read anything, and write into dimensions that nothing reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.variables.plans import N_CTX

N_LAYERS, N_HEADS, D_HEAD = 3, 6, 8
#: Number of unread dimensions, into which random parts write, and the size of these outputs.
NOWHERE, NOISE = 28, 1.0
#: Least number of random neurons in each layer.
DECOYS = 16
#: Difference between the attention scores of a slot and of all other positions.
_SHARP = 24.0


class Layout:
    """The layout of the residual dimensions before rotation: names -> ranges, in order.

    Args:
        widths: Name -> number of dimensions. ``class``, ``position``, ``brought`` and ``nowhere`` are needed.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        self.size = 0
        self._places: dict[str, range] = {}
        for name, width in widths.items():
            self._places[name] = range(self.size, self.size + width)
            self.size += width

    def __getitem__(self, name: str) -> list[int]:
        return [*self._places[name]]

    def part(self, name: str, number: int, width: int) -> list[int]:
        """Part `number` of the dimensions of a name, if they are divided into parts of a width."""
        return self[name][number * width : (number + 1) * width]


def shape_for(
    layout: Layout, *, d_mlp: int, d_vocab: int, n_labels: int, n_layers: int = N_LAYERS, n_heads: int = N_HEADS
) -> TransformerShape:
    """The architecture of a model with this layout."""
    return TransformerShape(
        n_layers=n_layers,
        n_heads=n_heads,
        d_model=layout.size,
        d_head=D_HEAD,
        d_mlp=d_mlp,
        n_ctx=N_CTX,
        d_vocab=d_vocab,
        d_vocab_out=n_labels,
        act_fn="relu",
        normalization=None,
    )


class Scaffold:
    """A network of zeros to which parts are added; use it without gradients.

    Args:
        shape: The architecture.
        layout: Its residual dimensions.
        n_classes: Number of classes of tokens.
        generator: Source of all random choices, which are made in the order of the calls.
    """

    def __init__(self, shape: TransformerShape, layout: Layout, n_classes: int, generator: torch.Generator) -> None:
        self.net, self.layout, self.n_classes, self.generator = (
            PatchableTransformer(shape),
            layout,
            n_classes,
            generator,
        )
        for parameter in self.net.parameters():
            parameter.zero_()
        self.neurons = [0] * shape.n_layers
        self.heads = [0] * shape.n_layers

    def embed(self, classes: Sequence[int]) -> None:
        """Add embeddings of the classes of all tokens, of positions, and random ones."""
        net, layout = self.net, self.layout
        net.W_E[:, layout["class"]] = torch.nn.functional.one_hot(torch.tensor(classes), self.n_classes).float()
        net.W_E[:, layout["nowhere"]] = NOISE * self.normal(len(classes), NOWHERE)
        net.W_pos[:, layout["position"]] = torch.eye(N_CTX)

    def bring(self, slots: Sequence[int]) -> None:
        """Add a head for each slot, which moves the class of its token."""
        read = torch.eye(self.layout.size)[self.layout["class"]]
        for number, slot in enumerate(slots):
            brought = [self.brought(number, value) for value in range(self.n_classes)]
            self.head(0, slot, read, torch.eye(self.layout.size)[brought])

    def head(
        self, layer: int, position: int, reads: Float[Tensor, "k d_model"], writes: Float[Tensor, "k d_model"]
    ) -> None:
        """Add a head that attends to one position from every later one, and moves k numbers.

        Args:
            layer: The layer.
            position: The position it attends to.
            reads: What the numbers are, as functions of the residual stream there.
            writes: What each of them adds to the residual stream.
        """
        net, number, size = self.net, self.heads[layer], math.sqrt(_SHARP * math.sqrt(self.net.shape.d_head))
        self.heads[layer] += 1
        net.b_Q[layer, number, 0] = size
        net.W_K[layer, number, self.layout["position"][position], 0] = size
        net.W_V[layer, number, :, : len(reads)] = reads.T
        net.W_O[layer, number, : len(writes)] = writes

    def brought(self, slot: int, value: int) -> int:
        """The dimension that is 1 where the token in slot number `slot` has a class."""
        return self.layout["brought"][slot * self.n_classes + value]

    def neuron(
        self, layer: int, reads: Float[Tensor, " d_model"], bias: float, writes: Float[Tensor, " d_model"]
    ) -> None:
        """Add one neuron."""
        number = self.neurons[layer]
        self.neurons[layer] += 1
        self.net.W_in[layer, :, number], self.net.b_in[layer, number] = reads, bias
        self.net.W_out[layer, number] = writes

    def fill(self, size_of: Callable[[int], float] = lambda _: NOISE) -> None:
        """Make all heads and neurons that were not added random: they read anything and write into unread dimensions.

        Args:
            size_of: The size of a random neuron's output by the number of random neurons in its layer.
        """
        for layer in range(self.net.shape.n_layers):
            self._fill(layer, size_of(self.net.shape.d_mlp - self.neurons[layer]))

    def _fill(self, layer: int, size_of_output: float) -> None:
        net, nowhere, size = self.net, self.layout["nowhere"], self.layout.size
        width = net.shape.d_head
        for head in range(self.heads[layer], net.shape.n_heads):
            for weight in (net.W_Q, net.W_K, net.W_V):
                weight[layer, head] = self.normal(size, width) / math.sqrt(size)
            net.W_O[layer, head][:, nowhere] = NOISE * self.normal(width, NOWHERE) / math.sqrt(width)
        for number in range(self.neurons[layer], net.shape.d_mlp):
            net.W_in[layer, :, number] = self.normal(size) / math.sqrt(size / 4)
            net.W_out[layer, number, nowhere] = size_of_output * self.normal(NOWHERE) / math.sqrt(NOWHERE)

    def normal(self, *size: int) -> Float[Tensor, "..."]:
        """Normal random numbers."""
        return torch.randn(*size, generator=self.generator)

    def rotation(self, size: int) -> Float[Tensor, "size size"]:
        """A random orthogonal matrix."""
        q, r = torch.linalg.qr(self.normal(size, size))
        rotation: Tensor = q * torch.diagonal(r).sign()
        return rotation


def as_loud_as_few(count: int) -> float:
    """A size of outputs with which many random neurons are together as loud as `DECOYS` of them."""
    return NOISE * math.sqrt(DECOYS / count)
