"""Each kind of patch does what a hook of TransformerLens does that is written by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from scribe_suite.laboratory.recipes import Recipe
from tests.laboratory.small_models import (
    CONFIGS,
    N_PROMPTS,
    WITH_MLPS,
    ask,
    assert_close,
    base,
    cached,
    hooked,
    patched,
    plain,
    tokens,
)

#: Site -> hook, and the part of its tensor that the site is. A head has another test: there is no hook for it.
HOOKS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "resid_pre.1": ("blocks.1.hook_resid_pre", lambda full: full),
    "resid_post.0": ("blocks.0.hook_resid_post", lambda full: full),
    "q.1.3": ("blocks.1.attn.hook_q", lambda full: full[:, :, 3]),
    "k.1.1": ("blocks.1.attn.hook_k", lambda full: full[:, :, 1]),
    "v.2.0": ("blocks.2.attn.hook_v", lambda full: full[:, :, 0]),
    "z.0.2": ("blocks.0.attn.hook_z", lambda full: full[:, :, 2]),
}
OF_MLPS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "resid_mid.1": ("blocks.1.hook_resid_mid", lambda full: full),
    "neurons.1": ("blocks.1.mlp.hook_post", lambda full: full),
    "L1.N4": ("blocks.1.mlp.hook_post", lambda full: full[:, :, 4:5]),
    "m2": ("blocks.2.hook_mlp_out", lambda full: full),
}
CASES = [(kind, site) for kind in CONFIGS for site in (*HOOKS, *(OF_MLPS if kind in WITH_MLPS else ()))]


def by_hand(kind: str, site: str, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Logits at the last position when the value at a site becomes ``change(value, value in the base run)``."""
    name, part = {**HOOKS, **OF_MLPS}[site]
    other = part(cached(kind, seed=1)[name])

    def hook(full: Tensor, hook: object) -> Tensor:
        full = full.clone()
        part(full)[...] = change(part(full).clone(), other)
        return full

    return hooked(kind, [(name, hook)])[:, -1]


def assert_patched(kind: str, found: Tensor, truth: Tensor) -> None:
    assert_close(found, truth)
    assert not torch.allclose(found, ask(kind, patched())["outputs"], atol=1e-4), "the patch did nothing"


@pytest.mark.parametrize(("kind", "site"), CASES)
def test_interchange(kind, site):
    patch = {"kind": "interchange", "site": site, "run": "base"}
    found = ask(kind, base(), patched(patch))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda _now, other: other))
    found = ask(kind, base(), patched({**patch, "prompt": 3}))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda now, other: other[3].expand_as(now)))
    found = ask(kind, base(), patched({**patch, "prompt": [4, 0, 0, 2, 1]}))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda _now, other: other[[4, 0, 0, 2, 1]]))


@pytest.mark.parametrize(("kind", "site"), CASES)
def test_zero_and_mean(kind, site):
    found = ask(kind, patched({"kind": "zero", "site": site}))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda now, _other: torch.zeros_like(now)))
    found = ask(kind, base(), patched({"kind": "mean", "site": site, "run": "base"}))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda now, other: other.mean(0).expand_as(now)))


@pytest.mark.parametrize(("kind", "site"), CASES)
@pytest.mark.parametrize("each", ["one for all", "one each", "one for each position"])
def test_add_and_set(kind, site, each):
    shape = ask(kind, patched(), read=[site])[site].shape
    width = shape[-1] if len(shape) == 3 else 1
    sizes = {"one for all": (width,), "one each": (N_PROMPTS, width), "one for each position": (N_PROMPTS, 6, width)}
    vector = np.random.default_rng(7).normal(size=sizes[each]).astype("float32")
    as_tensor = torch.tensor(vector)[:, None] if each == "one each" else torch.tensor(vector)
    for what, change in (
        ("set", lambda now, _other: as_tensor.expand_as(now)),
        ("add", lambda now, _other: now + as_tensor),
    ):
        found = ask(kind, patched({"kind": what, "site": site, "vector": "w"}, vectors={"w": vector}))["outputs"]
        if site.startswith("k.") and what == "add" and each != "one for each position":
            assert_close(found, by_hand(kind, site, change))  # adds the same to all scores of a query
        else:
            assert_patched(kind, found, by_hand(kind, site, change))


