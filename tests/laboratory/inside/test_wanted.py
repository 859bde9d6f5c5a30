"""What outputs become before they leave: logits, probabilities, labels, samples; rounding and noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scribe_suite.laboratory import frames
from scribe_suite.laboratory.inside import wanted as rules
from scribe_suite.laboratory.inside.refusal import RefusedError
from scribe_suite.laboratory.recipes import Gradient, Recipe
from scribe_suite.laboratory.sites import FORMS, Site, block_of, parse_site
from tests.laboratory.small_models import ask, base, loaded, patched, plain, tokens


def truth() -> torch.Tensor:
    return plain("LN")(torch.tensor(tokens()))


def test_positions_of_outputs():
    assert torch.equal(ask("LN", patched(), outputs="all")["outputs"], truth())
    assert torch.equal(ask("LN", patched(), outputs=[-1, 0, 3])["outputs"], truth()[:, [5, 0, 3]])
    assert torch.equal(ask("LN", patched(), outputs=[2])["outputs"], truth()[:, [2]])
    assert torch.equal(ask("LN", patched(), outputs="last")["outputs"], truth()[:, -1])


def test_log_probabilities_are_over_the_whole_vocabulary():
    all_of_them = truth()[:, -1].log_softmax(-1)
    torch.testing.assert_close(ask("LN", patched(), returns="log_probs")["outputs"], all_of_them)
    some = ask("LN", patched(), returns="log_probs", labels=[6, 2])["outputs"]
    torch.testing.assert_close(some, all_of_them[:, [6, 2]])


def test_only_some_labels():
    assert torch.equal(ask("LN", patched(), labels=[6, 2])["outputs"], truth()[:, -1][:, [6, 2]])
    best = ask("LN", patched(), returns="labels", labels=[6, 2])["outputs"]
    assert best.tolist() == [[6, 2][int(row[2] > row[6])] for row in truth()[:, -1]]


#: A part of each kind, and all parts of its block.
PARTS = {
    "L1.N0": ["neurons.1"],
    "L2.N3@-1": ["neurons.2"],
    "a1.h0": [f"a1.h{head}" for head in range(4)],
    "a0.h2@1": [f"a0.h{head}" for head in range(4)],
    "q.0.3": [f"q.0.{head}" for head in range(4)],
    "k.1.1": [f"k.1.{head}" for head in range(2)],
    "v.2.0": [f"v.2.{head}" for head in range(2)],
    "z.2.1@0": [f"z.2.{head}" for head in range(4)],
    "pattern.1.2": [f"pattern.1.{head}" for head in range(4)],
    "pattern.0.1@3": [f"pattern.0.{head}" for head in range(4)],
}
NOISE = 4.0
#: Silences all of a block, except one part of it.
ALL_BUT_ONE = {
    "L1.N0": [f"L1.N{neuron}" for neuron in range(1, 16)],
    "a1.h3": ["a1.h0", "a1.h1", "a1.h2"],
    "z.1.3": ["z.1.0", "z.1.1", "z.1.2"],
    "m0": [f"L0.N{neuron}" for neuron in range(15)],
}


def many(*patches: dict) -> Recipe:
    """A run of many prompts."""
    return Recipe("patched", tokens(0, n_prompts=300), patches=patches)


def deviation(name: str, *patches: dict, kind: str = "grouped", **wanted: object) -> float:
    """The standard deviation of the noise on one result of a run."""
    exact, noisy = (ask(kind, many(*patches), **wanted, read_noise=noise, seed="s")[name] for noise in (0.0, NOISE))
    return float((noisy - exact).std())


def size(found: dict[str, torch.Tensor], names: list[str]) -> float:
    """The root mean square over results of one shape."""
    return float(torch.stack([found[name] for name in names]).square().mean().sqrt())


@pytest.mark.parametrize("name", PARTS)
def test_the_noise_at_a_part_has_the_size_of_its_block(name):
    """Noise of its own size would tell whether a head or a neuron is active, one prompt at a time."""
    block = size(ask("grouped", many(), read=PARTS[name]), PARTS[name])
    assert deviation(name, read=[name]) == pytest.approx(NOISE * block, rel=0.12)


@pytest.mark.parametrize("name", PARTS)
def test_so_has_the_noise_at_a_gradient_at_a_part(name):
    names = [f"grad/{part}" for part in PARTS[name]]
    block = size(ask("grouped", many(), grad=Gradient([1] * 300, PARTS[name])), names)
    found = deviation(f"grad/{name}", grad=Gradient([1] * 300, [name]))
    assert found == pytest.approx(NOISE * block, rel=0.12)


def test_every_kind_with_an_index_is_a_part():
    narrowed = {kind for kind, form in FORMS.items() if form.pattern.groups == 2}
    assert {parse_site(name).kind for name in PARTS} == narrowed
    sizes = loaded("grouped").sizes
    for name, block in PARTS.items():
        assert [str(site) for site in block_of(parse_site(name), sizes)] == block
    whole = [Site(kind, 1, None, 2) for kind in FORMS if kind not in narrowed]
    assert all(block_of(site, sizes) == (site.everywhere,) for site in whole)


@pytest.mark.parametrize("name", ALL_BUT_ONE)
def test_patches_do_not_make_noise_smaller(name):
    """If only one part of a block were left, the noise of the block would have its size again."""
    others = [{"kind": "zero", "site": site} for site in ALL_BUT_ONE[name]]
    wanted = {"kind": "LN", "read": [name]}
    among = deviation(name, **wanted)
    assert deviation(name, *others, **wanted) == pytest.approx(among, rel=0.12)
    part = {"kind": "zero", "site": "L0.N15" if name == "m0" else name}
    assert deviation(name, *others, part, **wanted) == pytest.approx(among, rel=0.12)


def test_nor_do_they_at_gradients():
    others = [{"kind": "zero", "site": f"m{block}"} for block in (1, 2)]
    wanted = {"kind": "LN", "grad": Gradient([1] * 300, ["L1.N0"])}  # whose gradient is zero then
    assert not ask("LN", many(*others), grad=wanted["grad"])["grad/L1.N0"].any()
    name = "grad/L1.N0"
    assert deviation(name, *others, **wanted) == pytest.approx(deviation(name, **wanted), rel=0.12)


def test_large_patches_make_it_larger():
    """Noise that were not a share of large values too could be drowned by them."""
    large = {"kind": "set", "site": "resid_pre.1", "vector": "w"}
    run = patched(large, vectors={"w": 1000 * np.eye(12)[3]})
    exact, noisy = (ask("no norm", run, read=["q.1.0"], read_noise=noise, seed="s")["q.1.0"] for noise in (0.0, 1.0))
    every = ask("no norm", run, read=[f"q.1.{head}" for head in range(4)])
    assert float((noisy - exact).std()) == pytest.approx(size(every, [f"q.1.{head}" for head in range(4)]), rel=0.2)


@pytest.mark.parametrize("names", [["L1.N0", "L1.N1"], ["a1.h0", "a1.h1"], ["z.1.0", "z.1.1"], ["m0", "m1"]])
def test_equal_noise_does_not_tell_that_two_sites_are_silent(names):
    silent = [{"kind": "zero", "site": name} for name in names]
    found = ask("LN", patched(*silent), read=names, read_noise=1.0, seed="s")
    assert not any(ask("LN", patched(*silent), read=names)[name].any() for name in names)
    assert (found[names[0]] != found[names[1]]).all()
    both = ask("LN", patched(*silent), read=[f"{names[0]}@2", names[0]], read_noise=1.0, seed="s")
    assert torch.equal(both[f"{names[0]}@2"], both[names[0]][:, 2])


def test_nor_that_a_site_and_its_gradient_are():
    silent = [{"kind": "zero", "site": site} for site in ("L1.N0", "m1", "m2")]
    wanted = {"read": ["L1.N0"], "grad": Gradient([1] * 300, ["L1.N0"])}
    exact = ask("LN", many(*silent), **wanted)
    assert not exact["L1.N0"].any()
    assert not exact["grad/L1.N0"].any()
    found = ask("LN", many(*silent), **wanted, read_noise=1.0, seed="s")
    pair = torch.stack([found["L1.N0"].flatten(), found["grad/L1.N0"].flatten()])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.1


@pytest.mark.parametrize("outputs", ["last", "all", [1, -1]])
def test_labels_are_the_most_probable_ids(outputs):
    logits = ask("LN", patched(), outputs=outputs)["outputs"]
    found = ask("LN", patched(), outputs=outputs, returns="labels")["outputs"]
    assert found.dtype == torch.int64
    assert torch.equal(found, logits.argmax(-1))
    cold = ask("LN", patched(), outputs=outputs, returns="samples", temperature=0.0)["outputs"]
    assert torch.equal(cold, found)


@pytest.mark.parametrize(("outputs", "rows"), [("last", 5), ("all", 5 * 6), ([1, -1], 5 * 2)])
def test_nothing_is_no_number_for_any_position(outputs, rows):
    found = ask("LN", patched(), outputs=outputs, returns="nothing", read=["m1"])
    assert found["outputs"].shape[-1] == 0
    assert found["outputs"].shape[:-1].numel() == rows
    assert found["m1"].abs().min() > 0


def test_samples_follow_the_softmax_and_the_temperature():
    same = Recipe("run", np.repeat(tokens()[:1], 4000, axis=0))
    logits = truth()[0, -1]
    for temperature in (0.5, 1.0, 3.0):
        found = ask("LN", same, returns="samples", temperature=temperature, seed=f"s{temperature}")["outputs"]
        shares = torch.bincount(found, minlength=7) / 4000
        torch.testing.assert_close(shares, (logits / temperature).softmax(-1), atol=0.035, rtol=0)
    among = ask("LN", same, returns="samples", labels=[5, 1], seed="x")["outputs"]
    expected = logits[[5, 1]].softmax(-1)[0]
    assert set(among.tolist()) <= {5, 1}
    assert float((among == 5).float().mean()) == pytest.approx(float(expected), abs=0.035)


def test_samples_and_noise_are_a_function_of_the_seed():
    def twice(**more):
        return [
            ask("LN", patched(), returns="samples", temperature=5.0, read=["m1"], read_noise=0.1, **more)
            for _ in range(2)
        ]

    one, again = twice(seed="a")
    other, _ = twice(seed="b")
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["m1"], other["m1"])
    assert not torch.equal(one["outputs"], other["outputs"])


def test_noise_has_the_stated_size_and_is_on_reads_alone():
    read, gradient = ["neurons.1", "m0", "resid_pre.2"], Gradient([1] * 200, ["neurons.0"])
    run = Recipe("run", tokens(3, n_prompts=200))
    exact = ask("LN", run, read=read, grad=gradient)
    noisy = ask("LN", run, read=read, grad=gradient, read_noise=0.25, seed="s")
    assert torch.equal(noisy["outputs"], exact["outputs"])
    for name in set(exact) - {"outputs"}:
        error = noisy[name] - exact[name]
        expected = 0.25 * exact[name].square().mean().sqrt()
        assert float(error.std() / expected) == pytest.approx(1, abs=0.05), name
        assert abs(float(error.mean() / expected)) < 0.05
    errors = [(noisy[name] - exact[name]).flatten()[:500] for name in ("neurons.1", "m0")]
    assert abs(float(torch.corrcoef(torch.stack(errors))[0, 1])) < 0.2, "sites have noise of their own"


def test_naming_a_value_twice_is_no_second_reading():
    names = [
        "m1",
        "m1@0",
        "m1@-1",
        "m1@5",
        "resid_post.0",
        "resid_pre.1",
        "L0.N3",
        "L0.N3@2",
        "pattern.1.1",
        "pattern.1.1@4",
    ]
    gradient = Gradient([1] * 5, ["a1.h0", "a1.h3", "a1.h0@2", "m2", "m2@-2"])
    found = ask("LN", patched(), read=names, grad=gradient, read_noise=0.3, seed="s")
    exact = ask("LN", patched(), read=names, grad=gradient)
    for one, other in (
        (found["m1@0"], found["m1"][:, 0]),
        (found["m1@-1"], found["m1"][:, 5]),
        (found["m1@5"], found["m1"][:, 5]),
        (found["resid_post.0"], found["resid_pre.1"]),
        (found["L0.N3@2"], found["L0.N3"][:, 2]),
        (found["pattern.1.1@4"], found["pattern.1.1"][:, 4]),
        (found["grad/a1.h0"], found["grad/a1.h3"]),
        (found["grad/a1.h0@2"], found["grad/a1.h0"][:, 2]),
        (found["grad/m2@-2"], found["grad/m2"][:, 4]),
    ):
        assert torch.equal(one, other)
    assert all(found[name].shape == exact[name].shape for name in exact)
    assert not any(torch.equal(found[name], exact[name]) for name in exact if name != "outputs")


def test_a_position_that_is_named_twice_has_one_sample():
    lengths = np.array([6, 2, 6, 3, 6])
    found = ask("LN", patched(lengths=lengths), returns="samples", temperature=20.0, outputs=[1, -1, 1, -2], seed="s")
    samples = found["outputs"]
    assert torch.equal(samples[:, 0], samples[:, 2])
    assert samples[1, 0] == samples[1, 1]
    assert samples[3, 0] == samples[3, 3]
    everywhere = ask("LN", patched(lengths=lengths), returns="samples", temperature=20.0, outputs="all", seed="s")
    assert torch.equal(everywhere["outputs"][:, 1], samples[:, 0])


def test_noise_of_one_site_does_not_depend_on_the_others():
    alone = ask("LN", patched(), read=["m1"], read_noise=0.1, seed="s")["m1"]
    assert torch.equal(alone, ask("LN", patched(), read=["m0", "m1"], read_noise=0.1, seed="s")["m1"])


@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_everything_that_is_no_label_is_rounded(decimals):
    wanted = {"read": ["m1"], "grad": Gradient([1] * 5, ["a0.h1"])}
    exact, rounded = ask("LN", patched(), **wanted), ask("LN", patched(), **wanted, decimals=decimals)
    for name, value in rounded.items():
        assert torch.equal(value, (exact[name].double().round(decimals=decimals)).float() + 0.0)
        assert not torch.signbit(value[value == 0]).any(), "a zero with a sign would tell one bit more"
    noisy = ask("LN", patched(), **wanted, decimals=decimals, read_noise=0.1, seed="s")["m1"]
    assert torch.equal(noisy, noisy.double().round(decimals=decimals).float())


def test_identical_requests_give_identical_values():
    patch = {"kind": "mean", "site": "a1.h0", "run": "base"}
    wanted = {"read": ["m2", "q.2.1"], "grad": Gradient([1] * 5, ["m0"]), "outputs": "all"}
    one, other = (ask("LN", base(), patched(patch), **wanted) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"outputs": "first"}, "'last', 'all'"),
        ({"outputs": []}, "'last', 'all'"),
        ({"outputs": [6]}, "from -6 to 5"),
        ({"outputs": [True]}, "from -6 to 5"),
        ({"labels": []}, "different numbers"),
        ({"labels": [1, 1]}, "different numbers"),
        ({"labels": [7]}, "from 0 to 6"),
        ({"labels": [1.0]}, "from 0 to 6"),
        ({"returns": "weights"}, "returned as"),
        ({"decimals": -1}, "Decimals"),
        ({"decimals": 1.5}, "Decimals"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"read_noise": -0.1}, "read_noise"),
        ({"seed": 3}, "seed"),
        ({"read": ["m9"]}, "no block 9"),
        ({"read": ["m1@6"]}, "6 positions"),
        ({"read": [None]}, "A site is a string"),
    ],
)
def test_what_can_t_be_wanted_is_refused_in_one_sentence(wanted, reason):
    with pytest.raises(RefusedError, match=reason) as caught:
        ask("LN", patched(), **wanted)
    assert "\n" not in str(caught.value)


def test_positions_that_a_short_prompt_has_not_are_refused():
    with pytest.raises(RefusedError, match="from -2 to 1"):
        ask("LN", patched(lengths=np.array([2, 6, 3, 4, 4])), outputs=[-3])


def test_what_no_frame_could_carry_is_refused_before_it_is_computed(monkeypatch):
    monkeypatch.setattr(rules, "MAX_TENSORS_OUT", (1 << 20) + 5 * 6 * 12 * 4 + 5 * 7 * 4)
    ask("LN", patched(), read=["m1"])
    with pytest.raises(RefusedError, match="fewer prompts"):
        ask("LN", patched(), read=["m1"], outputs="all")
    assert frames.MAX_TENSORS_OUT == 256 << 20


def test_values_that_are_not_finite_are_returned_and_never_refused():
    """A refusal is free, and would tell what the model has computed."""
    huge = {"kind": "set", "site": "resid_post.2", "vector": "w"}
    vector = 3e38 * np.sign(plain("no norm").W_U[:, 0].numpy())
    run = patched(huge, vectors={"w": vector})
    found = {returns: ask("no norm", run, returns=returns)["outputs"] for returns in rules.RETURNS}
    assert not torch.isfinite(found["logits"]).all()
    assert not torch.isfinite(found["log_probs"]).all()
    assert not found["nothing"].numel()
    for returns in ("labels", "samples"):
        assert ((found[returns] >= 0) & (found[returns] < 7)).all()
    noisy = ask("no norm", run, read=["m2", "resid_post.2"], read_noise=0.1, decimals=2, grad=Gradient([0] * 5, ["m0"]))
    assert set(noisy) == {"m2", "resid_post.2", "grad/m0", "outputs"}
