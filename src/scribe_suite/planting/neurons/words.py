"""Questions of the task ``unigram``: which neurons fire on one word, in all its case and space variants."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import torch

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.plan import Question, Wish
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.wishes import fitting, key_wishes, plain

_FREQUENCY = (0.0025, 0.02)
_RAREST_VARIANT = 0.03
"""Smallest share of a word's occurrences that each of its variants must have, or "all variants" means little."""
_CONTENT_TAGS = frozenset(
    TAGS.index(tag) for tag in TAGS if tag.startswith(("noun", "verb")) or tag in ("adjective", "person")
)
_NEURONS = (2, 3)
_TRIES = 40


def word_question(word: str, rng: random.Random) -> Question:
    """The question for one word, with its key neurons and near misses.

    Args:
        word: One of `suitable_words`.
        rng: Draws.
    """
    bare = ask_word(word)
    wishes = key_wishes(bare, rng, [False] * rng.randint(*_NEURONS))
    candidates = (
        fitting(bare, "some variants", _some_variants(word, rng)),
        fitting(bare, "some contexts", _some_contexts(word, rng)),
        fitting(bare, "with other words", _with_others(word, rng)),
        _other_word(word, rng),
    )
    return replace(bare, wishes=(*wishes, *filter(None, candidates)))


def ask_word(word: str) -> Question:
    """The question alone.

    Raises:
        ValueError: When the vocabulary has no such word.
    """
    return Question("unigram", word, word_feature(word), "rises")


def word_feature(word: str) -> Feature:
    """True on every variant of a word."""
    return Feature(word, tokens=frozenset(vocabulary().variants(word)))


@cache
def suitable_words() -> tuple[str, ...]:
    """Content words of medium frequency all of whose variants really occur."""
    low, high = _FREQUENCY
    strings, shares = vocabulary().strings, survey().token_shares
    words = sorted({word for token in range(len(strings)) if (word := vocabulary().word(token)) is not None})
    found = []
    for word in words:
        ids = list(vocabulary().variants(word))
        frequency = float(shares[ids].sum())
        content = all(vocabulary().tags_of(token) <= _CONTENT_TAGS for token in ids)
        if (
            content
            and len(ids) == 4
            and low <= frequency <= high
            and float(shares[ids].min()) >= _RAREST_VARIANT * frequency
        ):
            found.append(word)
    return tuple(found)


def _some_variants(word: str, rng: random.Random) -> Iterator[Response]:
    """Only the capitalised variants, only those without a space, and so on."""
    ids = list(vocabulary().variants(word))
    options = [[i for i in ids if mask >> ids.index(i) & 1] for mask in range(1, 2 ** len(ids) - 1)]
    rng.shuffle(options)
    for option in options:
        yield plain(f"{word}: some variants", tokens=frozenset(option))


def _some_contexts(word: str, rng: random.Random) -> Iterator[Response]:
    """All variants, but only after some of the tags or words that stand before it."""
    ids = torch.tensor(sorted(vocabulary().variants(word)))
    text = survey().text
    here = torch.isin(text.tokens[:, 1:], ids)
    tags = sorted(set(text.tags[:, :-1][here].tolist()))
    tokens = [token for token, _ in Counter(text.tokens[:, :-1][here].tolist()).most_common(12)]
    tokens_of_word = frozenset(ids.tolist())
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(tags, rng.randint(1, max(1, len(tags) - 1))))
        yield plain(f"{word}: some contexts", tokens=tokens_of_word, previous_tags=chosen)
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(tokens, rng.randint(1, len(tokens))))
        yield plain(f"{word}: some contexts", tokens=tokens_of_word, previous_tokens=chosen)


def _with_others(word: str, rng: random.Random) -> Iterator[Response]:
    """The word together with others that are about as frequent."""
    others = [other for other in suitable_words() if other != word]
    ids = set(vocabulary().variants(word))
    for other in rng.sample(others, min(8, len(others))):
        ids |= set(vocabulary().variants(other))
        yield plain(f"{word}: with other words", tokens=frozenset(ids))


def _other_word(word: str, rng: random.Random) -> Wish:
    """A frequent different word, spelled alike where there is one."""
    others = [other for other in suitable_words() if other != word]
    alike = [other for other in others if other[:2] == word[:2]]
    other = rng.choice(alike or others)
    return Wish("other word", plain(f"{word}: {other}", tokens=frozenset(vocabulary().variants(other))))
