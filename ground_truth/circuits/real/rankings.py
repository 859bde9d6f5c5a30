"""Rankings of a model's components: blind ones, and those of the methods that the reference is chosen from."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.hook_points import HookPoint

from scribe_suite.scoring.circuit_patching import PromptPairs, component_names, parse_component

#: One number per component, in the order of `component_names`: the loss in the metric without it.
Effects = NDArray[np.float64]
#: Called with the completed fraction.
Report = Callable[[float], None]

#: How many pairs run at a time in backward passes; memory grows with it.
_BATCH = 12
_RANDOM = 1

_ORDERS: dict[str, Callable[[int, bool], tuple[int, ...]]] = {
    "early layers first": lambda layer, mlp: (layer, not mlp),
    "late layers first": lambda layer, mlp: (-layer, not mlp),
    "MLPs first, early before late": lambda layer, mlp: (not mlp, layer),
    "MLPs first, late before early": lambda layer, mlp: (not mlp, -layer),
    "first MLP, other MLPs, late before early": lambda layer, mlp: (not mlp, layer > 0, -layer),
}


def blind_rankings(n_layers: int, n_heads: int) -> dict[str, list[str]]:
    """Rankings that could be submitted without looking at the model, by name."""
    components = component_names(n_layers, n_heads)
    parsed = {name: parse_component(name) for name in components}
    rankings = {
        title: sorted(components, key=lambda name: order(parsed[name][0], parsed[name][1] is None))
        for title, order in _ORDERS.items()
    }
    for seed in range(_RANDOM):
        rankings[f"random {seed}"] = random.Random(seed).sample(components, len(components))
    return rankings


def ranking_of(effects: Effects, components: Sequence[str], *, by_size: bool) -> list[str]:
    """Components by decreasing effect, or by its decreasing size; ties in the order of `components`."""
    keys = -np.abs(effects) if by_size else -effects
    return [components[at] for at in np.argsort(keys, kind="stable")]


def attributed(model: HookedTransformer, pairs: PromptPairs, steps: int, report: Report) -> Effects:
    """The loss in the metric when a component has its counterfactual output, estimated from gradients.

    The change of a component's output times the metric's gradient, which is taken on the clean prompt for one step
    (attribution patching; Nanda 2023, Syed et al. 2023, arXiv 2310.10348), else averaged over inputs on the way from
    the counterfactual's embeddings to the clean ones (EAP-IG, here per node; Hanna et al. 2024, arXiv 2403.17806).

    Args:
        model: The model; its weights need no gradients.
        pairs: Prompts and counterfactuals.
        steps: Inputs on the way.
        report: Progress.
    """
    total = torch.zeros(len(component_names(model.cfg.n_layers, model.cfg.n_heads)), dtype=torch.float64)
    for start in range(0, len(pairs), _BATCH):
        total += _attributed_sum(model, pairs.part(slice(start, start + _BATCH)), steps)
        report(min(start + _BATCH, len(pairs)) / len(pairs))
    effects: Effects = (total / len(pairs)).numpy()
    return effects


def _attributed_sum(model: HookedTransformer, pairs: PromptPairs, steps: int) -> Tensor:
    device = model.cfg.device
    clean, other = (
        _activations(model, _embedded(model, tokens.to(device))) for tokens in (pairs.clean, pairs.counterfactual)
    )
    gradients: dict[str, Tensor] = {}
    for step in range(1, steps + 1):
        point = torch.lerp(other["embedded"], clean["embedded"], step / steps)
        for name, gradient in _gradients(model, pairs, point).items():
            gradients[name] = gradients.get(name, torch.zeros_like(gradient)) + gradient / steps
    effects = []
    for name in component_names(model.cfg.n_layers, model.cfg.n_heads):
        layer, head = parse_component(name)
        hook = f"blocks.{layer}.hook_mlp_out" if head is None else f"blocks.{layer}.attn.hook_z"
        change = (clean[hook] - other[hook]) * gradients[hook]
        effects.append((change if head is None else change[:, :, head]).sum().double().cpu())
    return torch.stack(effects)


@torch.no_grad()
def _embedded(model: HookedTransformer, tokens: Tensor) -> Tensor:
    embedded: Tensor = model(tokens, return_type=None, stop_at_layer=0)
    return embedded


def _is_component(name: str) -> bool:
    return name.endswith(("attn.hook_z", "hook_mlp_out"))


def _watched(model: HookedTransformer, embedded: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The stream at the end, and every component hook's value."""
    seen: dict[str, Tensor] = {}

    def watch(value: Tensor, hook: HookPoint) -> None:
        assert hook.name is not None
        seen[hook.name] = value

    final = model.run_with_hooks(
        embedded,
        start_at_layer=0,
        stop_at_layer=model.cfg.n_layers,
        return_type=None,
        fwd_hooks=[(_is_component, watch)],
    )
    return final, seen


