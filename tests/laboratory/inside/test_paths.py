"""Path patching against a reference by TransformerLens' own split inputs: only what a receiver reads changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.laboratory.inside.refusal import RefusedError
from tests.laboratory.small_models import (
    CONFIGS,
    WITH_MLPS,
    ask,
    assert_close,
    base,
    cached,
    patched,
    plain,
    tokens,
)


def written(kind: str, sender: str, seed: int) -> Tensor:
    """What a sender adds to the residual stream in an unpatched run."""
    cache, blocks = cached(kind, seed), plain(kind).blocks
    if sender == "embed":
        return cache["blocks.0.hook_resid_pre"]
    if sender[0] == "m":
        return cache[f"blocks.{sender[1:]}.hook_mlp_out"]
    layer, index = (int(part[1:]) for part in sender.split("."))
    if sender[0] == "a":
        return cache[f"blocks.{layer}.attn.hook_z"][:, :, index] @ blocks[layer].attn.W_O[index]
    return cache[f"blocks.{layer}.mlp.hook_post"][:, :, index, None] * blocks[layer].mlp.W_out[index]


@contextmanager
def split(kind: str) -> Iterator[HookedTransformer]:
    """The model with hooks for what queries, keys, values and MLPs read."""
    model = plain(kind)
    model.set_use_split_qkv_input(True)
    if kind in WITH_MLPS:
        model.set_use_hook_mlp_in(True)
    try:
        yield model
    finally:
        model.set_use_split_qkv_input(False)
        if kind in WITH_MLPS:
            model.set_use_hook_mlp_in(False)


def reference(kind: str, paths: Sequence[tuple[str, str]], position: int | None = None) -> Tensor:
    """Logits at the last position, by hooks that add the difference to what receivers read."""

    def hook_for(sender: str, receiver: str) -> tuple[str, object]:
        difference = written(kind, sender, 1) - written(kind, sender, 0)
        if position is not None:
            kept = torch.zeros_like(difference)
            kept[:, position] = difference[:, position]
            difference = kept

        def add(full: Tensor, hook: object) -> Tensor:
            return full + difference

        def add_to_head(full: Tensor, hook: object) -> Tensor:
            full = full.clone()
            full[:, :, int(receiver.split(".")[2])] += difference
            return full

        if receiver == "logits":
            return f"blocks.{CONFIGS[kind]['n_layers'] - 1}.hook_resid_post", add
        if receiver[0] == "m":
            return f"blocks.{receiver[1:]}.hook_mlp_in", add
        return f"blocks.{receiver[2]}.hook_{receiver[0]}_input", add_to_head

    with split(kind) as model:
        return model.run_with_hooks(torch.tensor(tokens()), fwd_hooks=[hook_for(*path) for path in paths])[:, -1]


def paths(*ends: tuple[str, str], at: str = "") -> list[dict[str, object]]:
    return [{"kind": "path", "site": sender + at, "to": receiver, "run": "base"} for sender, receiver in ends]


ENDS = [("embed", "q.0.1"), ("embed", "logits"), ("a0.h1", "k.1.1"), ("a0.h3", "v.2.0"), ("a1.h2", "logits"),
        ("a0.h0", "q.2.3")]  # fmt: skip
WITH_MLP_ENDS = [("a0.h1", "m0"), ("embed", "m2"), ("m0", "m1"), ("m1", "q.2.2"), ("L0.N5", "m2"), ("L1.N3", "logits"),
                 ("L0.N5", "k.1.0"), ("m2", "logits")]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "ends"),
    [(kind, ends) for kind in CONFIGS for ends in (*ENDS, *(WITH_MLP_ENDS if kind in WITH_MLPS else ()))],
)
def test_a_path_is_what_the_receiver_reads_of_the_sender(kind, ends):
    found = ask(kind, base(), patched(*paths(ends)))["outputs"]
    assert_close(found, reference(kind, [ends]))
    assert not torch.allclose(found, ask(kind, patched())["outputs"], atol=1e-5), "the path did nothing"


@pytest.mark.parametrize("kind", WITH_MLPS)
def test_several_paths_add_up_before_the_norm(kind):
    ends = [("a0.h1", "m1"), ("embed", "m1"), ("m0", "q.1.2"), ("a0.h3", "q.1.2"), ("L0.N5", "logits")]
    assert_close(ask(kind, base(), patched(*paths(*ends)))["outputs"], reference(kind, ends))


def test_a_path_at_a_position():
    ends = [("a0.h1", "m1"), ("embed", "v.1.0")]
    found = ask("LN", base(), patched(*paths(*ends, at="@3")))["outputs"]
    assert_close(found, reference("LN", ends, position=3))
    everywhere = [patch for position in range(6) for patch in paths(*ends, at=f"@{position}")]
    assert_close(ask("LN", base(), patched(*everywhere))["outputs"], reference("LN", ends))


def test_a_path_that_is_patched_twice_is_patched_once():
    twice = paths(("m0", "m1"), ("m0", "m1"))
    assert_close(ask("LN", base(), patched(*twice))["outputs"], reference("LN", [("m0", "m1")]))


def test_only_the_receiver_reads_something_else():
    reads = ["resid_pre.1", "resid_mid.1", "q.1.0", "q.1.1", "k.1.0", "m0", "a0.h1", "pattern.1.0", "pattern.1.1"]
    found = ask("LN", base(), patched(*paths(("a0.h1", "q.1.1"))), read=reads)
    own = ask("LN", patched(), read=reads)
    changed = {name for name in reads if not torch.equal(found[name], own[name])}
    assert changed == {"q.1.1", "pattern.1.1", "resid_mid.1"}


def test_all_paths_from_a_head_are_the_head():
    receivers = [
        "m0",
        "m1",
        "m2",
        "logits",
        *(f"{kind}.{layer}.{head}" for kind in "qkv" for layer in (1, 2) for head in range(4)),
    ]
    found = ask("LN", base(), patched(*paths(*(("a0.h1", receiver) for receiver in receivers))))["outputs"]
    assert_close(found, ask("LN", base(), patched({"kind": "interchange", "site": "a0.h1", "run": "base"}))["outputs"])


def test_a_path_to_the_logits_without_a_norm_adds_what_is_unembedded():
    found = ask("no norm", base(), patched(*paths(("m1", "logits"))))["outputs"]
    difference = (written("no norm", "m1", 1) - written("no norm", "m1", 0))[:, -1]
    assert_close(found, ask("no norm", patched())["outputs"] + difference @ plain("no norm").W_U)


def test_paths_start_at_what_other_patches_have_made_of_the_sender():
    zero = {"kind": "zero", "site": "m0"}
    found = ask("LN", base(), patched(zero, *paths(("m0", "m1"))), read=["m0"])
    assert not found["m0"].any()

    sent = written("LN", "m0", 1)

    def nothing(full: Tensor, hook: object) -> Tensor:
        return torch.zeros_like(full)

    def add(full: Tensor, hook: object) -> Tensor:
        return full + sent

    with split("LN") as model:
        hooks = [("blocks.0.hook_mlp_out", nothing), ("blocks.1.hook_mlp_in", add)]
        truth = model.run_with_hooks(torch.tensor(tokens()), fwd_hooks=hooks)[:, -1]
    assert_close(found["outputs"], truth)


def test_the_receiver_s_own_patch_comes_after_its_paths():
    own = {"kind": "interchange", "site": "q.1.1", "run": "base"}
    both = ask("LN", base(), patched(own, *paths(("m0", "q.1.1"))))["outputs"]
    assert torch.equal(both, ask("LN", base(), patched(own))["outputs"])


def test_a_path_from_one_prompt_for_all():
    patch = {**paths(("m0", "m1"))[0], "prompt": 2}
    found = ask("LN", base(), patched(patch))["outputs"]
    assert_close(found, ask("LN", base(), patched({**patch, "prompt": [2] * 5}))["outputs"])
    assert not torch.allclose(found, reference("LN", [("m0", "m1")]), atol=1e-4)


@pytest.mark.parametrize(
    ("sender", "receiver", "reason"),
    [
        ("m1", "m1", "does not read"),
        ("a1.h0", "q.1.0", "does not read"),
        ("m2", "m0", "does not read"),
        ("resid_pre.0", "m1", "sends nothing"),
        ("z.0.0", "m1", "sends nothing"),
        ("m0", "resid_post.1", "not a receiver"),
        ("m0", "m1@2", "not a receiver"),
        ("m0", None, "A site is a string"),
        ("m0", "m3", "no block"),
        ("m0", "k.1.9", "no key-value head"),
    ],
)
def test_a_path_that_is_none_is_refused(sender, receiver, reason):
    with pytest.raises(RefusedError, match=reason):
        ask("LN", base(), patched({"kind": "path", "site": sender, "to": receiver, "run": "base"}))


def test_a_neuron_and_its_mlp_can_t_both_send():
    with pytest.raises(RefusedError, match=r"L0\.N3 and at m0"):
        ask("LN", base(), patched(*paths(("L0.N3", "m1"), ("m0", "m1"))))
    ask("LN", base(), patched(*paths(("L0.N3", "m1"), ("m0", "m2"))))
