"""One forward pass over some prompts of a run: patches are applied, sites kept, and gradients made possible.

Everything is done in hooks of TransformerLens. A hook belongs to one *step*, such as the values of block 2, and does
four things in this order: it adds contributions from paths, applies patches, makes a leaf for gradients, and keeps
requested values. The norms, which have no hook on their input, are reached by a hook of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformer

from ..sites import Kind, Site
from .loading import LoadedModel
from .patching import Patcher, Value
from .runs import Run

#: Kinds of sites of the same step, and TransformerLens' name of its hook; ``{}`` is the block.
STEPS: tuple[tuple[tuple[Kind, ...], str], ...] = (
    (("embed",), "blocks.{}.hook_resid_pre"),
    (("resid_pre",), "blocks.{}.hook_resid_pre"),
    (("q",), "blocks.{}.attn.hook_q"),
    (("k",), "blocks.{}.attn.hook_k"),
    (("v",), "blocks.{}.attn.hook_v"),
    (("pattern",), "blocks.{}.attn.hook_pattern"),
    (("z",), "blocks.{}.attn.hook_z"),
    (("head",), "blocks.{}.hook_attn_out"),
    (("resid_mid",), "blocks.{}.hook_resid_mid"),
    (("neurons", "neuron"), "blocks.{}.mlp.hook_post"),
    (("mlp",), "blocks.{}.hook_mlp_out"),
    (("resid_post",), "blocks.{}.hook_resid_post"),
)
_STEP_OF = {kind: number for number, (kinds, _hook) in enumerate(STEPS) for kind in kinds}
#: Block and number in `STEPS`.
Step = tuple[int, int]


class ForwardPass:
    """A pass that can be run once.

    Args:
        loaded: The model.
        run: The run.
        rows: The prompts of the run in this pass.
        patchers: One for each of the run's patches, in order.
        keep: Sites whose values are kept, at all positions or at the one that a site names.
        leaves: Sites at which gradients are taken.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        run: Run,
        rows: slice,
        patchers: Sequence[Patcher],
        keep: Iterable[Site],
        leaves: Iterable[Site] = (),
    ) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self._run = run
        self._rows = rows
        self._paths = [patcher for patcher in patchers if patcher.patch.receiver is not None]
        self._patchers = [patcher for patcher in patchers if patcher.patch.receiver is None]
        self._keep = list(dict.fromkeys(keep))
        self._leaf_sites = list(dict.fromkeys(site.everywhere for site in leaves))
        #: The values to keep.
        self.kept: dict[Site, Tensor] = {}
        self._leaves: dict[Step | Site, Tensor] = {}
        #: The writes of path senders in this pass, and the stream that heads of a block read.
        self._sent: dict[Site, Value] = {}
        self._streams: dict[int, Value] = {}
        self._z: dict[int, Tensor] = {}

    def hidden(self) -> Value:
        """Run the pass and return the residual stream after the last block, as the unembedding reads it."""
        tokens = self._run.tokens[self._rows].to(self._device)
        with ExitStack() as stack:
            for receiver in self._receivers("mlp"):
                handle = self._model.blocks[receiver.layer].ln2.register_forward_pre_hook(self._mlp_input(receiver))
                stack.callback(handle.remove)
            stack.enter_context(self._model.hooks(fwd_hooks=self._hooks()))
            stream: Value = self._model(tokens, stop_at_layer=self._model.cfg.n_layers, padding_side="right")
        return self._along_paths(stream, Site("logits"))

    def logits(self, hidden: Float[Tensor, "*position d_model"]) -> Float[Tensor, "*position d_vocab_out"]:
        """The model's logits at some positions of `hidden`."""
        if self._model.cfg.normalization_type is not None:
            hidden = self._model.ln_final(hidden)
        logits: Tensor = self._model.unembed(hidden)
        cap = self._model.cfg.output_logits_soft_cap
        return cap * torch.tanh(logits / cap) if cap > 0 else logits

    def gradients(self, metric: Float[Tensor, ""]) -> dict[Site, Tensor]:
        """Gradients of a number at the requested sites, at all positions."""
        keys = list(self._leaves)
        found: Sequence[Tensor | None] = [None] * len(keys)  # what is replaced behind a site, it has no part in
        if metric.requires_grad:
            found = torch.autograd.grad(metric, [self._leaves[key] for key in keys], allow_unused=True)
        by_key = {
            key: torch.zeros_like(self._leaves[key]) if value is None else value
            for key, value in zip(keys, found, strict=True)
        }
        return {
            site: by_key[site] if site.kind == "head" else _part(site, by_key[_step(site)]) for site in self._leaf_sites
        }

    def _receivers(self, *kinds: Kind) -> list[Site]:
        """The receivers of paths, each once."""
        ends = (path.patch.receiver for path in self._paths)
        return list(dict.fromkeys(end for end in ends if end is not None and end.kind in kinds))

    def _hooks(self) -> list[tuple[str, Callable[..., Tensor]]]:
        """A hook for each step with work to do, in the order of the computation."""
        sites = [patcher.patch.site for patcher in self._patchers] + self._keep + self._leaf_sites
        sites += [patcher.patch.site for patcher in self._paths]
        for receiver in self._receivers("q", "k", "v"):
            sites += [receiver, Site("resid_pre", receiver.layer)]
        sites += [Site("z", site.layer) for site in sites if site.kind == "head"]  # heads are made of it
        return [(STEPS[number][1].format(layer), self._hook(layer, number)) for layer, number in sorted(_steps(sites))]

    def _hook(self, layer: int, number: int) -> Callable[..., Tensor]:
        kinds = STEPS[number][0]

        def at_hook(full: Tensor, hook: Any) -> Tensor:  # noqa: ARG001 -- TransformerLens gives it by name
            if kinds == ("head",):
                return self._heads(layer, full)
            if kinds[0] in ("q", "k", "v"):
                full = self._attention_input(layer, kinds[0], full)
            for patcher in self._in_step(layer, kinds):
                site = patcher.patch.site
                full = _with_part(site, full, patcher.apply(_part(site, full), self._rows))
            full = full.contiguous()  # some of TransformerLens' own code needs that
            if any(_step(site) == (layer, number) for site in self._leaf_sites):
                full = self._leaves[layer, number] = _leaf(full)
            if kinds == ("resid_pre",):
                self._streams[layer] = full
            if kinds == ("z",):
                self._z[layer] = full
            self._note(layer, number, lambda site: _part(site, full))
            return full

        return at_hook

    def _in_step(self, layer: int, kinds: tuple[Kind, ...]) -> list[Patcher]:
        return [
            patcher
            for patcher in self._patchers
            if patcher.patch.site.kind in kinds and patcher.patch.site.layer in (layer, None)
        ]

    def _note(self, layer: int, number: int, value: Callable[[Site], Tensor]) -> None:
        """Keep the requested values of a step, and the writes of its senders."""
        for site in self._keep:
            if _step(site) == (layer, number):
                whole = value(site).detach()
                self.kept[site] = whole if site.position is None else self._at(site.position, whole)
        for path in self._paths:
            site = path.patch.site.everywhere
            if _step(site) == (layer, number):
                self._sent[site] = written(self._model, site, value(site))

    def _at(self, position: int, value: Tensor) -> Tensor:
        """A copy, so that the rest can be freed."""
        index = self._run.index(position)[self._rows].to(self._device)
        return value[torch.arange(len(value), device=self._device), index]

    def _heads(self, layer: int, attention_out: Value) -> Value:
        """Patch the writes of heads, each a part of the sum that attention writes."""
        number = _STEP_OF["head"]
        patched = {patcher.patch.site.everywhere for patcher in self._in_step(layer, ("head",))}
        wanted = {site for site in (*self._keep, *self._leaf_sites) if _step(site) == (layer, number)}
        sent = {path.patch.site.everywhere for path in self._paths if _step(path.patch.site) == (layer, number)}
        values: dict[Site, Value] = {}
        for site in sorted({site.everywhere for site in patched | wanted | sent}, key=str):
            before = self._z[layer][:, :, site.index] @ self._model.blocks[layer].attn.W_O[site.index]
            value = before
            for patcher in self._in_step(layer, ("head",)):
                if patcher.patch.site.everywhere == site:
                    value = patcher.apply(value, self._rows)
            if site in self._leaf_sites:
                value = self._leaves[site] = _leaf(value)
            if value is not before:
                attention_out = attention_out + (value - before)
            values[site] = value
        self._note(layer, number, lambda site: values[site.everywhere])
        return attention_out

    def _along_paths(self, stream: Value, receiver: Site) -> Value:
        """The residual stream as a receiver reads it."""
        read: dict[Site, Value] = {}
        for path in self._paths:
            if path.patch.receiver == receiver:
                sender = path.patch.site.everywhere
                read[sender] = path.apply(read.get(sender, self._sent[sender]), self._rows)
        for sender, value in read.items():
            stream = stream + (value - self._sent[sender])
        return stream

    def _attention_input(self, layer: int, kind: Kind, full: Tensor) -> Tensor:
        """Queries, keys or values, where those of some heads are recomputed with contributions from paths."""
        block, index = self._model.blocks[layer], {"q": "Q", "k": "K", "v": "V"}[kind]
        shared = "_" if hasattr(block.attn, f"_W_{index}") else ""  # where several queries share keys and values
        weight, bias = getattr(block.attn, f"{shared}W_{index}"), getattr(block.attn, f"{shared}b_{index}")
        for receiver in self._receivers(kind):
            if receiver.layer == layer:
                read = block.ln1(self._along_paths(self._streams[layer], receiver))
                full = _with_part(receiver, full, read @ weight[receiver.index] + bias[receiver.index])
        return full

    def _mlp_input(self, receiver: Site) -> Callable[..., tuple[Tensor]]:
        return lambda _module, inputs: (self._along_paths(inputs[0], receiver),)