def _last_logits(model: HookedTransformer, final: Tensor) -> Tensor:
    logits: Tensor = model.unembed(model.ln_final(final[:, -1:]))[:, -1]
    return logits


@torch.no_grad()
def _activations(model: HookedTransformer, embedded: Tensor) -> dict[str, Tensor]:
    return {"embedded": embedded, **_watched(model, embedded)[1]}


def _gradients(model: HookedTransformer, pairs: PromptPairs, embedded: Tensor) -> dict[str, Tensor]:
    with torch.enable_grad():
        final, seen = _watched(model, embedded.detach().requires_grad_())
        found = torch.autograd.grad(pairs.metric(_last_logits(model, final)).sum(), list(seen.values()))
    return dict(zip(seen, found, strict=True))


@torch.no_grad()
def ablated_one_by_one(model: HookedTransformer, pairs: PromptPairs, report: Report) -> Effects:
    """The loss in the metric when a single component has its output from the counterfactual prompt.

    All components of a layer are ablated in one pass, each in its own copy of the pairs.
    """
    device, depth = model.cfg.device, model.cfg.n_layers
    _, clean = model.run_with_cache(
        pairs.clean.to(device), return_type=None, stop_at_layer=depth,
        names_filter=lambda name: name.endswith("hook_resid_pre"),
    )  # fmt: skip
    other = _activations(model, _embedded(model, pairs.counterfactual.to(device)))
    copies = model.cfg.n_heads + 1
    clean_ids, other_ids, options, weights = (
        part.repeat(copies, 1) for part in (pairs.clean, pairs.counterfactual, pairs.options, pairs.weights)
    )
    repeated = PromptPairs(clean_ids, other_ids, options, weights, pairs.readout)
    kept = []
    for layer in range(depth):
        final = model.run_with_hooks(
            clean[f"blocks.{layer}.hook_resid_pre"].repeat(copies, 1, 1),
            start_at_layer=layer, stop_at_layer=depth, return_type=None,
            fwd_hooks=_each_ablated_in_its_copy(layer, other, len(pairs)),
        )  # fmt: skip
        kept.append(repeated.metric(_last_logits(model, final)).view(copies, -1).mean(1))
        report((layer + 1) / depth)
    intact = pairs.metric(_last_logits(model, model(pairs.clean.to(device), return_type=None, stop_at_layer=depth)))
    effects: Effects = (intact.mean() - torch.cat(kept)).double().cpu().numpy()
    return effects


def _each_ablated_in_its_copy(
    layer: int, other: Mapping[str, Tensor], n: int
) -> list[tuple[str, Callable[..., Tensor]]]:
    """Hooks for copies of n pairs: copy h has head h ablated, the last one the MLP."""

    def heads(z: Tensor, hook: HookPoint) -> Tensor:
        assert hook.name is not None
        for head in range(z.shape[2]):
            z[head * n : (head + 1) * n, :, head] = other[hook.name][:, :, head]
        return z

    def mlp(value: Tensor, hook: HookPoint) -> Tensor:
        assert hook.name is not None
        value[-n:] = other[hook.name]
        return value

    return [(f"blocks.{layer}.attn.hook_z", heads), (f"blocks.{layer}.hook_mlp_out", mlp)]


#: By the name of the measurement's step.
METHODS: Mapping[str, Callable[[HookedTransformer, PromptPairs, Report], Effects]] = {
    "attribution": lambda model, pairs, report: attributed(model, pairs, 1, report),
    "eap_ig": lambda model, pairs, report: attributed(model, pairs, 5, report),
    "single_ablation": ablated_one_by_one,
}
