"""Questions about words: which neurons fire on one word, in all its case and space variants."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import torch

from scribe_suite.planting.english import TAGS, vocabulary
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.neurons.evidence import Evidence
from scribe_suite.planting.neurons.features import Feature, Response
from scribe_suite.planting.neurons.kinds import QuestionKind, Supply, drawn_from
from scribe_suite.planting.neurons.plan import Question, Target
from scribe_suite.planting.neurons.survey import survey
from scribe_suite.planting.neurons.targets import key_targets, near_miss, response_to

#: How many words one model is asked about.
N_WORDS = 6
#: Least activation of a word's key neurons on its weakest variant, as a share of their mean over the word.
WEAKEST_VARIANT_BAR = 0.4

#: Smallest and largest share of a word among all tokens.
_FREQUENCY = (0.0025, 0.02)
#: Smallest share of a word's occurrences that each of its variants must have, or "all variants" means little.
_RAREST_VARIANT = 0.03
_CONTENT_TAGS = frozenset(
    TAGS.index(tag) for tag in TAGS if tag.startswith(("noun", "verb")) or tag in ("adjective", "person")
)
#: Fewest and most key neurons of a word.
_NEURONS = (2, 3)
#: How many draws of a near miss of one kind are tried.
_TRIES = 40


class Words(QuestionKind):
    """Which neurons fire on a word?"""

    id = "unigram"
    bar = 0.5  # of Gurnee et al.

    def ask(self, name: str) -> Question:
        """See `QuestionKind.ask`: the name is the word, in lower case."""
        return self.question(name, word_feature(name), "rises")

    def supplies(self, rng: random.Random) -> Iterator[Supply]:
        """See `QuestionKind.supplies`: words in any order."""
        words = rng.sample(suitable_words(), len(suitable_words()))
        yield Supply(N_WORDS, drawn_from(lambda word: word_question(word, rng), words))

    def possible_features(self) -> list[Feature]:
        """See `QuestionKind.possible_features`: all suitable words."""
        return [word_feature(word) for word in suitable_words()]

    def further_checks(self, evidence: Evidence) -> Iterator[Check]:
        """See `QuestionKind.further_checks`: key neurons fire on every variant of their word."""
        weakest = [_weakest_variant(evidence, question) for question in evidence.questions(self.id)]
        yield Check(name="firing/weakest_variant", value=min(weakest), bar=WEAKEST_VARIANT_BAR, direction=">=")


WORDS = Words()


def word_question(word: str, rng: random.Random) -> Question:
    """The question for one word, with its key neurons and near misses.

    Args:
        word: One of `suitable_words`.
        rng: Draws.
    """
    bare = WORDS.ask(word)
    targets = key_targets(bare, rng, [False] * rng.randint(*_NEURONS))
    candidates = (
        near_miss(bare, "some variants", _some_variants(word, rng)),
        near_miss(bare, "some contexts", _some_contexts(word, rng)),
        near_miss(bare, "with other words", _with_others(word, rng)),
        _other_word(word, rng),
    )
    return replace(bare, targets=(*targets, *filter(None, candidates)))


def word_feature(word: str) -> Feature:
    """True on every variant of a word.

    Raises:
        ValueError: When the vocabulary has no such word.
    """
    return Feature(word, tokens=frozenset(vocabulary().variants(word)))


@cache
def suitable_words() -> tuple[str, ...]:
    """Content words of medium frequency whose variants all occur."""
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


def _weakest_variant(evidence: Evidence, question: Question) -> float:
    """The smallest mean activation on one variant, as a share of the mean over all of them; worst neuron."""
    rows, flat = evidence.rows(question), evidence.text.tokens.flatten()
    here = question.feature.values(evidence.text).flatten() > 0
    overall = evidence.activations[here][:, rows].mean(0)
    variants = [flat == token for token in vocabulary().variants(question.name)]
    means = [evidence.activations[variant][:, rows].mean(0) for variant in variants if variant.any()]
    return float((torch.stack(means) / overall).min())


def _some_variants(word: str, rng: random.Random) -> Iterator[Response]:
    """Only the capitalised variants, only those without a space, and so on."""
    ids = list(vocabulary().variants(word))
    options = [[i for i in ids if mask >> ids.index(i) & 1] for mask in range(1, 2 ** len(ids) - 1)]
    rng.shuffle(options)
    for option in options:
        yield response_to(f"{word}: some variants", tokens=frozenset(option))


def _some_contexts(word: str, rng: random.Random) -> Iterator[Response]:
    """All variants, but only after some of the tags or words that precede it."""
    ids = torch.tensor(sorted(vocabulary().variants(word)))
    text = survey().text
    here = torch.isin(text.tokens[:, 1:], ids)
    tags = sorted(set(text.tags[:, :-1][here].tolist()))
    tokens = [token for token, _ in Counter(text.tokens[:, :-1][here].tolist()).most_common(12)]
    tokens_of_word = frozenset(ids.tolist())
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(tags, rng.randint(1, max(1, len(tags) - 1))))
        yield response_to(f"{word}: some contexts", tokens=tokens_of_word, previous_tags=chosen)
    for _ in range(_TRIES):
        chosen = frozenset(rng.sample(tokens, rng.randint(1, len(tokens))))
        yield response_to(f"{word}: some contexts", tokens=tokens_of_word, previous_tokens=chosen)


def _with_others(word: str, rng: random.Random) -> Iterator[Response]:
    """The word together with others that are about as frequent."""
    others = [other for other in suitable_words() if other != word]
    ids = set(vocabulary().variants(word))
    for other in rng.sample(others, min(8, len(others))):
        ids |= set(vocabulary().variants(other))
        yield response_to(f"{word}: with other words", tokens=frozenset(ids))


def _other_word(word: str, rng: random.Random) -> Target:
    """A frequent different word, spelled alike where there is one."""
    others = [other for other in suitable_words() if other != word]
    alike = [other for other in others if other[:2] == word[:2]]
    other = rng.choice(alike or others)
    return Target("other word", response_to(f"{word}: {other}", tokens=frozenset(vocabulary().variants(other))))
