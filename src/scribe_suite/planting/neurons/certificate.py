"""Why a model's key neurons are the answers: every check, measured from the weights on held-out text.

Four claims: the model is a language model (it beats counting); the key neurons, and no others, follow their features,
by a margin that random weights never reach; near misses really follow something else; and the model uses the key
neurons' output (Gurnee et al. 2024, arXiv 2401.12181, sections 4 and 5, measure both sides as well). A kind of question
may add its own claims (`QuestionKind.further_checks`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from scribe_suite.planting.english import sample_text, vocabulary
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, untrained_twin
from scribe_suite.planting.neurons.evidence import ABLATED_ROWS, HELD_OUT_SEED, Evidence
from scribe_suite.planting.neurons.features import feature_matrix
from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.measure import neuron_activations, variance_explained
from scribe_suite.planting.neurons.ngrams import bigram_loss, unigram_loss

#: Least distance, in nats per token, of the model's loss below that of counting words, and pairs of words.
UNIGRAM_BAR, BIGRAM_BAR = -1.0, -0.15
#: Key neurons are at least this far above the bar of their question.
PLANTED_MARGIN = 0.08
#: All other neurons are at least this far below it.
OTHERS_MARGIN = 0.03
#: Least number of working near misses per question.
FEWEST_NEAR_MISSES = 2
#: Least number of working near misses per model, if it has enough questions.
ALL_NEAR_MISSES = 50
#: Least rise of the loss, in nats, where a feature holds, without all key neurons of a question and without one.
QUESTION_RISE_BAR, NEURON_RISE_BAR = 0.05, 0.005
#: The rise elsewhere is at most this share of it.
ELSEWHERE_BAR = 0.1

#: Texts that words and pairs of words are counted in, for the baselines of the loss, and their seed.
_COUNTED_ROWS, _COUNTED_SEED = 15_000, 3_000_000_019
#: Models with random weights that serve as controls, and the texts that they are run on.
_TWINS, _TWIN_ROWS = 16, 256


def neuron_checks(evidence: Evidence, kinds: Sequence[QuestionKind]) -> tuple[Check, ...]:
    """Every check of the certificate that needs nothing but the model.

    Args:
        evidence: The evidence on the model as it is read back from disk (`frozen.round_to_half`).
        kinds: The kinds of the planted questions.
    """
    return (
        *_language_checks(evidence),
        *(check for kind in kinds for check in _following_checks(evidence, kind)),
        *_near_miss_checks(evidence),
        *(check for kind in kinds for check in kind.further_checks(evidence)),
        *_twin_checks(evidence.weights, kinds),
        *(check for kind in kinds for check in _ablation_checks(evidence, kind)),
    )


def _language_checks(evidence: Evidence) -> Iterator[Check]:
    loss = float(evidence.losses.mean())
    counted = sample_text(_COUNTED_SEED, _COUNTED_ROWS, evidence.length).tokens.numpy()
    held_out, size = evidence.text.tokens.numpy(), len(vocabulary())
    unigram, bigram = unigram_loss(counted, held_out, size), bigram_loss(counted, held_out, size)
    # the baselines have no bar of their own: they are reported, and the model's distance to each counts
    yield Check(name="loss/model", value=loss, bar=bigram, direction="<=")
    yield Check(name="loss/minus_bigram", value=loss - bigram, bar=BIGRAM_BAR, direction="<=")
    yield Check(name="loss/minus_unigram", value=loss - unigram, bar=UNIGRAM_BAR, direction="<=")


def _following_checks(evidence: Evidence, kind: QuestionKind) -> Iterator[Check]:
    planted, others = [], []
    for question in evidence.questions(kind.id):
        statistic, rows = evidence.statistics[question.id], evidence.rows(question)
        rest = statistic.clone()
        rest[rows] = 0.0
        planted += statistic[rows].tolist()
        others.append(float(rest.max()))
    lowest, highest = kind.bar + PLANTED_MARGIN, kind.bar - OTHERS_MARGIN
    yield Check(name=f"rve/{kind.id}/planted_min", value=min(planted), bar=lowest, direction=">=")
    yield Check(name=f"rve/{kind.id}/others_max", value=max(others), bar=highest, direction="<=")


def _near_miss_checks(evidence: Evidence) -> Iterator[Check]:
    questions = evidence.plan.questions
    working = Counter(item.question for item in evidence.plan.assignments if item.neuron in evidence.near_misses)
    fewest = min(working[question.id] for question in questions)
    yield Check(name="near_misses/question_min", value=fewest, bar=FEWEST_NEAR_MISSES, direction=">=")
    in_all = min(ALL_NEAR_MISSES, FEWEST_NEAR_MISSES * len(questions))
    yield Check(name="near_misses/all", value=working.total(), bar=in_all, direction=">=")


def _twin_checks(weights: ModelWeights, kinds: Sequence[QuestionKind]) -> Iterator[Check]:
    """How well the best neurons of random models answer any possible question."""
    text = sample_text(HELD_OUT_SEED, _TWIN_ROWS, int(weights.config["n_ctx"]))
    values = [feature_matrix(kind.possible_features(), text) for kind in kinds]
    best: list[list[Tensor]] = [[] for _ in kinds]
    for seed in range(_TWINS):
        activations = neuron_activations(untrained_twin(weights.config, seed), text.tokens)
        for found, features in zip(best, values, strict=True):
            found.append(variance_explained(activations, features).abs().amax(0))
    for kind, found in zip(kinds, best, strict=True):
        value, highest = float(torch.cat(found).quantile(0.999)), kind.bar - OTHERS_MARGIN
        yield Check(name=f"rve/{kind.id}/twin_best_p999", value=value, bar=highest, direction="<=")


def _ablation_checks(evidence: Evidence, kind: QuestionKind) -> Iterator[Check]:
    joint, single, elsewhere = [], [], []
    for question in evidence.questions(kind.id):
        neurons = evidence.plan.neurons(question.id, key=True)
        if not neurons:
            continue
        here = question.where_read(evidence.text)[:ABLATED_ROWS, :-1] > 0
        rise = evidence.rise(neurons)
        joint.append(float(rise[here].mean()))
        elsewhere.append(abs(float(rise[~here].mean())) / joint[-1])
        single += [float(evidence.rise([neuron])[here].mean()) for neuron in neurons]
    yield Check(name=f"ablation/{kind.id}/question_min", value=min(joint), bar=QUESTION_RISE_BAR, direction=">=")
    yield Check(name=f"ablation/{kind.id}/neuron_min", value=min(single), bar=NEURON_RISE_BAR, direction=">=")
    yield Check(name=f"ablation/{kind.id}/elsewhere_max", value=max(elsewhere), bar=ELSEWHERE_BAR, direction="<=")
