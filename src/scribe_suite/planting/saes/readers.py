"""How a group of latents is read: piecewise linear functions of the sum of their features, as ReLU neurons.

Each kind is a few neurons. What makes a kind hard to see is what attributions assume: gradients are taken where a
function may be flat, single ablations where others stand in, and sums where signs cancel.

========== ============================================================ ================================================
kind       function of its features                                     what zeroing does
========== ============================================================ ================================================
linear     f                                                            in proportion to f
saturated  min(f, c), flat where f is                                   all of it, though the gradient is 0
flipped    f or -f, depending on another token                          all of it, though means cancel
hat        a peak between 0 and where f is, steep and near 0 there      next to nothing, though the gradient is large
any        min(f1 + f2 + ..., c), and each alone is about c             little, unless all are zeroed
every      f1 + f2 + ... above a threshold that needs every one         all of it for each, and no more for several
opposed    f1 - f2                                                      much for either, and next to nothing for both
========== ============================================================ ================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["linear", "saturated", "flipped", "hat", "any", "every", "opposed"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: How much a feature varies above its least magnitude, as a share of it.
JITTER = 0.15
#: Where the function of a single saturated feature becomes flat, as a share of its least magnitude.
_FLAT = 0.85
#: The same for groups of kind ``any``: the least and the largest. Above 1, one feature alone is not quite enough.
FLAT_ANY = (0.85, 1.3)
#: What every feature of a group must have in common, as a share of the least magnitude of one: what the sum exceeds
#: the threshold by at least, and less than what one adds even if all others are as large as they can be.
_MARGIN = 0.55


@dataclass(frozen=True)
class Neuron:
    """A neuron that reads the features of a group.

    Attributes:
        weights: For each feature.
        bias: Added before the ReLU.
        context: Weight of an indicator that is 1 in one of two contexts, and of its opposite in the other.
        writes: What it adds to the output.
    """

    weights: tuple[float, ...]
    bias: float
    writes: float
    context: tuple[float, float] = (0.0, 0.0)


def neurons_of(kind: Kind, size: float, count: int, effect: float, flat: float) -> list[Neuron]:
    """The neurons that read a group.

    Args:
        kind: How it is read.
        size: The least magnitude of its features where they are active; they are up to `JITTER` larger.
        count: The number of its features.
        effect: The squared change of the output, where the features are active, if the best choice among them is
            zeroed; for a hat, the squared change that its gradient predicts.
        flat: Where a group of kind ``any`` becomes flat: see `FLAT_ANY`. One of kind ``every`` is flat where all of its
            features are active if this is below 1.
    """
    typical = size * (1 + JITTER / 2)
    root = effect**0.5
    if kind == "linear":
        return [Neuron((1.0,), 0.0, root / typical)]
    if kind == "flipped":
        far = 4 * size  # more than any feature
        return [
            Neuron((1.0,), 0.0, root / typical, (-far, 0.0)),
            Neuron((1.0,), 0.0, -root / typical, (0.0, -far)),
        ]
    if kind in ("saturated", "any"):
        end = size * (_FLAT if kind == "saturated" else flat)
        return _pieces(count, [(0.0, 1.0), (end, -1.0)], root / end)
    if kind == "every":
        begin, high = (count - _MARGIN) * size, 0.9 * _MARGIN * size
        if flat < 1:
            return _pieces(count, [(begin, 1.0), (begin + high, -1.0)], root / high)
        # jitter adds to what is above the threshold
        return _pieces(count, [(begin, 1.0)], root / (_MARGIN * size + count * size * JITTER / 2))
    if kind == "hat":
        end = size * (1 + JITTER)
        return _pieces(count, [(0.0, 1.0), (end / 2, -2.0), (end, 1.0)], root / typical)
    assert kind == "opposed"
    return [
        Neuron((1.0, -1.0), 0.0, root / typical),
        Neuron((-1.0, 1.0), 0.0, -root / typical),
    ]


def _pieces(count: int, changes: Sequence[tuple[float, float]], scale: float) -> list[Neuron]:
    """A piecewise linear function of a sum: at each point its slope changes by so much."""
    return [Neuron((1.0,) * count, -point, scale * change) for point, change in changes]