@pytest.mark.parametrize(("kind", "site"), CASES)
def test_a_subspace(kind, site):
    shape = ask(kind, patched(), read=[site])[site].shape
    width = shape[-1] if len(shape) == 3 else 1
    given = np.random.default_rng(8).normal(size=(width, min(2, width)))
    directions, _ = np.linalg.qr(given)
    inside = torch.tensor(directions @ directions.T, dtype=torch.float32)
    patch = {"kind": "subspace", "site": site, "Q": "Q", "run": "base"}
    found = ask(kind, base(), patched(patch, vectors={"Q": given}))["outputs"]
    assert_patched(kind, found, by_hand(kind, site, lambda now, other: now + (other - now) @ inside))


def test_dependent_directions_span_what_they_span():
    one = np.random.default_rng(9).normal(size=(12, 1))
    patch = {"kind": "subspace", "site": "m1", "Q": "Q", "run": "base"}
    several = np.concatenate([one, 3 * one, np.zeros((12, 1))], axis=1)
    found = ask("LN", base(), patched(patch, vectors={"Q": several}))["outputs"]
    assert_close(found, ask("LN", base(), patched(patch, vectors={"Q": one}))["outputs"])
    whole = ask("LN", base(), patched(patch, vectors={"Q": np.eye(12)}))["outputs"]
    assert_close(whole, ask("LN", base(), patched({"kind": "interchange", "site": "m1", "run": "base"}))["outputs"])


@pytest.mark.parametrize("kind", CONFIGS)
def test_interchanging_a_head_is_interchanging_its_z(kind):
    for more in ({}, {"prompt": 2}):
        found = [
            ask(kind, base(), patched({"kind": "interchange", "site": site, "run": "base", **more}), read=["z.1.2"])
            for site in ("a1.h2", "z.1.2")
        ]
        assert_close(found[0]["outputs"], found[1]["outputs"])
        assert torch.equal(found[0]["z.1.2"], found[1]["z.1.2"])


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_a_head_writes_is_added_set_and_zeroed_in_the_sum(kind):
    vector = np.random.default_rng(7).normal(size=12).astype("float32")
    own = cached(kind, seed=0)["blocks.1.attn.hook_z"][:, :, 2] @ plain(kind).blocks[1].attn.W_O[2]
    changes = {
        "zero": lambda out: out - own,
        "add": lambda out: out + torch.tensor(vector),
        "set": lambda out: out - own + torch.tensor(vector),
    }
    for what, change in changes.items():

        def hook(out: Tensor, hook: object, change: Callable[[Tensor], Tensor] = change) -> Tensor:
            return change(out)

        given = {"vectors": {"w": vector}} if what != "zero" else {}
        patch = {"kind": what, "site": "a1.h2", **({"vector": "w"} if given else {})}
        found = ask(kind, patched(patch, **given), read=["a1.h2"])
        assert_patched(kind, found["outputs"], hooked(kind, [("blocks.1.hook_attn_out", hook)])[:, -1])
        if what != "add":
            assert torch.equal(found["a1.h2"], torch.tensor(vector if given else np.zeros(12)).float().expand(5, 6, 12))


def test_what_the_embeddings_write_is_patched_before_the_residual_stream():
    found = ask("LN", base(), patched({"kind": "interchange", "site": "embed", "run": "base"}), read=["resid_pre.0"])
    assert torch.equal(found["outputs"], ask("LN", base())["outputs"])
    assert torch.equal(found["resid_pre.0"], cached("LN", seed=1)["blocks.0.hook_resid_pre"])


@pytest.mark.parametrize("site", ["m1", "a1.h2", "resid_pre.1", "L1.N4", "q.1.3"])
def test_a_position_is_patched_alone(site):
    patch = {"kind": "interchange", "run": "base"}
    found = ask("LN", base(), patched({**patch, "site": f"{site}@2"}), read=[site], outputs="all")
    own, other = (ask("LN", run, read=[site], outputs="all") for run in (patched(), base()))
    truth = own[site].clone()
    truth[:, 2] = other[site][:, 2]
    assert_close(found[site], truth)
    assert torch.equal(found["outputs"][:, :2], own["outputs"][:, :2])
    assert not torch.allclose(found["outputs"][:, 2:], own["outputs"][:, 2:], atol=1e-4)
    from_the_end = ask("LN", base(), patched({**patch, "site": f"{site}@-4"}), outputs="all")
    assert torch.equal(from_the_end["outputs"], found["outputs"])


