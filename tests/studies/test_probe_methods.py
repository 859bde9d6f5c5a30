"""The script that compares ways to find a probe does what its tables say, on activations made by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import untrained_twin, weights_of
from scribe_suite.scoring.probes import LabelledStatements, residual_at
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.task import PublicMaterial, TaskInstance
from studies import probe_methods
from studies.probe_methods import (
    CERTIFIED,
    LAST,
    LAST_WORD,
    METHODS,
    SHOWN_PLACES,
    Measured,
    Referred,
    Seen,
    Side,
    by_place,
    ceiling,
    certificates,
    method_skills,
    place_table,
    random_directions,
    recipe,
    skill_table,
    worst,
)

REGISTRY = default_registry()

from ground_truth.probes.planted.hidden import Hidden  # noqa: E402 - the registry makes it importable
from ground_truth.probes.planted.split import Split  # noqa: E402

TASKS = ("probes/greater_than", "probes/greater_than_pca")
CONTROL = 0.52


def some(statements: LabelledStatements, count: int) -> LabelledStatements:
    """The statements of a few groups."""
    kept = np.isin(statements.groups, np.unique(statements.groups)[:count])
    return LabelledStatements(statements.tokens[kept], statements.labels[kept], statements.groups[kept])


def made(task_id: str) -> Seen:
    """An instance with an untrained model and few statements, as if the reference recipe were always right."""
    task = REGISTRY[task_id]
    world, drawn = task.world(0), task.draw_split(0)
    split = Split(some(drawn.public, 120), some(drawn.held_out, 40))
    weights = weights_of(untrained_twin(world.config(), 0), world.config())
    public = PublicMaterial({"vocabulary.json": json.dumps(world.words).encode()}, "", {})
    hidden = Hidden(weights, split, reference_accuracy=1.0, control_accuracy=CONTROL)
    schema = task.answer_schema(world.config(), split.public.tokens.shape[1])
    return Seen(TaskInstance(task, 0, "none", public, hidden, schema))


@pytest.fixture(params=TASKS)
def seen(request) -> Seen:
    return made(request.param)


@pytest.fixture
def labelled() -> Seen:
    return made(TASKS[0])


def with_truth(seen: Seen) -> Seen:
    """Noise everywhere; at the certified place also the truth, and a louder ending."""
    rng = np.random.default_rng(1)

    def planted(side: Side) -> Side:
        residual = 0.2 * rng.normal(size=side.residual.shape)
        ends = side.statements.tokens[:, -1].numpy()
        layer, position = CERTIFIED
        residual[layer, :, position, 0] += 2.0 * side.labels
        residual[layer, :, position, 1] += 6.0 * (ends == ends.max())
        return replace(side, residual=residual)

    seen.public, seen.held_out = planted(seen.public), planted(seen.held_out)
    return seen


def cells(table: str) -> dict[str, list[str]]:
    """First cell of every row -> the others."""
    rows = [row.strip("| ").split(" | ") for row in table.splitlines() if row]
    return {row[0]: row[1:] for row in rows}


# --- what is read and how it is judged -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(0, LAST_WORD), (2, LAST), (3, -5)])
def test_one_pass_reads_what_the_evaluator_reads(labelled, place):
    wanted = residual_at(labelled.model, labelled.held_out.statements.tokens, *place)
    np.testing.assert_allclose(labelled.held_out.at(place), wanted, atol=1e-5)


@pytest.mark.parametrize("place", [CERTIFIED, (1, LAST_WORD)])
def test_skills_are_those_that_the_task_gives(seen, place):
    probe = random_directions(seen, place)[0]
    answer = {"layer": place[0], "position": place[1], "confidence": 0.5, "summary": ""}
    if seen.task.labelled:
        answer |= {"weight": probe.weight.tolist(), "bias": probe.bias, "center": probe.center.tolist()}
    else:
        answer |= {"direction": probe.weight.tolist()}
    score = seen.task.score(seen.instance, seen.instance.answer_schema.parse(json.dumps(answer)))
    assert seen.accuracy(probe, place) == score.metrics[score.primary]
    assert seen.chance(place) == score.chance >= CONTROL
    assert seen.skill(probe, place) == score.skill


# --- the methods ---------------------------------------------------------------------------------------------------


def test_every_method_finds_probes_of_the_right_width_at_a_place_that_exists(seen):
    for name, method in METHODS.items():
        layer, position = method.place
        assert 0 <= layer < seen.model.cfg.n_layers, name
        assert position in (LAST, LAST_WORD), name
        found = method.find(seen, method.place)
        assert found, name
        for probe in found:
            assert probe.weight.shape == probe.center.shape == (seen.model.cfg.d_model,), name
            assert np.isfinite(probe.weight).all(), name


def test_what_needs_labels_has_no_number_where_there_are_none(seen):
    skills = method_skills(seen)
    assert list(skills) == list(METHODS)
    missing = {name for name, skill in skills.items() if skill is None}
    assert missing == (set() if seen.task.labelled else {name for name, one in METHODS.items() if one.labelled})


def test_a_loud_nuisance_hides_the_truth_from_the_first_component_and_not_from_the_recipe(seen):
    skills = method_skills(with_truth(seen))
    for name in ("reference recipe", "first component beside ending and address"):
        assert skills[name] > 0.95, name
    for name in (
        "first component",
        "recipe, last token, block 1",
        "difference of means, shuffled labels",
        "recipe fitted on untrained twins",
        "random direction",
        "random direction, last word of the content, block 1",
        "zero vector",
    ):
        assert skills[name] < 0.2, name
    if seen.task.labelled:
        assert skills["logistic regression"] > 0.95
        assert -0.1 < skills["constant"] < 0


def test_a_component_with_labels_gets_their_sign(labelled):
    layer, position = CERTIFIED
    for side in (with_truth(labelled).public, labelled.held_out):
        side.residual[layer, :, position, 1] = 0
        side.residual[layer, :, position, 0] = np.where(side.labels, -5.0, 5.0)
    assert method_skills(labelled)["first component"] == 1


def test_what_the_model_says_is_read_from_its_unembedding(labelled):
    words = REGISTRY[TASKS[0]].world(0).words
    says = labelled.hidden.weights.state["unembed.W_U"].double().numpy()
    for side in (labelled.public, labelled.held_out):
        for row, true in enumerate(side.labels):
            side.residual[3, row, LAST] = says[:, words.index(("false", "true")[int(true)])]
    assert method_skills(labelled)["what the model says, block 3"] == 1


def test_token_identity_reads_words_that_the_embedding_carries(labelled):
    """If the ending were the truth and the first block a sum of embeddings, words would be enough."""
    embedding = labelled.hidden.weights.state["embed.W_E"]
    for name in ("public", "held_out"):
        side = getattr(labelled, name)
        ends = side.statements.tokens[:, -1]
        side.residual[0, :, LAST] = embedding[side.statements.tokens].sum(1).double().numpy()
        setattr(labelled, name, replace(side, statements=replace(side.statements, labels=(ends == 3).numpy())))
    assert method_skills(labelled)["token identity, block 0"] > 0.9


# --- ceiling and places --------------------------------------------------------------------------------------------


def test_the_ceiling_is_reached_where_the_truth_can_be_read(seen):
    assert ceiling(with_truth(seen)) > 0.9


def test_the_halves_of_the_ceiling_share_no_group(labelled):
    """What tells a group but not its truth is worth nothing: rows of one group never stand on both sides."""
    rng = np.random.default_rng(0)
    groups, index = np.unique(labelled.held_out.statements.groups, return_inverse=True)
    labels = (rng.random(len(groups)) < 0.5)[index]
    residual = labelled.held_out.residual
    residual[CERTIFIED[0], :, CERTIFIED[1]] = rng.normal(size=(len(groups), 64))[index]
    statements = replace(labelled.held_out.statements, labels=labels)
    labelled.held_out = Side(statements, residual)
    assert ceiling(labelled) < 0.8


def test_places_are_blocks_by_the_last_positions(labelled):
    accuracies = by_place(with_truth(labelled), 5)
    assert [len(row) for row in accuracies] == [5] * 4
    assert accuracies[2][4] > 0.95
    assert max(value for row in accuracies for value in row if value != accuracies[2][4]) < 0.75
    probe = recipe(labelled, (1, -5))[0]
    assert accuracies[1][0] == labelled.accuracy(probe, (1, -5))


@pytest.mark.parametrize("task_id", SHOWN_PLACES)
def test_columns_of_places_say_what_stands_there(task_id):
    task = REGISTRY[task_id]
    tokens, words = task.draw_split(0).held_out.tokens, task.world(0).words
    names = SHOWN_PLACES[task_id]
    for name, column in zip(names, tokens.T[-len(names) :], strict=True):
        standing = {words[token] for token in torch.unique(column).tolist()}
        assert (standing == {name[1:-1]}) if name.startswith("`") else len(standing) > 1


# --- the tables ----------------------------------------------------------------------------------------------------


def measured(skill: float | None, reference: Referred | None = None) -> Measured:
    return Measured(dict.fromkeys(METHODS, skill), 0.8, [[0.5] * 4 + [skill or 0.0]] * 4, reference)


def test_the_table_of_skills_has_means_and_a_dash_where_there_is_none():
    table = skill_table({"probes/a": [measured(0.2), measured(0.4)], "probes/b": [measured(None)] * 2})
    assert cells(table)["skill"] == ["`a`", "`b`"]
    assert cells(table)["constant"] == ["0.30", "-"]
    assert len(cells(table)) == len(METHODS) + 2


def test_the_reference_is_stated_beside_its_ceiling():
    found = [measured(0.2, Referred(accuracy=0.8, skill=1.0)), measured(0.2, Referred(accuracy=0.6, skill=0.5))]
    rows = cells(skill_table({"probes/a": found}))
    wanted = {"lowest skill": "0.50", "accuracy, mean": "0.70", "accuracy, lowest": "0.60"}
    assert {name: rows[f"reference notebook, {name}"] for name in wanted} == {n: [v] for n, v in wanted.items()}
    assert rows["ceiling, accuracy, mean"] == ["0.80"]
    assert rows["reference notebook, accuracy / ceiling, mean"] == ["0.88"]


def test_the_table_of_places_has_a_row_per_block():
    rows = cells(place_table("probes/cities", [measured(0.9), measured(0.7)]))
    assert rows["`cities`, accuracy"] == ["`in`", "country", "`,`", "address", "ending"]
    assert rows["block 3"] == ["0.50", "0.50", "0.50", "0.50", "0.80"]


def model_with(**values: tuple[float, str]) -> SimpleNamespace:
    checks = [
        Check(name=name.replace("__", "/"), value=value, bar=0.5, direction=direction)
        for name, (value, direction) in values.items()
    ]
    return SimpleNamespace(record=SimpleNamespace(certificate=Certificate(checks=tuple(checks))))


def test_the_worst_of_several_models_is_the_one_closest_to_its_bar():
    models = [model_with(a__x=(0.9, ">="), a__y=(0.1, "<=")), model_with(a__x=(0.8, ">="), a__y=(0.3, "<="))]
    assert worst(models) == {"a/x": 0.8, "a/y": 0.3}


def test_the_tables_of_certificates_have_a_column_per_task_and_per_world(monkeypatch):
    stated = {
        "probes/numbers": model_with(
            behaviour__verdict=(0.99, ">="),
            behaviour__recall=(0.98, ">="),
            greater_than__recipe_min=(0.97, ">="),
            greater_than__appears_mean=(0.96, ">="),
            greater_than_pca__recipe_min=(0.95, ">="),
            reference__greater_than=(0.94, ">="),
            reference__greater_than_pca=(0.93, ">="),
        ),
        "probes/places": model_with(behaviour__verdict=(0.92, ">="), cities__recipe_min=(0.91, ">=")),
    }
    monkeypatch.setattr(probe_methods, "load_all_frozen", lambda task: [stated[task.models_id]])
    of_tasks, of_worlds = map(cells, certificates([*TASKS, "probes/cities"]).split("\n\n"))
    assert of_tasks["worst of 1 numbers, 1 places"] == ["`greater_than`", "`greater_than_pca`", "`cities`"]
    assert of_tasks["`recipe_min`"] == ["0.97", "0.95", "0.91"]
    assert of_tasks["`appears_mean`"] == ["0.96", "-", "-"]
    assert of_tasks["`reference`"] == ["0.94", "0.93", "-"]
    assert of_worlds["behaviour"] == ["`numbers`", "`places`"]
    assert of_worlds["`verdict`"] == ["0.99", "0.92"]
    assert of_worlds["`recall`"] == ["0.98", "-"]


@pytest.mark.slow
def test_the_script_runs_by_itself_from_anywhere(tmp_path):
    script = suite_root() / "studies" / "probe_methods.py"
    told = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "--reference" in told.stdout
