"""Prompts say what the instance is, never show an empty string for a missing name, and never show what is hidden."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from importlib.metadata import version

import numpy
import pytest

from scribe_suite.errors import ConfigurationError
from scribe_suite.paths import suite_root
from scribe_suite.tasks import AnswerSchema, ComponentAnswer, PublicMaterial, TaskInstance, TextProbeOrNothing
from scribe_suite.tasks.prompts import example_in, prompt_path, prompt_sha256, render_prompt
from scribe_suite.tasks.registry import default_registry

LIMITS = {"agent_timeout_s": 600.0, "cell_timeout_s": 60.0, "max_turns": None}
TEMPLATE = """{% extends "preamble.md" %}
{% block title %}# Find {{ facts.count }}{% endblock %}
{% block question %}Which of <these> & those?{% endblock %}
"""


class Nameless:
    id, family, name, pass_mark = "circuits/nameless", "circuits", "nameless", 0.8
    access, terms = "weights", None


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "prompts" / "circuits"
    folder.mkdir(parents=True)
    (tmp_path / "prompts" / "preamble.md").write_text((suite_root() / "prompts" / "preamble.md").read_text())
    (folder / "nameless.md").write_text(TEMPLATE)
    return tmp_path


def instance(example=None, **facts):
    return TaskInstance(
        task=Nameless(),
        seed=123456789,
        base_model="circuits/nameless/seed77",
        public=PublicMaterial(data_files={"data.json": b"{}"}, data_code="model = 1\n", facts={"count": 3, **facts}),
        hidden="SECRET",
        answer_schema=AnswerSchema(ComponentAnswer, {}, example or {"components": ["a0.h0"], "confidence": 0.5}),
    )


def template_of(checkout):
    return checkout / "prompts" / "circuits" / "nameless.md"


def test_facts_setup_code_example_and_limits_are_shown(checkout):
    prompt = render_prompt(checkout, instance(), LIMITS)
    assert prompt.startswith("# Find 3\n")
    assert "```python\nmodel = 1\n```" in prompt
    assert json.loads(prompt.split("```json\n")[1].split("```")[0]) == {"components": ["a0.h0"], "confidence": 0.5}
    assert "- 600 seconds in all, 60 seconds for one cell" in prompt


def test_the_versions_of_what_is_installed_are_shown(checkout):
    prompt = render_prompt(checkout, instance(), LIMITS)
    assert (
        f"Python {platform.python_version()}, torch {version('torch')}, TransformerLens {version('transformer_lens')}, "
        in prompt
    )
    assert f"numpy {numpy.__version__}, scikit-learn {version('scikit-learn')}, scipy {version('scipy')}." in prompt


def test_nothing_hidden_is_shown(checkout):
    prompt = render_prompt(checkout, instance(), LIMITS)
    for secret in ("SECRET", "123456789", "seed77"):
        assert secret not in prompt


@pytest.mark.parametrize(("turns", "shown"), [(None, False), (40, True)])
def test_turns_are_mentioned_only_where_they_are_limited(checkout, turns, shown):
    prompt = render_prompt(checkout, instance(), {**LIMITS, "max_turns": turns})
    assert ("- 40 turns." in prompt) == shown
    assert "None" not in prompt


def test_text_is_not_escaped_as_html(checkout):
    assert "Which of <these> & those?" in render_prompt(checkout, instance(), LIMITS)


def test_a_long_list_of_numbers_is_shortened_and_its_length_said(checkout):
    example = {"weight": [0.5, -1e-9, 3.0] * 20, "names": ["a", "b"], "center": [], "one": [1.0]}
    prompt = render_prompt(checkout, instance(example), LIMITS)
    shown = prompt.split("```json\n")[1].split("```")[0]
    assert shown.splitlines()[1:-1] == [
        '  "weight": [0.5, -1e-09, 3.0, "... 60 numbers in all"],',
        '  "names": ["a", "b"],',
        '  "center": [],',
        '  "one": [1.0]',
    ]
    assert example_in(prompt) == {**example, "weight": [0.5, -1e-9, 3.0, *[0.0] * 57]}


def test_each_of_several_long_lists_of_numbers_is_shortened(checkout):
    example = {"directions": [[0.5, 1.0, 0.0, 2.0] * 16, [1.0, 2.0]], "none": []}
    prompt = render_prompt(checkout, instance(example), LIMITS)
    assert '[0.5, 1.0, 0.0, "... 64 numbers in all"]' in prompt
    assert example_in(prompt) == {**example, "directions": [[0.5, 1.0, 0.0, *[0.0] * 61], [1.0, 2.0]]}


def test_long_lists_of_names_and_brackets_within_texts_stay_as_they_are(checkout):
    example = {"neurons": [f"L0.N{number}" for number in range(40)], "summary": "a [ b\n[\n 1 ]"}
    prompt = render_prompt(checkout, instance(example), LIMITS)
    assert example_in(prompt) == example


def test_a_prompt_without_an_example_has_none():
    with pytest.raises(ValueError, match="shows no answer"):
        example_in("Find it.")


@pytest.mark.parametrize(("given", "shown"), [(None, "0.8"), (0.35, "0.35"), (1.0, "1"), (-1.0, "-1")])
def test_the_pass_mark_in_force_is_what_confidence_is_about(checkout, given, shown):
    prompt = render_prompt(checkout, instance(), LIMITS, given)
    assert f"The attempt counts as solved if its skill is at least {shown}.\n" in prompt
    assert f"that the attempt counts as solved: that its skill is at least {shown}.\n" in prompt


def test_nothing_found_is_offered_only_where_the_schema_has_it(checkout):
    with_nulls = replace(instance(), answer_schema=AnswerSchema(TextProbeOrNothing, {}, {"weight": []}))
    assert "nothing_found" not in render_prompt(checkout, instance(), LIMITS)
    assert "- `nothing_found`: set it to true" in render_prompt(checkout, with_nulls, LIMITS)


@pytest.mark.parametrize("name", ["facts.colour", "answer_key", "facts.count.size", "hidden"])
def test_an_unknown_name_is_an_error_that_names_prompt_and_name(checkout, name):
    template_of(checkout).write_text(TEMPLATE.replace("facts.count", name))
    with pytest.raises(ConfigurationError) as caught:
        render_prompt(checkout, instance(), LIMITS)
    assert "The prompt prompts/circuits/nameless.md can't be rendered" in str(caught.value)
    assert name.split(".")[-1] in str(caught.value)


def test_a_template_that_is_not_jinja_is_an_error_that_names_it(checkout):
    template_of(checkout).write_text("{% block title %}")
    with pytest.raises(ConfigurationError, match=r"prompts/circuits/nameless\.md can't be rendered"):
        render_prompt(checkout, instance(), LIMITS)


def test_a_missing_limit_is_an_error(checkout):
    with pytest.raises(ConfigurationError, match="cell_timeout_s"):
        render_prompt(checkout, instance(), {"agent_timeout_s": 600, "max_turns": None})


@pytest.mark.parametrize("use", [prompt_path, prompt_sha256])
def test_a_missing_prompt_says_which_file_to_write(checkout, use):
    template_of(checkout).unlink()
    with pytest.raises(ConfigurationError) as caught:
        use(checkout, Nameless())
    assert str(caught.value) == "The prompt of circuits/nameless is missing: write prompts/circuits/nameless.md."


def test_a_suite_without_a_preamble_has_that_of_the_package(checkout):
    own = checkout / "prompts" / "preamble.md"
    rendered, hashed = render_prompt(checkout, instance(), LIMITS), prompt_sha256(checkout, Nameless())
    own.unlink()
    assert render_prompt(checkout, instance(), LIMITS) == rendered
    assert prompt_sha256(checkout, Nameless()) == hashed
    own.write_text("{% block question %}{% endblock %} in other words")
    assert "in other words" in render_prompt(checkout, instance(), LIMITS)


@pytest.mark.parametrize("changed", ["circuits/nameless.md", "preamble.md"])
def test_the_hash_changes_with_the_template_and_with_the_preamble(checkout, changed):
    before = prompt_sha256(checkout, Nameless())
    assert prompt_sha256(checkout, Nameless()) == before
    path = checkout / "prompts" / changed
    path.write_text(path.read_text() + "\nMore.\n")
    assert prompt_sha256(checkout, Nameless()) != before


MIDDLE = """{% extends "preamble.md" %}
{% block title %}# Find{% endblock %}
{% block question %}{% block asked %}{% endblock %}{% endblock %}
"""


@pytest.fixture
def in_the_middle(checkout):
    """The task's template extends one that extends the preamble."""
    (checkout / "prompts" / "circuits" / "_middle.md").write_text(MIDDLE)
    template_of(checkout).write_text('{% extends "circuits/_middle.md" %}\n{% block asked %}Which?{% endblock %}\n')
    return checkout / "prompts" / "circuits" / "_middle.md"


