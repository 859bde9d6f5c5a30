"""Constructs weights that compute a plan, without training, and the subspaces that hold its variables.

Layer 0: heads move the classes of the slots' tokens to the last position. Layer 1: neurons detect pairs of classes
and write the values of the variables. Layer 2: a neuron for each label reads the values of all variables at once, and
writes a random code, from which the logits are read. So after layer 2 no variable has a separate representation. All
other heads and neurons are random: they read anything, and write into unread dimensions.

Each variable has its own dimensions, in which it is both written and read. In addition, all variables are written into
shared dimensions that nothing reads, and their readers read other shared dimensions that nothing writes. So neither the
spaces in which variables are written nor those in which they are read are orthogonal. Only an orthogonal projection on
a variable's own dimensions exchanges it without affecting the others: exchanging the space in which it is written also
moves parts of others, and exchanging the space from which it is read affects the readers of others. The second is the
subspace illusion (Makelov et al. 2023, arXiv 2311.17030).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import N_CTX, Dial, Plan

#: The layer after which the variables are present.
VARIABLES_LAYER = 1
_N_LAYERS, _N_HEADS, _D_HEAD = 3, 6, 8
#: Difference between the attention scores of a slot and of all other positions.
_SHARP = 24.0
#: Logit of the correct label; others have only the overlap of their codes with its code.
_LOGIT = 12.0
#: Number of dimensions of labels' codes.
_CODE = 24
#: Number of unread dimensions, into which random parts write, and the size of these outputs.
_NOWHERE, _NOISE = 28, 1.0
#: Least number of random neurons in each layer.
_DECOYS = 16


@dataclass
class _Layout:
    """The layout of the residual dimensions before rotation."""

    dial: Dial
    size: int = 0
    places: dict[str, range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dial = self.dial
        for name, width in {
            "class": dial.values,
            "position": N_CTX,
            "brought": (dial.variables + 1) * dial.values,
            "own": dial.variables * dial.dimensions,
            "written": dial.dimensions,
            "read": dial.dimensions,
            "said": _CODE,
            "nowhere": _NOWHERE,
        }.items():
            self.places[name] = range(self.size, self.size + width)
            self.size += width

    def __getitem__(self, name: str) -> list[int]:
        return [*self.places[name]]

    def own(self, variable: int) -> list[int]:
        """The dimensions of one variable."""
        width = self.dial.dimensions
        return self["own"][variable * width : (variable + 1) * width]


def shape_of(dial: Dial) -> TransformerShape:
    """The architecture of models of a level."""
    return TransformerShape(
        n_layers=_N_LAYERS,
        n_heads=_N_HEADS,
        d_model=_Layout(dial).size,
        d_head=_D_HEAD,
        d_mlp=max(dial.variables * dial.values**2, dial.values**dial.variables) + _DECOYS,
        n_ctx=N_CTX,
        d_vocab=dial.d_vocab,
        d_vocab_out=dial.values**dial.variables,
        act_fn="relu",
        normalization=None,
    )


def planted_subspace(dial: Dial, variable: int) -> Float[Tensor, "d_model k"]:
    """The own dimensions of a variable, in the basis of a frozen model."""
    layout = _Layout(dial)
    return torch.eye(layout.size)[:, layout.own(variable)]


@torch.no_grad()
def build_network(dial: Dial, plan: Plan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices.
    """
    return _Builder(dial, plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, dial: Dial, plan: Plan, generator: torch.Generator) -> None:
        self.dial, self.plan, self.generator, self.layout = dial, plan, generator, _Layout(dial)
        self.net = PatchableTransformer(shape_of(dial))
        for parameter in self.net.parameters():
            parameter.zero_()
        self.corners = _simplex(dial.values)
        self.neurons = [0] * _N_LAYERS

    def weights(self) -> ModelWeights:
        self._embed()
        self._bring()
        self._compute()
        self._read()
        for layer in range(_N_LAYERS):
            self._fill(layer)
        return self.net.to_weights()

    def _embed(self) -> None:
        net, layout = self.net, self.layout
        classes = torch.nn.functional.one_hot(torch.tensor(self.plan.classes), self.dial.values)
        net.W_E[:, layout["class"]] = classes.float()
        net.W_E[:, layout["nowhere"]] = _NOISE * self._normal(self.dial.d_vocab, _NOWHERE)
        net.W_pos[:, layout["position"]] = torch.eye(N_CTX)

    def _bring(self) -> None:
        """Add heads: head i attends to slot i from every position, and moves the class of the token there."""
        net, layout, size = self.net, self.layout, math.sqrt(_SHARP * math.sqrt(_D_HEAD))
        for head, slot in enumerate(self.plan.slots):
            net.b_Q[0, head, 0] = size
            net.W_K[0, head, layout["position"][slot], 0] = size
            for value, dimension in enumerate(layout["class"]):
                net.W_V[0, head, dimension, value] = 1.0
                net.W_O[0, head, value, self._brought(head, value)] = 1.0

    def _brought(self, slot: int, value: int) -> int:
        return self.layout["brought"][slot * self.dial.values + value]

    def _compute(self) -> None:
        layout, values = self.layout, range(self.dial.values)
        for variable, table in enumerate(self.plan.tables):
            turned = self.dial.overlap * self.corners @ self._rotation()
            for a in values:
                for b in values:
                    reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
                    reads[[self._brought(variable, a), self._brought(variable + 1, b)]] = 1.0
                    writes[layout.own(variable)] = self.corners[table[a][b]]
                    writes[layout["written"]] = turned[table[a][b]]
                    self._neuron(VARIABLES_LAYER, reads, -1.0, writes)

    def _read(self) -> None:
        """Add a neuron for each label, which is active only if all variables have the label's values."""
        layout, dial = self.layout, self.dial
        # the dot product of a corner with itself is 1, and this with the others
        other = -1 / dial.dimensions
        threshold = dial.variables - 1 + other
        turned = [dial.overlap * self.corners @ self._rotation() for _ in range(dial.variables)]
        codes = self._normal(self.plan.n_labels, _CODE)
        codes /= codes.norm(dim=1, keepdim=True)
        for label, combination in enumerate(self.plan.combinations):
            reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
            for variable, value in enumerate(combination):
                reads[layout.own(variable)] = self.corners[value]
                reads[layout["read"]] += turned[variable][value]
            writes[layout["said"]] = _LOGIT / (1 - other) * codes[label]
            self._neuron(VARIABLES_LAYER + 1, reads, -threshold, writes)
            self.net.W_U[layout["said"], label] = codes[label]

    def _neuron(self, layer: int, reads: Tensor, bias: float, writes: Tensor) -> None:
        number = self.neurons[layer]
        self.neurons[layer] += 1
        self.net.W_in[layer, :, number], self.net.b_in[layer, number] = reads, bias
        self.net.W_out[layer, number] = writes

    def _fill(self, layer: int) -> None:
        """Add random heads and neurons, which read anything and write into unread dimensions."""
        net, layout = self.net, self.layout
        nowhere, size = layout["nowhere"], layout.size
        for head in range(len(self.plan.slots) if layer == 0 else 0, _N_HEADS):
            for weight in (net.W_Q, net.W_K, net.W_V):
                weight[layer, head] = self._normal(size, _D_HEAD) / math.sqrt(size)
            net.W_O[layer, head][:, nowhere] = _NOISE * self._normal(_D_HEAD, _NOWHERE) / math.sqrt(_D_HEAD)
        for number in range(self.neurons[layer], net.shape.d_mlp):
            net.W_in[layer, :, number] = self._normal(size) / math.sqrt(size / 4)
            net.W_out[layer, number, nowhere] = _NOISE * self._normal(_NOWHERE) / math.sqrt(_NOWHERE)

    def _rotation(self) -> Float[Tensor, "k k"]:
        q, r = torch.linalg.qr(self._normal(self.dial.dimensions, self.dial.dimensions))
        rotation: Tensor = q * torch.diagonal(r).sign()
        return rotation

    def _normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self.generator)


def _simplex(corners: int) -> Float[Tensor, "corners dimensions"]:
    """The corners of a regular simplex with unit length around zero."""
    centred = torch.eye(corners, dtype=torch.float64) - 1 / corners
    # Helmert's orthonormal basis of vectors that sum to zero, the same on every machine
    rows = [[1.0] * i + [-float(i)] + [0.0] * (corners - i - 1) for i in range(1, corners)]
    basis = torch.tensor([[x / math.sqrt(i * (i + 1)) for x in row] for i, row in enumerate(rows, 1)]).double()
    points = centred @ basis.T
    corner_points: Tensor = (points / points.norm(dim=1, keepdim=True)).float()
    return corner_points
