"""Keeping a circuit is what TransformerLens does with hooks on all other components."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scribe_suite.scoring.circuit_patching import PatchedRuns, PromptPairs, component_names, parse_component

from . import tiny_circuit

COMPONENTS = component_names(tiny_circuit.LAYERS, tiny_circuit.HEADS)


def with_hooks(pairs, kept):
    """The same by TransformerLens: run the clean prompt, replace every component that is not kept."""
    model = tiny_circuit.model()
    _, cache = model.run_with_cache(pairs.counterfactual)
    hooks = []
    for name in COMPONENTS:
        if name in kept:
            continue
        layer, head = parse_component(name)
        hook = f"blocks.{layer}.hook_mlp_out" if head is None else f"blocks.{layer}.attn.hook_z"

        def put(value, hook, head=head):
            if head is None:
                return cache[hook.name]
            value[:, :, head] = cache[hook.name][:, :, head]
            return value

        hooks.append((hook, put))
    with torch.no_grad():
        return model.run_with_hooks(pairs.clean, fwd_hooks=hooks)[:, -1]


@pytest.mark.parametrize(
    "kept",
    [
        (),
        ("m0",),
        ("a2.h3", "m3"),
        ("a0.h0", "a0.h1", "a0.h2", "a0.h3", "m0", "a1.h2"),
        tuple(name for name in COMPONENTS if name != "a1.h0"),
        tuple(name for name in COMPONENTS if name != "m3"),
        tuple(COMPONENTS),
    ],
    ids=["nothing", "an MLP", "a head and an MLP", "a whole layer", "all but a head", "all but an MLP", "everything"],
)
def test_kept_components_compute_and_all_others_are_the_counterfactuals(kept):
    pairs = tiny_circuit.pairs()
    runs = PatchedRuns(tiny_circuit.model(), pairs)
    torch.testing.assert_close(runs.logits(kept), with_hooks(pairs, kept), atol=1e-5, rtol=1e-5)


def test_everything_kept_is_the_model():
    pairs = tiny_circuit.pairs()
    runs = PatchedRuns(tiny_circuit.model(), pairs)
    with torch.no_grad():
        expected = pairs.metric(tiny_circuit.model()(pairs.clean)[:, -1])
    torch.testing.assert_close(runs.metric(COMPONENTS), expected, atol=1e-5, rtol=1e-5)


def test_runs_leave_no_hooks_and_no_gradients_behind():
    runs = PatchedRuns(tiny_circuit.model(), tiny_circuit.pairs())
    assert not runs.metric(["a1.h1"]).requires_grad
    assert all(not point.fwd_hooks for point in tiny_circuit.model().hook_dict.values())


def test_an_unknown_component_is_named():
    runs = PatchedRuns(tiny_circuit.model(), tiny_circuit.pairs())
    with pytest.raises(ValueError, match=r"no component 'a9\.h0'"):
        runs.metric(["m0", "a9.h0"])


@pytest.mark.parametrize("name", ["a1", "m1.h0", "h1", "a1.h", "a-1.h0", ""])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=r"write a3\.h0 for a head"):
        parse_component(name)


def test_names_are_read_back():
    assert [parse_component(name) for name in ("a3.h10", "m12")] == [(3, 10), (12, None)]


def one_pair(readout, weights=((1.0, -1.0),), options=((2, 0),)):
    tokens = torch.zeros(1, 3, dtype=torch.long)
    return PromptPairs(tokens, tokens, torch.tensor(options), torch.tensor(weights), readout)


LOGITS = torch.tensor([[0.0, 1.0, 3.0]])


@pytest.mark.parametrize(
    ("readout", "expected"),
    [
        ("logits", 3.0),
        ("probabilities", (LOGITS.softmax(-1)[0, 2] - LOGITS.softmax(-1)[0, 0]).item()),
        ("log_probabilities", 3.0),
    ],
)
def test_the_metric_weighs_what_is_read_of_the_options(readout, expected):
    assert one_pair(readout).metric(LOGITS).item() == pytest.approx(expected)


def test_right_is_more_for_right_options_or_the_likeliest_token():
    assert one_pair("logits").correct(LOGITS).tolist() == [True]
    assert one_pair("logits", options=((1, 2),)).correct(LOGITS).tolist() == [False]
    assert one_pair("log_probabilities", ((1.0,),), ((2,),)).correct(LOGITS).tolist() == [True]
    assert one_pair("log_probabilities", ((1.0,),), ((1,),)).correct(LOGITS).tolist() == [False]


def test_pairs_that_do_not_fit_each_other_are_refused():
    pairs = tiny_circuit.pairs()
    with pytest.raises(ValueError, match="same shapes"):
        replace(pairs, clean=pairs.clean[:, :-1])
    with pytest.raises(ValueError, match="give each its own"):
        replace(pairs, options=pairs.options[:2], weights=pairs.weights[:2])
