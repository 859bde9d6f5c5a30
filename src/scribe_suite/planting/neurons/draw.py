"""Draw what is planted in a model: questions of all five tasks, none of which gets in the way of another.

Features overlap (a frequent word makes up much of its letter), and a neuron that is right for one question must be
clearly wrong for all others. So a question joins only if, on a sample of the language, every neuron planted so far
stays below the bars of all questions that it does not answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product

from scribe_suite.planting.neurons.categories import category_question, suitable_categories
from scribe_suite.planting.neurons.letters import letter_question, suitable_letters
from scribe_suite.planting.neurons.measure import Neuron, all_neurons
from scribe_suite.planting.neurons.plan import Assignment, NeuronPlan, Question
from scribe_suite.planting.neurons.positions import band_question, draw_band, first_position_question, ramp_question
from scribe_suite.planting.neurons.wishes import expected_statistic
from scribe_suite.planting.neurons.words import suitable_words, word_question

N_WORDS = 6
N_LETTERS = 6
N_ABSENT_LETTERS = 2
N_CATEGORIES = 3
"""Of the current token, and as many of the previous one."""

HIGHEST_OTHER = 0.82
"""What a planted neuron may reach of the bar of a question that it does not answer, before training."""

_STRENGTH = (1.5, 4.0)
_RAMPS_STRONGER = 1.5
"""A ramp is never further from its mean than half of its strength, others nearly all of it."""
_NEAR_MISSES = 2
"""A question with fewer near misses is not used."""
_TRIES = 4

_Candidates = Iterator[Callable[[], Question]]


def draw_plan(seed: int, n_layers: int, d_mlp: int) -> NeuronPlan:
    """Draw questions, and neurons for all of their wishes.

    Args:
        seed: The same seed gives the same plan.
        n_layers: Layers of the model; the key neurons of a question lie in different ones as far as there are enough.
        d_mlp: Neurons per layer.

    Raises:
        ValueError: When the language offers too few questions that go together, or the model too few neurons.
    """
    rng = random.Random(f"neurons {seed}")
    chosen: list[Question] = []
    for wanted, candidates in _sources(rng):
        before = len(chosen)
        for make in candidates:
            question = make()
            if _usable(question) and _compatible(question, chosen):
                chosen.append(question)
                if len(chosen) - before == wanted:
                    break
        if len(chosen) - before < wanted:
            raise ValueError(f"seed {seed}: only {len(chosen) - before} of {wanted} questions go together; try another")
    return NeuronPlan(tuple(chosen), tuple(_assign(chosen, rng, n_layers, d_mlp)))


def _sources(rng: random.Random) -> Iterator[tuple[int, _Candidates]]:
    """How many questions are wanted of each kind, and ways to make them."""
    yield 1, _repeated(lambda: first_position_question(active=True, rng=rng))
    yield 1, _repeated(lambda: first_position_question(active=False, rng=rng))
    yield 1, _repeated(lambda: ramp_question(rising=True, rng=rng))
    yield 1, _repeated(lambda: ramp_question(rising=False, rng=rng))
    yield 1, _repeated(lambda: band_question(*draw_band(early=True, rng=rng), rng))
    yield 1, _repeated(lambda: band_question(*draw_band(early=False, rng=rng), rng))
    for place in ("current", "previous"):
        categories = rng.sample(suitable_categories(), len(suitable_categories()))
        yield (
            N_CATEGORIES,
            (
                (lambda category=category, place=place: category_question(category, place, rng))  # type: ignore[misc]
                for category, _ in product(categories, range(_TRIES))
            ),
        )
    letters = rng.sample(suitable_letters(), len(suitable_letters()))
    for wanted, present in ((N_LETTERS, True), (N_ABSENT_LETTERS, False)):
        yield (
            wanted,
            (
                (lambda letter=letter, present=present: letter_question(letter, rng, present=present))  # type: ignore[misc]
                for letter, _ in product(letters, range(_TRIES))
            ),
        )
    words = rng.sample(suitable_words(), len(suitable_words()))
    yield (
        N_WORDS,
        (
            (lambda word=word: word_question(word, rng))  # type: ignore[misc]
            for word, _ in product(words, range(_TRIES))
        ),
    )


def _repeated(make: Callable[[], Question]) -> _Candidates:
    return (make for _ in range(5 * _TRIES))


def _usable(question: Question) -> bool:
    return sum(wish.kind != "key" for wish in question.wishes) >= _NEAR_MISSES


def _compatible(new: Question, chosen: list[Question]) -> bool:
    """Whether no planted neuron answers a question that it is not meant to answer."""
    if any(new.id == old.id for old in chosen):
        return False
    foreign = [
        *((wish, old) for old in chosen for wish in new.wishes),
        *((wish, new) for old in chosen for wish in old.wishes),
        *((wish, new) for wish in new.wishes if wish.kind != "key"),
    ]
    return all(
        expected_statistic(wish.response, question) <= HIGHEST_OTHER * question.bar for wish, question in foreign
    )


def _assign(questions: list[Question], rng: random.Random, n_layers: int, d_mlp: int) -> Iterator[Assignment]:
    free = all_neurons(n_layers, d_mlp)
    rng.shuffle(free)
    if sum(len(question.wishes) for question in questions) > len(free):
        raise ValueError(f"{len(free)} neurons are too few for what is planted")

    def take(layer: int | None) -> Neuron:
        return free.pop(next(i for i, neuron in enumerate(free) if layer is None or neuron.layer == layer))

    for question in questions:
        layers = iter(rng.sample(range(n_layers), n_layers))
        for wish in question.wishes:
            neuron = take(next(layers, None) if wish.kind == "key" else None)
            strength = rng.uniform(*_STRENGTH) * (_RAMPS_STRONGER if question.read_before else 1.0)
            yield Assignment(neuron, question.id, wish, round(strength, 2))
