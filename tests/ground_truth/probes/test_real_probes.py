"""The probe tasks on the real model: their truth is measured and certified, and answers get what they deserve."""

from __future__ import annotations

import json
import random

import matplotlib
import numpy as np
import pytest
import torch

from scribe_suite.paths import suite_root
from scribe_suite.scoring.probes import fit_probe
from scribe_suite.scoring.real_probes import (
    INVERSE_PENALTY,
    MISSED,
    OVERCLAIM,
    PAY_OFFS,
    read_from_end,
    tokenised,
)
from scribe_suite.tasks.prompts import example_in, render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text

REGISTRY = default_registry()

from ground_truth.probes.real.ceiling import ceiling_of  # noqa: E402
from ground_truth.probes.real.measurement import MEASURED_SEED, POSITIONS, layer_at, layers_of  # noqa: E402
from ground_truth.probes.real.recipes import BASE, FITS  # noqa: E402
from ground_truth.probes.real.statements import StatementRows  # noqa: E402
from ground_truth.probes.real.task import MeasuredProbeTask, nothing_found  # noqa: E402

pytestmark = pytest.mark.real_models

TASKS: dict[str, MeasuredProbeTask] = {
    task.name: task for task in REGISTRY.of_family("probes", "real") if isinstance(task, MeasuredProbeTask)
}
every_task = pytest.mark.parametrize("name", TASKS)
LIMITS = {"agent_timeout_s": 600, "cell_timeout_s": 60, "max_turns": None}
#: The readable question with the fewest tokens.
CHEAP = ("facts_real", "capital")


def asked(name, question, seed=5):
    task = TASKS[name]
    found = next(one for one in task.measurement.questions() if one.name == question)
    return task.instance_of(found, seed, random.Random(seed))


def a_null():
    """The task and name of an unreadable question."""
    return next((name, question.name) for name, task in TASKS.items() for question in task.questions(readable=False))


def claim(task, instance):
    """The recipe's probe, fitted on the public statements."""
    hidden = instance.hidden
    model, place = task.evaluator(), hidden.measured
    read = read_from_end(model, tokenised(model, hidden.public.texts), [place.layer], [place.position])[0, 0]
    probe = fit_probe(read.astype(float), hidden.public.labels, INVERSE_PENALTY)
    return {
        "layer": place.layer,
        "position": place.position,
        "weight": probe.weight.tolist(),
        "bias": probe.bias,
        "center": probe.center.tolist(),
        "confidence": 0.9,
        "nothing_found": False,
        "summary": "",
    }


def score(task, instance, answer):
    return task.score(instance, instance.answer_schema.parse(json.dumps(answer)))


@every_task
def test_the_truth_is_measured_and_its_certificate_follows_from_its_arrays(name):
    task = TASKS[name]
    assert task.unavailable() is None
    measured = task.measured()
    results: dict = {}
    for key, value in measured.arrays.items():
        step, array = key.split("/")
        if step.endswith("_verdicts"):  # follows from the rest
            continue
        results.setdefault(step, {})[array] = value
    again = {check.name: check.value for check in task.measurement.checks(results)}
    assert again == pytest.approx({check.name: check.value for check in measured.record.certificate.checks})


@every_task
def test_there_is_something_to_be_read_and_the_best_place_is_one_that_was_measured(name):
    task = TASKS[name]
    assert task.questions(readable=True)
    for question in task.measurement.questions():
        found = task.measurement.measured(task.measured().arrays, question.name, task.judgements()[question.name])
        assert (found.layer in layers_of(task.evaluator().cfg.n_layers), found.position in POSITIONS) == (True, True)
        assert found.readable == (task.judgements()[question.name].verdict == "readable")


@every_task
def test_both_kinds_of_questions_exist(name):
    assert TASKS[name].questions(readable=False)
    assert TASKS[name].questions(readable=True)


