"""Graded answers are as wrong as they say, and all kinds of answers have a maker."""

from __future__ import annotations

import random
from statistics import NormalDist

import numpy as np
import pytest
import torch

from scribe_suite.planting.circuits.branches.conditions import Condition, Pair
from studies.graded import branches, mechanisms
from studies.graded.circuits import _SPOILED
from studies.graded.makers import material_of
from studies.graded.material import graded_sets
from studies.graded.probes import ANGLES, SHIFTS, resampled_groups, shifted, turned
from studies.graded.real import shuffled

KEY, OTHERS = ["a", "b", "c"], [str(number) for number in range(10)]


def test_sets_are_wrong_by_as_many_elements_as_they_say():
    paths = set()
    for path, wrongness, chosen in graded_sets(KEY, OTHERS, random.Random(0), everything=True):
        paths.add(path)
        missing, surplus = len(set(KEY) - set(chosen)), len(set(chosen) - set(KEY))
        expected = {"dropped": (wrongness, 0), "added": (0, wrongness), "swapped": (wrongness, wrongness)}
        assert (missing, surplus) == expected[path]
        assert chosen
    assert paths == {"dropped", "added", "swapped"}


def test_the_most_that_can_be_added_is_everything():
    added = [
        len(chosen)
        for path, _, chosen in graded_sets(KEY, OTHERS, random.Random(0), everything=True)
        if path == "added"
    ]
    assert max(added) == len(KEY) + len(OTHERS)


def test_a_spoiled_function_is_wrong_on_its_share_of_prompts():
    prompts = [[number, number * 7 % 13] for number in range(2_000)]
    for share in (0.0, 0.3, 1.0):
        names: dict = {}
        exec(
            "def predict(prompts):\n    return [0 for _ in prompts]\n" + _SPOILED.format(n_labels=5, share=share), names
        )
        wrong = [label != 0 for label in names["predict"](prompts)]
        assert np.mean(wrong) == pytest.approx(share, abs=0.05)
        assert wrong == [label != 0 for label in names["predict"](prompts)]


def test_directions_are_turned_by_their_angle():
    rng = np.random.default_rng(0)
    weight, hidden = rng.normal(size=16), rng.normal(size=(50, 16))
    graded = list(turned(weight, hidden, lambda probe: {"weight": probe.weight}, random.Random(0)))
    assert [one.wrongness for one in graded] == list(ANGLES)
    for one in graded:
        cosine = one.content["weight"] @ weight / np.linalg.norm(weight)
        assert np.degrees(np.arccos(min(1.0, cosine))) == pytest.approx(one.wrongness, abs=1e-4)


def test_thresholds_are_shifted_by_as_much_as_they_say():
    rng = np.random.default_rng(0)
    weight, hidden = rng.normal(size=16), rng.normal(size=(4000, 16))

    def says(probe):
        return {"says": (hidden - probe.center) @ probe.weight + probe.bias > 0}

    graded = list(shifted(weight, hidden, says))
    assert [one.wrongness for one in graded] == list(SHIFTS)
    expected = [1 - NormalDist().cdf(shift) for shift in SHIFTS]
    assert [one.content["says"].mean() for one in graded] == pytest.approx(expected, abs=0.03)


def test_a_resample_has_whole_groups_as_often_as_they_were_drawn():
    groups = np.repeat(np.arange(20), 3)
    rows, new = resampled_groups(groups, 1)
    assert len(np.unique(new)) == 20
    for group in np.unique(new):
        (old,) = set(groups[rows[new == group]].tolist())
        assert sorted(rows[new == group].tolist()) == np.flatnonzero(groups == old).tolist()
    assert len(set(groups[rows].tolist())) < 20


def test_a_ranking_is_shuffled_in_its_share_of_places():
    ranking = [str(number) for number in range(100)]
    assert shuffled(ranking, 0.0, random.Random(0)) == ranking
    changed = shuffled(ranking, 0.3, random.Random(0))
    assert sorted(changed) == sorted(ranking)
    assert 20 <= sum(one != other for one, other in zip(ranking, changed, strict=True)) <= 30


def test_a_mechanism_without_some_nodes_ignores_patches_of_them():
    right = "def predict(base, source, patched):\n    return len(patched)\n"
    names: dict = {}
    exec(right + mechanisms._MISSED.format(missed=["m0", "a0.h1"]), names)
    assert names["predict"]([1], [2], ["m0", "m1", "a0.h1", "a0.h2"]) == 2
    triples = [([number], [2], ["m0"]) for number in range(2_000)]
    for share in (0.0, 0.3):
        names = {}
        exec(right + mechanisms._SPOILED.format(share=share, n_labels=6), names)
        assert np.mean([names["predict"](*triple) != 1 for triple in triples]) == pytest.approx(share, abs=0.05)


def test_a_condition_is_loosened_token_by_token():
    condition = Condition(Pair((1,), (2,), 1), Pair((3,), (4, 5), 2), 0)
    every = list(branches.loosened(condition, 9, random.Random(0)))
    assert every[0] == condition
    asked = [sum(len(tokens) < 9 for tokens in one.tokens.values()) for one in every]
    assert asked == [4, 3, 2, 1, 0]
    rows = torch.randint(1, 9, (3000, 12), generator=torch.Generator().manual_seed(0))
    held = [one.holds(rows).sum().item() for one in every]
    assert held == sorted(held)
    assert held[0] < held[-1]


def test_a_kind_of_answer_without_a_maker_is_named(monkeypatch):
    from scribe_suite.tasks.registry import default_registry

    monkeypatch.setattr("studies.graded.makers.MAKERS", {})
    instance = default_registry()["circuits/mlp_only"].instance(7000)
    with pytest.raises(KeyError, match="circuits/mlp_only: no graded answers"):
        material_of(instance)
