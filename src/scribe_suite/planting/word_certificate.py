"""Why a word's planted neurons are its neurons: every check, measured anew from the weights on text nobody has seen.

Four claims: the model is a language model (it beats counting); the planted neurons, and no others, follow their words,
by a margin that random weights never reach; near misses are real neurons of something else; and the model reads what
the planted neurons say (Gurnee et al. 2024, arXiv 2401.12181, sections 4 and 5, measure both sides as well).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.language import sample_tokens, vocabulary
from scribe_suite.planting.neurons import (
    Neuron,
    all_neurons,
    feature_matrix,
    neuron_activations,
    next_token_loss,
    variance_explained,
)
from scribe_suite.planting.ngrams import bigram_loss, unigram_loss
from scribe_suite.planting.word_plan import WordPlan, suitable_word_features

RVE_BAR = 0.5
"""The unigram bar of Gurnee et al.: a neuron above it is a neuron of the word."""
OTHERS_BAR = 0.3
"""No other neuron comes above this, so that any sensible threshold gives the same answer."""
NEAR_MISS_BAR = 0.3
"""How well a near miss follows at least what it was made for; below, it would tempt nobody."""

_HELD_OUT_SEED = 3_000_000_017
_COUNTED_SEED = 3_000_000_019
_ROWS = 1024
_COUNTED_ROWS = 15_000
_TWINS = 16
_TWIN_ROWS = 256


def word_checks(weights: ModelWeights, plan: WordPlan) -> tuple[Check, ...]:
    """Every check of the certificate that needs nothing but the model.

    Args:
        weights: The model as it comes back from disk (`frozen.round_to_half`).
        plan: What was planted.
    """
    evidence = _Evidence(weights, plan)
    return (
        *_language_checks(evidence),
        *_following_checks(evidence),
        *_twin_checks(weights),
        *_ablation_checks(evidence),
    )


class _Evidence:
    """The model, run once on held-out text."""

    def __init__(self, weights: ModelWeights, plan: WordPlan) -> None:
        self.plan = plan
        self.model = build_model(weights)
        self.length = int(weights.config["n_ctx"])
        self.tokens = torch.from_numpy(sample_tokens(_HELD_OUT_SEED, _ROWS, self.length))
        self.activations = neuron_activations(self.model, self.tokens)
        self.features = feature_matrix(plan.planting.features, self.tokens)
        self.losses = next_token_loss(self.model, self.tokens)
        self.explained = variance_explained(self.activations, self.features)
        names = [feature.name for feature in plan.planting.features]
        self.column = {name: column for column, name in enumerate(names)}
        neurons = all_neurons(self.model.cfg.n_layers, self.model.cfg.d_mlp)
        self.row = {neuron: row for row, neuron in enumerate(neurons)}

    def rise(self, neurons: list[Neuron]) -> Float[Tensor, "batch pos-1"]:
        """How much the loss rises where `neurons` are held at their means."""
        return next_token_loss(self.model, self.tokens, neurons, self.activations.mean(0)) - self.losses


def _language_checks(evidence: _Evidence) -> list[Check]:
    loss = float(evidence.losses.mean())
    counted = sample_tokens(_COUNTED_SEED, _COUNTED_ROWS, evidence.length)
    held_out, size = evidence.tokens.numpy(), len(vocabulary())
    return [
        Check(name="loss/minus_unigram", value=loss - unigram_loss(counted, held_out, size), bar=-1.0, direction="<="),
        Check(name="loss/minus_bigram", value=loss - bigram_loss(counted, held_out, size), bar=-0.05, direction="<="),
    ]


def _following_checks(evidence: _Evidence) -> list[Check]:
    planted: list[float] = []
    others: list[float] = []
    weakest: list[float] = []
    for word in evidence.plan.words:
        column = evidence.column[word]
        rows = [evidence.row[neuron] for neuron in evidence.plan.planting.neurons_of(word)]
        rest = evidence.explained[:, column].clone()
        rest[rows] = 0.0
        planted.append(float(evidence.explained[rows, column].min()))
        others.append(float(rest.max()))
        weakest.append(_weakest_variant(evidence, word, rows))
    near_misses = [
        float(evidence.explained[evidence.row[neuron], evidence.column[name]])
        for names in evidence.plan.near_misses.values()
        for name in names
        for neuron in evidence.plan.planting.neurons_of(name)
    ]
    return [
        Check(name="rve/planted_min", value=min(planted), bar=RVE_BAR, direction=">="),
        Check(name="rve/others_max", value=max(others), bar=OTHERS_BAR, direction="<="),
        Check(name="rve/near_miss_own_min", value=min(near_misses), bar=NEAR_MISS_BAR, direction=">="),
        Check(name="firing/weakest_variant", value=min(weakest), bar=0.4, direction=">="),
    ]


def _weakest_variant(evidence: _Evidence, word: str, rows: list[int]) -> float:
    """The smallest mean activation on one variant, as a share of the mean over all of them; worst neuron."""
    flat = evidence.tokens.flatten()
    overall = evidence.activations[evidence.features[:, evidence.column[word]] > 0][:, rows].mean(0)
    means = [
        evidence.activations[flat == token][:, rows].mean(0)
        for token in vocabulary().variants(word)
        if (flat == token).any()
    ]
    return float((torch.stack(means) / overall).min())


def _twin_checks(weights: ModelWeights) -> list[Check]:
    """The best of all neurons of a random model at following some word, over models and words."""
    tokens = torch.from_numpy(sample_tokens(_HELD_OUT_SEED, _TWIN_ROWS, int(weights.config["n_ctx"])))
    features = feature_matrix(suitable_word_features(), tokens)
    best = [
        variance_explained(neuron_activations(untrained_twin(weights.config, seed), tokens), features).amax(0)
        for seed in range(_TWINS)
    ]
    value = float(torch.cat(best).quantile(0.999))
    return [Check(name="rve/twin_best_p999", value=value, bar=RVE_BAR, direction="<=")]


def _ablation_checks(evidence: _Evidence) -> list[Check]:
    joint, single, elsewhere = [], [], []
    for word in evidence.plan.words:
        neurons = evidence.plan.planting.neurons_of(word)
        here = evidence.features[:, evidence.column[word]].view(evidence.tokens.shape)[:, :-1] > 0
        rise = evidence.rise(neurons)
        joint.append(float(rise[here].mean()))
        elsewhere.append(abs(float(rise[~here].mean())))
        single += [float(evidence.rise([neuron])[here].mean()) for neuron in neurons]
    return [
        Check(name="ablation/word_min", value=min(joint), bar=0.2, direction=">="),
        Check(name="ablation/neuron_min", value=min(single), bar=0.03, direction=">="),
        Check(name="ablation/elsewhere_max", value=max(elsewhere), bar=0.01, direction="<="),
    ]