def test_a_measured_number_comes_out_again():
    task, question = TASKS[CHEAP[0]], CHEAP[1]
    arrays = task.measured().arrays
    rows = StatementRows.of(next(q for q in task.measurement.questions() if q.name == question).blocks(MEASURED_SEED))
    layer, position = (int(index) for index in arrays[f"{question}_model/place"])
    read = read_from_end(
        task.evaluator(), tokenised(task.evaluator(), rows.texts), [layer_at(layer)], [POSITIONS[position]]
    )
    again = ceiling_of(read, rows.labels, rows.blocks, FITS[BASE.fit])
    assert again.curve[0, 0] == pytest.approx(float(arrays[f"{question}_model/curve"][layer, position]), abs=0.01)


@every_task
def test_the_same_seed_gives_the_same_bytes_and_seeds_differ(name):
    first, again, other = (TASKS[name].instance(seed) for seed in (7, 7, 8))
    assert dict(first.public.files) == dict(again.public.files)
    assert first.public.facts == again.public.facts
    assert first.hidden.held_out.texts == again.hidden.held_out.texts
    assert dict(first.public.files) != dict(other.public.files)


@every_task
def test_instances_ask_readable_and_unreadable_questions_but_no_open_ones(name):
    task = TASKS[name]
    drawn = {task.instance(seed).hidden.question for seed in range(25)}
    verdicts = {task.judgements()[question].verdict for question in drawn}
    assert verdicts == {"readable", "null"}


@every_task
def test_nothing_hidden_is_public(name):
    instance = TASKS[name].instance(11)
    hidden = instance.hidden
    public = b"".join(instance.public.files.values()).decode() + json.dumps(dict(instance.public.facts))
    assert not any(text in public for text in hidden.held_out.texts)
    assert not {e for s in hidden.public.entities for e in s} & {e for s in hidden.held_out.entities for e in s}
    assert 90 <= len(hidden.public.texts) <= 240
    for side in (hidden.public, hidden.held_out):
        assert side.labels.mean() == 0.5


@every_task
def test_the_prompt_says_what_counts_and_not_where_or_whether(name):
    instance = TASKS[name].instance(11)
    prompt = render_prompt(suite_root(), instance, LIMITS)
    assert instance.public.facts["true_example"] in prompt
    assert f"-{instance.answer_schema.facts['n_ctx']} is the lowest" in prompt
    assert "overclaim" in prompt
    assert f"blocks.{instance.hidden.measured.layer}" not in prompt
    assert instance.hidden.question not in instance.public.facts
    instance.answer_schema.parse(json.dumps(example_in(prompt)))


def test_a_readable_instance_tells_oracle_recipe_random_inverted_and_missing_answers_apart():
    task = TASKS[CHEAP[0]]
    instance = asked(*CHEAP)
    assert score(task, instance, task.oracle_answer(instance)).skill >= 0.99
    recipe = claim(task, instance)
    assert score(task, instance, recipe).skill >= 0.9
    inverted = {**recipe, "weight": [-w for w in recipe["weight"]], "bias": -recipe["bias"]}
    assert score(task, instance, inverted).skill < -0.5
    assert score(task, instance, task.random_answer(instance, random.Random(0))).skill < 0.6
    missed = score(task, instance, nothing_found(""))
    assert (missed.skill, missed.flags) == (PAY_OFFS.missed, (MISSED,))


def test_a_null_instance_punishes_claims_and_rewards_finding_nothing():
    name, question = a_null()
    task, instance = TASKS[name], asked(*a_null())
    assert instance.hidden.question == question
    for answer in (claim(task, instance), task.random_answer(instance, random.Random(0))):
        found = score(task, instance, answer)
        assert found.skill == PAY_OFFS.overclaim
        assert OVERCLAIM in found.flags
    assert score(task, instance, task.oracle_answer(instance)).skill == 1.0


@pytest.mark.parametrize("which", [CHEAP, "null"], ids=["readable", "null"])
def test_the_reference_solution_solves_it(which, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    name, question = a_null() if which == "null" else which
    task, instance = TASKS[name], asked(name, question)
    data = json.loads(instance.public.files["statements.json"])
    namespace = {"torch": torch, "json": json, "model": task.evaluator(), **data}
    for cell in parse_percent(solution_text(suite_root(), task)):
        if cell.kind == "code":
            exec(cell.source, namespace)
    assert score(task, instance, namespace["answer"]).skill >= task.pass_mark
    assert np.isfinite(namespace["grid"]).all()
