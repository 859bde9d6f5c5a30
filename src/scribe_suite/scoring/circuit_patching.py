"""Runs a language model with only some components computing, and all others patched with their outputs elsewhere.

Pairs of prompts of one length define a behaviour: on the *clean* prompt the model shows it; the *counterfactual*
prompt, which differs in a few words, calls for another answer or for none. With a set of components kept, every other
head (its ``hook_z``) and MLP (its ``hook_mlp_out``) has, at all positions, its output from the counterfactual prompt.
The embedding is always that of the clean prompt. Kept components compute on their patched inputs.

Nothing is computed in layers where no component is kept, nor before the first layer with a patched one, so that small
circuits and single ablations are cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

Readout = Literal["logits", "probabilities", "log_probabilities"]

#: How the logits at the last position are transformed before options are weighted, by the name of the readout.
READOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda logits: logits,
    "probabilities": lambda logits: logits.softmax(-1),
    "log_probabilities": lambda logits: logits.log_softmax(-1),
}


@dataclass(frozen=True)
class PromptPairs:
    """Prompts that show a behaviour, their counterfactuals, and how much of it an output shows.

    Attributes:
        clean: Token ids, all prompts of one length.
        counterfactual: Token ids of the same shape, aligned with `clean` position by position.
        options: Per pair, the next tokens that count.
        weights: The factor of each option's readout: positive for right ones, negative for wrong ones.
        readout: What is read from an option at the last position: its logit, its probability or its log-probability.
    """

    clean: Int[Tensor, "pair position"]
    counterfactual: Int[Tensor, "pair position"]
    options: Int[Tensor, "pair option"]
    weights: Float[Tensor, "pair option"]
    readout: Readout

    def __post_init__(self) -> None:
        if self.clean.shape != self.counterfactual.shape or self.options.shape != self.weights.shape:
            raise ValueError("prompts and counterfactuals, and options and weights, must have the same shapes")
        if len(self.clean) != len(self.options) or not len(self.clean):
            raise ValueError(f"{len(self.clean)} prompts have options for {len(self.options)}: give each its own")

    def __len__(self) -> int:
        return len(self.clean)

    def part(self, rows: slice) -> PromptPairs:
        """Some of the pairs."""
        return PromptPairs(
            self.clean[rows], self.counterfactual[rows], self.options[rows], self.weights[rows], self.readout
        )

    def metric(self, logits: Float[Tensor, "pair vocabulary"]) -> Float[Tensor, " pair"]:
        """How strongly the logits at the last position show the behaviour, per pair."""
        read = READOUTS[self.readout](logits)
        weighed: Tensor = read.gather(-1, self.options.to(logits.device)) * self.weights.to(logits.device)
        return weighed.sum(-1)

    def correct(self, logits: Float[Tensor, "pair vocabulary"]) -> Bool[Tensor, " pair"]:
        """Whether right options outweigh wrong ones; without wrong ones, whether the most probable token is right."""
        if (self.weights < 0).any():
            return self.metric(logits) > 0
        options, weights = self.options.to(logits.device), self.weights.to(logits.device)
        return ((logits.argmax(-1, keepdim=True) == options) & (weights > 0)).any(-1)


def component_names(n_layers: int, n_heads: int) -> list[str]:
    """All heads ``a{layer}.h{head}`` and MLPs ``m{layer}``, layer by layer."""
    return [
        name for layer in range(n_layers) for name in (*(f"a{layer}.h{head}" for head in range(n_heads)), f"m{layer}")
    ]


def parse_component(name: str) -> tuple[int, int | None]:
    """Layer and head of a component; None instead of the head for an MLP.

    Raises:
        ValueError: When it is not written like ``a3.h0`` or ``m3``.
    """
    match = re.fullmatch(r"a(\d+)\.h(\d+)|m(\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is not a component: write a3.h0 for a head, m3 for an MLP")
    return (int(match[1]), int(match[2])) if match[3] is None else (int(match[3]), None)


class PatchedRuns:
    """A model on pairs, with any set of components kept; shared parts are computed once.

    Args:
        model: The model, without gradients.
        pairs: The pairs; moved to the model's device.

    Raises:
        ValueError: When the model's blocks are not "attention, then MLP, each added to the stream".
    """

    @torch.no_grad()
    def __init__(self, model: HookedTransformer, pairs: PromptPairs) -> None:
        if model.cfg.parallel_attn_mlp or model.cfg.use_normalization_before_and_after or model.cfg.attn_only:
            raise ValueError("only models whose blocks add attention and then an MLP to the stream can be patched here")
        self._model, self._pairs = model, pairs
        device = model.cfg.device
        clean, other = pairs.clean.to(device), pairs.counterfactual.to(device)
        depth = model.cfg.n_layers
        final, streams = model.run_with_cache(
            clean, return_type=None, stop_at_layer=depth, names_filter=lambda name: name.endswith("hook_resid_pre")
        )
        self._clean = [*(streams[f"blocks.{layer}.hook_resid_pre"] for layer in range(depth)), final]
        wanted = ("attn.hook_z", "hook_attn_out", "hook_mlp_out")
        _, cache = model.run_with_cache(
            other, return_type=None, stop_at_layer=depth, names_filter=lambda name: name.endswith(wanted)
        )
        self._z, self._attention, self._mlp = (
            [cache[f"blocks.{layer}.{hook}"] for layer in range(depth)] for hook in wanted
        )
        self.components = component_names(model.cfg.n_layers, model.cfg.n_heads)
        """Every component there is."""

    def metric(self, kept: Collection[str]) -> Float[Tensor, " pair"]:
        """How strongly the behaviour shows, per pair, when only `kept` compute.

        Raises:
            ValueError: When a component does not exist.
        """
        return self._pairs.metric(self.logits(kept)).cpu()

    @torch.no_grad()
    def logits(self, kept: Collection[str]) -> Float[Tensor, "pair vocabulary"]:
        """Logits at the last position when only `kept` compute; on the model's device.

        Raises:
            ValueError: When a component does not exist.
        """
        unknown = set(kept) - set(self.components)
        if unknown:
            raise ValueError(f"the model has no component {sorted(unknown)[0]!r}")
        parsed = [parse_component(name) for name in kept]
        mlps = {layer for layer, head in parsed if head is None}
        heads: dict[int, list[int]] = {}
        for layer, head in parsed:
            if head is not None:
                heads.setdefault(layer, []).append(head)
        return self._last_logits(heads, mlps)

    def _last_logits(self, heads: dict[int, list[int]], mlps: Collection[int]) -> Float[Tensor, "pair vocabulary"]:
        whole = range(self._model.cfg.n_heads)
        depth = self._model.cfg.n_layers
        start = next((n for n in range(depth) if n not in mlps or set(heads.get(n, ())) != set(whole)), depth)
        stream = self._clean[start]
        hooks = [self._keeping(layer, heads[layer]) for layer in sorted(heads) if layer >= start]
        with self._model.hooks(fwd_hooks=hooks):
            for layer, block in list(enumerate(self._model.blocks))[start:]:
                if layer in heads:
                    seen = block.ln1(stream)
                    stream = stream + block.attn(seen, seen, seen)
                else:
                    stream = stream + self._attention[layer]
                stream = stream + (block.mlp(block.ln2(stream)) if layer in mlps else self._mlp[layer])
        logits: Tensor = self._model.unembed(self._model.ln_final(stream[:, -1:]))
        return logits[:, -1]

    def _keeping(self, layer: int, heads: Sequence[int]) -> tuple[str, Any]:
        """A hook by which only some heads of a layer compute."""

        def replace(z: Tensor, hook: HookPoint) -> Tensor:  # noqa: ARG001  # TransformerLens calls it by name
            mixed: Tensor = self._z[layer].clone()
            mixed[:, :, heads] = z[:, :, heads]
            return mixed

        return f"blocks.{layer}.attn.hook_z", replace
