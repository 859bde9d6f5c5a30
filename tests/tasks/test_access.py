"""Arms: how ids name them, and what a task gives in each."""

from typing import ClassVar

import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.laboratory.terms import NOISE_REVISION, OUTPUTS_ONLY, Terms
from scribe_suite.tasks.access import ACCESSES, question_of, split_access, with_access
from scribe_suite.tasks.registry import TaskRegistry
from tests.tasks.idle_task import IdleTask


class Held(IdleTask):
    name = "held"
    laboratory: ClassVar = {2: Terms(budget=100), 3: Terms(budget=10, returns="labels")}
    laboratory_solution = "held_in_laboratories"


def test_ids_name_arms_behind_a_dot():
    for access in ACCESSES:
        assert split_access(with_access("circuits/x_3", access)) == ("circuits/x_3", access)
        assert question_of(f"circuits/x_3.{access}") == "circuits/x_3"
    assert split_access("circuits/x") == ("circuits/x", None)
    assert split_access("circuits/x.other") == ("circuits/x.other", None)


def test_a_level_has_an_arm_of_its_own_and_its_id_names_only_others():
    assert [(Held(level).access, Held(level).id) for level in (1, 2, 3)] == [
        ("weights", "circuits/held"), ("lab", "circuits/held_2"), ("lab", "circuits/held_3"),
    ]  # fmt: skip
    assert Held(1, "lab").id == "circuits/held.lab"
    assert Held(3, "weights").id == "circuits/held_3.weights"
    assert {Held(level, access).models_id for level in (1, 2, 3) for access in ACCESSES} == {"circuits/held"}
    assert {Held(3, access).question_id for access in ACCESSES} == {"circuits/held_3"}


def test_terms_are_those_of_the_level_and_a_black_box_has_no_operations():
    assert Held(1).terms is None
    assert Held(1, "lab").terms == Held(2).terms == Terms(budget=100)
    assert Held(3, "weights").terms is None
    outputs = Held(3, "outputs").terms
    assert (outputs.budget, outputs.returns, outputs.operations) == (10, "labels", OUTPUTS_ONLY)
    assert Held(2, "outputs").terms.returns == "labels", "logits are more than a black box says"
    assert Held(3).with_budget(7).terms == Terms(budget=7, returns="labels")


def test_a_change_of_noise_raises_the_version_where_there_is_noise_and_nowhere_else():
    class Noisy(IdleTask):
        version = 4
        laboratory: ClassVar = {2: Terms(budget=9, read_noise=0.5), 3: Terms(budget=9)}

    raised = 4 + NOISE_REVISION
    assert NOISE_REVISION > 0
    assert [Noisy(2).version, Noisy(1, "lab").version, Noisy(2).with_budget(3).version] == [raised] * 3
    assert [one.version for one in (Noisy(1), Noisy(2, "weights"), Noisy(2, "outputs"), Noisy(3))] == [4] * 4
    assert Noisy(2).known_facts().version == raised
    assert Noisy.version == 4


def test_levels_of_a_laboratory_run_when_they_are_asked_for():
    assert (Held.known_levels(), IdleTask.known_levels()) == ([1, 2, 3], [1])
    assert [Held(level).is_default for level in (1, 2, 3)] == [True, False, False]

    class AtOnce(Held):
        default_levels: ClassVar = (1, 3)

    class Closed(Held):
        black_box: ClassVar = False

    assert [AtOnce(level).is_default for level in (1, 2, 3)] == [True, False, True]
    assert Closed(2).accesses == ("weights", "lab")


def test_a_task_without_a_laboratory_has_weights_alone():
    assert IdleTask().accesses == ("weights",)
    with pytest.raises(ValueError, match="has no arm lab: it has weights"):
        IdleTask(access="lab")


def test_a_registry_has_other_arms_for_those_who_ask():
    registry = TaskRegistry.of([Held(1), Held(2), Held(3), IdleTask()])
    assert list(registry) == ["circuits/held", "circuits/held_2", "circuits/held_3", "circuits/idle"]
    assert [facts.id for facts in registry.questions()] == ["circuits/held", "circuits/idle"]
    other = registry["circuits/held_3.weights"]
    assert (other.level, other.access) == (3, "weights")
    facts = registry.facts_of("circuits/held.outputs")
    assert (facts.id, facts.access, facts.question_id) == ("circuits/held.outputs", "outputs", "circuits/held")
    assert facts.in_arm("weights") == registry.facts["circuits/held"]
    with pytest.raises(ConfigurationError, match="circuits/idle has no arm 'lab': choose from 'weights'"):
        registry["circuits/idle.lab"]
    with pytest.raises(ConfigurationError, match=r"Unknown task 'circuits/held\.other'"):
        registry["circuits/held.other"]
