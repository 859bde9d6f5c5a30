"""The certificate's checks: their names and directions, and that they tell planted models from others."""

from __future__ import annotations

from itertools import groupby

import pytest
import torch

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, untrained_twin, weights_of
from scribe_suite.planting.neurons import certificate, evidence, positions
from scribe_suite.planting.neurons.certificate import neuron_checks
from scribe_suite.planting.neurons.evidence import HELD_OUT_SEED, Evidence
from scribe_suite.planting.neurons.measure import all_neurons, variance_explained
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.planting.neurons.survey import CONTEXT
from tests.planting.neurons.checking import BARS, DIRECTIONS, KINDS
from tests.planting.neurons.conftest import D_MLP, N_LAYERS

CONFIG = {
    "n_layers": N_LAYERS,
    "d_model": 32,
    "n_heads": 1,
    "d_head": 32,
    "d_mlp": D_MLP,
    "n_ctx": CONTEXT,
    "d_vocab": len(vocabulary()),
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}
COLUMN = {neuron: column for column, neuron in enumerate(all_neurons(N_LAYERS, D_MLP))}


@pytest.fixture(scope="module")
def plan(plans: list[NeuronPlan]) -> NeuronPlan:
    return plans[0]


@pytest.fixture(scope="module")
def few_questions(plan: NeuronPlan) -> NeuronPlan:
    """One answered question of every task, and a letter without neurons: ablations with a model take long."""
    of_task = [next(group) for _, group in groupby(plan.questions, key=lambda question: question.kind)]
    absent = next(question for question in plan.questions if not plan.neurons(question.id, key=True))
    chosen = [*of_task, absent]
    ids = {question.id for question in chosen}
    return NeuronPlan(tuple(chosen), tuple(item for item in plan.assignments if item.question in ids))


@pytest.fixture(scope="module")
def untrained() -> ModelWeights:
    return weights_of(untrained_twin(CONFIG, 0), CONFIG)


@pytest.fixture(scope="module")
def small_measurement():
    """The certificate's text and twins cut down, so that one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_ROWS", 48)
        patch.setattr(positions, "_INFORMATION_ROWS", 80)
        for name, size in {"COUNTED_ROWS": 400, "TWINS": 2, "TWIN_ROWS": 32}.items():
            patch.setattr(certificate, f"_{name}", size)
        yield


@pytest.fixture(scope="module")
def checks_of_untrained(small_measurement, untrained: ModelWeights, few_questions: NeuronPlan) -> dict[str, Check]:
    return by_name(neuron_checks(Evidence(untrained, few_questions), KINDS))


class Pretended:
    """Measurements of a model that does what the plan says, and needs it; tests make it worse.

    Attributes:
        activations: Float[batch*pos neuron] on the certificate's text.
        rise: Nats that the loss rises by where a question is read and all its key neurons are held.
        rise_elsewhere: The same everywhere else.
        loss: Nats without ablation.
    """

    rows = 1024

    def __init__(self, plan: NeuronPlan) -> None:
        self.plan = plan
        self.text = sample_text(HELD_OUT_SEED, self.rows, CONTEXT)
        noise = torch.Generator().manual_seed(0)
        self.activations = 0.01 * torch.randn(self.text.tokens.numel(), N_LAYERS * D_MLP, generator=noise)
        for item in plan.assignments:
            self.activations[:, COLUMN[item.neuron]] += item.strength * item.target.response.on(self.text).flatten()
        self.loss, self.rise, self.rise_elsewhere = 3.0, 0.5, 0.02
        self.read = {question.id: question.where_read(self.text)[:, :-1] > 0 for question in plan.questions}

    def next_token_loss(self, model, tokens, ablated=(), means=None):
        losses = torch.full((len(tokens), CONTEXT - 1), self.loss)
        for question in self.plan.questions if ablated else ():
            keys = self.plan.neurons(question.id, key=True)
            if set(ablated) & set(keys):
                here = self.read[question.id][: len(tokens)]
                losses += torch.where(here, self.rise, self.rise_elsewhere) * len(ablated) / len(keys)
        return losses

    def checks(self, patch: pytest.MonkeyPatch) -> dict[str, Check]:
        patch.setattr(evidence, "_ROWS", self.rows)
        patch.setattr(evidence, "next_token_loss", self.next_token_loss)
        patch.setattr(evidence, "neuron_activations", lambda *_: self.activations)
        measured = Evidence(weights_of(untrained_twin(CONFIG, 0), CONFIG), self.plan)
        return by_name(neuron_checks(measured, KINDS))

    def failed(self, patch: pytest.MonkeyPatch) -> set[str]:
        return {name for name, check in self.checks(patch).items() if not check.passed}

    def key_of(self, task: str) -> int:
        """The column of a task's first key neuron."""
        return next(
            COLUMN[item.neuron]
            for item in self.plan.assignments
            if item.question.startswith(f"{task}/") and item.target.role == "key"
        )


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    assert len(found) == len(checks), "two checks have one name"
    return found


