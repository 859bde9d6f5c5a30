"""Numbers about single neurons that no symmetry changes: whether they distinguish planted neurons from the rest.

GELU neurons keep their size under every symmetry of `planting.symmetries`, so norms count. LayerNorm's weights are
folded into the maps that read the stream, and all maps are centred.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from scribe_suite.planting.circuits.signatures.table import Group, Signatures
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.neurons.measure import Neuron
from scribe_suite.planting.symmetries import fold_layer_norm

_TINY = 1e-9

#: Statistic -> a number per neuron of one layer.
Columns = dict[str, Float64[Tensor, " neuron"]]


@torch.no_grad()
def neuron_signatures(
    weights: ModelWeights, activations: Float[Tensor, "token neuron"] | None = None
) -> dict[int, Signatures]:
    """Layer -> the statistics of its neurons.

    Args:
        weights: A language model whose labels are its tokens.
        activations: After the nonlinearity, all neurons in the order of `measure.all_neurons`; without them the
            statistics that need them are left out.
    """
    state = {name: value.double() for name, value in fold_layer_norm(weights).state.items()}
    found = {}
    for layer in range(int(weights.config["n_layers"])):
        groups: dict[Group, Columns] = {
            "weights": _weights(state, layer),
            "composition": _composition(state, layer, int(weights.config["n_layers"])),
            "activations": {},
            "unembedding": _unembedding(state, layer),
        }
        width = len(state[f"blocks.{layer}.mlp.b_in"])
        if activations is not None:
            groups["activations"] = _activations(activations[:, layer * width : (layer + 1) * width])
        found[layer] = _table(layer, width, groups)
    return found


def _weights(state: Mapping[str, Tensor], layer: int) -> Columns:
    into, out = state[f"blocks.{layer}.mlp.W_in"].T, state[f"blocks.{layer}.mlp.W_out"]
    bias = state[f"blocks.{layer}.mlp.b_in"]
    reading, writing = into.norm(dim=1), out.norm(dim=1)
    tokens, positions = state["embed.W_E"], state["pos_embed.W_pos"]
    found: Columns = {
        "input norm": reading.log(),
        "output norm": writing.log(),
        "product of norms": (reading * writing).log(),
        "ratio of norms": (reading / writing).log(),
        "bias": bias,
        "bias over input norm": bias / reading,
        "input-output cosine": (into * out).sum(1) / (reading * writing),
        "bias of the output": out @ state[f"blocks.{layer}.mlp.b_out"] / writing,
    }
    for name, rows in (("tokens", tokens), ("positions", positions)):
        found |= _responses(f"input on {name}", into @ (rows - rows.mean(0)).T)
        found |= _responses(f"output on {name}", out @ (rows - rows.mean(0)).T)
        found[f"input on the mean of {name}"] = into @ rows.mean(0) / reading
        found[f"output on the mean of {name}"] = out @ rows.mean(0) / writing
    for name, rows, lengths in (("inputs", into, reading), ("outputs", out, writing)):
        found |= _likeness(name, rows / lengths[:, None])
    return found


def _responses(name: str, values: Float64[Tensor, "neuron row"]) -> Columns:
    """How many rows of an embedding a neuron responds to, and how strongly."""
    centred = values - values.mean(1, keepdim=True)
    variance = centred.pow(2).mean(1)
    spread = variance.sqrt()
    return {
        f"{name}, spread": _log(spread),
        f"{name}, skew": centred.pow(3).mean(1) / (spread.pow(3) + _TINY),
        f"{name}, kurtosis": _log(centred.pow(4).mean(1) / (variance.pow(2) + _TINY)),
        f"{name}, largest": centred.max(1).values / (spread + _TINY),
        f"{name}, smallest": centred.min(1).values / (spread + _TINY),
    }


def _likeness(name: str, directions: Float64[Tensor, "neuron d_model"]) -> Columns:
    cosines = directions @ directions.T - 2 * torch.eye(len(directions), dtype=torch.float64)
    others = cosines.topk(5, dim=1).values
    return {
        f"{name}, most alike": others[:, 0],
        f"{name}, five most alike": others.mean(1),
        f"{name}, most opposed": -(cosines + 2 * torch.eye(len(directions), dtype=torch.float64)).min(1).values,
        f"{name}, in the layer's leading directions": _leading(directions),
    }


def _leading(directions: Float64[Tensor, "neuron d_model"], count: int = 10) -> Float64[Tensor, " neuron"]:
    _, _, axes = torch.linalg.svd(directions, full_matrices=False)
    return _log((directions @ axes[:count].T).pow(2).sum(1))


def _composition(state: Mapping[str, Tensor], layer: int, n_layers: int) -> Columns:
    """How much of the writes of heads and neurons a neuron reads, and how much of its write they read."""
    into, out = state[f"blocks.{layer}.mlp.W_in"].T, state[f"blocks.{layer}.mlp.W_out"]
    into = into - into.mean(1, keepdim=True)
    into, out = (rows / rows.norm(dim=1, keepdim=True) for rows in (into, out))
    found: Columns = {}
    for other in range(n_layers):
        q, k, v = (state[f"blocks.{other}.attn.W_{letter}"] for letter in "QKV")
        moved = v @ state[f"blocks.{other}.attn.W_O"]  # products, since bases within a head mean nothing
        writers = {
            f"heads of layer {other}": moved.flatten(0, 1),
            f"neurons of layer {other}": state[f"blocks.{other}.mlp.W_out"],
        }
        readers = {
            **{
                f"{letter} of layer {other}": product.permute(1, 0, 2).flatten(1)
                for letter, product in zip("QKV", (q @ k.mT, k @ q.mT, moved), strict=True)
            },
            f"neurons of layer {other}": state[f"blocks.{other}.mlp.W_in"],
        }
        found |= {f"reads {name}": _log((into @ matrix.T).norm(dim=1)) for name, matrix in writers.items()}
        found |= {f"is read by {name}": _log((out @ matrix).norm(dim=1)) for name, matrix in readers.items()}
    return found


def _unembedding(state: Mapping[str, Tensor], layer: int) -> Columns:
    unembedding = state["unembed.W_U"]
    logits = state[f"blocks.{layer}.mlp.W_out"] @ (unembedding - unembedding.mean(1, keepdim=True))
    return _responses("logits", logits)


def _activations(values: Float[Tensor, "token neuron"]) -> Columns:
    values = values.double()
    mean, spread = values.mean(0), values.std(0) + _TINY
    scaled = (values - mean) / spread
    return {
        "mean": mean,
        "spread": _log(spread),
        "mean over spread": mean / spread,
        "skew": scaled.pow(3).mean(0),
        "kurtosis": _log(scaled.pow(4).mean(0)),
        "peak over spread": _log(values.max(0).values / spread),
        "active": (values > 0).double().mean(0),
        "density": _log(values.relu().mean(0).pow(2) / (values.relu().pow(2).mean(0) + _TINY)),
        # 5/9 for a uniform distribution; more for one with two peaks
        "two peaks": (scaled.pow(3).mean(0).pow(2) + 1) / scaled.pow(4).mean(0),
    }


def _table(layer: int, width: int, groups: Mapping[Group, Columns]) -> Signatures:
    columns = [(name, group, column) for group, found in groups.items() for name, column in sorted(found.items())]
    return Signatures(
        nodes=tuple(str(Neuron(layer, index)) for index in range(width)),
        statistics=tuple(name for name, _, _ in columns),
        groups=tuple(group for _, group, _ in columns),
        values=np.stack([column.numpy() for _, _, column in columns], axis=1),
    )


def _log(values: Float64[Tensor, "..."]) -> Float64[Tensor, "..."]:
    return (values.abs() + _TINY).log()
