"""Draw what is planted in a model: questions of the requested kinds that do not interfere with each other.

Features overlap (a frequent word makes up much of its letter), and a neuron that is right for one question must be
clearly wrong for all others. So a question joins only if, on a sample of the language, every neuron planted so far
stays below the bars of all questions that it does not answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from scribe_suite.planting.neurons.kinds import QuestionKind
from scribe_suite.planting.neurons.measure import Neuron, all_neurons
from scribe_suite.planting.neurons.plan import Assignment, NeuronPlan, Question
from scribe_suite.planting.neurons.targets import expected_statistic

#: How close a planted neuron may come to the bar of a question that it does not answer, before training.
HIGHEST_OTHER = 0.82

#: Activation of a planted neuron where its response is 1, drawn from this range.
_STRENGTH = (1.5, 4.0)
#: A ramp is never further from its mean than half of its strength, others nearly all of it.
_RAMPS_STRONGER = 1.5
#: A question with fewer near misses is not used.
_NEAR_MISSES = 2


def draw_plan(seed: int, kinds: Sequence[QuestionKind], n_layers: int, d_mlp: int) -> NeuronPlan:
    """Draw questions, and neurons for all of their targets.

    Args:
        seed: The same seed gives the same plan.
        kinds: Their kinds, in the order in which questions are drawn: the later ones must go together with the
            earlier ones, so the kinds with the least choice come first.
        n_layers: Layers of the model; the key neurons of a question lie in different ones as far as there are enough.
        d_mlp: Neurons per layer.

    Raises:
        ValueError: When the language offers too few questions that go together, or the model too few neurons.
    """
    rng = random.Random(f"neurons {seed}")
    chosen: list[Question] = []
    for supply in (supply for kind in kinds for supply in kind.supplies(rng)):
        before = len(chosen)
        for draw in supply.candidates:
            question = draw()
            if _usable(question) and _compatible(question, chosen):
                chosen.append(question)
                if len(chosen) - before == supply.wanted:
                    break
        if (found := len(chosen) - before) < supply.wanted:
            raise ValueError(f"seed {seed}: only {found} of {supply.wanted} questions go together; try another")
    return NeuronPlan(tuple(chosen), tuple(_assign(chosen, rng, n_layers, d_mlp)))


def _usable(question: Question) -> bool:
    return sum(target.role != "key" for target in question.targets) >= _NEAR_MISSES


def _compatible(new: Question, chosen: list[Question]) -> bool:
    """Whether no planted neuron answers a question that it is not meant to answer."""
    if any(new.id == old.id for old in chosen):
        return False
    foreign = [
        *((target, old) for old in chosen for target in new.targets),
        *((target, new) for old in chosen for target in old.targets),
        *((target, new) for target in new.targets if target.role != "key"),
    ]
    return all(
        expected_statistic(target.response, question) <= HIGHEST_OTHER * question.bar for target, question in foreign
    )


def _assign(questions: list[Question], rng: random.Random, n_layers: int, d_mlp: int) -> Iterator[Assignment]:
    free = all_neurons(n_layers, d_mlp)
    rng.shuffle(free)
    if sum(len(question.targets) for question in questions) > len(free):
        raise ValueError(f"{len(free)} neurons are too few for what is planted")

    def take(layer: int | None) -> Neuron:
        return free.pop(next(i for i, neuron in enumerate(free) if layer is None or neuron.layer == layer))

    for question in questions:
        layers = iter(rng.sample(range(n_layers), n_layers))
        for target in question.targets:
            neuron = take(next(layers, None) if target.role == "key" else None)
            strength = rng.uniform(*_STRENGTH) * (_RAMPS_STRONGER if question.read_before else 1.0)
            yield Assignment(neuron, question.id, target, round(strength, 2))