@pytest.mark.slow
def test_the_certificate_has_these_checks_in_these_directions(checks_of_untrained: dict[str, Check]) -> None:
    assert {name: check.direction for name, check in checks_of_untrained.items()} == DIRECTIONS


def test_key_neurons_must_be_above_their_bar_and_all_others_below_it(checks_of_untrained: dict[str, Check]) -> None:
    for task, bar in BARS.items():
        assert checks_of_untrained[f"rve/{task}/planted_min"].bar > bar
        assert checks_of_untrained[f"rve/{task}/others_max"].bar < bar
        assert checks_of_untrained[f"rve/{task}/twin_best_p999"].bar < bar


def test_an_untrained_model_fails_what_is_claimed_of_neurons_and_of_language(
    checks_of_untrained: dict[str, Check],
) -> None:
    failed = {name for name, check in checks_of_untrained.items() if not check.passed}
    assert {"loss/model", "loss/minus_unigram", "near_misses/question_min", "near_misses/all"} <= failed
    assert {f"rve/{task}/planted_min" for task in BARS} <= failed
    assert {f"ablation/{task}/question_min" for task in BARS} <= failed


def test_twins_without_training_are_below_every_bar(checks_of_untrained: dict[str, Check]) -> None:
    for task in BARS:
        assert checks_of_untrained[f"rve/{task}/twin_best_p999"].passed


def test_a_model_that_does_what_the_plan_says_passes_every_check(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Pretended(plan).failed(monkeypatch) == set()


def test_key_neurons_that_do_something_else_are_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    for task in BARS:
        model.activations[:, model.key_of(task)] = torch.rand(len(model.activations))
    assert {f"rve/{task}/planted_min" for task in BARS} <= model.failed(monkeypatch)


def test_a_neuron_too_many_that_follows_the_feature_is_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    planted = {COLUMN[item.neuron] for item in plan.assignments}
    spare = (column for column in range(N_LAYERS * D_MLP) if column not in planted)
    for task in BARS:
        model.activations[:, next(spare)] = model.activations[:, model.key_of(task)]
    assert model.failed(monkeypatch) == {f"rve/{task}/others_max" for task in BARS}


def test_a_question_whose_near_misses_tempt_nobody_is_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    for near in plan.neurons(plan.questions[0].id, key=False)[1:]:
        model.activations[:, COLUMN[near]] = torch.rand(len(model.activations))
    assert model.failed(monkeypatch) == {"near_misses/question_min"}


def test_near_misses_that_do_something_else_are_not_counted_as_near_misses(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    near = [item.neuron for item in plan.assignments if item.target.role != "key"]
    model.activations[:, COLUMN[near[0]]] = torch.rand(len(model.activations))
    model.checks(monkeypatch)
    measured = Evidence(weights_of(untrained_twin(CONFIG, 0), CONFIG), plan)
    assert measured.near_misses == set(near[1:])


def test_a_word_neuron_that_misses_one_variant_is_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    word = next(question.name for question in plan.questions if question.kind == "unigram")
    rarest = min(vocabulary().variants(word), key=lambda token: int((model.text.tokens == token).sum()))
    model.activations[model.text.tokens.flatten() == rarest, model.key_of("unigram")] = 0.0
    assert "firing/weakest_variant" in model.failed(monkeypatch)


def test_neurons_that_the_model_does_not_read_are_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    model.rise, model.rise_elsewhere = 0.004, 0.0002
    failed = model.failed(monkeypatch)
    assert failed == {f"ablation/{task}/{what}" for task in BARS for what in ("question_min", "neuron_min")}


def test_neurons_that_the_model_needs_everywhere_are_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    model.rise_elsewhere = 0.4
    assert model.failed(monkeypatch) == {f"ablation/{task}/elsewhere_max" for task in BARS}


def test_a_model_that_counts_as_well_is_noticed(
    small_measurement, plan: NeuronPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Pretended(plan)
    model.loss = 6.0
    assert model.failed(monkeypatch) == {"loss/model", "loss/minus_bigram", "loss/minus_unigram"}


def test_evidence_has_a_statistic_for_every_question_and_neuron(
    small_measurement, untrained: ModelWeights, plan: NeuronPlan
) -> None:
    measured = Evidence(untrained, plan)
    assert set(measured.statistics) == {question.id for question in plan.questions}
    question = next(
        question for question in plan.questions if question.direction == "falls" or question.kind == "syntax"
    )
    feature = question.feature.values(measured.text).flatten()[:, None]
    wanted = question.statistic(variance_explained(measured.activations, feature)[:, 0])
    assert torch.allclose(measured.statistics[question.id], wanted, atol=1e-5)
    names = [str(neuron) for neuron in all_neurons(N_LAYERS, D_MLP)]
    assert [names[row] for row in measured.rows(question)] == list(map(str, plan.neurons(question.id, key=True)))
