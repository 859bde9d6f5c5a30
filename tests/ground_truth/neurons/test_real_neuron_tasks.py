"""The neuron tasks on a real model with a small model in its place: instances, prompts, scores, reference solutions."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from safetensors.torch import load
from transformer_lens import HookedTransformer, HookedTransformerConfig

from ground_truth.neurons import prediction_real, unigram_real
from ground_truth.neurons.real import measurement
from ground_truth.neurons.real import task as real_task
from ground_truth.neurons.real.classes import class_named
from ground_truth.neurons.real.effects import class_rve, output_weights
from ground_truth.neurons.real.measurement import BLOCKS, PLACES, SCANNED, TEXT_SCAN, TextScan
from ground_truth.neurons.real.properties import Property, PropertyKind, feature_values
from ground_truth.neurons.real.scan import scan
from ground_truth.neurons.real.task import PUBLIC_TEXTS, MeasuredNeuronTask, MeasuredTextTask
from ground_truth.neurons.real.tokens import CONTEXT, TAGS
from scribe_suite.errors import AnswerError
from scribe_suite.laboratory.prices import Work, price_of
from scribe_suite.paths import suite_root
from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.neurons.features import Feature
from scribe_suite.scoring.neuron_share import SHARE_METRICS, top
from scribe_suite.tasks import LetterAnswer, TaskInstance
from scribe_suite.tasks.prompts import render_prompt
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text

pytestmark = pytest.mark.filterwarnings("ignore:HookedTransformer is deprecated:DeprecationWarning")

LAYERS, WIDTH = 2, 60
NEURONS = LAYERS * WIDTH
VOCABULARY = (
    "<s>", "The", " the", " and", " that", " keys", " not", " Will", " our", " be", "ing", ",", ".", "\n", " so",
    " for", " more", "7", " at", " from", " left", " mice", " ran", " pots", " we", " you",
)  # fmt: skip
CLASSES = ("leading space", "starts with t", "capitalised")
LIMITS = {"agent_timeout_s": 1800, "cell_timeout_s": 300, "max_turns": None}
TASKS = {task.name: task for task in default_registry().of_source("real") if isinstance(task, MeasuredNeuronTask)}
every_task = pytest.mark.parametrize("name", sorted(TASKS))
mpl.use("Agg")


def statistics() -> np.ndarray:
    """Six neurons that follow each candidate, one that does the opposite, and noise."""
    rng = np.random.default_rng(0)
    found = rng.normal(0, 0.01, (len(TEXT_SCAN.candidates), NEURONS))
    for row in found:
        chosen = rng.choice(NEURONS, 7, replace=False)
        row[chosen] = [0.5, 0.45, 0.4, 0.35, 0.3, 0.25, -0.4]
    return found


def text(rows: int) -> TaggedText:
    generator = torch.Generator().manual_seed(rows)
    tokens = torch.randint(1, len(VOCABULARY), (rows, CONTEXT), generator=generator)
    tokens[:, 0] = 0
    tags = torch.randint(0, len(TAGS) - 1, (rows, CONTEXT), generator=generator)
    tags[:, 0] = TAGS.index("other")
    return TaggedText(tokens, tags)


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    config = HookedTransformerConfig(
        n_layers=LAYERS, d_model=16, n_heads=2, d_head=8, d_mlp=WIDTH, n_ctx=CONTEXT, d_vocab=len(VOCABULARY),
        act_fn="silu", gated_mlp=True, normalization_type="RMS", positional_embedding_type="rotary", rotary_dim=8,
        seed=0, init_weights=True, device="cpu",
    )  # fmt: skip
    return HookedTransformer(config)


@pytest.fixture(autouse=True)
def small_world(monkeypatch, model) -> None:
    """No real model, and no measured result, is read."""
    rve = statistics()
    best = -np.sort(-rve, axis=1)
    text_result = {
        "properties": np.asarray([one.id for one in TEXT_SCAN.candidates]),
        "rve": rve.astype(np.float16),
        "reference": np.stack([best[:, :places].mean(1) for places in PLACES], axis=1).astype(np.float32),
        "untrained": np.full((len(TEXT_SCAN.candidates), len(PLACES)), 0.03, dtype=np.float32),
    }
    members = torch.stack([class_named(name).members(VOCABULARY) for name in CLASSES])
    effects = -np.sort(-class_rve(output_weights(model), model.W_U.detach(), members), axis=1)
    class_result = {
        "classes": np.asarray(CLASSES),
        "reference": np.stack([effects[:, :places].mean(1) for places in PLACES], axis=1).astype(np.float32),
        "untrained": np.zeros((len(CLASSES), len(PLACES)), dtype=np.float32),
    }
    sizes = {"n_layers": LAYERS, "d_mlp": WIDTH}
    monkeypatch.setattr(real_task, "model_sizes", lambda _: sizes)
    monkeypatch.setattr(real_task, "pool_text", lambda pool, _: text({"public": 120, "hidden": 30}[pool]))
    for module in (real_task, unigram_real, prediction_real):
        monkeypatch.setattr(module, "vocabulary", lambda _: VOCABULARY)
    monkeypatch.setattr(MeasuredTextTask, "measured", lambda _: SimpleNamespace(arrays=text_result))
    monkeypatch.setattr(TASKS["prediction_real"].__class__, "measured", lambda _: SimpleNamespace(arrays=class_result))
    monkeypatch.setattr(MeasuredNeuronTask, "evaluator", lambda _: model)
    described = {"name": "Small", "start_token": "<s>", "gated_mlp": True, "tokens_per_s": 200}
    monkeypatch.setattr(MeasuredNeuronTask, "model_facts", lambda _: described)


def instance(name: str, seed: int = 1) -> TaskInstance:
    return TASKS[name].instance(seed)


def answered(one: TaskInstance, content, **common):
    raw = {"confidence": 0.5, "summary": "why", "neurons": content, **common}
    return one.answer_schema.parse(json.dumps(raw))


def score(one: TaskInstance, columns, **common):
    return one.task.score(one, answered(one, one.task.submission(one, columns), **common))


@every_task
class TestInstances:
    def test_the_same_seed_gives_the_same_bytes(self, name) -> None:
        first, second = instance(name), instance(name)
        assert first.public == second.public
        assert [one.name for one in first.hidden.asked] == [one.name for one in second.hidden.asked]

    def test_other_seeds_ask_something_else(self, name) -> None:
        questions = {instance(name, seed).public.files["question.json"] for seed in range(12)}
        assert len(questions) > 5

    def test_an_agent_gets_a_part_of_the_public_text_only(self, name) -> None:
        files = instance(name).public.files
        if name == "prediction_real":
            assert "text.safetensors" not in files
            return
        tokens = load(files["text.safetensors"])["tokens"]
        assert tokens.shape == (PUBLIC_TEXTS, CONTEXT)
        public = {tuple(row) for row in text(120).tokens.tolist()}
        rows = {tuple(row) for row in tokens.tolist()}
        assert len(rows) == PUBLIC_TEXTS
        assert rows < public

    def test_only_the_task_with_tags_gives_tags(self, name) -> None:
        files = instance(name).public.files
        has_tags = "text.safetensors" in files and "tags" in load(files["text.safetensors"])
        assert has_tags == (name == "syntax_real") == ("tag_names.json" in files)

    def test_nothing_of_the_truth_is_public(self, name) -> None:
        one = instance(name)
        public = json.dumps([one.public.setup_code, dict(one.public.facts), dict(one.answer_schema.example)])
        for asked in one.hidden.asked:
            best = [f'"{one.task.neuron(column)}"' for column in asked.best]
            assert sum(neuron in public for neuron in best) <= 1  # the example may hit one by accident
        assert "hidden" not in public

    def test_the_prompt_says_what_is_asked(self, name) -> None:
        one = instance(name)
        prompt = render_prompt(suite_root(), one, LIMITS)
        assert "## The question" in prompt
        assert "L{layer}.N{neuron}" in prompt
        assert "{{" not in prompt
        question = json.loads(one.public.files["question.json"])
        wanted = question.get("class") or question.get("word") or question.get("category") or question.get("shape")
        shown = {"rising": "become more active", "falling": "become less active", "band": "fire"}.get(wanted, wanted)
        assert (shown or '"' + question["letters"][0] + '"') in prompt.replace("become \n", "become ")

    def test_the_example_is_a_valid_answer(self, name) -> None:
        one = instance(name)
        one.answer_schema.parse(json.dumps(dict(one.answer_schema.example)))


@every_task
class TestScores:
    def test_the_oracle_has_all_of_it(self, name) -> None:
        for seed in range(5):
            one = instance(name, seed)
            answer = one.answer_schema.parse(json.dumps(one.task.oracle_answer(one)))
            found = one.task.score(one, answer)
            assert set(found.metrics) == set(SHARE_METRICS) == set(one.task.metrics)
            assert found.skill == pytest.approx(1.0, abs=1e-3)
            assert found.metrics["rve_share"] == pytest.approx(1.0, abs=1e-6)

    def test_random_answers_have_no_skill(self, name) -> None:
        one, skills = instance(name), []
        for seed in range(40):
            answer = one.task.random_answer(one, random.Random(seed))
            skills.append(one.task.score(one, one.answer_schema.parse(json.dumps(answer))).skill)
        assert np.mean(skills) < 0.25  # among 120 neurons a guess often hits; among 46,080 it does not

    def test_an_empty_answer_has_no_skill(self, name) -> None:
        one = instance(name)
        letters = one.answer_schema.model is LetterAnswer
        found = one.task.score(one, answered(one, {} if letters else []))
        assert found.metrics["rve_share"] == 0.0
        assert found.skill <= 0.0

    def test_what_is_best_for_one_question_has_no_skill_on_average(self, name) -> None:
        one = instance(name)
        best = one.hidden.asked[0].best
        if name == "alphabet_real":
            best = best[:1] * len(one.hidden.asked)
        skills = []
        for seed in range(40):
            other = instance(name, seed)
            given = [best[: asked.places] for asked in other.hidden.asked]
            skills.append(score(other, given).skill)
        # with few classes on a small model forty questions leave some luck
        assert np.mean(skills) < 0.25

    def test_everything_is_refused(self, name) -> None:
        one = instance(name)
        every = [one.task.neuron(column) for column in range(NEURONS)]
        with pytest.raises(AnswerError):
            answered(one, every)

    def test_the_opposite_of_the_best_is_worse_than_nothing(self, name) -> None:
        one = instance(name)
        lowest = [top(-asked.statistic, asked.places) for asked in one.hidden.asked]
        found = score(one, lowest)
        assert found.metrics["rve_share"] < 0.0
        assert found.skill < 0.0

    def test_half_of_the_best_has_about_half_of_the_statistic(self, name) -> None:
        one = instance(name)
        some = [asked.best[: max(1, asked.places // 2)] for asked in one.hidden.asked]
        if name != "alphabet_real":
            found = score(one, some)
            assert 0.2 < found.metrics["rve_share"] / found.reference < 0.9

    def test_columns_and_names_agree(self, name) -> None:
        task = TASKS[name]
        assert [task.column(task.neuron(column)) for column in range(NEURONS)] == list(range(NEURONS))
        assert task.neuron(WIDTH + 3) == "L1.N3"


def test_a_letter_without_a_neuron_has_an_empty_place() -> None:
    one = instance("alphabet_real")
    given = one.task.submission(one, [asked.best for asked in one.hidden.asked])
    full = one.task.score(one, answered(one, given))
    first = one.hidden.asked[0]
    partly = one.task.score(one, answered(one, {**given, first.name: None}))
    lost = first.statistic.max() / sum(asked.statistic.max() for asked in one.hidden.asked)
    assert partly.metrics["rve_share"] == pytest.approx(full.metrics["rve_share"] - lost)


class Endings(PropertyKind):
    """The token ends with a letter."""

    id = "ending"
    candidates = ("e", "s", "t")
    fewest = 2

    def feature(self, name, vocabulary) -> Feature:
        holds = (token for token, string in enumerate(vocabulary) if string.endswith(name))
        return Feature(f"ending/{name}", tokens=frozenset(holds))


class EndingsScan(TextScan):
    """What endings explain."""

    id = "neurons/endings_scan"
    summary = "Endings of tokens."
    kinds = (Endings(),)


class EndingsReal(MeasuredTextTask):
    """Find the neurons of an ending."""

    name = "endings_of_a_test"
    summary = "Find the neurons of an ending."
    measurement = EndingsScan()
    kind = EndingsScan.kinds[0]

    def public_question(self, names) -> dict:
        return {"ending": names[0]}


def test_a_task_with_properties_of_its_own_is_measured_and_drawn_by_what_it_declares(model, monkeypatch) -> None:
    """No other module knows of it: the scan sees its properties, and its instances ask about what was kept of them."""
    task, sample = EndingsReal(), text(12)
    found = scan(model, sample.tokens, feature_values(task.measurement.candidates, sample, VOCABULARY))
    steps = {f"trained_{block}": found.arrays() for block in range(BLOCKS)}
    silent = {**found.arrays(), "fa": np.outer(found.f, found.a) / found.count}  # a twin that follows nothing
    steps |= {f"untrained_{block}": silent for block in range(SCANNED["untrained"])}
    assert {check.name for check in task.measurement.checks(steps)} >= {"ending/properties", "ending/lead_min"}
    monkeypatch.setattr(measurement, "SMALLEST_LEAD", 0.0)
    kept = task.measurement.kept(steps)
    assert kept["properties"].tolist() == ["ending/e", "ending/s", "ending/t"]
    monkeypatch.setattr(EndingsReal, "measured", lambda _: SimpleNamespace(arrays=kept))
    one = task.instance(0)
    (asked,) = one.hidden.asked
    assert json.loads(one.public.files["question.json"]) == {"ending": asked.name, "count": asked.places}
    score = task.score(one, one.answer_schema.parse(json.dumps(task.oracle_answer(one))))
    assert score.metrics["rve_share"] == pytest.approx(1.0)


def run_solution(one: TaskInstance, model: HookedTransformer) -> dict:
    """The reference solution's cells, as they would run after the set-up cell."""
    files = one.public.files
    space = {
        "torch": torch,
        "model": model,
        "device": "cpu",
        "vocabulary": list(VOCABULARY),
        "question": json.loads(files["question.json"]),
    }
    if "text.safetensors" in files:
        tensors = load(files["text.safetensors"])
        space |= {name: tensor.long() for name, tensor in tensors.items()}
        space["tag_names"] = list(TAGS)
    else:
        space["in_class"] = load(files["class.safetensors"])["members"]
    for cell in parse_percent(solution_text(suite_root(), one.task)):
        if cell.kind == "code":
            exec(compile(cell.source, one.task.name, "exec"), space)
    return space["answer"]


