"""The grammar of site names: places in a transformer. Standard library only, since all sides of the laboratory use it.

A site is written as in ``resid_pre.2``, ``a1.h0`` or ``L2.N15@-1``. A position may follow after ``@``, negative from
the end; without one, a site means all positions. Every site has one spelling, so names can be compared as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

Kind = Literal[
    "embed", "resid_pre", "q", "k", "v", "pattern", "z", "head", "resid_mid", "neurons", "neuron", "mlp", "resid_post",
    "logits",
]  # fmt: skip
_INDEX = "(0|[1-9][0-9]{0,5})"


class SiteError(ValueError):
    """A text does not name a site of this model; the message is one sentence."""


class Sizes(Protocol):
    """The required sizes of a model; implemented for example by `scribe_suite.laboratory.shape.ModelShape`."""

    @property
    def n_layers(self) -> int:
        """Blocks."""

    @property
    def n_heads(self) -> int:
        """Heads of a block."""

    @property
    def n_key_value_heads(self) -> int:
        """Number of key-value heads; as many as heads, or fewer."""

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""

    @property
    def d_head(self) -> int:
        """Width of a head."""

    @property
    def d_mlp(self) -> int:
        """Number of neurons per block; 0 without MLPs."""


@dataclass(frozen=True)
class Form:
    """The spelling and meaning of one kind of sites.

    Attributes:
        form: Their spelling, with L, H and N for numbers.
        meaning: Their meaning, in words.
        width: Name of the size of a value's last axis; ``"1"`` for a single number, ``"key"`` for patterns.
        pattern: Regular expression; its groups are layer and index, if any.
    """

    form: str
    meaning: str
    width: str
    pattern: re.Pattern[str]


_ROWS: tuple[tuple[Kind, str, str, str, str], ...] = (
    ("embed", "embed", "what the embeddings write into the residual stream, positions included", "d_model",
     "embed"),
    ("resid_pre", "resid_pre.L", "the residual stream before block L", "d_model", rf"resid_pre\.{_INDEX}"),
    ("q", "q.L.H", "queries of a head, before rotation", "d_head", rf"q\.{_INDEX}\.{_INDEX}"),
    ("k", "k.L.H", "keys of a head, before rotation", "d_head", rf"k\.{_INDEX}\.{_INDEX}"),
    ("v", "v.L.H", "values of a head", "d_head", rf"v\.{_INDEX}\.{_INDEX}"),
    ("pattern", "pattern.L.H", "attention of a head, query by key (read only)", "key",
     rf"pattern\.{_INDEX}\.{_INDEX}"),
    ("z", "z.L.H", "values of a head, mixed by its attention", "d_head", rf"z\.{_INDEX}\.{_INDEX}"),
    ("head", "aL.hH", "what a head writes into the residual stream: z @ W_O", "d_model", rf"a{_INDEX}\.h{_INDEX}"),
    ("resid_mid", "resid_mid.L", "the residual stream between attention and MLP of block L", "d_model",
     rf"resid_mid\.{_INDEX}"),
    ("neurons", "neurons.L", "all neurons of block L, after the activation function", "d_mlp",
     rf"neurons\.{_INDEX}"),
    ("neuron", "LL.NN", "one neuron: L2.N15 is neuron 15 of block 2", "1", rf"L{_INDEX}\.N{_INDEX}"),
    ("mlp", "mL", "what the MLP of block L writes into the residual stream", "d_model", rf"m{_INDEX}"),
    ("resid_post", "resid_post.L", "the residual stream after block L", "d_model", rf"resid_post\.{_INDEX}"),
)  # fmt: skip
#: In the order of the computation within a block.
FORMS: Mapping[Kind, Form] = {
    kind: Form(form, meaning, width, re.compile(pattern, re.ASCII)) for kind, form, meaning, width, pattern in _ROWS
}
#: Receivers of path patches; ``logits`` is a receiver but not a site.
RECEIVERS: tuple[Kind, ...] = ("q", "k", "v", "mlp", "logits")
#: Senders of path patches: everything that writes to the residual stream.
SENDERS: tuple[Kind, ...] = ("embed", "head", "neuron", "mlp")
READ_ONLY: tuple[Kind, ...] = ("pattern",)
#: Layers of sites before the first block and after the last.
_FIRST, _LAST = -1, 10**9
_STEPS: Mapping[Kind, int] = {kind: step for step, kind in enumerate(FORMS)}
#: Sites that only blocks with an MLP have.
_MLP_KINDS: tuple[Kind, ...] = ("neurons", "neuron", "mlp")


@dataclass(frozen=True)
class Site:
    """A place in a transformer.

    Attributes:
        kind: Its kind; see `FORMS`.
        layer: Block, or None for ``embed`` and ``logits``.
        index: Head or neuron, or None where the kind has neither.
        position: The position in the prompt, negative from the end; None for all.
    """

    kind: Kind
    layer: int | None = None
    index: int | None = None
    position: int | None = None

    @property
    def everywhere(self) -> Site:
        """The same site at all positions."""
        return replace(self, position=None)

    @property
    def order(self) -> tuple[int, int]:
        """The sort key of sites in the order of the computation."""
        if self.kind == "logits":
            return (_LAST, 0)
        return (_FIRST if self.layer is None else self.layer, _STEPS[self.kind])

    def __str__(self) -> str:
        """The unique spelling of its name."""
        at = "" if self.position is None else f"@{self.position}"
        layer, index = self.layer, self.index
        if self.kind in ("embed", "logits"):
            return f"{self.kind}{at}"
        if self.kind == "head":
            return f"a{layer}.h{index}{at}"
        if self.kind == "neuron":
            return f"L{layer}.N{index}{at}"
        if self.kind == "mlp":
            return f"m{layer}{at}"
        return f"{self.kind}.{layer}{at}" if index is None else f"{self.kind}.{layer}.{index}{at}"


def block_of(site: Site, sizes: Sizes) -> tuple[Site, ...]:
    """What a site is a part of: that of all heads, or all neurons, of its block, at all positions.

    A site that is neither a head's nor a neuron's is its own whole.
    """
    if site.index is None:
        return (site.everywhere,)
    if site.kind == "neuron":
        return (Site("neurons", site.layer),)
    return tuple(Site(site.kind, site.layer, index) for index in range(_count(site.kind, sizes)))


def _count(kind: Kind, sizes: Sizes) -> int:
    """How many sites of a kind a block has, for kinds with an index."""
    if kind == "neuron":
        return sizes.d_mlp
    return sizes.n_key_value_heads if kind in ("k", "v") else sizes.n_heads


def parse_site(text: object) -> Site:
    """The site that a text names.

    Raises:
        SiteError: When it does not name one.
    """
    if not isinstance(text, str):
        raise SiteError(f"A site is a string such as 'resid_pre.0'; this one is of type {type(text).__name__}.")
    name, at, where = text.partition("@")
    position = None
    if at:
        if re.fullmatch(f"{_INDEX}|-[1-9][0-9]{{0,5}}", where, re.ASCII) is None:
            raise SiteError(f"{_quoted(text)} is not a site: a position follows after @, such as 3 or -1.")
        position = int(where)
    for kind, form in FORMS.items():
        if match := form.pattern.fullmatch(name):
            numbers = [int(number) for number in match.groups()]
            layer, index = (*numbers, None, None)[:2]
            return Site(kind, layer, index, position)
    forms = ", ".join(form.form for form in FORMS.values())
    raise SiteError(f"{_quoted(text)} is not a site; sites are {forms}, with @position where only one is meant.")


def parse_receiver(text: object) -> Site:
    """The receiver of a path patch that a text names; it has no position.

    Raises:
        SiteError: When it does not name one.
    """
    if text == "logits":
        return Site("logits")
    site = parse_site(text)
    if site.kind not in RECEIVERS or site.position is not None:
        raise SiteError(
            f"{_quoted(text)} is not a receiver of a path; receivers are q.L.H, k.L.H, v.L.H, mL and logits."
        )
    return site


def check_site(site: Site, sizes: Sizes, n_positions: int | None = None) -> None:
    """Make sure that a model has a site.

    Args:
        site: From `parse_site` or `parse_receiver`.
        sizes: The model's sizes.
        n_positions: The length of the shortest prompt, or None while that is not known.

    Raises:
        SiteError: When the model does not have it.
    """
    if site.layer is not None and site.layer >= sizes.n_layers:
        raise SiteError(f"{site}: there is no block {site.layer}; blocks are 0 to {sizes.n_layers - 1}.")
    if site.kind in _MLP_KINDS and not sizes.d_mlp:
        raise SiteError(f"{site}: this model has no MLPs.")
    if site.kind == "resid_mid" and not sizes.d_mlp:
        raise SiteError(f"{site}: this model has no MLPs, so read resid_post.{site.layer}.")
    if site.index is not None:
        count = _count(site.kind, sizes)
        what = {"neuron": "neuron", "k": "key-value head", "v": "key-value head"}.get(site.kind, "head")
        if site.index >= count:
            raise SiteError(f"{site}: there is no {what} {site.index}; {what}s of a block are 0 to {count - 1}.")
    if site.position is not None and n_positions is not None and not -n_positions <= site.position < n_positions:
        known = f"{n_positions} position{'' if n_positions == 1 else 's'}"
        raise SiteError(f"{site}: the shortest prompt has {known}.")


def check_path(sender: Site, receiver: Site) -> None:
    """Make sure that a receiver reads from a sender.

    Raises:
        SiteError: When the sender writes nothing into the residual stream, or is computed too late.
    """
    if sender.kind not in SENDERS:
        raise SiteError(f"{sender} sends nothing along a path; senders are embed, aL.hH, mL and LL.NN.")
    # a head's write is read by the MLP of the same block, but not by its other heads
    if sender.order >= receiver.order or (sender.kind in _MLP_KINDS and sender.layer == receiver.layer):
        raise SiteError(f"{receiver} does not read {sender}, which is computed later or at the same time.")


def width(site: Site, sizes: Sizes) -> int:
    """Length of a site's vector in patches; 1 for a single neuron.

    Raises:
        SiteError: For an attention pattern, which has none.
    """
    if site.kind in READ_ONLY or site.kind == "logits":
        raise SiteError(f"{site} can be read only.")
    name = FORMS[site.kind].width
    return 1 if name == "1" else int(getattr(sizes, name))


def value_shape(site: Site, sizes: Sizes, n_prompts: int, n_positions: int) -> tuple[int, ...]:
    """Shape of the value of a site: prompt, position unless one is named, and width (keys for a pattern).

    A single neuron has no axis for its width.
    """
    positions = (n_positions,) if site.position is None else ()
    if site.kind == "neuron":
        return (n_prompts, *positions)
    return (n_prompts, *positions, n_positions if site.kind == "pattern" else width(site, sizes))


def _quoted(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
