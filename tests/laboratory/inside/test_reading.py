"""What is read at a site is what TransformerLens has there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.laboratory.inside import operations
from tests.laboratory.small_models import CONFIGS, WITH_MLPS, ask, base, cached, patched, plain, tokens

#: Site -> where TransformerLens has it.
PLACES = {
    "resid_pre.0": lambda c: c["blocks.0.hook_resid_pre"],
    "resid_pre.2": lambda c: c["blocks.2.hook_resid_pre"],
    "resid_post.1": lambda c: c["blocks.1.hook_resid_post"],
    "q.1.3": lambda c: c["blocks.1.attn.hook_q"][:, :, 3],
    "k.2.1": lambda c: c["blocks.2.attn.hook_k"][:, :, 1],
    "v.0.0": lambda c: c["blocks.0.attn.hook_v"][:, :, 0],
    "z.1.2": lambda c: c["blocks.1.attn.hook_z"][:, :, 2],
    "pattern.2.3": lambda c: c["blocks.2.attn.hook_pattern"][:, 3],
}
OF_MLPS = {
    "resid_mid.1": lambda c: c["blocks.1.hook_resid_mid"],
    "neurons.0": lambda c: c["blocks.0.mlp.hook_post"],
    "L2.N15": lambda c: c["blocks.2.mlp.hook_post"][:, :, 15],
    "m1": lambda c: c["blocks.1.hook_mlp_out"],
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_sites_and_outputs_are_transformerlens_own(kind):
    places = {**PLACES, **(OF_MLPS if kind in WITH_MLPS else {})}
    found = ask(kind, patched(), read=list(places))
    truth = cached(kind, seed=0)
    for name, place in places.items():
        assert torch.equal(found[name], place(truth)), name
    assert torch.equal(found["outputs"], plain(kind)(torch.tensor(tokens()))[:, -1])
    assert set(found) == {*places, "outputs"}


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_residual_stream_is_the_sum_of_what_is_written(kind):
    heads = [f"a0.h{head}" for head in range(4)]
    mlp = ["m0"] if kind in WITH_MLPS else []
    found = ask(kind, patched(), read=["embed", *heads, *mlp, "resid_post.0"])
    total = sum(found[name] for name in ("embed", *heads, *mlp)) + plain(kind).blocks[0].attn.b_O
    torch.testing.assert_close(total, found["resid_post.0"], atol=1e-5, rtol=1e-5)


def test_a_position_is_a_part_of_all_of_them():
    names = ["a1.h0", "L1.N3", "pattern.0.1", "embed"]
    found = ask("LN", patched(), read=[*names, *(f"{name}@2" for name in names), *(f"{name}@-1" for name in names)])
    for name in names:
        assert torch.equal(found[f"{name}@2"], found[name][:, 2])
        assert torch.equal(found[f"{name}@-1"], found[name][:, 5])


def test_reading_changes_nothing():
    everything = ["embed", "a0.h1", "a2.h0", "m0", "neurons.1", "q.1.1", "pattern.2.2", "resid_mid.2"]
    assert torch.equal(ask("LN", patched(), read=everything)["outputs"], ask("LN", patched())["outputs"])


def test_a_site_that_is_named_twice_comes_once():
    assert set(ask("LN", patched(), read=["m1", "m1"])) == {"m1", "outputs"}


@pytest.mark.parametrize("kind", ["LN", "grouped"])
def test_padding_on_the_right_changes_nothing_before_it(kind):
    lengths = np.array([2, 6, 3, 1, 4])
    found = ask(kind, patched(lengths=lengths), read=["m1@-1", "resid_post.2@-1", "a1.h0@0"], outputs="all")
    last = ask(kind, patched(lengths=lengths))["outputs"]
    for number, length in enumerate(lengths):
        alone = plain(kind).run_with_cache(torch.tensor(tokens()[number : number + 1, :length]))
        close = {"atol": 1e-5, "rtol": 1e-5}
        torch.testing.assert_close(last[number], alone[0][0, -1], **close)
        torch.testing.assert_close(found["outputs"][number, :length], alone[0][0], **close)
        torch.testing.assert_close(found["m1@-1"][number], alone[1]["blocks.1.hook_mlp_out"][0, -1], **close)
        torch.testing.assert_close(
            found["resid_post.2@-1"][number], alone[1]["blocks.2.hook_resid_post"][0, -1], **close
        )


def test_many_prompts_are_run_in_parts_that_make_no_difference(monkeypatch):
    patch = {"kind": "interchange", "site": "a1.h0", "run": "base"}
    whole = ask("LN", base(), patched(patch), read=["m1@-1", "pattern.2.0"], outputs="all")
    monkeypatch.setattr(operations, "PASS_BYTES", 1)
    parts = ask("LN", base(), patched(patch), read=["m1@-1", "pattern.2.0"], outputs="all")
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-5)