@pytest.mark.parametrize("changed", ["circuits/nameless.md", "circuits/_middle.md", "preamble.md"])
def test_the_hash_changes_with_every_template_on_the_way_to_the_preamble(checkout, in_the_middle, changed):
    before = prompt_sha256(checkout, Nameless())
    path = checkout / "prompts" / changed
    path.write_text(path.read_text() + "\nMore.\n")
    assert prompt_sha256(checkout, Nameless()) != before


def test_the_hash_does_not_change_with_templates_of_others(checkout, in_the_middle):
    before = prompt_sha256(checkout, Nameless())
    (checkout / "prompts" / "circuits" / "_other.md").write_text("Another.")
    assert prompt_sha256(checkout, Nameless()) == before


def test_a_prompt_with_a_template_in_the_middle_is_rendered(checkout, in_the_middle):
    prompt = render_prompt(checkout, instance(), LIMITS)
    assert prompt.startswith("# Find\n")
    assert "Which?" in prompt


def test_a_missing_template_in_the_middle_is_an_error_that_names_both(checkout, in_the_middle):
    in_the_middle.unlink()
    with pytest.raises(ConfigurationError, match=r"prompts/circuits/nameless\.md uses circuits/_middle\.md"):
        prompt_sha256(checkout, Nameless())


