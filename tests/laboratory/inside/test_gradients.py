"""Gradients of logits at sites, against autograd through hooks of TransformerLens, and against small steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scribe_suite.laboratory.inside import operations
from scribe_suite.laboratory.inside.refusal import RefusedError
from scribe_suite.laboratory.recipes import Gradient, Recipe
from tests.laboratory.small_models import CONFIGS, WITH_MLPS, ask, base, cached, patched, plain, tokens

LABELS, MINUS = [3, 0, 6, 1, 2], [1, 1, 0, 4, 5]
#: Site -> hook to which something that is zero is added, and the part of its gradient that the site is.
HOOKS = {
    "embed": ("hook_embed", lambda g: g),
    "resid_pre.1": ("blocks.1.hook_resid_pre", lambda g: g),
    "q.1.3": ("blocks.1.attn.hook_q", lambda g: g[:, :, 3]),
    "k.1.1": ("blocks.1.attn.hook_k", lambda g: g[:, :, 1]),
    "v.2.0": ("blocks.2.attn.hook_v", lambda g: g[:, :, 0]),
    "z.0.2": ("blocks.0.attn.hook_z", lambda g: g[:, :, 2]),
    "a1.h2": ("blocks.1.hook_attn_out", lambda g: g),
    "pattern.1.2": ("blocks.1.attn.hook_pattern", lambda g: g[:, 2]),
    "resid_post.2": ("blocks.2.hook_resid_post", lambda g: g),
}
OF_MLPS = {
    "resid_mid.0": ("blocks.0.hook_resid_mid", lambda g: g),
    "neurons.1": ("blocks.1.mlp.hook_post", lambda g: g),
    "L0.N7": ("blocks.0.mlp.hook_post", lambda g: g[:, :, 7]),
    "m1": ("blocks.1.hook_mlp_out", lambda g: g),
}


def metric(logits: Tensor) -> Tensor:
    rows = torch.arange(len(logits))
    return (logits[rows, LABELS] - logits[rows, MINUS]).sum()


def autograd(kind: str, name: str, more: list) -> Tensor:
    """The gradient at a hook."""
    shift = torch.zeros_like(cached(kind, 0)[name]).requires_grad_()

    def add(full: Tensor, hook: object) -> Tensor:
        return full + shift

    hooks = [*more, (name, add)]
    logits = plain(kind).run_with_hooks(torch.tensor(tokens()), fwd_hooks=hooks)[:, -1]
    return torch.autograd.grad(metric(logits), shift)[0]


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("with_patch", [False, True])
def test_gradients_at_all_sites_at_once_are_autograd_s(kind, with_patch):
    places = {**HOOKS, **(OF_MLPS if kind in WITH_MLPS else {})}
    name = "blocks.0.attn.hook_z"
    other = cached(kind, 1)[name]

    def interchange(full: Tensor, hook: object) -> Tensor:
        full = full.clone()
        full[:, :, 1] = other[:, :, 1]
        return full

    patches = [{"kind": "interchange", "site": "a0.h1", "run": "base"}] if with_patch else []
    hooks = [(name, interchange)] if with_patch else []
    found = ask(kind, base(), patched(*patches), grad=Gradient(LABELS, list(places), MINUS))
    for site, (name_of_site, part) in places.items():
        truth = part(autograd(kind, name_of_site, hooks))
        assert truth.any(), site
        torch.testing.assert_close(found[f"grad/{site}"], truth, atol=2e-5, rtol=1e-4, msg=site)
    assert torch.equal(found["outputs"], ask(kind, base(), patched(*patches))["outputs"])


def test_without_minus_and_at_positions():
    found = ask("LN", patched(), grad=Gradient(LABELS, ["m1", "m1@-1", "L1.N2@3", "pattern.0.1@4"]))
    both = ask("LN", patched(), grad=Gradient(LABELS, ["m1", "L1.N2", "pattern.0.1"], LABELS))
    assert torch.equal(found["grad/m1@-1"], found["grad/m1"][:, -1])
    assert found["grad/L1.N2@3"].shape == (5,)
    assert found["grad/pattern.0.1@4"].shape == (5, 6)
    assert not any(both[f"grad/{site}"].any() for site in ("m1", "L1.N2", "pattern.0.1"))
    assert found["grad/m1"].any()


@pytest.mark.parametrize("site", ["m0", "a0.h1", "L0.N3", "embed"])
def test_a_small_step_along_the_gradient_does_what_it_says_with_patches_and_paths(site):
    patches = [
        {"kind": "path", "site": site, "to": "m1", "run": "base"},
        {"kind": "path", "site": site, "to": "logits", "run": "base", "prompt": 2},
        {"kind": "mean", "site": "a1.h0", "run": "base"},
        {"kind": "subspace", "site": "m1@-1", "Q": "Q", "run": "base"},
    ]
    rng = np.random.default_rng(2)
    width = 1 if site.startswith("L") else 12
    vectors = {"Q": rng.normal(size=(12, 3)), "w": rng.normal(size=width)}

    def value(step: float) -> float:
        given = {**vectors, "w": step * vectors["w"]}
        add = {"kind": "add", "site": f"{site}@4", "vector": "w"}
        return float(metric(ask("LN", base(), patched(add, *patches, vectors=given))["outputs"].double()))

    found = ask("LN", base(), patched(*patches, vectors={"Q": vectors["Q"]}), grad=Gradient(LABELS, [site], MINUS))
    gradient = found[f"grad/{site}"].double()[:, 4].reshape(5, width)
    expected = float((gradient @ torch.tensor(vectors["w"])).sum())
    measured = (value(0.02) - value(-0.02)) / 0.04
    assert abs(expected) > 1e-2
    assert measured == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_what_is_replaced_later_has_no_gradient():
    found = ask("LN", patched({"kind": "zero", "site": "resid_post.2"}), grad=Gradient(LABELS, ["m0", "a1.h1"], MINUS))
    assert found["grad/m0"].shape == (5, 6, 12)
    assert not found["grad/m0"].any()
    assert not found["grad/a1.h1"].any()


def test_the_last_position_is_the_prompt_s_own():
    lengths = np.array([2, 6, 3, 1, 4])
    gradient = Gradient(LABELS, ["m1"], MINUS)
    found = ask("LN", Recipe("patched", tokens(), lengths=lengths), grad=gradient)["grad/m1"]
    for number, length in enumerate(lengths):
        alone = Recipe("one", tokens()[number : number + 1, :length])
        truth = ask("LN", alone, grad=Gradient([LABELS[number]], ["m1"], [MINUS[number]]))["grad/m1"]
        torch.testing.assert_close(found[number : number + 1, :length], truth, atol=1e-5, rtol=1e-4)
        assert not found[number, length:].any()


def test_parts_make_no_difference(monkeypatch):
    whole = ask("LN", patched(), grad=Gradient(LABELS, ["m1", "a0.h1"], MINUS))
    monkeypatch.setattr(operations, "PASS_BYTES", 1)
    parts = ask("LN", patched(), grad=Gradient(LABELS, ["m1", "a0.h1"], MINUS))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-4)


def test_gradients_that_would_take_all_memory_are_refused_and_the_run_without_them_is_not(monkeypatch):
    """As with SmolLM2 and a prompt of its whole context: the process would be ended for it."""
    monkeypatch.setattr(operations, "PROMPT_BYTES", 10_000)
    with pytest.raises(RefusedError, match=r"Gradients of a prompt with 6 tokens would .* shorter prompts"):
        ask("LN", patched(), grad=Gradient(LABELS, ["m1"], MINUS))
    assert ask("LN", patched())["outputs"].shape == (5, 7)


@pytest.mark.parametrize(
    ("labels", "minus", "at", "reason"),
    [
        ([1] * 4, None, ["m1"], "5 numbers"),
        ([1] * 4 + [7], None, ["m1"], "from 0 to 6"),
        ([1] * 5, [0.5] * 5, ["m1"], "from 0 to 6"),
        ([1] * 5, None, [], "at no site"),
        ([1] * 5, None, ["m9"], "no block"),
    ],
)
def test_gradients_that_can_t_be_are_refused(labels, minus, at, reason):
    with pytest.raises(RefusedError, match=reason):
        ask("LN", patched(), grad=Gradient(labels, at, minus))
