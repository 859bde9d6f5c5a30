"""Every prompt, as an agent gets it, says what counts: no vague words, how skill is made, what confidence is."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.tasks import TaskInstance
from scribe_suite.tasks.facts import TaskFacts
from scribe_suite.tasks.prompts import example_in, prompt_path, render_prompt
from scribe_suite.tasks.registry import default_registry

LIMITS = {"agent_timeout_s": 1800.0, "cell_timeout_s": 120.0, "max_turns": None}
PASS_MARK = 0.65

#: Where a number or a formula is needed.
VAGUE = (
    *("best guess", "best constant", "practically", "a large share", "almost without error", "on most prompts"),
    *("that the answer is right", "is the best ranking that was made", "compared with that of"),
)
#: How skill follows from the score, whatever the score is called.
SKILL = re.compile(r"\((?:score|F1|accuracy|effect) - chance\) / \(reference - chance\),? limited to -1 to 1")


def marked(facts: TaskFacts) -> pytest.ParameterSet:
    """A task, with the mark of tests on what its instance needs."""
    if facts.source == "real":
        return pytest.param(facts.id, marks=pytest.mark.real_models)
    # reference and untrained twins are measured anew for each instance
    return pytest.param(facts.id, marks=pytest.mark.slow if facts.family == "probes" else ())


every_task = pytest.mark.parametrize("task_id", [marked(facts) for facts in default_registry().facts.values()])


@cache
def instance_of(task_id: str) -> TaskInstance:
    return default_registry()[task_id].instance(5)


@cache
def prompt_of(task_id: str) -> str:
    return render_prompt(suite_root(), instance_of(task_id), LIMITS, PASS_MARK)


def in_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("task_id", list(default_registry()))
def test_no_template_has_a_vague_word(task_id):
    path = prompt_path(suite_root(), default_registry().facts[task_id])
    texts = [path.read_text()]
    while texts[-1].startswith("{% extends "):
        texts.append((suite_root() / "prompts" / texts[-1].split('"')[1]).read_text())
    text = in_one_line("\n".join(texts))
    assert [words for words in VAGUE if words in text] == []


@every_task
def test_a_prompt_has_no_vague_word(task_id):
    assert [words for words in VAGUE if words in in_one_line(prompt_of(task_id))] == []


@every_task
def test_a_prompt_says_how_skill_follows_from_the_score(task_id):
    text = in_one_line(prompt_of(task_id))
    assert SKILL.search(text)
    for word in ("chance", "reference"):
        assert re.search(rf"\b{word} (?:is|=) ", text, re.IGNORECASE), word


@every_task
def test_a_prompt_says_that_confidence_is_the_probability_of_being_solved(task_id):
    text = in_one_line(prompt_of(task_id))
    assert f"The attempt counts as solved if its skill is at least {PASS_MARK}." in text
    said = "`confidence`: your probability, 0 to 1, that the attempt counts as solved: that its skill is at least"
    assert f"{said} {PASS_MARK}." in text


@every_task
def test_nothing_found_is_offered_only_where_there_may_be_nothing(task_id):
    schema = instance_of(task_id).answer_schema
    offered = "nothing_found" in prompt_of(task_id)
    assert offered == schema.has_nulls == ("nothing_found" in schema.model.model_fields)
    facts = default_registry().facts[task_id]
    # of the planted tasks, two have null instances
    assert schema.has_nulls <= (facts.source == "real" or facts.name in ("rare_branch", "shift"))


@every_task
def test_the_example_that_a_prompt_shows_is_short_and_an_answer(task_id):
    schema, prompt = instance_of(task_id).answer_schema, prompt_of(task_id)
    assert len(prompt.split("```json\n")[1].split("```")[0]) < 800
    shown = example_in(prompt)
    assert shown.keys() == schema.example.keys()
    assert not schema.parse(json.dumps(shown)).is_empty()
    schema.parse(json.dumps(dict(schema.example)))


@every_task
def test_local_attention_is_named(task_id):
    files = instance_of(task_id).public.files
    local = "config.json" in files and json.loads(files["config.json"]).get("use_local_attn", False)
    assert not local or "Attention is local" in in_one_line(prompt_of(task_id))


@every_task
def test_layers_are_not_called_blocks(task_id):
    if instance_of(task_id).answer_schema.has_nulls:
        pytest.skip("statements come in blocks here")
    words = re.sub(r"```.*?```|`[^`]*`", "", prompt_of(task_id), flags=re.DOTALL)
    assert not re.search(r"\bblocks?\b", words)


#: What only an agent with the weights has.
OF_WEIGHTS = re.compile(
    r"\bHookedTransformer|\bhook_|run_with_(cache|hooks)|\bmodel\(|`model`|\bmodel\.\w|\btokenizer\b"
)
IN_LABORATORIES = [
    pytest.param(facts.in_arm(access).id, marks=marked(facts).marks if hasattr(marked(facts), "marks") else ())
    for facts in default_registry().facts.values()
    for access in facts.accesses
    if access != "weights"
]


@pytest.mark.parametrize("task_id", IN_LABORATORIES)
def test_a_prompt_without_weights_tells_of_the_laboratory_and_not_of_weights(task_id):
    prompt, terms = prompt_of(task_id), default_registry()[task_id].terms
    told = prompt.replace("tokenizer", "") if "class Tokenizer" in prompt else prompt  # one of the data, not of a model
    assert OF_WEIGHTS.search(told) is None
    assert f"Your budget is {terms.budget:,} " in in_one_line(prompt)
    assert ("Nothing inside the model can be read" in prompt) == (not terms.operations)
    assert "import lab\n" in prompt


@pytest.mark.parametrize("task_id", IN_LABORATORIES)
def test_a_laboratory_has_the_same_instances_as_the_weights(task_id):
    task = default_registry()[task_id]
    weights = type(task)(task.level, "weights")
    assert weights.question_id == task.question_id
    assert set(instance_of(task_id).handed.files) & set(instance_of(task_id).public.run_files) == set()
    assert "lab.py" in instance_of(task_id).handed.files
