"""Whether weights can be solved for: reads and logits are linear equations, and terms have to spoil them.

The attacks are those of `studies.extraction`, on a model that is much smaller than the tasks' and so easier to solve
for. What they find about the tasks' own models is in docs/guide/laboratory.md.
"""

from __future__ import annotations

from functools import cache

import pytest

from scribe_suite.laboratory.terms import Terms
from scribe_suite.tasks.registry import default_registry
from studies.extraction import Attacked, attack_logits, attack_values, levels

from .small_models import loaded

#: Families that ask what vectors of one's own do.
WHAT_VECTORS_DO = ("saes/", "steering/", "variables/")
#: Levels that need not hide weights: `rare_branch` has to read tokens exactly enough to name them.
NOT_HIDDEN = ("circuits/rare_branch_", *WHAT_VECTORS_DO)


@cache
def tight_levels() -> dict[str, Terms]:
    """What levels 3 and 4 of the planted models grant."""
    registry = default_registry()
    found = {}
    for facts in registry.facts.values():
        task = registry[facts.id]
        if facts.access == "lab" and task.source == "planted" and not facts.id.endswith("_2"):
            assert task.terms is not None
            found[facts.id] = task.terms
    return found


def small() -> Attacked:
    return Attacked(loaded("no norm"))


def test_exact_reads_give_weights_away():
    """So that the next test can fail: the same attacks, without what spoils them."""
    exact = Terms(budget=160)
    assert attack_values(small(), exact, exact.budget)[1] < 0.02
    assert (attack_logits(small(), exact, exact.budget) or 1) < 0.02


def test_levels_3_and_4_of_planted_models_do_not():
    assert len(tight_levels()) >= 38
    errors = {}
    for name, terms in levels().items():  # those with reads; without them there are no equations
        if name in tight_levels() and not name.startswith(NOT_HIDDEN):
            _, errors[name] = attack_values(small(), terms, terms.budget)
            errors[f"{name}, unembedding"] = attack_logits(small(), terms, terms.budget) or 1.0
    assert len(errors) >= 10
    assert min(errors.values()) > 0.5, errors


@pytest.mark.parametrize("name", ["circuits/rare_branch_3", "variables/encoding_3"])
def test_where_weights_are_not_hidden_the_attack_works(name):
    terms = tight_levels()[name]
    assert attack_values(small(), terms, terms.budget)[1] < 0.2


def test_levels_3_and_4_of_planted_models_take_no_vectors_and_give_no_gradients():
    """With these an agent makes inputs of its own, one for each unknown.

    Other families ask what vectors do: there they are the experiment.
    """
    others = {name: terms for name, terms in tight_levels().items() if not name.startswith(WHAT_VECTORS_DO)}
    granted = {name: terms.operations & {"vector", "grad"} for name, terms in others.items()}
    assert {name: some for name, some in granted.items() if some} == {}
