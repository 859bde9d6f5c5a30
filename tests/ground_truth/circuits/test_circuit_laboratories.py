"""What scarce laboratories of planted circuits grant, and the least that can be enough in them."""

import pytest

from scribe_suite.tasks.registry import default_registry

LEVELS = [
    facts.id
    for facts in default_registry().facts.values()
    if facts.family == "circuits"
    and facts.source == "planted"
    and facts.level > 2
    and facts.access == "lab"
    # what these grant is tested with them: nobody finds rules, or what is silent, without reading
    and facts.name not in ("mechanism", "rare_branch")
]


@pytest.mark.parametrize("task_id", LEVELS)
def test_a_prompt_gives_as_many_outputs_as_it_has_answers(task_id):
    task = default_registry()[task_id]
    assert "read" not in task.terms.operations
    assert task.terms.positions == ("any" if task.name == "mlp_only" else "last")


def test_where_prompts_give_labels_alone_there_is_a_least_spend_far_below_the_budget():
    one, several = (default_registry()[f"circuits/{name}_3"] for name in ("ioi", "mlp_only"))
    least, least_of_several = one.bound(one.instance(1)), several.bound(several.instance(1))
    # at most log2 of the number of labels, here six times in a prompt; each patched prompt costs 2
    assert 2 <= least_of_several < least < one.terms.budget / 10
    assert least % 2 == least_of_several % 2 == 0


@pytest.mark.parametrize(
    "task_id", ["circuits/ioi_2", "circuits/ioi_3.outputs", "circuits/ioi", "circuits/suppressor_3"]
)
def test_where_numbers_come_back_or_nothing_is_patched_nothing_is_said(task_id):
    task = default_registry()[task_id]
    assert task.bound(task.instance(1)) is None
