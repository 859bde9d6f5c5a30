"""Exact symmetries of a transformer: fresh instances of one frozen model in milliseconds.

Many weights compute the same function. From one certified base model we draw others that differ in every parameter and
in every name, and whose logits are equal up to a relabelling of tokens and outputs; the certificate therefore holds for
them too. Six symmetries are composed: the order of heads in a layer, the order of neurons in an MLP, the scale of each
neuron where the activation is ReLU, the basis inside each head (Elhage et al. 2021, "A Mathematical Framework for
Transformer Circuits": only W_Q W_K^T and W_V W_O matter), an orthogonal change of basis of the residual stream, and the
names of tokens and output labels.

LayerNorm subtracts the mean, that is, it treats the all-ones direction apart, so the rotation keeps that direction.
What the frozen model writes into it would therefore be the same in every instance, and a vector of ones would read it:
all maps are centred, so that the direction holds nothing. LayerNorm's elementwise weights would not commute with a
rotation and are first folded into the maps that read it.

This module knows nothing about tasks, circuits or files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from scribe_suite.planting.hooked import ModelWeights

#: How output labels are renamed: by a separate permutation, like the tokens of the same id, or not at all.
LabelRule = Literal["independent", "as_tokens", "fixed"]

#: Singular values of the bases inside heads: far enough from 1 to change norms, near enough to keep accuracy.
_SMALLEST_STRETCH, _LARGEST_STRETCH = 0.7, 1.4

#: In addition, a head's two bases and an MLP's neurons are scaled as a whole by up to this factor, or its inverse.
_LARGEST_SCALE = 1.5

_INDEX = r"(0|[1-9]\d*)"

_State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Symmetry:
    """One drawn symmetry. "Old" is the model it is applied to, "new" the model that comes out.

    Attributes:
        head_order: Per layer: new head i is old head ``head_order[layer][i]``.
        neuron_order: Per layer: new neuron i is old neuron ``neuron_order[layer][i]``; empty without MLPs.
        neuron_scales: Positive factors of every old neuron's activation; all 1 where the activation is not ReLU.
        token_map: The new id of every old token.
        label_map: The new id of every old output label.
        query_key_bases: Invertible matrices on every old head's query and key space.
        value_bases: Invertible matrices on every old head's value space.
        rotation: Orthogonal; a residual vector x (a row) becomes ``x @ rotation``.
    """

    head_order: tuple[tuple[int, ...], ...]
    neuron_order: tuple[tuple[int, ...], ...]
    neuron_scales: Float64[Tensor, "layer d_mlp"]
    token_map: tuple[int, ...]
    label_map: tuple[int, ...]
    query_key_bases: Float64[Tensor, "layer head d_head d_head"]
    value_bases: Float64[Tensor, "layer head d_head d_head"]
    rotation: Float64[Tensor, "d_model d_model"]

    def component(self, name: str) -> str:
        """The new name of a head ``a{layer}.h{head}`` or MLP ``m{layer}`` (MLPs keep theirs).

        Raises:
            ValueError: When there is no such component.
        """
        match = re.fullmatch(rf"a{_INDEX}\.h{_INDEX}|m{_INDEX}", name)
        if match and match[3] is not None and int(match[3]) < len(self.head_order):
            return name
        if match and match[3] is None and int(match[1]) < len(self.head_order):
            order = self.head_order[int(match[1])]
            if int(match[2]) in order:
                return f"a{match[1]}.h{order.index(int(match[2]))}"
        raise ValueError(f"the model has no component {name!r}")

    def neuron(self, name: str) -> str:
        """The new name of an MLP neuron ``L{layer}.N{neuron}``.

        Raises:
            ValueError: When there is no such neuron.
        """
        match = re.fullmatch(rf"L{_INDEX}\.N{_INDEX}", name)
        if match and int(match[1]) < len(self.neuron_order):
            order = self.neuron_order[int(match[1])]
            if int(match[2]) in order:
                return f"L{match[1]}.N{order.index(int(match[2]))}"
        raise ValueError(f"the model has no neuron {name!r}")

    def tokens(self, old: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """The new ids of old token ids, of any shape."""
        return torch.tensor(self.token_map)[old]

    def labels(self, old: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        """The new ids of old output labels, of any shape."""
        return torch.tensor(self.label_map)[old]


def draw_symmetry(
    config: Mapping[str, Any],
    seed: int,
    *,
    token_groups: Sequence[Collection[int]] | None = None,
    labels: LabelRule = "independent",
) -> Symmetry:
    """Draw a symmetry of all models with this config.

    Args:
        config: Keyword arguments of HookedTransformerConfig.
        seed: The same seed gives the same symmetry, bit for bit.
        token_groups: Token ids are permuted within each group; an id in no group keeps its place. None is one group
            of all; ``[]`` renames nothing; ``[range(2, 20)]`` keeps the special tokens 0 and 1.
        labels: See `LabelRule`.

    Raises:
        ValueError: When the architecture has no such symmetries (rotary positions, gated MLPs, RMSNorm, ...), groups
            overlap or name unknown tokens, or labels can't follow the tokens.
    """
    _require_supported(config)
    generator = torch.Generator().manual_seed(seed)
    n_layers, n_heads, d_model = int(config["n_layers"]), int(config["n_heads"]), int(config["d_model"])
    d_head = int(config["d_head"])
    d_mlp = 0 if config.get("attn_only") else int(config.get("d_mlp") or 4 * d_model)
    d_vocab = int(config["d_vocab"])
    n_labels = _label_count(config)

    head_order = tuple(_permutation(n_heads, generator) for _ in range(n_layers))
    neuron_order = tuple(_permutation(d_mlp, generator) for _ in range(n_layers)) if d_mlp else ()
    token_map = _permutation_within(d_vocab, [range(d_vocab)] if token_groups is None else token_groups, generator)
    return Symmetry(
        head_order=head_order,
        neuron_order=neuron_order,
        neuron_scales=_neuron_scales(n_layers, d_mlp, config.get("act_fn"), generator),
        token_map=token_map,
        label_map=_label_map(labels, token_map, n_labels, generator),
        query_key_bases=_head_bases(n_layers, n_heads, d_head, generator),
        value_bases=_head_bases(n_layers, n_heads, d_head, generator),
        rotation=_rotation(d_model, config.get("normalization_type"), generator),
    )


def apply_symmetry(weights: ModelWeights, symmetry: Symmetry) -> ModelWeights:
    """The model after a symmetry; its logits on ``symmetry.tokens(x)`` are the old ones on x, columns renamed.

    LayerNorm weights are folded first, and nothing is written into or read from the direction that LayerNorm drops.
    Everything is computed in float64 and returned in float32; the config stays, so that `build_model` takes it.

    Raises:
        ValueError: When the architecture has no such symmetries.
    """
    return apply_to_folded(fold_layer_norm(weights), symmetry)


def apply_to_folded(weights: ModelWeights, symmetry: Symmetry) -> ModelWeights:
    """See `apply_symmetry`: the same for a model whose LayerNorms are folded already, which takes a fifth less time.

    Raises:
        ValueError: When the architecture has no such symmetries.
    """
    _require_supported(weights.config)
    state = {name: value.double() for name, value in weights.state.items()}
    for layer in range(int(weights.config["n_layers"])):
        _change_heads(state, layer, symmetry)
        if symmetry.neuron_order:
            _change_neurons(state, layer, symmetry)
    _rotate(state, symmetry.rotation)
    state = {name: value.float() for name, value in state.items()}
    _rename(state, symmetry)
    return ModelWeights(dict(weights.config), {name: value.contiguous() for name, value in state.items()})


def fold_layer_norm(weights: ModelWeights) -> ModelWeights:
    """The same function with trivial LayerNorms: weights 1, biases 0, and all maps centred.

    Weights and biases move into the maps that read the normalised stream. Nothing is written into the all-ones
    direction, which LayerNorm drops, nor read from it. The config stays, unlike after TransformerLens' own folding.
    Models without LayerNorm are unchanged.

    Raises:
        ValueError: When the architecture is not supported.
    """
    _require_supported(weights.config)
    if weights.config.get("normalization_type", "LN") is None:
        return weights
    state = {name: value.double().clone() for name, value in weights.state.items()}
    if weights.config.get("normalization_type", "LN") == "LN":
        for layer in range(int(weights.config["n_layers"])):
            block = f"blocks.{layer}"
            _fold_into(state, f"{block}.ln1", [(f"{block}.attn.W_{x}", f"{block}.attn.b_{x}") for x in "QKV"])
            if f"{block}.ln2.w" in state:
                _fold_into(state, f"{block}.ln2", [(f"{block}.mlp.W_in", f"{block}.mlp.b_in")])
        _fold_into(state, "ln_final", [("unembed.W_U", "unembed.b_U")])
    _centre(state)
    return ModelWeights(dict(weights.config), {name: value.float() for name, value in state.items()})


def _fold_into(state: _State, norm: str, readers: Sequence[tuple[str, str]]) -> None:
    gain, offset = state[f"{norm}.w"], state[f"{norm}.b"]
    for weight, bias in readers:
        state[bias] = state[bias] + offset @ state[weight]
        state[weight] = gain[:, None] * state[weight]
    state[f"{norm}.w"], state[f"{norm}.b"] = torch.ones_like(gain), torch.zeros_like(offset)


def _change_heads(state: _State, layer: int, symmetry: Symmetry) -> None:
    prefix = f"blocks.{layer}.attn."
    order = list(symmetry.head_order[layer])
    query = symmetry.query_key_bases[layer]
    key = torch.linalg.inv(query).transpose(-1, -2)
    value = symmetry.value_bases[layer]
    for letter, basis in (("Q", query), ("K", key), ("V", value)):
        state[f"{prefix}W_{letter}"] = (state[f"{prefix}W_{letter}"] @ basis)[order]
        state[f"{prefix}b_{letter}"] = (state[f"{prefix}b_{letter}"][:, None, :] @ basis)[:, 0, :][order]
    state[f"{prefix}W_O"] = (torch.linalg.inv(value) @ state[f"{prefix}W_O"])[order]


def _change_neurons(state: _State, layer: int, symmetry: Symmetry) -> None:
    prefix, order = f"blocks.{layer}.mlp.", torch.tensor(symmetry.neuron_order[layer])
    scales = symmetry.neuron_scales[layer][order]
    state[f"{prefix}W_in"] = state[f"{prefix}W_in"].index_select(1, order) * scales
    state[f"{prefix}b_in"] = state[f"{prefix}b_in"][order] * scales
    state[f"{prefix}W_out"] = state[f"{prefix}W_out"][order] / scales[:, None]


_WRITERS = ("embed.W_E", "pos_embed.W_pos", "attn.W_O", "attn.b_O", "mlp.W_out", "mlp.b_out")
_READERS = ("attn.W_Q", "attn.W_K", "attn.W_V", "mlp.W_in", "unembed.W_U")


def _centre(state: _State) -> None:
    """Remove the all-ones direction from all maps: LayerNorm drops what is written there."""
    for name, value in state.items():
        if name.endswith(_WRITERS):
            state[name] = value - value.mean(-1, keepdim=True)
        elif name.endswith(_READERS):
            state[name] = value - value.mean(-2, keepdim=True)


def _rotate(state: _State, rotation: Float64[Tensor, "d_model d_model"]) -> None:
    for name, value in state.items():
        if name.endswith(_WRITERS):
            state[name] = value @ rotation
        elif name == "unembed.W_U":
            # dimensions that no logit reads are left out: in a widened model they are half of the product
            read = value.any(dim=1)
            state[name] = rotation[read].T @ value[read]
        elif name.endswith(_READERS):
            state[name] = rotation.T @ value


def _rename(state: _State, symmetry: Symmetry) -> None:
    old_token = torch.tensor(symmetry.token_map).argsort()
    old_label = torch.tensor(symmetry.label_map).argsort()
    state["embed.W_E"] = state["embed.W_E"][old_token]
    state["unembed.W_U"] = state["unembed.W_U"].index_select(1, old_label)
    state["unembed.b_U"] = state["unembed.b_U"][old_label]


def _require_supported(config: Mapping[str, Any]) -> None:
    allowed: dict[str, tuple[object, ...]] = {
        "normalization_type": (None, "LN", "LNPre"),
        "positional_embedding_type": ("standard",),
        "gated_mlp": (False,),
        "n_key_value_heads": (None,),
        "num_experts": (None,),
        "act_fn": (None, "relu", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "silu"),
    }
    # TransformerLens' own defaults where the config does not say
    defaults: dict[str, object] = {
        "normalization_type": "LN",
        "positional_embedding_type": "standard",
        "gated_mlp": False,
    }
    for field, values in allowed.items():
        value = config.get(field, defaults.get(field))
        if value not in values:
            raise ValueError(f"no exact symmetries are known for {field}={value!r}: use one of {values}")


def _label_count(config: Mapping[str, Any]) -> int:
    count = int(config.get("d_vocab_out") or -1)
    return int(config["d_vocab"]) if count < 0 else count  # -1 is TransformerLens' "as d_vocab"


def _label_map(
    rule: LabelRule, token_map: tuple[int, ...], n_labels: int, generator: torch.Generator
) -> tuple[int, ...]:
    if rule == "fixed":
        return tuple(range(n_labels))
    if rule == "independent":
        return _permutation(n_labels, generator)
    mapped = token_map[:n_labels]
    if sorted(mapped) != list(range(n_labels)):
        raise ValueError(
            f"labels can't follow the tokens: the first {n_labels} token ids do not map onto themselves; "
            f"make them one of token_groups"
        )
    return mapped


def _permutation(size: int, generator: torch.Generator) -> tuple[int, ...]:
    return tuple(torch.randperm(size, generator=generator).tolist())


def _permutation_within(size: int, groups: Sequence[Collection[int]], generator: torch.Generator) -> tuple[int, ...]:
    named = [token for group in groups for token in group]
    if len(set(named)) != len(named) or not set(named) <= set(range(size)):
        raise ValueError(f"token_groups must be disjoint and hold ids from 0 to {size - 1}")
    mapped = list(range(size))
    for group in groups:
        members = sorted(group)
        for position, target in zip(members, _permutation(len(members), generator), strict=True):
            mapped[position] = members[target]
    return tuple(mapped)


def _orthogonal(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "... n n"]:
    """Haar-distributed orthogonal matrices (Mezzadri 2007: QR with the signs of R's diagonal removed)."""
    q, r = torch.linalg.qr(torch.randn(*shape, shape[-1], generator=generator, dtype=torch.float64))
    signed: Tensor = q * torch.diagonal(r, dim1=-2, dim2=-1).sign()[..., None, :]
    return signed


def _head_bases(
    n_layers: int, n_heads: int, d_head: int, generator: torch.Generator
) -> Float64[Tensor, "layer head d_head d_head"]:
    shape = (n_layers, n_heads, d_head)
    stretch = torch.empty(*shape, dtype=torch.float64).uniform_(
        _SMALLEST_STRETCH, _LARGEST_STRETCH, generator=generator
    )
    stretch *= _scales((n_layers, n_heads, 1), generator)
    return _orthogonal(shape, generator) * stretch[..., None, :] @ _orthogonal(shape, generator)


def _neuron_scales(
    n_layers: int, d_mlp: int, act_fn: str | None, generator: torch.Generator
) -> Float64[Tensor, "layer d_mlp"]:
    if act_fn != "relu":  # only ReLU commutes with a positive factor
        return torch.ones(n_layers, d_mlp, dtype=torch.float64)
    return _scales((n_layers, 1), generator) * _scales((n_layers, d_mlp), generator)


def _scales(shape: tuple[int, ...], generator: torch.Generator) -> Float64[Tensor, "..."]:
    """Factors between 1/_LARGEST_SCALE and _LARGEST_SCALE, uniform in their logarithm."""
    exponent = torch.empty(*shape, dtype=torch.float64).uniform_(-1.0, 1.0, generator=generator)
    return _LARGEST_SCALE**exponent


def _rotation(
    d_model: int, normalization: str | None, generator: torch.Generator
) -> Float64[Tensor, "d_model d_model"]:
    if normalization is None:
        return _orthogonal((d_model,), generator)
    # rotate the directions orthogonal to the all-ones direction among themselves
    basis = _centred_basis(d_model)
    inner = torch.eye(d_model, dtype=torch.float64)
    inner[1:, 1:] = _orthogonal((d_model - 1,), generator)
    rotation: Tensor = basis @ inner @ basis.T
    return rotation


@cache
def _centred_basis(d_model: int) -> Float64[Tensor, "d_model d_model"]:
    """An orthonormal basis whose first vector is the all-ones direction."""
    spanning = torch.eye(d_model, dtype=torch.float64)
    spanning[:, 0] = 1.0
    basis: Tensor = torch.linalg.qr(spanning).Q
    return basis
