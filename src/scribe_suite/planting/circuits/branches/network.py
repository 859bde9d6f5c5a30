"""Constructs weights that compute a plan, without training: every part is set, among others that are similar.

Layer 0: heads move, from fixed distances, the similarity of a token to the first tokens of pairs; neurons detect pairs.
One head moves the ordinary label. Layer 1: heads move pairs from fixed distances, or from any earlier place; neurons
detect conditions. Layer 2: heads move conditions to the end; neurons write their effects into the logits or nowhere.

Before the last step, all activations are graded. The neuron of a pair fires weakly on tokens similar to the right ones,
that of a condition where only one of its pairs is present, each above its own threshold. As many further pairs are
detected in the same way, for neurons of layer 1 whose output nothing reads; and every neuron reads a little of what it
does not need. Only the last threshold is strict: it is passed or missed with a margin, so that prompts that meet a
condition in part do not change the logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from scribe_suite.planting.circuits.branches.codes import NEAREST, Codes
from scribe_suite.planting.circuits.branches.conditions import START, Pair
from scribe_suite.planting.circuits.branches.plans import LARGEST_DISTANCE, N_CTX, N_LABELS, Plan
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.hooked import ModelWeights

#: The layer whose first neurons are those of the conditions, one for each, in their order.
CONDITIONS_LAYER = 1
_CODE = 24
_N_HEADS, _D_HEAD, _D_MLP, _N_LAYERS = 8, 8, 40, 3
#: Number of detected pairs, including those of conditions; number of the others that layer 1 moves from elsewhere.
_PAIRS, _ASTRAY = 24, 4
#: Attention scores of a place and of the next best one differ by at least this much.
_SHARP = 14.0
#: Range of thresholds of pairs' neurons, for the sum of two projections, each 1 where the pair is present.
_PAIR = (0.3, 0.6)
#: The same for conditions' neurons and the outputs of their two pairs.
_CONDITION = (0.8, 0.9)
#: Largest output of a neuron for a pair with one wrong token; and for a condition with such a pair.
_NEAR_PAIR = (1 + NEAREST - _PAIR[0]) / (2 - _PAIR[0])
_NEAR_CONDITION = (1 + _NEAR_PAIR - _CONDITION[0]) / (2 - _CONDITION[0])
#: Threshold of layer 2, where the output of a condition is 1: halfway.
_HEARD = (1 + _NEAR_CONDITION) / 2
#: Thresholds of the neurons of layer 1 that nothing reads.
_UNREAD = (0.1, 0.9)
#: Size of the weights by which neurons read what they don't need, relative to those for what they need.
_CROSSTALK = 0.005
#: Logits of the token that determines the label, of the last token, and of a condition's effect.
_BROUGHT, _OWN, _EXCEPTION = 4.0, 1.0, 12.0
#: Standard deviation of a random head's contribution to a logit; and of a random neuron's, per unit of activation.
#: Heads have to mask the neurons' contributions from the last token, which may be one that a condition requires.
_NOISE, _NEURON_NOISE = 0.12, 0.04
#: Share of the remaining neurons of a layer that never fire.
_SILENT_SHARE = 0.25


@dataclass
class Layout:
    """The layout of the residual dimensions before rotation."""

    plan: Plan
    size: int = 0
    places: dict[str, range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.plan.conditions)
        for name, width in {
            "code": _CODE,
            "label": N_LABELS,
            "place": 2,
            "first": _PAIRS,
            "pair": _PAIRS,
            "brought": count + _ASTRAY,
            "condition": count,
            "arrived": count,
            "nowhere": 4,
        }.items():
            self.places[name] = range(self.size, self.size + width)
            self.size += width

    def __getitem__(self, name: str) -> slice:
        return slice(self.places[name].start, self.places[name].stop)

    def at(self, name: str, index: int) -> int:
        """One dimension of a part."""
        return self.places[name][index]


def shape_of(plan: Plan) -> TransformerShape:
    """The architecture of the model of a plan."""
    return TransformerShape(
        n_layers=_N_LAYERS,
        n_heads=_N_HEADS,
        d_model=Layout(plan).size,
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
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        plan: The plan to compute.
        seed: The seed of codes and all random choices.

    Raises:
        CodeError: When the tokens can't be distinguished.
        ValueError: When a layer has too few heads.
    """
    return _Builder(plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, plan: Plan, generator: torch.Generator) -> None:
        self.plan, self.generator, self.layout = plan, generator, Layout(plan)
        self.net = PatchableTransformer(shape_of(plan))
        for parameter in self.net.parameters():
            parameter.zero_()
        self.pairs = [pair for condition in plan.conditions for pair in (condition.earlier, condition.later)]
        self.pairs += self._others(_PAIRS - len(self.pairs))
        parts = [tokens for pair in self.pairs for tokens in (pair.first, pair.last)]
        self.codes = Codes(plan.d_vocab + plan.n_phantoms, parts, _CODE, generator)
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

    def _others(self, count: int) -> list[Pair]:
        """Pairs of tokens that no condition requires, drawn like those of conditions."""
        known = [tokens for pair in self.pairs for tokens in (pair.first, pair.last)]
        taken = {token for tokens in known for token in tokens}
        order = torch.randperm(self.plan.d_vocab - 1 - START, generator=self.generator) + 1 + START
        left = [token for token in order.tolist() if token not in taken]
        # no head moves more values than it has dimensions, over all pairs at that distance
        room = dict.fromkeys(range(1, LARGEST_DISTANCE + 1), _D_HEAD)
        for pair in self.pairs:
            room[pair.distance] -= 1
        found = []
        for _ in range(count):
            sizes = [len(known[int(torch.randint(len(known), (), generator=self.generator))]) for _ in range(2)]
            first, last = (tuple(sorted(left.pop() for _ in range(size))) for size in sizes)
            open_ = [distance for distance, some in room.items() if some > 0]
            distance = open_[int(torch.randint(len(open_), (), generator=self.generator))]
            room[distance] -= 1
            found.append(Pair(first, last, distance))
        return found

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
            self._detector(0, reads, _PAIR, self._unit("pair", number))

    def _find_conditions(self) -> None:
        layout, conditions = self.layout, self.plan.conditions
        others = list(range(2 * len(conditions), _PAIRS))
        astray = iter(others[:_ASTRAY])
        free = iter(range(len(conditions), len(conditions) + _ASTRAY))
        for gap in sorted({condition.gap for condition in conditions}):
            members = [i for i, condition in enumerate(conditions) if condition.gap == gap]
            for some in _by(_D_HEAD - 1 if gap else 1, members):
                found = [self._unit("pair", 2 * number) for number in some]
                writes = [layout.at("brought", number) for number in some]
                if not gap:
                    self._towards(1, found[0], writes[0], 1 - _NEAR_PAIR)
                    continue
                other, place = next(astray, None), next(free, None)
                if other is not None and place is not None:
                    found.append(self._unit("pair", other))
                    writes.append(layout.at("brought", place))
                self._at_distance(1, gap, torch.stack(found), writes)
        for number in range(len(conditions)):
            reads = self._unit("brought", number) + self._unit("pair", 2 * number + 1)
            self._detector(1, reads, _CONDITION, self._unit("condition", number))

    def _write(self) -> None:
        layout = self.layout
        for number, label in enumerate(self.plan.labels):
            condition = self._unit("condition", number)
            self._towards(2, condition, layout.at("arrived", number), 1 - _NEAR_CONDITION)
            if label is None:
                writes = torch.zeros(layout.size)
                writes[layout["nowhere"]] = self._direction(4)
            else:
                writes = self._unit("label", label)
            gain = 1 / (1 - _HEARD)
            self._neuron(2, gain * self._unit("arrived", number), -gain * _HEARD, _EXCEPTION * writes)

    def _at_distance(self, layer: int, distance: int, reads: Tensor, writes: Sequence[int], gain: float = 1.0) -> None:
        """Add a head that attends `distance` places back, or to the start if there are fewer.

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

    def _towards(self, layer: int, reads: Tensor, write: int, margin: float) -> None:
        """Add a head that attends to the place with the largest value of a projection, and moves that value.

        It distinguishes 1 from values smaller by `margin`. Without a maximum, it moves the mean over all places.
        """
        head, net = self._head(layer), self.net
        size = math.sqrt(_SHARP / margin * math.sqrt(_D_HEAD))
        net.b_Q[layer, head, 0] = size
        net.W_K[layer, head, :, 0] = size * reads
        self._values(layer, head, reads[None], [write])

    def _values(self, layer: int, head: int, reads: Tensor, writes: Sequence[int], gain: float = 1.0) -> None:
        for row, (read, write) in enumerate(zip(reads, writes, strict=True)):
            self.net.W_V[layer, head, :, row] = read
            self.net.W_O[layer, head, row, write] = gain

    def _neuron(self, layer: int, reads: Tensor, bias: float, writes: Tensor) -> None:
        number = self.neurons[layer]
        self.neurons[layer] += 1
        self.net.W_in[layer, :, number], self.net.b_in[layer, number] = reads, bias
        self.net.W_out[layer, number] = writes

    def _detector(self, layer: int, reads: Tensor, thresholds: tuple[float, float], writes: Tensor) -> None:
        """Add a neuron whose output is 1 if both inputs are 1, and graded above its threshold."""
        threshold = self._between(*thresholds)
        heard = torch.zeros(self.layout.size)
        for name in ("code", "first") if layer == 0 else ("pair", "brought"):
            heard[self.layout[name]] = self._normal(len(self.layout.places[name]))
        hears = _CROSSTALK * reads.norm() / math.sqrt(2) * heard
        gain = 1 / (2 - threshold)
        self._neuron(layer, gain * (reads + hears), -gain * threshold, writes)

    def _between(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

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
        """Add random heads and neurons that read tokens and write weakly into logits, and into unread dimensions."""
        layout, net, normal = self.layout, self.net, self._normal
        tokens = list(layout.places["code"])
        seen = [*tokens, *layout.places["place"]]
        heard = [*layout.places["label"], *layout.places["nowhere"]]
        for head in range(self.heads[layer], _N_HEADS):
            # queries don't read positions: the last one is always the same, so some tokens would always be attended to
            for weight, size, read in ((net.W_Q, 2.0, tokens), (net.W_K, 2.0, seen), (net.W_V, 1.0, tokens)):
                weight[layer, head, read] = size * normal(len(read), _D_HEAD)
            net.W_O[layer, head][:, heard] = _NOISE * normal(_D_HEAD, len(heard)) / math.sqrt(_D_HEAD)
        if layer == CONDITIONS_LAYER:
            self._fill_unread(layer)
        first = self.neurons[layer]
        silent = first + (round(_SILENT_SHARE * (_D_MLP - first)) if layer == _N_LAYERS - 1 else 0)
        for number in range(first, _D_MLP):
            reads = torch.zeros(layout.size)
            reads[layout["code"]] = self._direction(_CODE)
            is_silent = number < silent
            # some of layer 0 also read a previous token; conditions' inputs must not move logits, so these write aside
            is_aside = layer == 0 and number % 2 == 0
            if is_silent:  # a projection is at most 1, so it never fires
                gain, threshold = 1 / (1 - _HEARD), 1.0
            else:  # all others read two projections
                gain, threshold = 1 / (2 - sum(_PAIR) / 2), self._between(0.0, 0.3)
                if is_aside:
                    reads += self._unit("first", int(torch.randint(_PAIRS, (), generator=self.generator)))
                else:
                    reads[layout["code"]] += self._direction(_CODE)
            net.W_in[layer, :, number], net.b_in[layer, number] = gain * reads, -gain * threshold
            writes = torch.zeros(layout.size)
            if is_silent:
                writes[heard] = _EXCEPTION / 2 / math.sqrt(2) * normal(len(heard))
            else:
                writes[layout["nowhere"]] = self._direction(4)
                if not is_aside:
                    writes[layout["label"]] = _NEURON_NOISE * normal(N_LABELS)
                    writes /= writes.norm()
            net.W_out[layer, number] = writes

    def _fill_unread(self, layer: int) -> None:
        """Fill half of the remaining neurons: each reads two pairs, like a condition, and nothing reads its output."""
        names = [(name, i) for name in ("pair", "brought") for i in range(len(self.layout.places[name]))]
        for _ in range((_D_MLP - self.neurons[layer]) // 2):
            one, other = torch.randperm(len(names), generator=self.generator)[:2].tolist()
            writes = torch.zeros(self.layout.size)
            writes[self.layout["nowhere"]] = self._direction(4)
            self._detector(layer, self._unit(*names[one]) + self._unit(*names[other]), _UNREAD, writes)

    def _normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self.generator)


def _by(size: int, items: list[int]) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
