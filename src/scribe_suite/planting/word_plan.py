"""Which neurons of a language model shall follow which words, drawn from a seed, near misses included.

A word's own neurons fire on all its case and space variants, everywhere. Its near misses look like that at a glance:
one fires on some of the variants only, one on the word after certain words only, one on the word and on others as well,
and one on a word that is spelled like it. They fire as hard as the word's own neurons, and the word explains little of
what they do.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Int

from scribe_suite.planting import lexicon
from scribe_suite.planting.language import sample_tokens, vocabulary
from scribe_suite.planting.neuron_training import Assignment, PlantingPlan
from scribe_suite.planting.neurons import TokenFeature, all_neurons

_SURVEY_SEED = 7
_SURVEY_ROWS = 4000
_SURVEY_LENGTH = 64

_FREQUENCY = (0.003, 0.03)
_RAREST_VARIANT = 0.03
"""Smallest share of a word's occurrences that each of its variants must have, or "all variants" means little."""
_NEAR_MISS_SHARE = (0.16, 0.27)
"""What a near miss may share with its word; its RVE with the word is about this."""
_STRENGTH = (2.0, 4.0)
_NEURONS_PER_WORD = (2, 4)


@dataclass(frozen=True)
class WordPlan:
    """A `PlantingPlan` and what its features mean.

    Attributes:
        planting: What to train.
        words: The planted words, lower case.
        near_misses: Word -> names of the features made to be taken for it.
    """

    planting: PlantingPlan
    words: tuple[str, ...]
    near_misses: dict[str, tuple[str, ...]]

    def key(self) -> dict[str, list[str]]:
        """Word -> names of its neurons."""
        return {word: sorted(map(str, self.planting.neurons_of(word))) for word in self.words}

    def near_miss_key(self) -> dict[str, list[str]]:
        """Word -> names of the neurons made to be taken for its own."""
        return {
            word: sorted(str(neuron) for name in names for neuron in self.planting.neurons_of(name))
            for word, names in self.near_misses.items()
        }


def draw_word_plan(seed: int, n_words: int, n_layers: int, d_mlp: int) -> WordPlan:
    """Draw words, their neurons and their near misses.

    Args:
        seed: The same seed gives the same plan.
        n_words: How many words.
        n_layers: Layers of the model; every word gets neurons in at least two of them, where there are two.
        d_mlp: Neurons per layer.

    Raises:
        ValueError: When the language has too few suitable words, or the model too few neurons.
    """
    rng = random.Random(f"words {seed}")
    suitable = sorted(_suitable_words())
    if n_words > len(suitable):
        raise ValueError(f"only {len(suitable)} words are frequent enough in all variants; {n_words} were asked for")
    words = tuple(rng.sample(suitable, n_words))
    near: dict[str, list[TokenFeature]] = {word: list(_near_misses(word, words, rng)) for word in words}
    features = [_whole_word(word) for word in words]
    counts = {word: rng.randint(*_NEURONS_PER_WORD) for word in words}

    free = all_neurons(n_layers, d_mlp)
    rng.shuffle(free)
    if len(free) < sum(counts.values()) + sum(map(len, near.values())):
        raise ValueError(f"{len(free)} neurons are too few for {n_words} words and their near misses")

    def assign(feature: str, layer: int | None) -> Assignment:
        place = next(i for i, neuron in enumerate(free) if layer is None or neuron.layer == layer)
        return Assignment(free.pop(place), feature, round(rng.uniform(*_STRENGTH), 2))

    assignments = []
    for word in words:
        layers = rng.sample(range(n_layers), n_layers)
        assignments += [assign(word, layers[i] if i < min(2, n_layers) else None) for i in range(counts[word])]
        assignments += [assign(feature.name, None) for feature in near[word]]
    planting = PlantingPlan([*features, *(f for found in near.values() for f in found)], words, assignments)
    return WordPlan(planting, words, {word: tuple(f.name for f in found) for word, found in near.items()})


def suitable_word_features() -> list[TokenFeature]:
    """One feature per word that could be planted: all its variants, everywhere."""
    return [_whole_word(word) for word in sorted(_suitable_words())]


