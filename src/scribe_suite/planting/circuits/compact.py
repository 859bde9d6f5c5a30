"""The smallest network that can hold a circuit.

The function of a circuit of heads and MLPs depends on the order of its layers, not on the number of other layers or
heads (without nodes these add nothing). So it is trained without them, several times faster, and then put in its place
(`planting.circuits.assembly`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from scribe_suite.planting.circuits.patchable import TransformerShape


@dataclass(frozen=True)
class Compact:
    """A circuit's own small architecture.

    Attributes:
        shape: Layers without a node of the circuit are left out, so are heads beyond the most that a layer has, and
            LayerNorm.
        names: Node of the full architecture -> node here.
    """

    shape: TransformerShape
    names: Mapping[str, str]


def compact(shape: TransformerShape, circuit: Collection[str], width: int) -> Compact:
    """Leave out what a circuit does not need.

    Args:
        shape: The full architecture.
        circuit: Its nodes.
        width: Width of the residual stream that the circuit gets.

    Raises:
        ValueError: When a node does not exist.
    """
    mask = shape.mask(circuit)
    layers = mask.any(1).nonzero()[:, 0].tolist()
    names: dict[str, str] = {}
    for new, layer in enumerate(layers):
        heads = mask[layer, :-1].nonzero()[:, 0].tolist()
        names |= {f"a{layer}.h{head}": f"a{new}.h{rank}" for rank, head in enumerate(heads)}
        if mask[layer, -1]:
            names[f"m{layer}"] = f"m{new}"
    small = replace(
        shape,
        n_layers=len(layers),
        n_heads=max(1, int(mask[:, :-1].sum(1).max())),
        d_model=width,
        normalization=None,
        d_mlp=shape.d_mlp if bool(mask[:, -1].any()) else 1,
    )
    return Compact(small, names)
