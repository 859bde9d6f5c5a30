"""Runs that are computed from other runs; and everything in a request that is wrong, or an attack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from scribe_suite.laboratory import limits
from scribe_suite.laboratory.inside import operations, passes, runs
from scribe_suite.laboratory.inside.refusal import RefusedError
from scribe_suite.laboratory.recipes import Recipe
from tests.laboratory.small_models import ask, assert_close, base, cached, loaded, patched, tokens


def interchange(site: str, run: str, **more: object) -> dict[str, object]:
    return {"kind": "interchange", "site": site, "run": run, **more}


def test_a_diamond():
    """Two runs are patched from one, and one is patched from both."""
    left = Recipe("left", tokens(2), patches=[interchange("a0.h1", "base")])
    right = Recipe("right", tokens(3), patches=[interchange("m0", "base")])
    top = patched(interchange("a1.h0", "left"), interchange("m1", "right"))
    found = ask("LN", base(), left, right, top, read=["a1.h0", "m1"])
    of_left = ask("LN", base(), left, read=["a1.h0"])["a1.h0"]
    of_right = ask("LN", base(), right, read=["m1"])["m1"]
    assert_close(found["a1.h0"], of_left)
    assert torch.equal(found["m1"], of_right)
    assert not torch.allclose(of_left, ask("LN", Recipe("left", tokens(2)), read=["a1.h0"])["a1.h0"], atol=1e-4)


def chain(length: int) -> list[Recipe]:
    """Each run has the heads and the MLP of the one before in block 0, and prompts of its own."""
    first = Recipe("r0", tokens(0))
    sites = ["a0.h0", "a0.h1", "a0.h2", "a0.h3", "m0"]
    return [first] + [
        Recipe(f"r{number}", tokens(number), patches=[interchange(site, f"r{number - 1}") for site in sites])
        for number in range(1, length)
    ]


def test_a_long_chain_hands_a_value_on():
    found = ask("LN", *chain(limits.MAX_RUNS), read=["m0"])["m0"]
    assert torch.equal(found, cached("LN", seed=0)["blocks.0.hook_mlp_out"])


def test_too_many_runs_are_refused():
    with pytest.raises(RefusedError, match="65 runs; at most 64"):
        ask("LN", *chain(limits.MAX_RUNS + 1))


def test_each_run_is_computed_once_and_only_if_it_is_needed(monkeypatch):
    computed = []

    def counting(pass_: passes.ForwardPass) -> Tensor:
        computed.append(int(pass_._run.tokens.sum()))
        return hidden(pass_)

    hidden = passes.ForwardPass.hidden
    monkeypatch.setattr(passes.ForwardPass, "hidden", counting)
    left = Recipe("left", tokens(2), patches=[interchange("a0.h1", "base")])
    unused = Recipe("unused", tokens(4), patches=[interchange("m0", "left")])
    top = patched(interchange("a1.h0", "left"), interchange("m1", "base"), interchange("m2", "base"))
    ask("LN", base(), left, unused, top)
    assert computed == [int(tokens(seed).sum()) for seed in (1, 2, 0)]


def test_what_is_no_longer_needed_is_let_go(monkeypatch):
    held = []

    def watching(*arguments: object) -> dict:
        held.append(sorted(arguments[3]))
        return values(*arguments)

    values = operations._values
    monkeypatch.setattr(operations, "_values", watching)
    ask("LN", *chain(5))
    assert held == [[], [0], [1], [2]]


def test_activations_that_would_take_too_much_memory_are_refused(monkeypatch):
    monkeypatch.setattr(operations, "MAX_KEPT", 5 * 6 * 12 * 4)
    ask("LN", base(), patched(interchange("m1", "base")))
    with pytest.raises(RefusedError, match="fewer prompts or sites"):
        ask("LN", base(), patched(interchange("m1", "base"), interchange("m2", "base")))


def test_a_value_is_what_the_other_run_s_own_patches_made_of_it():
    vector = np.arange(12, dtype="float32")
    source = Recipe("base", tokens(1), patches=[{"kind": "set", "site": "a1.h2", "vector": "w"}], vectors={"w": vector})
    found = ask("LN", source, patched(interchange("a1.h2", "base")), read=["a1.h2"])["a1.h2"]
    assert_close(found, torch.tensor(vector).expand(5, 6, 12))


def test_runs_of_several_sizes():
    one = Recipe("base", tokens(1, n_prompts=1))
    found = ask("LN", one, patched(interchange("m1", "base", prompt=0)), read=["m1"])["m1"]
    assert torch.equal(found, ask("LN", one, read=["m1"])["m1"].expand(5, 6, 12))


BASE = base()
VECTOR = {"w": np.zeros(12, "float32")}
SET = {"kind": "set", "site": "m1", "vector": "w"}
NAN, INFINITE = np.full(12, np.nan, "float32"), np.full(12, np.inf, "float32")
WRONG: dict[str, tuple[list[Recipe], str]] = {
    "token above": ([Recipe("r", tokens() + 11)], "from 0 to 10"),
    "token below": ([Recipe("r", tokens() - 11)], "from 0 to 10"),
    "tokens of floats": ([Recipe("r", tokens().astype("float32"))], "int64 tensor"),
    "tokens of int32": ([Recipe("r", tokens().astype("int32"))], "int64 tensor"),
    "one axis": ([Recipe("r", tokens()[0])], "int64 tensor"),
    "three axes": ([Recipe("r", tokens()[None])], "int64 tensor"),
    "no prompts": ([Recipe("r", tokens()[:0])], "int64 tensor"),
    "no positions": ([Recipe("r", tokens()[:, :0])], "int64 tensor"),
    "too long": ([Recipe("r", np.zeros((1, 7), "int64"))], "model takes 6"),
    "too many prompts": ([Recipe("r", np.zeros((4097, 1), "int64"))], "at most 4,096 prompts"),
    "too many tokens": ([Recipe("r", np.zeros((4096, 65), "int64"))], "262,144 tokens"),
    "lengths of floats": ([patched(lengths=np.ones(5))], "Lengths are an int64"),
    "lengths of others": ([patched(lengths=np.ones(4, "int64"))], "one number for each"),
    "length zero": ([patched(lengths=np.array([0, 1, 1, 1, 1]))], "from 1 to 6"),
    "length seven": ([patched(lengths=np.array([7, 1, 1, 1, 1]))], "from 1 to 6"),
    "huge length": ([patched(lengths=np.array([2**62, 1, 1, 1, 1]))], "from 1 to 6"),
    "unknown kind": ([patched({"kind": "ablate", "site": "m1"})], "is of the kind"),
    "no kind": ([patched({"site": "m1"})], "is of the kind"),
    "kind of a list": ([patched({"kind": ["zero"], "site": "m1"})], "is of the kind"),
    "unknown field": ([patched({"kind": "zero", "site": "m1", "run": "base"})], "has no 'run'"),
    "unknown site": ([patched({"kind": "zero", "site": "m1.h0"})], "is not a site"),
    "no site": ([patched({"kind": "zero"})], "A site is a string"),
    "a pattern": ([patched({"kind": "zero", "site": "pattern.0.0"})], "can be read only"),
    "unknown run": ([patched(interchange("m1", "r9"))], "earlier run"),
    "its own run": ([patched(interchange("m1", "patched"))], "earlier run"),
    "a later run": ([Recipe("r", tokens(), patches=[interchange("m1", "base")]), BASE], "earlier run"),
    "run of a number": ([BASE, patched({"kind": "mean", "site": "m1", "run": 0})], "earlier run"),
    "two of one name": ([BASE, BASE], "a name of its own"),
    "prompt above": ([BASE, patched(interchange("m1", "base", prompt=5))], "none of 0 to 4"),
    "prompt below": ([BASE, patched(interchange("m1", "base", prompt=-1))], "none of 0 to 4"),
    "prompt true": ([BASE, patched(interchange("m1", "base", prompt=True))], "none of 0 to 4"),
    "prompt of text": ([BASE, patched(interchange("m1", "base", prompt="0"))], "none of 0 to 4"),
    "prompts too few": ([BASE, patched(interchange("m1", "base", prompt=[0, 1]))], "names 2 prompts for 5"),
    "other number": ([Recipe("base", tokens(1, 3)), patched(interchange("m1", "base"))], "3 prompts have been run"),
    "other length": ([Recipe("base", tokens(1, 5, 4)), patched(interchange("m1", "base"))], "name one position"),
    "position not there": (
        [Recipe("base", tokens(1, 5, 2)), patched(interchange("m1@3", "base"))],
        "2 positions",
    ),
    "no vector": ([patched(SET)], "needs a tensor"),
    "vector by number": ([patched({**SET, "vector": 0}, vectors=VECTOR)], "needs a tensor"),
    "vector of integers": ([patched(SET, vectors={"w": np.zeros(12, "int64")})], "needs floats, not int64"),
    "vector of bools": ([patched(SET, vectors={"w": np.zeros(12, "bool")})], "needs floats, not bool"),
    "vector of NaN": ([patched(SET, vectors={"w": NAN})], "not finite"),
    "vector of infinity": ([patched(SET, vectors={"w": INFINITE})], "not finite"),
    "vector beyond float32": ([patched(SET, vectors={"w": np.full(12, 1e300)})], "not finite"),
    "vector too short": ([patched(SET, vectors={"w": np.zeros(11, "float32")})], r"needs \[12\] or \[5, 12\]"),
    "vector of many axes": ([patched(SET, vectors={"w": np.zeros((1,) * 20 + (12,), "float32")})], "needs"),
    "empty vector": ([patched(SET, vectors={"w": np.zeros(0, "float32")})], "needs"),
    "vector per position": (
        [patched({**SET, "site": "m1@2"}, vectors={"w": np.zeros((5, 6, 12), "float32")})],
        r"needs \[12\] or \[5, 12\]\.",
    ),
    "vector of nobody": ([patched(vectors=VECTOR)], "No patch uses the tensor 'w'"),
    "Q of another width": (
        [BASE, patched({**interchange("m1", "base"), "kind": "subspace", "Q": "Q"}, vectors={"Q": np.eye(11)})],
        r"needs \[12, directions\]",
    ),
    "Q too wide": (
        [BASE, patched({**interchange("m1", "base"), "kind": "subspace", "Q": "Q"}, vectors={"Q": np.ones((12, 13))})],
        "at most 12",
    ),
    "Q of zeros": (
        [BASE, patched({**interchange("m1", "base"), "kind": "subspace", "Q": "Q"}, vectors={"Q": np.zeros((12, 2))})],
        "no direction but zero",
    ),
    "Q of NaN": (
        [BASE, patched({**interchange("m1", "base"), "kind": "subspace", "Q": "Q"}, vectors={"Q": NAN[:, None]})],
        "not finite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_in_one_sentence(what):
    recipes, reason = WRONG[what]
    with pytest.raises(RefusedError, match=reason) as caught:
        ask("LN", *recipes)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_every_kind_of_patch_is_in_the_table():
    assert set(runs.FIELDS) == {"interchange", "zero", "mean", "add", "set", "subspace", "path"}


@pytest.mark.parametrize("recipes", [None, [], {}, "r", [None], [[]], [{"name": None}], [{"name": "r", "patches": {}}],
                                     [{"name": "r", "patches": [3]}], [{"name": "r", "patches": [None]}]])  # fmt: skip
def test_what_are_no_recipes_is_refused(recipes):
    with pytest.raises(RefusedError):
        operations.run(loaded("LN"), recipes, {}, {"0/tokens": torch.tensor(tokens())})


@pytest.mark.parametrize("name", ["1/tokens", "tokens", "0/vectors/w", "0/", "0/tokens/x", "../0/tokens"])
def test_a_tensor_of_another_name_is_refused(name):
    given = {"0/tokens": torch.tensor(tokens()), name: torch.zeros(3)}
    with pytest.raises(RefusedError, match="No patch uses"):
        operations.run(loaded("LN"), [{"name": "r"}], {}, given)
