"""Weights that compute a plan. Nothing is trained: every part is written down, among others that are random.

Layer 0: heads bring from fixed distances how much a token is like the first ones of pairs; neurons find the pairs. One
head brings the ordinary label. Layer 1: heads bring pairs from fixed distances, or from anywhere before; neurons find
conditions. Layer 2: a head brings conditions to the end; neurons write what they set off, into the logits or nowhere.

Every threshold is met with a margin or missed with one, and neurons that miss theirs put out zero: what meets a part
of a condition alone leaves the logits as they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scribe_suite.planting.circuits.branches.codes import NEAREST, Codes
from scribe_suite.planting.circuits.branches.conditions import START
from scribe_suite.planting.circuits.branches.plans import N_CTX, N_LABELS, Plan
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.hooked import ModelWeights

#: The layer whose first neurons are those of the conditions, one for each, in their order.
CONDITIONS_LAYER = 1
_CODE = 16
_N_HEADS, _D_HEAD, _D_MLP, _N_LAYERS = 8, 8, 40, 3
#: Attention scores of a place and of the next best one differ by at least this much.
_SHARP = 14.0
#: What a pair's two projections must add up to: halfway between two matches and a match beside the nearest miss.
_PAIR = 1.5 + NEAREST / 2
_PAIR_GAIN = 1 / (2 - _PAIR)
#: Logits of the token that gives the label, of the last token, and of what a condition sets off.
_BROUGHT, _OWN, _EXCEPTION = 4.0, 1.0, 9.0
#: Standard deviation of what one random part adds to a logit.
_NOISE = 0.04
#: Of the neurons that are left in a layer, how many never fire.
_SILENT_SHARE = 0.25


@dataclass
class _Layout:
    """Which residual dimensions hold what, before anything is rotated."""

    plan: Plan
    size: int = 0
    places: dict[str, range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.plan.conditions)
        for name, width in {
            "code": _CODE,
            "label": N_LABELS,
            "place": 2,
            "first": 2 * count,
            "pair": 2 * count,
            "brought": count,
            "condition": count,
            "nowhere": 4,
        }.items():
            self.places[name] = range(self.size, self.size + width)
            self.size += width

    def __getitem__(self, name: str) -> slice:
        return slice(self.places[name].start, self.places[name].stop)

    def at(self, name: str, index: int) -> int:
        return self.places[name][index]


def shape_of(plan: Plan) -> TransformerShape:
    """The architecture of the model of a plan."""
    return TransformerShape(
        n_layers=_N_LAYERS,
        n_heads=_N_HEADS,
        d_model=_Layout(plan).size,
        d_head=_D_HEAD,
        d_mlp=_D_MLP,
        n_ctx=N_CTX,
        d_vocab=plan.d_vocab,
        d_vocab_out=N_LABELS,
        act_fn="relu",
        normalization=None,
    )


@torch.no_grad()
def build_network(plan: Plan, seed: int) -> ModelWeights:
    """A model that computes a plan; the same for the same seed.

    Args:
        plan: What to compute.
        seed: Of codes and of all that is random.

    Raises:
        CodeError: When the tokens can't be told apart.
        ValueError: When a layer has too few heads.
    """
    return _Builder(plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, plan: Plan, generator: torch.Generator) -> None:
        self.plan, self.generator, self.layout = plan, generator, _Layout(plan)
        self.net = PatchableTransformer(shape_of(plan))
        for parameter in self.net.parameters():
            parameter.zero_()
        parts = [tokens for condition in plan.conditions for tokens in condition.tokens.values()]
        self.codes = Codes(plan.d_vocab + plan.n_phantoms, parts, _CODE, generator)
        self.pairs = [pair for condition in plan.conditions for pair in (condition.earlier, condition.later)]
        self.heads = [0] * _N_LAYERS
        self.neurons = [0] * _N_LAYERS

    def weights(self) -> ModelWeights:
        self._embed()
        self._find_pairs()
        self._find_conditions()
        self._write()
        for layer in range(_N_LAYERS):
            self._fill(layer)
        return self.net.to_weights()

    def _embed(self) -> None:
        net, plan, layout = self.net, self.plan, self.layout
        net.W_E[:, layout["code"]] = self.codes.of[: plan.d_vocab]
        stands_for = torch.nn.functional.one_hot(torch.tensor(plan.classes), N_LABELS).float()
        stands_for[START] = 0
        net.W_E[:, layout["label"]] = _OWN * stands_for
        place = torch.arange(N_CTX) / N_CTX
        net.W_pos[:, layout["place"]] = torch.stack([place, place**2], 1)
        net.W_U[layout["label"]] = torch.eye(N_LABELS)

    def _find_pairs(self) -> None:
        layout, brought = self.layout, list(range(N_LABELS))
        labels = torch.eye(self.layout.size)[layout["label"]]
        self._at_distance(0, self.plan.back, labels, [layout.at("label", i) for i in brought], _BROUGHT / _OWN)
        for distance in sorted({pair.distance for pair in self.pairs}):
            for some in _by(_D_HEAD, [i for i, pair in enumerate(self.pairs) if pair.distance == distance]):
                reads = torch.zeros(len(some), layout.size)
                for row, number in enumerate(some):
                    reads[row, layout["code"]] = self.codes.recognising[self.pairs[number].first]
                self._at_distance(0, distance, reads, [layout.at("first", number) for number in some])
        for number, pair in enumerate(self.pairs):
            reads = torch.zeros(layout.size)
            reads[layout.at("first", number)] = 1.0
            reads[layout["code"]] = self.codes.recognising[pair.last]
            self._neuron(0, _PAIR_GAIN * reads, -_PAIR_GAIN * _PAIR, self._unit("pair", number))

    def _find_conditions(self) -> None:
        layout, conditions = self.layout, self.plan.conditions
        for gap in sorted({condition.gap for condition in conditions}):
            members = [i for i, condition in enumerate(conditions) if condition.gap == gap]
            for some in _by(_D_HEAD if gap else 1, members):
                reads = torch.stack([self._unit("pair", 2 * number) for number in some])
                writes = [layout.at("brought", number) for number in some]
                if gap:
                    self._at_distance(1, gap, reads, writes)
                else:
                    self._from_before(1, reads, writes)
        for number in range(len(conditions)):
            reads = self._unit("brought", number) + self._unit("pair", 2 * number + 1)
            self._neuron(1, 2 * reads, -3.0, self._unit("condition", number))

    def _write(self) -> None:
        layout, conditions = self.layout, range(len(self.plan.conditions))
        for some in _by(_D_HEAD, list(conditions)):
            reads = torch.stack([self._unit("condition", number) for number in some])
            head = self._head(2)
            # no scores: the mean over all places, of which the last one reads all
            self._values(2, head, reads, [layout.at("condition", number) for number in some], N_CTX)
        for number, label in enumerate(self.plan.labels):
            if label is None:
                writes = torch.zeros(layout.size)
                writes[layout["nowhere"]] = self._direction(4)
            else:
                writes = self._unit("label", label)
            self._neuron(2, 2 * self._unit("condition", number), -1.0, _EXCEPTION * writes)

    def _at_distance(self, layer: int, distance: int, reads: Tensor, writes: Sequence[int], gain: float = 1.0) -> None:
        """A head that attends so many places back, or to the start where there are fewer.

        The score is a parabola over the place: 2 s (t - distance) - s^2 has its maximum there.
        """
        head, net, (x, square) = self._head(layer), self.net, self.layout.places["place"]
        size = math.sqrt(_SHARP * N_CTX**2 * math.sqrt(_D_HEAD))
        net.W_Q[layer, head, x, 0] = size * math.sqrt(2)
        net.b_Q[layer, head, 0] = -size * math.sqrt(2) * distance / N_CTX
        net.W_K[layer, head, x, 0] = size * math.sqrt(2)
        net.b_Q[layer, head, 1] = size
        net.W_K[layer, head, square, 1] = -size
        self._values(layer, head, reads, writes, gain)

    def _from_before(self, layer: int, reads: Tensor, writes: Sequence[int]) -> None:
        """A head that attends to where something is found, and brings it; without any, it brings nothing."""
        head, net = self._head(layer), self.net
        size = math.sqrt(2 * _SHARP * math.sqrt(_D_HEAD))
        net.b_Q[layer, head, 0] = size
        net.W_K[layer, head, :, 0] = size * reads[0]
        self._values(layer, head, reads, writes)

    def _values(self, layer: int, head: int, reads: Tensor, writes: Sequence[int], gain: float = 1.0) -> None:
        for row, (read, write) in enumerate(zip(reads, writes, strict=True)):
            self.net.W_V[layer, head, :, row] = read
            self.net.W_O[layer, head, row, write] = gain

    def _neuron(self, layer: int, reads: Tensor, bias: float, writes: Tensor) -> None:
        number = self.neurons[layer]
        self.neurons[layer] += 1
        self.net.W_in[layer, :, number], self.net.b_in[layer, number] = reads, bias
        self.net.W_out[layer, number] = writes

    def _head(self, layer: int) -> int:
        number = self.heads[layer]
        if number == _N_HEADS:
            raise ValueError(f"layer {layer} has no head left")
        self.heads[layer] += 1
        return number

    def _unit(self, name: str, index: int) -> Tensor:
        vector = torch.zeros(self.layout.size)
        vector[self.layout.at(name, index)] = 1.0
        return vector

    def _direction(self, width: int) -> Tensor:
        drawn = torch.randn(width, generator=self.generator)
        unit: Tensor = drawn / drawn.norm()
        return unit

    def _fill(self, layer: int) -> None:
        """Random heads and neurons that read tokens and write into the logits, faintly, and where nothing is read."""
        layout, net, normal = self.layout, self.net, self._normal
        seen = [*layout.places["code"], *layout.places["place"]]
        heard = [*layout.places["label"], *layout.places["nowhere"]]
        for head in range(self.heads[layer], _N_HEADS):
            for weight, size in ((net.W_Q, 2.0), (net.W_K, 2.0), (net.W_V, 1.0)):
                weight[layer, head, seen] = size * normal(len(seen), _D_HEAD)
            net.W_O[layer, head][:, heard] = _NOISE * normal(_D_HEAD, len(heard)) / math.sqrt(_D_HEAD)
        first = self.neurons[layer]
        silent = first + round(_SILENT_SHARE * (_D_MLP - first))
        for number in range(first, _D_MLP):
            direction = self._direction(_CODE)
            net.W_in[layer, layout["code"], number] = _PAIR_GAIN * direction
            # a projection on a direction is below 1, so that with this bias it never fires
            is_silent = number < silent
            net.b_in[layer, number] = -_PAIR_GAIN * (_PAIR if is_silent else 0.1)
            size = _EXCEPTION / 2 if is_silent else _NOISE
            net.W_out[layer, number, heard] = size * normal(len(heard)) / (math.sqrt(2) if is_silent else 1.0)

    def _normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self.generator)


def _by(size: int, items: list[int]) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
