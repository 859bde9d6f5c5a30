"""What can be known of a question from its wording alone: nothing. Of the frozen results, without a model."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import cache

import pytest

from scribe_suite.measurements.store import shipped_folder, unpacked
from scribe_suite.scoring.real_probes import PAY_OFFS
from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.pairing import paired  # noqa: E402
from ground_truth.probes.real.recipes import RECIPES  # noqa: E402
from ground_truth.probes.real.statements import Relation  # noqa: E402
from ground_truth.probes.real.task import MeasuredProbeTask, drawn_question  # noqa: E402

TASKS = {
    task.name: task for task in default_registry().of_family("probes", "real") if isinstance(task, MeasuredProbeTask)
}
every_task = pytest.mark.parametrize("name", TASKS)

#: Instances of every task whose questions are drawn.
DRAWN = 4_000
#: The most that an answer may be worth on average that knows nothing but the wording.
BLIND = 0.05


@cache
def frozen(name):
    """What is shipped: the judgements of a task, and its certificate's checks."""
    folder = shipped_folder(TASKS[name].measurement)
    (record,) = folder.glob("*.json")
    arrays = unpacked(record.with_suffix(".safetensors").read_bytes())
    checks = {check["name"]: check["value"] for check in json.loads(record.read_text())["certificate"]["checks"]}
    return TASKS[name].measurement.judgements(arrays), checks


def asked(name):
    verdicts = {question: judged.verdict for question, judged in frozen(name)[0].items()}
    return paired(TASKS[name].measurement.questions(), verdicts)


@every_task
def test_every_wording_is_asked_with_both_verdicts(name):
    assert asked(name)
    for wording, sides in asked(name).items():
        for side, verdict in zip(sides, ("readable", "null"), strict=True):
            assert {frozen(name)[0][question.name].verdict for question in side} == {verdict}
            assert {question.wording for question in side} == {wording}


@every_task
def test_who_sees_only_the_wording_gains_nothing(name):
    rng = random.Random(0)
    nulls: dict[str, list[bool]] = {}
    for _ in range(DRAWN):
        question = drawn_question(asked(name), rng)
        nulls.setdefault(question.wording, []).append(frozen(name)[0][question.name].verdict == "null")
    worth = 0.0
    for drawn in nulls.values():
        share = sum(drawn) / len(drawn)
        silent = share * PAY_OFFS.nothing + (1 - share) * PAY_OFFS.missed
        unfounded = share * PAY_OFFS.overclaim  # such a probe is no better than chance where something can be read
        worth += max(silent, unfounded) * len(drawn) / DRAWN
    assert worth <= BLIND
    assert 0.25 <= sum(map(sum, nulls.values())) / DRAWN <= 0.33


@every_task
def test_every_recipe_gives_the_verdict_of_what_is_asked(name):
    judgements, checks = frozen(name)
    for question in (one for sides in asked(name).values() for side in sides for one in side):
        judged = judgements[question.name]
        assert [one.verdict for one in judged.by_recipe.values()] == [judged.verdict] * len(RECIPES)
        assert checks[f"{question.name}/{judged.verdict} by recipes"] == len(RECIPES)


def test_a_wording_with_one_verdict_is_left_out():
    one, other, alone = (Relation(name, "asks", {}, (text,)) for name, text in (("a", "x"), ("b", "x"), ("c", "y")))
    verdicts = {"a": "readable", "b": "null", "c": "null"}
    assert paired([one, other, alone], verdicts) == {one.wording: ([one], [other])}
    assert paired([one, other, alone], {**verdicts, "b": "open"}) == {}


def test_wordings_are_drawn_evenly_and_questions_within_them():
    questions = [Relation(name, "asks", {}, (name[0],)) for name in ("a1", "a2", "b1", "b2", "b3")]
    verdicts = {"a1": "readable", "a2": "null", "b1": "readable", "b2": "readable", "b3": "null"}
    rng = random.Random(0)
    drawn = Counter(drawn_question(paired(questions, verdicts), rng).name for _ in range(DRAWN))
    expected = {"a1": 0.35, "a2": 0.15, "b1": 0.175, "b2": 0.175, "b3": 0.15}
    assert {name: drawn[name] / DRAWN for name in expected} == pytest.approx(expected, abs=0.03)