def _whole_word(word: str) -> TokenFeature:
    return TokenFeature(word, frozenset(vocabulary().variants(word)))


@dataclass(frozen=True)
class _Survey:
    """Counts of a large sample of the language."""

    tokens: Int[np.ndarray, "rows length"]
    shares: np.ndarray

    def frequency(self, ids: Sequence[int]) -> float:
        return float(self.shares[list(ids)].sum())


@cache
def _survey() -> _Survey:
    tokens = sample_tokens(_SURVEY_SEED, _SURVEY_ROWS, _SURVEY_LENGTH)
    return _Survey(tokens, np.bincount(tokens.ravel(), minlength=len(vocabulary())) / tokens.size)


@cache
def _suitable_words() -> tuple[str, ...]:
    """Content words of medium frequency all of whose variants really occur."""
    survey = _survey()
    low, high = _FREQUENCY
    found = []
    for word in lexicon.content_words():
        ids = vocabulary().variants(word)
        frequency = survey.frequency(ids)
        if low <= frequency <= high and survey.shares[list(ids)].min() >= _RAREST_VARIANT * frequency:
            found.append(word)
    return tuple(found)


def _near_misses(word: str, words: Sequence[str], rng: random.Random) -> Iterator[TokenFeature]:
    yield _some_variants(word, rng)
    yield _some_contexts(word)
    yield _with_others(word, words, rng)
    sibling = _spelled_alike(word)
    if sibling is not None and sibling not in words:
        yield TokenFeature(f"{word}: spelled like it", frozenset(vocabulary().variants(sibling)))


def _some_variants(word: str, rng: random.Random) -> TokenFeature:
    """Only the capitalised variants, or only those without a space: whichever is rare enough."""
    strings, survey = vocabulary().strings, _survey()
    ids = vocabulary().variants(word)
    total = survey.frequency(ids)
    options = [
        [i for i in ids if strings[i].strip()[0].isupper()],
        [i for i in ids if not strings[i].startswith(" ")],
        [i for i in ids if not strings[i].startswith(" ") or strings[i].strip()[0].isupper()],
    ]
    low, high = _NEAR_MISS_SHARE
    fitting = [option for option in options if low <= survey.frequency(option) / total <= high]
    if not fitting:
        raise ValueError(f"no part of the variants of {word!r} is between {low} and {high} of its occurrences")
    return TokenFeature(f"{word}: some variants", frozenset(rng.choice(fitting)))


def _some_contexts(word: str) -> TokenFeature:
    """All variants, but only after words that together stand before a part of its occurrences."""
    tokens = _survey().tokens
    ids = vocabulary().variants(word)
    before = Counter(tokens[:, :-1][np.isin(tokens[:, 1:], ids)].tolist())
    total = sum(before.values())
    low, high = _NEAR_MISS_SHARE
    chosen: set[int] = set()
    share = 0.0
    # few and frequent words: a network learns these where it would give up on many rare ones
    for token, count in sorted(before.items(), key=lambda item: (-item[1], item[0])):
        if share < low and share + count / total <= high:
            chosen.add(token)
            share += count / total
    if share < low:
        raise ValueError(f"no set of words stands before {low} to {high} of the occurrences of {word!r}")
    return TokenFeature(f"{word}: some contexts", frozenset(ids), frozenset(chosen))


def _with_others(word: str, words: Sequence[str], rng: random.Random) -> TokenFeature:
    """The word together with so many others that it is a small part of the whole."""
    survey = _survey()
    _, high = _NEAR_MISS_SHARE
    own = survey.frequency(vocabulary().variants(word))
    others = sorted(set(_suitable_words()) - set(words))
    rng.shuffle(others)
    ids = set(vocabulary().variants(word))
    for other in others:
        if own / survey.frequency(sorted(ids)) <= high:
            break
        ids |= set(vocabulary().variants(other))
    return TokenFeature(f"{word}: with others", frozenset(ids))


def _spelled_alike(word: str) -> str | None:
    for topic in lexicon.TOPICS.values():
        known = (*topic.nouns, *topic.plurals)
        if word in known:
            return next((other for other in known if other != word and other[:3] == word[:3]), None)
    return None
