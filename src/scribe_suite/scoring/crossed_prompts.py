"""Exchanges between prompts of a real language model that differ in two properties at once.

For every *context* (template and words) there are four prompts: each of two properties has either of two values. Each
combination of values has next tokens of its own, so that the logits at the last position say how much the model takes a
prompt for one of either value, for both properties at once. Contexts come in pairs of *twins*, which have other words
but the same values. An exchange replaces an activation of one prompt, in the span of some directions, by that of
another.

Later positions are computed anew; earlier ones can't be changed by it, and their keys and values are kept. An exchange
at the last position therefore costs one token for each prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.cache.key_value_cache_entry import TransformerLensKeyValueCacheEntry

#: The sites at which activations can be exchanged.
Site = Literal["attn_out", "mlp_out", "resid_post"]
SITES: tuple[Site, ...] = get_args(Site)

_BATCH = 48


@dataclass(frozen=True)
class Spot:
    """A place in a model: ``blocks.{layer}.hook_{site}`` at one position.

    Attributes:
        layer: Index of the block.
        site: One of `SITES`.
        position: Token index from 0.
    """

    layer: int
    site: Site
    position: int

    @property
    def hook(self) -> str:
        """Its name in TransformerLens."""
        return f"blocks.{self.layer}.hook_{self.site}"


@dataclass(frozen=True)
class CrossedPrompts:
    """Four prompts for every context; all prompts have the same length.

    Attributes:
        tokens: Token ids by context and by the value of the first and of the second property. Contexts 2 i and 2 i + 1
            are twins.
        options: The next token that goes with the combination of values.
    """

    tokens: Int[Tensor, "context 2 2 position"]
    options: Int[Tensor, "context 2 2"]

    def __post_init__(self) -> None:
        if self.tokens.shape[:3] != self.options.shape or self.options.shape[1:] != (2, 2):
            raise ValueError("prompts and options must be given for the same contexts and two values of two properties")
        if not len(self.tokens) or len(self.tokens) % 2:
            raise ValueError(f"{len(self.tokens)} contexts can't be pairs of twins")

    def __len__(self) -> int:
        return len(self.tokens)


def flat_index(contexts: int) -> Int[Tensor, "context 2 2"]:
    """The row of every prompt where all prompts are listed."""
    return torch.arange(contexts * 4).reshape(contexts, 2, 2)


def both_changed(contexts: int) -> Int[Tensor, " prompt"]:
    """For every prompt the row of the one with the same words in which both properties have the other value."""
    rows: Tensor = flat_index(contexts).flip(1, 2).flatten()
    return rows


def twins(contexts: int) -> Int[Tensor, " prompt"]:
    """For every prompt the row of the one with the same values in the twin of its context."""
    rows: Tensor = flat_index(contexts).reshape(-1, 2, 2, 2).flip(1).flatten()
    return rows


class Exchanges:
    """A model on crossed prompts, ready for exchanges at some spots of one position.

    Args:
        model: The model, without gradients of its own.
        prompts: The prompts.
        position: Where activations are exchanged; negative ones count from the end.
        layers: The lowest layer is the first whose later keys and values are kept.
        sites: The sites whose activations are kept.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: HookedTransformer,
        prompts: CrossedPrompts,
        position: int,
        layers: Sequence[int],
        sites: Sequence[Site] = SITES,
    ) -> None:
        self._model = model
        device = next(model.parameters()).device
        tokens = prompts.tokens.flatten(0, 2).to(device)
        length = tokens.shape[1]
        self.position = position % length
        self.contexts = len(prompts)
        # by prompt, then by the values of both properties: the tokens that go with them
        self._options = prompts.options.to(device).repeat_interleave(4, 0)
        depth, first = model.cfg.n_layers, min(layers)
        here = {f"blocks.{layer}.hook_{site}" for layer in layers for site in sites}
        stream = {f"blocks.{layer}.hook_{part}" for layer in layers for part in ("resid_mid", "resid_post")}
        keys = {f"blocks.{layer}.attn.hook_{part}" for layer in range(first + 1, depth) for part in "kv"}
        kept: dict[str, list[Tensor]] = {}
        logits: list[Tensor] = []
        for batch in torch.split(tokens, _BATCH):
            final, cache = model.run_with_cache(
                batch, return_type=None, stop_at_layer=depth, names_filter=lambda name: name in here | stream | keys
            )
            logits.append(self._read(final[:, -1], torch.arange(len(final)) + len(logits) * _BATCH))
            for name in cache:
                part = cache[name]
                kept.setdefault(name, []).append(part[:, : self.position] if name in keys else part[:, self.position :])
        self._kept = {name: torch.cat(parts) for name, parts in kept.items()}
        self.before: Float[Tensor, "prompt 2 2"] = torch.cat(logits)
        """Logits of the tokens that go with each combination of values, without an exchange."""

    def __len__(self) -> int:
        return 4 * self.contexts

    def activations(self, spot: Spot) -> Float[Tensor, "prompt d_model"]:
        """The activation of every prompt at a spot."""
        return self._kept[spot.hook][:, spot.position - self.position]

    def after(
        self,
        spot: Spot,
        sources: Int[Tensor, " row"],
        basis: Float[Tensor, "d_model k"] | None,
        rows: Int[Tensor, " row"] | None = None,
    ) -> Float[Tensor, "row 2 2"]:
        """`before` for prompts whose activation is replaced, in the span of an orthonormal basis, by that of another.

        Gradients with respect to the basis are possible.

        Args:
            spot: Where; at the position for which the activations were kept.
            sources: Row of the prompt whose activation is taken, for each of `rows`.
            basis: Orthonormal columns; None exchanges everything.
            rows: The prompts; all by default.
        """
        rows = torch.arange(len(self)) if rows is None else rows
        found = []
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            values = self.activations(spot)
            change = values[sources[start : start + _BATCH]] - values[some]
            if basis is not None:
                change = change @ basis @ basis.T
            found.append(self._run(spot, some, change))
        return torch.cat(found)

    def _run(self, spot: Spot, rows: Tensor, change: Tensor) -> Float[Tensor, "row 2 2"]:
        block = self._model.blocks[spot.layer]
        stream = self._kept[f"blocks.{spot.layer}.hook_resid_post"][rows]
        if spot.site == "attn_out":
            middle = self._kept[f"blocks.{spot.layer}.hook_resid_mid"][rows][:, :1] + change[:, None]
            first = middle + block.mlp(block.ln2(middle))
        else:
            first = stream[:, :1] + change[:, None]
        stream = torch.cat([first, stream[:, 1:]], 1)
        for layer in range(spot.layer + 1, self._model.cfg.n_layers):
            past = (self._kept[f"blocks.{layer}.attn.hook_{part}"][rows] for part in "kv")
            stream = self._model.blocks[layer](
                stream, past_kv_cache_entry=TransformerLensKeyValueCacheEntry(*past, frozen=True)
            )
        return self._read(stream[:, -1], rows)

    def _read(self, last: Float[Tensor, "row d_model"], rows: Tensor) -> Float[Tensor, "row 2 2"]:
        """Logits of the options, from the last block's output at the last position."""
        options = self._options[rows]
        normed = self._model.ln_final(last[:, None])[:, 0]
        columns = self._model.W_U.T[options.flatten()].reshape(*options.shape, -1)
        logits: Tensor = torch.einsum("rabd,rd->rab", columns, normed) + self._model.b_U[options]
        return logits
