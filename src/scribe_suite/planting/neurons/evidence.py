"""The behaviour of a model's neurons on held-out text, from which the checks of its certificate are computed."""

from __future__ import annotations

from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.english import sample_text
from scribe_suite.planting.hooked import ModelWeights, build_model
from scribe_suite.planting.neurons.features import feature_matrix
from scribe_suite.planting.neurons.measure import (
    Neuron,
    all_neurons,
    neuron_activations,
    next_token_loss,
    variance_explained,
)
from scribe_suite.planting.neurons.plan import NeuronPlan, Question

#: Seed of the text that the certificate is measured on, and nothing else uses.
HELD_OUT_SEED = 3_000_000_017
#: A near miss that follows its own target less well than this is not misleading, and does not count as one.
NEAR_MISS_BAR = 0.4
#: How many texts ablations are tried on: there are some eighty ablations, and each takes a run of the model.
ABLATED_ROWS = 384

#: How many texts the whole measurement uses.
_ROWS = 1024


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
        self.text = sample_text(HELD_OUT_SEED, _ROWS, self.length)
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
        """The neurons planted as near misses that follow their targets."""
        found = []
        for item in self.plan.assignments:
            if item.target.role != "key":
                wanted = item.target.response.on(self.text).flatten()[:, None]
                own = float(variance_explained(self.activations[:, [self.row[item.neuron]]], wanted))
                found += [item.neuron] if own >= NEAR_MISS_BAR else []
        return frozenset(found)

    def rows(self, question: Question, *, key: bool = True) -> list[int]:
        """The indices of a question's key neurons, or near misses, on the ``neuron`` axis."""
        return [self.row[neuron] for neuron in self.plan.neurons(question.id, key=key)]

    def questions(self, kind: str) -> list[Question]:
        """The questions of the kind with this id."""
        return [question for question in self.plan.questions if question.kind == kind]

    def rise(self, neurons: list[Neuron]) -> Float[Tensor, "rows pos-1"]:
        """The rise of the loss when `neurons` are held at their means, on the first `ABLATED_ROWS` texts."""
        tokens = self.text.tokens[:ABLATED_ROWS]
        return next_token_loss(self.model, tokens, neurons, self.activations.mean(0)) - self.losses[:ABLATED_ROWS]
