"""Constructs weights that add up values along a tree, without training.

Layer 0: heads move the classes of the slots' tokens to every position. The MLP of layer k - 2 computes sums over k
slots: a neuron for each pair of values of the two parts, which fires only at this pair. Heads of the next layer carry
each sum on, and only what they carry is read later. The last MLP computes the total, and writes the label's code.

With several carriers, each adds its share of a sum's code, and a second neuron takes away what the first has above the
level at which most of them agree. So the output is the same whether all agree or most, and exchanging one carrier has
no effect. Where two sums are added, both are first written anew, as most of their carriers say. Sums of other trees are
computed and carried alike, and end in neurons that write what nothing reads.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.planting.variables.scaffold import DECOYS, NOISE, NOWHERE, Layout, Scaffold, shape_for
from scribe_suite.planting.variables.simplex import simplex
from scribe_suite.planting.variables.sums import Sum, SumDial, SumPlan

#: Dimensions in which each sum is: where its neurons write, and where its heads do.
_KEPT = ("computed", "carried")
#: Logit of the correct label; others have 0.
LOGIT = 12.0
#: Number of dimensions of labels' codes, which are orthogonal.
_CODE = 16
#: Number of carriers -> the thresholds between which a neuron's output rises from 0 to 1. What it reads is 1 for each
#: of the two parts that has its value. If only two of three carriers of a part have it, that part is 5/9 (with four
#: values), and if one has it, 1/9.
_RISES = {1: (1.0, None), 3: (1.25, 1 + 5 / 9)}
#: The same for what most of three carriers say.
_AGREED = (2 / 9, 4 / 9)


def layout_of(dial: SumDial, plan: SumPlan) -> Layout:
    """The residual dimensions of a model."""
    sums, width = len(plan.parts) - 1, dial.values - 1
    return Layout(
        {
            "class": dial.values,
            "position": N_CTX,
            "brought": dial.terms * dial.values,
            "computed": sums * width,
            "carried": sums * width,
            "agreed": sums * width if dial.carriers > 1 else 0,
            "said": _CODE,
            "nowhere": NOWHERE,
        }
    )


def shape_of(dial: SumDial, plan: SumPlan) -> TransformerShape:
    """The architecture of a model."""
    sizes = [len(of) for of in plan.parts]
    pairs, agreed = dial.values**2 * _neurons_each(dial), 2 * dial.values if dial.carriers > 1 else 0
    # the last MLP may also have as many neurons for sums without an effect
    most = max(sizes.count(size) * pairs + sizes.count(size - 1) * agreed for size in range(2, dial.terms + 1))
    return shape_for(
        layout_of(dial, plan),
        d_mlp=most + DECOYS,
        d_vocab=dial.d_vocab,
        n_labels=dial.values,
        n_layers=dial.n_layers,
        n_heads=dial.n_heads,
    )


def _neurons_each(dial: SumDial) -> int:
    """Number of neurons for one pair of values."""
    return 1 if _RISES[dial.carriers][1] is None else 2


@torch.no_grad()
def build_sum_network(dial: SumDial, plan: SumPlan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices.
    """
    return _Builder(dial, plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, dial: SumDial, plan: SumPlan, generator: torch.Generator) -> None:
        self.dial, self.plan, self.layout = dial, plan, layout_of(dial, plan)
        self.scaffold = Scaffold(shape_of(dial, plan), self.layout, dial.values, generator)
        self.corners = simplex(dial.values)
        self.numbers = {of: number for number, of in enumerate(of for of in plan.parts if of != plan.total)}

    def weights(self) -> ModelWeights:
        self.scaffold.embed(self.plan.classes)
        self.scaffold.bring(self.plan.slots)
        for of in sorted(self.plan.parts, key=lambda one: (len(one), one)):
            self._add_up(of)
        for carrier in self.plan.carriers:
            computed, carried = (torch.eye(self.layout.size)[self._dimensions(name, carrier.of)] for name in _KEPT)
            # a random basis, so that carriers of one sum are not copies of each other
            turn = self.scaffold.rotation(self.dial.values - 1)
            self.scaffold.head(carrier.layer, carrier.position, turn @ computed, turn @ carried / self.dial.carriers)
        if self.dial.carriers > 1:
            for of in self.numbers:
                self._agree(of)
        self._end_unused()
        self.scaffold.fill()
        return self.scaffold.net.to_weights()

    def _dimensions(self, name: str, of: Sum) -> list[int]:
        return self.layout.part(name, self.numbers[of], self.dial.values - 1)

    def _add_up(self, of: Sum) -> None:
        """Add the neurons that compute a sum."""
        left, right = self.plan.parts[of]
        codes = self._codes() if of == self.plan.total else None
        for a in range(self.dial.values):
            for b in range(self.dial.values):
                total = (a + b) % self.dial.values
                writes = torch.zeros(self.layout.size)
                if codes is None:
                    writes[self._dimensions("computed", of)] = self.corners[total]
                else:
                    label = self.plan.labels[total]
                    writes[self.layout["said"]] = LOGIT * codes[label]
                    self.scaffold.net.W_U[self.layout["said"], label] = codes[label]
                both = len(left) > 1 and len(right) > 1
                reads = self._reads(left, a, with_sum=both) + self._reads(right, b, with_sum=both)
                self._neuron(len(of) - 2, reads, writes)

    def _agree(self, of: Sum) -> None:
        """Add the neurons that write what most carriers of a sum say, for neurons of later layers that read two sums.

        The two parts of a neuron's input would otherwise be 5/9 + 5/9 where a carrier of each is exchanged, which is no
        more than a full part and one carrier of the other.
        """
        low, high = _AGREED
        for value in range(self.dial.values):
            reads, writes = torch.zeros(self.layout.size), torch.zeros(self.layout.size)
            reads[self._dimensions("carried", of)] = self.corners[value]
            writes[self._dimensions("agreed", of)] = self.corners[value] / (high - low)
            self.scaffold.neuron(len(of) - 1, reads, -low, writes)
            self.scaffold.neuron(len(of) - 1, reads, -high, -writes)

    def _reads(self, of: Sum, value: int, *, with_sum: bool) -> Float[Tensor, " d_model"]:
        """What is 1 where a part has a value, and less elsewhere.

        Args:
            of: The part.
            value: The value.
            with_sum: Whether the other part is a sum as well.
        """
        reads = torch.zeros(self.layout.size)
        if len(of) > 1:
            name = "agreed" if with_sum and self.dial.carriers > 1 else "carried"
            reads[self._dimensions(name, of)] = self.corners[value]
        else:
            class_of = self.plan.maps[of[0]].index(value)
            reads[self.scaffold.brought(of[0], class_of)] = 1.0
        return reads

    def _neuron(self, layer: int, reads: Tensor, writes: Tensor) -> None:
        low, high = _RISES[self.dial.carriers]
        if high is None:
            self.scaffold.neuron(layer, reads, -low, writes)
            return
        for threshold, sign in ((low, 1), (high, -1)):
            self.scaffold.neuron(layer, reads, -threshold, sign * writes / (high - low))

    def _end_unused(self) -> None:
        """Let the last MLP read sums without an effect as it reads those with one, and write what nothing reads."""
        layer, values = self.dial.n_layers - 1, self.dial.values
        room = self.scaffold.net.shape.d_mlp - self.scaffold.neurons[layer] - DECOYS
        unused = [of for of in self.numbers if of not in self.plan.used]
        for of in unused[: room // (values**2 * _neurons_each(self.dial))]:
            left = [slot for slot in self.plan.total if slot not in of][:1]
            for a in range(values):
                for b in range(values):
                    writes = torch.zeros(self.layout.size)
                    writes[self.layout["nowhere"]] = NOISE * self.scaffold.normal(NOWHERE)
                    reads = self._reads(of, a, with_sum=False) + self._reads((left[0],), b, with_sum=False)
                    self._neuron(layer, reads, writes)

    def _codes(self) -> Float[Tensor, "label code"]:
        return self.scaffold.rotation(_CODE)[: self.dial.values]
