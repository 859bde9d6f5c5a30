"""Why a model's key neurons are the answers: every check, measured anew from the weights on text nobody has seen.

Four claims: the model is a language model (it beats counting); the key neurons, and no others, follow their features,
by a margin that random weights never reach; near misses are real neurons of something else; and the model reads what
the key neurons say (Gurnee et al. 2024, arXiv 2401.12181, sections 4 and 5, measure both sides as well).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.neurons.categories import category_feature, suitable_categories
from scribe_suite.planting.neurons.features import feature_matrix
from scribe_suite.planting.neurons.letters import letter_feature, suitable_letters
from scribe_suite.planting.neurons.measure import (
    Neuron,
    all_neurons,
    neuron_activations,
    next_token_loss,
    position_information,
    variance_explained,
)
from scribe_suite.planting.neurons.ngrams import bigram_loss, unigram_loss
from scribe_suite.planting.neurons.plan import BARS, NeuronPlan, Question, TaskName
from scribe_suite.planting.neurons.positions import band_feature, draw_band, first_position_feature, ramp_feature
from scribe_suite.planting.neurons.words import suitable_words, word_feature

PLANTED_MARGIN = 0.08
"""Key neurons are at least this far above their task's bar."""
OTHERS_MARGIN = 0.03
"""All other neurons are at least this far below it."""
NEAR_MISS_BAR = 0.4
"""A near miss that does what it was made for less well than this tempts nobody, and is not counted as one."""

FEWEST_NEAR_MISSES = 2
"""Of every question."""

_HELD_OUT_SEED = 3_000_000_017
_COUNTED_SEED = 3_000_000_019
_ROWS = 1024
ABLATED_ROWS = 384
"""Ablations take a run each, and there are some eighty."""
_COUNTED_ROWS = 15_000
_INFORMATION_ROWS = 320
_TWINS = 16
_TWIN_ROWS = 256
_TWIN_BANDS = 20