def test_with_padding_a_position_from_the_end_is_each_prompt_s_own():
    lengths, others = np.array([2, 6, 3, 1, 4]), np.array([5, 1, 6, 2, 2])
    source = Recipe("base", tokens(1), lengths=others)
    patch = {"kind": "interchange", "site": "resid_pre.1@-1", "run": "base"}
    found = ask("LN", source, patched(patch, lengths=lengths), read=["resid_pre.1"])["resid_pre.1"]
    truth, other = cached("LN", 0)["blocks.1.hook_resid_pre"].clone(), cached("LN", 1)["blocks.1.hook_resid_pre"]
    for number in range(N_PROMPTS):
        truth[number, lengths[number] - 1] = other[number, others[number] - 1]
    assert_close(found, truth)


def test_the_mean_leaves_padding_out():
    lengths = np.array([2, 6, 3, 1, 4])
    source = Recipe("base", tokens(1), lengths=lengths)
    other = cached("LN", 1)["blocks.1.hook_mlp_out"]
    found = ask("LN", source, patched({"kind": "mean", "site": "m1", "run": "base"}), read=["m1"])["m1"][0]
    valid = [[row for row in range(N_PROMPTS) if lengths[row] > position] for position in range(6)]
    assert_close(found, torch.stack([other[rows, position].mean(0) for position, rows in enumerate(valid)]))
    last = ask("LN", source, patched({"kind": "mean", "site": "m1@-1", "run": "base"}), read=["m1@-1"])["m1@-1"][0]
    assert_close(last, torch.stack([other[row, lengths[row] - 1] for row in range(N_PROMPTS)]).mean(0))


def test_one_position_can_be_taken_from_prompts_of_another_length():
    source = Recipe("base", tokens(1, n_positions=3))
    patch = {"kind": "interchange", "site": "m1@-1", "run": "base"}
    found = ask("LN", source, patched(patch), read=["m1@-1"])["m1@-1"]
    assert torch.equal(found, ask("LN", source, read=["m1@-1"])["m1@-1"])


def test_patches_come_in_the_order_of_the_computation_and_at_one_site_in_their_own():
    vectors = {"w": np.full(12, 2.0, "float32")}
    late = {"kind": "add", "site": "m2", "vector": "w"}
    early = {"kind": "interchange", "site": "m0", "run": "base"}
    one, other = (ask("LN", base(), patched(*order, vectors=vectors)) for order in ((late, early), (early, late)))
    assert torch.equal(one["outputs"], other["outputs"])
    zero, add = {"kind": "zero", "site": "m1"}, {"kind": "add", "site": "m1", "vector": "w"}
    assert ask("LN", patched(zero, add, vectors=vectors), read=["m1"])["m1"].unique().tolist() == [2.0]
    assert ask("LN", patched(add, zero, vectors=vectors), read=["m1"])["m1"].unique().tolist() == [0.0]


def test_several_patches_are_those_of_transformerlens_together():
    nodes = ["a0.h1", "a1.h0", "a1.h3", "m0", "m2"]
    found = ask("LN", base(), patched(*({"kind": "interchange", "site": node, "run": "base"} for node in nodes)))
    other = cached("LN", seed=1)

    def heads(layer: int, which: list[int]) -> tuple[str, Callable[..., Tensor]]:
        name = f"blocks.{layer}.attn.hook_z"

        def hook(full: Tensor, hook: object) -> Tensor:
            full = full.clone()
            full[:, :, which] = other[name][:, :, which]
            return full

        return name, hook

    mlps = [(f"blocks.{layer}.hook_mlp_out", lambda _full, hook: other[hook.name]) for layer in (0, 2)]
    assert_patched("LN", found["outputs"], hooked("LN", [heads(0, [1]), heads(1, [0, 3]), *mlps])[:, -1])
