"""The statements of the probe tasks on a real model: repeatable, balanced, in blocks that share no entity, and true."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.grammar import Words, relative  # noqa: E402
from ground_truth.probes.real.measurement import counts, imbalance, meaningless  # noqa: E402
from ground_truth.probes.real.public import public_material  # noqa: E402
from ground_truth.probes.real.statements import (  # noqa: E402
    N_BLOCKS,
    PAIRS_PER_BLOCK,
    Comparison,
    Question,
    Relation,
    Sentences,
    StatementRows,
    other_values,
    without_majority,
)
from ground_truth.probes.real.task import MeasuredProbeTask, split  # noqa: E402

TASKS = [task for task in default_registry().of_family("probes", "real") if isinstance(task, MeasuredProbeTask)]
#: Task and name of a question -> the question; all of them are checked inside one test, which names the one at fault.
QUESTIONS = {f"{task.name}/{question.name}": question for task in TASKS for question in task.measurement.questions()}


def questions_of(kind: type[Question]) -> dict[str, Question]:
    found = {name: question for name, question in QUESTIONS.items() if isinstance(question, kind)}
    assert len(found) >= 4
    return found


def pairs_of(block):
    return [block[place : place + 2] for place in range(0, len(block), 2)]


def test_names_of_questions_are_unique_within_a_task():
    for task in TASKS:
        names = [question.name for question in task.measurement.questions()]
        assert len(set(names)) == len(names), task.id


def test_the_same_seed_gives_the_same_statements_and_another_one_others():
    for name, question in QUESTIONS.items():
        assert question.blocks(3) == question.blocks(3), name
        assert question.blocks(3) != question.blocks(4), name


def test_blocks_share_no_entity_and_no_statement():
    for name, question in QUESTIONS.items():
        blocks = question.blocks(0)
        assert len(blocks) == N_BLOCKS, name
        entities = [entity for block in blocks for entity in {entity for s in block for entity in s.entities}]
        texts = [text for block in blocks for text in {statement.text for statement in block}]
        assert len(set(entities)) == len(entities), name
        assert len(set(texts)) == len(texts), name


def test_every_pair_is_together_about_the_same_and_half_true():
    for name, question in QUESTIONS.items():
        for block in question.blocks(0):
            assert 30 <= len(block) <= 2 * PAIRS_PER_BLOCK, name
            for one, other in pairs_of(block):
                assert one.pair == other.pair, name
                assert set(one.entities) == set(other.entities), name
                assert {one.label, other.label} == {True, False}, name
                assert one.text != other.text, name


def test_statements_are_sentences():
    for statement in (one for question in QUESTIONS.values() for block in question.blocks(1) for one in block):
        assert statement.text[0].isupper() or statement.text[0].isdigit(), statement
        assert statement.text.endswith("."), statement
        assert "  " not in statement.text, statement
        assert "{" not in statement.text, statement


def test_every_value_is_named_as_often_truly_as_falsely_and_labels_are_facts():
    for name, question in questions_of(Relation).items():
        for block in question.blocks(2):
            named: dict[bool, Counter] = {True: Counter(), False: Counter()}
            for statement in block:
                (entity,) = statement.entities
                templates = (*question.templates, *question.negated)
                value, denied = next(
                    (value, template in question.negated)
                    for template in templates
                    for value in set(question.values.values())
                    if statement.text.lower() == template.format(x=entity, y=value).lower()
                )
                assert statement.label == ((question.values[entity] == value) != denied), (name, statement)
                assert value not in question.also.get(entity, ()), (name, statement)
                named[statement.label != denied][value] += 1
            assert named[True] == named[False], name


def test_comparisons_are_of_near_entities_in_both_orders():
    for name, question in questions_of(Comparison).items():
        for one, other in (pair for block in question.blocks(2) for pair in pairs_of(block)):
            low, high = one.entities
            assert question.keys[low] < question.keys[high], name
            assert question.keys[high] - question.keys[low] >= question.apart, name
            true = one if one.label else other
            assert true.text.lower().index(high.lower()) < true.text.lower().index(low.lower()), (name, true)


def test_right_and_wrong_sentences_differ_in_the_last_word_and_numbers_are_balanced():
    for name, question in questions_of(Sentences).items():
        for block in question.blocks(2):
            lasts: dict[bool, Counter] = {True: Counter(), False: Counter()}
            for one, other in pairs_of(block):
                assert one.text.split()[:-1] == other.text.split()[:-1], name
                assert one.text.split()[-1] != other.text.split()[-1], name
                for statement in (one, other):
                    lasts[statement.label][statement.text.split()[-1]] += 1
            assert lasts[True] == lasts[False], name


@pytest.mark.parametrize(
    ("text", "label"),
    [("The teacher that the boys know laughs.", True), ("The teachers that the boy knows laughs.", False)],
)
def test_agreement_is_with_the_first_noun(text, label):
    words = Words([("teacher", "teachers"), ("boy", "boys")], [("laughs", "laugh")], [("knows", "know")], [])
    numbers = (0, 1) if label else (1, 0)
    made = {text: right for seed in range(40) for text, right in pair(relative, random.Random(seed), words, numbers)}
    assert made[text] is label


def pair(make, rng, words, numbers):
    right, wrong, _ = make(rng, words, numbers, 0)
    return [(right, True), (wrong, False)]


def test_what_is_true_of_a_namesake_is_never_given_as_false():
    values = {"Rome": "Italy", "Milan": "Italy", "Dallas": "the United States", "Lagos": "Nigeria"}
    question = Relation("", "", values, ("{x} is in {y}.",), also={"Rome": ("the United States",)})
    for seed in range(30):
        texts = {statement.text for statement in question._block(list(values), random.Random(seed))}
        assert "Rome is in the United States." not in texts


def test_pairs_are_at_least_so_far_apart():
    keys = {name: float(number) for number, name in enumerate("abcdefgh")}
    question = Comparison("", "", keys, "{x} {y}", near=(1, 4), apart=3.0)
    distances = {keys[one.entities[1]] - keys[one.entities[0]] for one in question._block(list(keys), random.Random(0))}
    assert distances == {3.0, 4.0}


def test_the_wording_is_what_a_reader_sees_who_sees_no_entity():
    capital, department, animal = (
        QUESTIONS[f"facts_real/{name}"] for name in ("capital", "capital_department", "kind_animal")
    )
    assert capital.wording == department.wording == "the statement is true / the capital of {x} is {y}."
    assert animal.wording != capital.wording
    for question in QUESTIONS.values():
        assert not {entity for entity in question.blocks(0)[0][0].entities if entity in question.wording.split()}


def test_no_entity_gets_its_own_value_and_values_keep_their_counts():
    values = {"a": "x", "b": "x", "c": "y", "d": "z", "e": "z"}
    for seed in range(30):
        given = other_values(list(values), values, random.Random(seed))
        assert all(given[entity] != values[entity] for entity in values)
        assert Counter(given.values()) == Counter(values.values())


def test_a_value_of_more_than_half_can_t_be_balanced_and_is_thinned_out():
    values = {"a": "x", "b": "x", "c": "x", "d": "y"}
    with pytest.raises(ValueError, match="without_majority"):
        other_values(list(values), values, random.Random(0))
    assert without_majority(list(values), values) == ["a", "d"]


def test_the_public_side_has_three_blocks_and_no_hidden_text():
    question = QUESTIONS["facts_real/capital"]
    public, hidden = split(question.blocks(5), random.Random(0))
    assert set(public.blocks) == {0, 1, 2}
    assert not set(public.texts) & set(hidden.texts)
    assert not {e for s in public.entities for e in s} & {e for s in hidden.entities for e in s}
    assert imbalance(public) == imbalance(hidden) == 0.0
    material = public_material("package:smollm2", question, public, {"n_layers": 30, "n_ctx": 8, "d_model": 576})
    data = json.loads(material.files["statements.json"])
    assert data["statements"] == list(public.texts)
    assert data["labels"] == public.labels.tolist()
    assert data["blocks"] == public.blocks.tolist()
    data_code = material.data_code
    assert "statements, labels" in data_code
    assert set(material.files) == {"statements.json"}
    assert not any(text in json.dumps(dict(material.facts)) for text in hidden.texts)


def test_public_statements_are_not_in_the_order_of_their_truth():
    public, _ = split(QUESTIONS["facts_real/capital"].blocks(5), random.Random(0))
    assert not public.labels[::2].all()


def test_labels_without_meaning_stay_balanced_in_every_pair():
    rows = StatementRows.of(QUESTIONS["facts_real/kind_animal"].blocks(0))
    drawn = meaningless(rows)
    for block in set(rows.blocks):
        assert (drawn == rows.labels)[rows.blocks == block].mean() == pytest.approx(0.5, abs=0.02)
    for number in set(rows.pairs):
        assert drawn[rows.pairs == number].mean() == 0.5


def test_tokens_are_counted():
    table = counts([[5, 7, 5], [7, 9]])
    assert table.tolist() == [[2, 1, 0], [0, 1, 1]]
