"""The smallest network that can hold a circuit, and the way back into the architecture it is meant for.

What a circuit of heads and MLPs computes depends on the order of its layers, not on how many layers or heads stand
between and beside them (without other nodes they would add nothing). So it is trained without them, several times
faster, and then placed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch

from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.symmetries import fold_layer_norm


@dataclass(frozen=True)
class Compact:
    """A circuit's own small architecture.

    Attributes:
        shape: Layers without a node of the circuit are left out, and so are heads beyond the most that a layer has.
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
        ValueError: When a node does not exist or the width is more than the architecture has.
    """
    if width > shape.d_model:
        raise ValueError(f"a circuit can't be {width} wide in a residual stream of {shape.d_model}")
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
        d_mlp=shape.d_mlp if bool(mask[:, -1].any()) else 1,
    )
    return Compact(small, names)


@torch.no_grad()
def place(core: PatchableTransformer, plan: Compact, shape: TransformerShape) -> PatchableTransformer:
    """Put a compact circuit where it belongs; nodes and residual dimensions besides it are zero.

    The result computes the same function, exactly so without LayerNorm. With it, the circuit's elementwise weights are
    folded and its writers centred first, and every reader is scaled for the wider stream's variance.

    Args:
        core: A network of ``plan.shape`` in which only the circuit writes.
        plan: What `compact` made.
        shape: The full architecture.
    """
    core = _centred(core) if shape.normalization == "LN" else core
    full = PatchableTransformer(shape)
    for name, parameter in full.named_parameters():
        parameter.fill_(1.0 if name.startswith("ln") and name.endswith("_w") else 0.0)
    width = core.shape.d_model
    # LayerNorm divides by the root of the mean square over all dimensions, of which most are zero now
    gain = (width / shape.d_model) ** 0.5 if shape.normalization == "LN" else 1.0
    full.W_E[:, :width], full.W_pos[:, :width] = core.W_E, core.W_pos
    full.W_U[:width], full.b_U[:] = core.W_U * gain, core.b_U
    for old, new in plan.names.items():
        layer, small = int(old[1:].split(".")[0]), int(new[1:].split(".")[0])
        full.b_O[layer, :width], full.b_out[layer, :width] = core.b_O[small], core.b_out[small]
        if old.startswith("m"):
            full.W_in[layer, :width], full.b_in[layer] = core.W_in[small] * gain, core.b_in[small]
            full.W_out[layer, :, :width] = core.W_out[small]
            continue
        head, rank = int(old.split("h")[1]), int(new.split("h")[1])
        for letter in "QKV":
            getattr(full, f"W_{letter}")[layer, head, :width] = getattr(core, f"W_{letter}")[small, rank] * gain
            getattr(full, f"b_{letter}")[layer, head] = getattr(core, f"b_{letter}")[small, rank]
        full.W_O[layer, head, :, :width] = core.W_O[small, rank]
    return full


def _centred(core: PatchableTransformer) -> PatchableTransformer:
    """The same function with LayerNorm weights folded and nothing written along the all-ones direction."""
    folded = PatchableTransformer.from_weights(fold_layer_norm(core.to_weights()))
    for name in ("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out"):
        value = getattr(folded, name)
        value.copy_(value - value.mean(-1, keepdim=True))
    return folded