def written(model: HookedTransformer, sender: Site, value: Value) -> Value:
    """The write of a path sender to the residual stream, from its value."""
    return value * model.blocks[sender.layer].mlp.W_out[sender.index] if sender.kind == "neuron" else value


def _step(site: Site) -> Step:
    return (site.layer or 0, _STEP_OF[site.kind])


def _steps(sites: Iterable[Site]) -> set[Step]:
    return {_step(site) for site in sites}


def _part(site: Site, full: Tensor) -> Tensor:
    """The part of a hook's tensor that is a site, at all positions."""
    if site.kind in ("q", "k", "v", "z"):
        return full[:, :, site.index]
    if site.kind == "pattern":
        return full[:, site.index]
    if site.kind == "neuron":
        assert site.index is not None
        return full[:, :, site.index : site.index + 1]
    return full


def _with_part(site: Site, full: Tensor, part: Tensor) -> Tensor:
    """A copy of the tensor with that part replaced."""
    if _part(site, full) is full:
        return part
    changed = full.clone()
    if site.kind == "neuron":
        changed[:, :, site.index] = part[:, :, 0]
    else:
        changed[:, :, site.index] = part
    return changed


def _leaf(value: Tensor) -> Tensor:
    """A separate tensor with the same values, whose gradient can be taken."""
    return value.clone() if value.requires_grad else value.detach().clone().requires_grad_()
