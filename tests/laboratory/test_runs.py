from __future__ import annotations

import numpy as np
import pytest

from scribe_suite.laboratory import runs as runs_module
from scribe_suite.laboratory.recipes import Recipe
from scribe_suite.laboratory.refusals import RefusedError
from scribe_suite.laboratory.runs import Runs


def recipe(prompts: int = 1) -> Recipe:
    return Recipe("", np.zeros((prompts, 3), dtype=np.int64))


def names(recipes: list[Recipe]) -> list[str]:
    return [each.name for each in recipes]


def test_ids_count_up_and_identical_runs_share_one():
    runs = Runs()
    assert runs.add("a", recipe(), ()).recipe.name == "r1"
    assert runs.add("b", recipe(), ()).recipe.name == "r2"
    assert runs.add("a", recipe(), ()).recipe.name == "r1"
    known = runs.with_key("b")
    assert known is not None
    assert known.number == 2
    assert runs.with_key("c") is None


def test_a_run_that_is_not_there_is_named_with_those_that_are():
    runs = Runs()
    with pytest.raises(RefusedError, match=r"There is no run 'r1'; nothing has been run yet\."):
        runs.get("r1")
    runs.add("a", recipe(), ())
    with pytest.raises(RefusedError, match=r"There is no run 'r2'; the runs of this attempt are r1 to r1\."):
        runs.get("r2")
    with pytest.raises(RefusedError) as refusal:
        runs.get("r" * 1000)
    assert len(str(refusal.value)) < 150


def test_a_run_is_unread_until_it_was_given_to_somebody_or_is_patched_from():
    runs = Runs()
    for number in (1, 2, 3):
        runs.add(str(number), recipe(), ())
    assert runs.unread() == ["r1", "r2", "r3"]
    runs.take("r2")
    runs.add("4", recipe(), ("r1",))
    assert runs.unread() == ["r3", "r4"]


def test_what_a_run_needs_comes_before_it_each_once():
    runs = Runs()
    runs.add("1", recipe(), ())
    runs.add("2", recipe(), ("r1",))
    runs.add("3", recipe(), ("r1",))
    runs.add("4", recipe(), ())
    runs.add("5", recipe(), ("r3", "r2"))
    assert names(runs.recipes(["r5"], recipe())) == ["r1", "r2", "r3", "r5", ""]
    assert names(runs.recipes([], recipe())) == [""]
    assert names(runs.recipes(["r4", "r4"], recipe())) == ["r4", ""]


def test_chains_and_fans_of_runs_end_at_sixty_four():
    for chain in (True, False):
        runs = Runs()
        for number in range(1, 65):
            runs.add(str(number), recipe(), (f"r{number - 1}",) if chain and number > 1 else ())
        needs = ["r63"] if chain else [f"r{number}" for number in range(1, 64)]
        assert len(runs.recipes(needs, recipe())) == 64
        with pytest.raises(RefusedError, match="65 runs that patch from one another"):
            runs.recipes(["r64"] if chain else [*needs, "r64"], recipe())


def test_recipes_that_no_frame_can_hold_are_refused(monkeypatch):
    monkeypatch.setattr(runs_module, "MAX_TENSORS_IN", 4 << 20)
    runs = Runs()
    big = Recipe("", np.zeros((1, 3), dtype=np.int64), vectors={"v": np.zeros(600_000, dtype=np.float32)})
    runs.add("1", big, ())
    assert len(runs.recipes(["r1"], recipe())) == 2
    with pytest.raises(RefusedError, match="have 4 MiB; at most 4 are allowed"):
        runs.recipes(["r1"], big)


def test_what_is_kept_of_all_runs_has_an_end(monkeypatch):
    monkeypatch.setattr(runs_module, "MAX_KEPT", 1 << 20)
    runs = Runs()
    big = recipe(20_000)
    runs.require_room(big)
    runs.add("1", big, ())
    runs.require_room(big)
    runs.add("2", big, ())
    with pytest.raises(RefusedError, match="does not fit any more"):
        runs.require_room(big)
    runs.require_room(recipe())
    with pytest.raises(RefusedError):
        runs.require_room(Recipe("", recipe().tokens, patches=[{"kind": "zero", "site": "m0"}] * 4096))