@pytest.mark.slow  # plots, mostly
@every_task
def test_the_reference_solution_finds_the_best_neurons_of_its_text(name, model, capsys) -> None:
    one = instance(name, seed=3)
    with torch.no_grad():
        answer = run_solution(one, model)
    one.answer_schema.parse(json.dumps(answer))
    if isinstance(one.task, MeasuredTextTask):
        tensors = load(one.public.files["text.safetensors"])
        sample = TaggedText(tensors["tokens"].long(), tensors.get("tags", tensors["tokens"]).long())
        asked = [Property(one.task.kind, asked.name) for asked in one.hidden.asked]
        found = scan(model, sample.tokens, feature_values(asked, sample, VOCABULARY)).signed_rve()
    else:
        members = class_named(one.hidden.asked[0].name).members(VOCABULARY)
        found = class_rve(output_weights(model), model.W_U.detach(), members[None])
    expected = one.task.submission(
        one, [top(row, asked.places) for row, asked in zip(found, one.hidden.asked, strict=True)]
    )
    assert answer["neurons"] == expected


@every_task
def test_all_neurons_at_all_positions_are_out_of_reach_in_a_tight_laboratory(name):
    task = TASKS[name]
    if name == "prediction_real":
        assert not task.laboratory  # what it asks for is in two weight matrices, which could only be bought
        return
    scan = price_of(Work(PUBLIC_TEXTS * CONTEXT, sites=30))
    budgets = [task.laboratory[level].budget for level in (2, 3, 4)]
    assert scan / 3 > budgets[0] > budgets[1] > budgets[2]
    assert scan / 10 > budgets[1]