def neuron_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Every check of the certificate that needs nothing but the model.

    Args:
        evidence: Of the model as it comes back from disk (`frozen.round_to_half`).
    """
    return (
        *_language_checks(evidence),
        *_following_checks(evidence),
        *_information_checks(evidence),
        *_twin_checks(evidence.weights),
        *_ablation_checks(evidence),
    )


class Evidence:
    """A model, run on held-out text.

    Attributes:
        weights: The model.
        plan: What was planted.
        text: The text.
        activations: Float[Tensor, "batch*pos neuron"].
        losses: Float[Tensor, "batch pos-1"], in nats.
    """

    def __init__(self, weights: ModelWeights, plan: NeuronPlan) -> None:
        self.weights = weights
        self.plan = plan
        self.model = build_model(weights)
        self.length = int(weights.config["n_ctx"])
        self.text = sample_text(_HELD_OUT_SEED, _ROWS, self.length)
        self.activations = neuron_activations(self.model, self.text.tokens)
        self.losses = next_token_loss(self.model, self.text.tokens)
        neurons = all_neurons(self.model.cfg.n_layers, self.model.cfg.d_mlp)
        self.row = {neuron: row for row, neuron in enumerate(neurons)}

    @cached_property
    def statistics(self) -> dict[str, Float[Tensor, " neuron"]]:
        """Question id -> what is compared with its bar, for every neuron."""
        questions = self.plan.questions
        features = feature_matrix([question.feature for question in questions], self.text)
        explained = variance_explained(self.activations, features)
        return {question.id: question.statistic(explained[:, i]) for i, question in enumerate(questions)}

    @cached_property
    def near_misses(self) -> frozenset[Neuron]:
        """The neurons planted as near misses that do what they were made for."""
        found = []
        for item in self.plan.assignments:
            if item.wish.kind != "key":
                wanted = item.wish.response.on(self.text).flatten()[:, None]
                own = float(variance_explained(self.activations[:, [self.row[item.neuron]]], wanted))
                found += [item.neuron] if own >= NEAR_MISS_BAR else []
        return frozenset(found)

    def rows(self, question: Question, *, key: bool = True) -> list[int]:
        """Where the key neurons, or the near misses, of a question are on the ``neuron`` axis."""
        return [self.row[neuron] for neuron in self.plan.neurons(question.id, key=key)]

    def of(self, task: TaskName) -> list[Question]:
        """The questions of one task."""
        return [question for question in self.plan.questions if question.task == task]

    def rise(self, neurons: list[Neuron]) -> Float[Tensor, "rows pos-1"]:
        """How much the loss rises where `neurons` are held at their means, on the first `ABLATED_ROWS` texts."""
        tokens = self.text.tokens[:ABLATED_ROWS]
        return next_token_loss(self.model, tokens, neurons, self.activations.mean(0)) - self.losses[:ABLATED_ROWS]


def _language_checks(evidence: Evidence) -> Iterator[Check]:
    loss = float(evidence.losses.mean())
    counted = sample_text(_COUNTED_SEED, _COUNTED_ROWS, evidence.length).tokens.numpy()
    held_out, size = evidence.text.tokens.numpy(), len(vocabulary())
    unigram, bigram = unigram_loss(counted, held_out, size), bigram_loss(counted, held_out, size)
    # the baselines have no bar of their own; they are stated, and the model's distance to each is what counts
    yield Check(name="loss/model", value=loss, bar=bigram, direction="<=")
    yield Check(name="loss/minus_bigram", value=loss - bigram, bar=-0.15, direction="<=")
    yield Check(name="loss/minus_unigram", value=loss - unigram, bar=-1.0, direction="<=")


def _following_checks(evidence: Evidence) -> Iterator[Check]:
    for task, bar in BARS.items():
        planted, others = [], []
        for question in evidence.of(task):
            statistic, rows = evidence.statistics[question.id], evidence.rows(question)
            rest = statistic.clone()
            rest[rows] = 0.0
            planted += statistic[rows].tolist()
            others.append(float(rest.max()))
        yield Check(name=f"rve/{task}/planted_min", value=min(planted), bar=bar + PLANTED_MARGIN, direction=">=")
        yield Check(name=f"rve/{task}/others_max", value=max(others), bar=bar - OTHERS_MARGIN, direction="<=")
    working = Counter(item.question for item in evidence.plan.assignments if item.neuron in evidence.near_misses)
    fewest = min(working[question.id] for question in evidence.plan.questions)
    yield Check(name="near_misses/question_min", value=fewest, bar=FEWEST_NEAR_MISSES, direction=">=")
    yield Check(name="near_misses/all", value=working.total(), bar=50, direction=">=")
    weakest = [_weakest_variant(evidence, question) for question in evidence.of("unigram")]
    yield Check(name="firing/weakest_variant", value=min(weakest), bar=0.4, direction=">=")


def _weakest_variant(evidence: Evidence, question: Question) -> float:
    """The smallest mean activation on one variant, as a share of the mean over all of them; worst neuron."""
    rows, flat = evidence.rows(question), evidence.text.tokens.flatten()
    here = question.feature.values(evidence.text).flatten() > 0
    overall = evidence.activations[here][:, rows].mean(0)
    variants = [flat == token for token in vocabulary().variants(question.name)]
    means = [evidence.activations[variant][:, rows].mean(0) for variant in variants if variant.any()]
    return float((torch.stack(means) / overall).min())


def _information_checks(evidence: Evidence) -> Iterator[Check]:
    """Key neurons of the task ``position`` tell the position; so do others, and so its questions ask for a shape."""
    rows = [row for question in evidence.of("position") for row in evidence.rows(question)]
    part = evidence.activations[: _INFORMATION_ROWS * evidence.length, rows]
    information = position_information(part, evidence.length)
    yield Check(name="information/position/planted_min", value=float(information.min()), bar=0.2, direction=">=")


def _twin_checks(weights: ModelWeights) -> Iterator[Check]:
    """The best of all neurons of random models at answering any question that could be asked."""
    text = sample_text(_HELD_OUT_SEED, _TWIN_ROWS, int(weights.config["n_ctx"]))
    rng = random.Random("twins")
    bands = [draw_band(early=number % 2 == 0, rng=rng) for number in range(_TWIN_BANDS)]
    features = {
        "position": [ramp_feature(), *(band_feature(*band) for band in bands)],
        "position_1": [first_position_feature()],
        "alphabet": [letter_feature(letter) for letter in suitable_letters()],
        "syntax": [
            category_feature(name, place) for name in suitable_categories() for place in ("current", "previous")
        ],
        "unigram": [word_feature(word) for word in suitable_words()],
    }
    values = {task: feature_matrix(found, text) for task, found in features.items()}
    best: dict[str, list[Tensor]] = {task: [] for task in features}
    for seed in range(_TWINS):
        activations = neuron_activations(untrained_twin(weights.config, seed), text.tokens)
        for task, asked in values.items():
            best[task].append(variance_explained(activations, asked).abs().amax(0))
    for task, bar in BARS.items():
        value = float(torch.cat(best[task]).quantile(0.999))
        yield Check(name=f"rve/{task}/twin_best_p999", value=value, bar=bar - OTHERS_MARGIN, direction="<=")


def _ablation_checks(evidence: Evidence) -> Iterator[Check]:
    for task in BARS:
        joint, single, elsewhere = [], [], []
        for question in evidence.of(task):
            neurons = evidence.plan.neurons(question.id, key=True)
            if not neurons:
                continue
            here = question.where_read(evidence.text)[:ABLATED_ROWS, :-1] > 0
            rise = evidence.rise(neurons)
            joint.append(float(rise[here].mean()))
            elsewhere.append(abs(float(rise[~here].mean())) / joint[-1])
            single += [float(evidence.rise([neuron])[here].mean()) for neuron in neurons]
        yield Check(name=f"ablation/{task}/question_min", value=min(joint), bar=0.05, direction=">=")
        yield Check(name=f"ablation/{task}/neuron_min", value=min(single), bar=0.005, direction=">=")
        yield Check(name=f"ablation/{task}/elsewhere_max", value=max(elsewhere), bar=0.1, direction="<=")
