"""The record of black-box controls covers all tasks as they are, and solvers answer as their tasks ask."""

from types import SimpleNamespace

import pytest

from scribe_suite.analysis.controls import BLACK_BOX_BAR, read_controls
from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies import black_box
from studies.black_box import DOCUMENT, FIRST_SEED, MARKERS, measure_instance, skill_of, table
from studies.documented_methods import best_documented


def test_the_record_covers_every_task_at_its_present_version():
    registry = default_registry()
    recorded = {task_id: one.version for task_id, one in read_controls().tasks.items()}
    assert recorded == {facts.id: facts.version for facts in registry.questions()}, black_box.COMMAND


def test_the_best_methods_are_those_of_the_documents():
    tasks = read_controls().tasks
    registry = default_registry()
    for task in (registry[facts.id] for facts in registry.questions()):
        best, recorded = best_documented(task, suite_root()), tasks[task.id]
        assert (recorded.best_method, recorded.best_skill, recorded.best_source) == (
            best.method, best.skill, best.source,
        ), black_box.COMMAND  # fmt: skip


def test_planted_tasks_are_measured_and_a_best_method_beats_the_black_box():
    registry = default_registry()
    for task_id, one in read_controls().tasks.items():
        assert (one.instances > 0) == (registry[task_id].source == "planted")
        assert one.black_box < one.best_skill


def test_the_document_has_the_record_and_names_the_tasks_that_are_not_about_internals_alone():
    document, record = (suite_root() / DOCUMENT).read_text(), read_controls()
    assert with_table(document, MARKERS, table(record)) == document
    (verdict,) = [line for line in document.splitlines() if line.startswith("Not about internals alone")]
    named = {task_id for task_id in record.tasks if f"`{task_id}`" in verdict}
    assert named == {task_id for task_id, one in record.tasks.items() if one.black_box >= BLACK_BOX_BAR}


@pytest.mark.slow
@pytest.mark.parametrize("task_id", ["circuits/suppressor", "circuits/unknown_behaviour", "neurons/alphabet",
                                     "neurons/unigram", "probes/cities"])  # fmt: skip
def test_solvers_give_answers_that_their_task_takes_and_know_nothing_of_the_inside(task_id):
    skills = measure_instance(task_id, FIRST_SEED)
    assert "random answer" in skills
    assert len(skills) >= 2
    assert max(skills.values()) < 0.9


def test_an_answer_that_a_task_does_not_take_has_no_skill():
    from scribe_suite.tasks.answer_kinds import ComponentAnswer
    from scribe_suite.tasks.answer_schema import AnswerSchema

    schema = AnswerSchema(
        ComponentAnswer, {"components": ["a0.h0"]}, {"components": ["a0.h0"], "confidence": 0.5, "summary": "s"}
    )
    task = SimpleNamespace(score=lambda _, answer: SimpleNamespace(skill=float(len(answer.components))))
    instance = SimpleNamespace(answer_schema=schema, task=task)
    assert skill_of(instance, {"components": ["a0.h0"]}) == 1.0
    assert skill_of(instance, {"components": ["a9.h9"]}) is None


def test_what_was_measured_again_replaces_its_entry_and_others_stay():
    known = read_controls()
    first, second = list(known.tasks)[:2]
    changed = known.tasks[first].model_copy(update={"instances": 3})
    new = known.model_copy(update={"tasks": dict.fromkeys((first, second), changed)})
    merged = black_box.with_measured(known, new, [first])
    assert merged.tasks == {**known.tasks, first: changed}
