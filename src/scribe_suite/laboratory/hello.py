"""The greeting of a laboratory: what an agent learns before its first request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scribe_suite.laboratory import prices
from scribe_suite.laboratory.budget import Balance
from scribe_suite.laboratory.shape import ModelShape
from scribe_suite.laboratory.sites import FORMS, READ_ONLY, Kind, Site
from scribe_suite.laboratory.terms import Terms

#: Kinds of sites whose second number is a head, and those where it is a key-value head.
_HEADS: tuple[Kind, ...] = ("q", "pattern", "z", "head")
_KEY_VALUE_HEADS: tuple[Kind, ...] = ("k", "v")
#: Sites of blocks that have an MLP.
_MLP: tuple[Kind, ...] = ("resid_mid", "neurons", "mlp")


def hello(shape: ModelShape, terms: Terms, balance: Balance) -> dict[str, Any]:
    """The answer to a client's first request, JSON-safe."""
    return {
        "shape": shape.model_dump(mode="json"),
        "terms": terms.told(),
        "prices": prices.told(),
        "budget": balance_told(balance, shape),
        "sites": site_names(shape, terms),
    }


def balance_told(balance: Balance, shape: ModelShape) -> dict[str, Any]:
    """The state of the budget for an agent, JSON-safe."""
    return {"spent": balance.spent, "left": balance.left, "total": balance.total, "unit": shape.unit}


def site_names(shape: ModelShape, terms: Terms) -> list[str]:
    """Sites of the model that a run may name, in the order of the computation; single neurons are not listed."""
    allowed = terms.operations
    kinds: list[Kind] = []
    if allowed - {"pattern"}:
        kinds += [kind for kind in FORMS if kind not in READ_ONLY and kind != "neuron"]
    if "pattern" in allowed:
        kinds += READ_ONLY
    sites = [site for kind in kinds for site in _sites(kind, shape)]
    return [str(site) for site in sorted(sites, key=lambda site: site.order)]


def _sites(kind: Kind, shape: ModelShape) -> Iterator[Site]:
    if kind == "embed":
        yield Site(kind)
    elif kind not in _MLP or shape.d_mlp:
        for layer in range(shape.n_layers):
            if kind in _HEADS or kind in _KEY_VALUE_HEADS:
                count = shape.n_heads if kind in _HEADS else shape.n_key_value_heads
                yield from (Site(kind, layer, index) for index in range(count))
            else:
                yield Site(kind, layer)
