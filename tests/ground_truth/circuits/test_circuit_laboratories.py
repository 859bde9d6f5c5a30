"""What scarce laboratories of planted circuits grant, and the least that can be enough in them."""

import pytest

from scribe_suite.tasks.registry import default_registry

LEVELS = [
    facts.id
    for facts in default_registry().facts.values()
    if facts.family == "circuits" and facts.source == "planted" and facts.level > 2 and facts.access == "lab"
]


@pytest.mark.parametrize("task_id", LEVELS)
def test_a_prompt_gives_as_many_outputs_as_it_has_answers(task_id):
    task = default_registry()[task_id]
    assert "read" not in task.terms.operations
    assert task.terms.positions == ("any" if task.name == "mlp_only" else "last")


@pytest.mark.parametrize(("task_id", "least"), [("circuits/ioi_3", 6), ("circuits/mlp_only_3", 2)])
def test_where_prompts_give_labels_alone_there_is_a_least_spend_far_below_the_budget(task_id, least):
    task = default_registry()[task_id]
    assert task.bound(task.instance(1)) == least < task.terms.budget


@pytest.mark.parametrize(
    "task_id", ["circuits/ioi_2", "circuits/ioi_3.outputs", "circuits/ioi", "circuits/suppressor_3"]
)
def test_where_numbers_come_back_or_nothing_is_patched_nothing_is_said(task_id):
    task = default_registry()[task_id]
    assert task.bound(task.instance(1)) is None