@pytest.mark.parametrize("extended", ["circuits/_middle.md", "circuits/nameless.md"], ids=["itself", "its child"])
def test_templates_that_extend_each_other_are_an_error(checkout, in_the_middle, extended):
    in_the_middle.write_text(f'{{% extends "{extended}" %}}')
    with pytest.raises(ConfigurationError, match=rf"_middle\.md uses {extended}"):
        prompt_sha256(checkout, Nameless())


def test_a_template_that_is_not_jinja_has_no_hash(checkout):
    template_of(checkout).write_text("{% block title %}")
    with pytest.raises(ConfigurationError, match=r"prompts/circuits/nameless\.md"):
        prompt_sha256(checkout, Nameless())


def templates(task_id):
    """The texts of a task's template and of those it extends, its own first."""
    texts = [prompt_path(suite_root(), default_registry()[task_id]).read_text()]
    while texts[-1].startswith("{% extends "):
        texts.append((suite_root() / "prompts" / texts[-1].split('"')[1]).read_text())
    return texts


@pytest.mark.parametrize("task_id", list(default_registry()))
def test_every_task_has_a_prompt_on_the_shared_preamble(task_id):
    *own, preamble = templates(task_id)
    assert preamble == (suite_root() / "prompts" / "preamble.md").read_text()
    for block in ("title", "question", "answer"):  # how skill is made of the score, some say in their answer block
        assert any(f"{{% block {block} %}}" in text for text in own)
