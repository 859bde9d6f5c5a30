"""A seeded, unlimited source of English-like text with word-level tokens that come in case and space variants.

A text has a topic, a main character and some lines; a line is prose, a title, a chat message, a row of tags or a
glossary entry, and so the same word occurs as ``" cat"``, ``"cat"``, ``"Cat"`` and ``" Cat"``. Words choose their
company (a noun its verbs, a verb its prepositions), and topic and characters persist, so that a language model gains
from the word it sees and from what came before it. Nothing here knows about models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

import numpy as np
from jaxtyping import Int

from scribe_suite.planting import lexicon

DOCUMENT = "<doc>"
NEWLINE = "\n"
_MARKS = (DOCUMENT, NEWLINE, ".", ",", "?", ":", ' "', '"', "#", " #")
_GLUED = frozenset({DOCUMENT, NEWLINE, ' "', "#", " #"})
"""Marks after which a word stands without a space."""

_COMPANY_SEED = 20_240_122
"""Which words go together is part of the language, the same in every text."""
_ON_TOPIC = 0.85
_USUAL_COMPANY = 0.7
_VARIANTS = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True)
class Vocabulary:
    """Token id -> string.

    Attributes:
        strings: One string per id, all different.
    """

    strings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.strings)

    def variants(self, word: str) -> tuple[int, ...]:
        """Ids of all tokens that are `word` up to case and spaces.

        Raises:
            ValueError: When no token is.
        """
        found = tuple(i for i, string in enumerate(self.strings) if string.strip().lower() == word)
        if not found:
            raise ValueError(f"the vocabulary has no token for the word {word!r}")
        return found


@cache
def vocabulary() -> Vocabulary:
    """The marks, then four variants of every word: ``cat``, `` cat``, ``Cat``, `` Cat``."""
    words = [_spell(word, space, capital) for word in lexicon.all_words() for space, capital in _VARIANTS]
    return Vocabulary((*_MARKS, *words))


def sample_tokens(seed: int, rows: int, length: int) -> Int[np.ndarray, "rows length"]:
    """`rows` independent texts, each the first `length` tokens of a new document.

    Args:
        seed: The same seed gives the same tokens, whatever was drawn before.
        rows: How many texts.
        length: Tokens per text, the document mark included.

    Raises:
        ValueError: When `rows` or `length` is not positive.
    """
    if rows < 1 or length < 1:
        raise ValueError(f"a text needs rows and tokens, got {rows} rows of {length}")
    rng = random.Random(seed)
    table = _spelling_table()
    return np.array([_document(rng, length, table) for _ in range(rows)], dtype=np.int64)


def _spell(word: str, space: bool, capital: bool) -> str:
    return (" " if space else "") + (word.capitalize() if capital else word)


@cache
def _spelling_table() -> Mapping[str, tuple[int, ...]]:
    """Mark -> its id; word -> ids of its variants, index 2 * capital + space."""
    ids = {string: i for i, string in enumerate(vocabulary().strings)}
    table: dict[str, tuple[int, ...]] = {mark: (ids[mark],) for mark in _MARKS}
    for word in lexicon.all_words():
        table[word] = tuple(ids[_spell(word, space, capital)] for space, capital in _VARIANTS)
    return table


class _Choice:
    """A weighted choice whose earlier items are likelier (weight 1 / rank ** 0.8)."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items = items
        self.cumulative = list(accumulate(1 / rank**0.8 for rank in range(1, len(items) + 1)))

    def __call__(self, rng: random.Random) -> str:
        return rng.choices(self.items, cum_weights=self.cumulative)[0]


@dataclass(frozen=True)
class _Grammar:
    nouns: Mapping[str, _Choice]
    plurals: Mapping[str, _Choice]
    verbs: Mapping[str, _Choice]
    adjectives: Mapping[str, _Choice]
    names: _Choice
    determiners: _Choice
    plural_determiners: _Choice
    speech: _Choice
    prepositions: _Choice
    adverbs: _Choice
    verbs_of: Mapping[str, _Choice]
    followers_of: Mapping[str, _Choice]
    plural_forms: frozenset[str]


@cache
def _grammar() -> _Grammar:
    rng = random.Random(_COMPANY_SEED)
    topics = lexicon.TOPICS
    every_verb = [verb for topic in topics.values() for verb in topic.verbs] + list(lexicon.COMMON_VERBS)
    actors = [word for topic in topics.values() for word in (*topic.nouns, *topic.plurals)] + list(lexicon.NAMES)
    followers = list(lexicon.PREPOSITIONS + lexicon.ADVERBS)
    return _Grammar(
        nouns={name: _Choice(topic.nouns) for name, topic in topics.items()},
        plurals={name: _Choice(topic.plurals) for name, topic in topics.items()},
        verbs={name: _Choice(topic.verbs + lexicon.COMMON_VERBS) for name, topic in topics.items()},
        adjectives={name: _Choice(topic.adjectives) for name, topic in topics.items()},
        names=_Choice(lexicon.NAMES),
        determiners=_Choice(lexicon.DETERMINERS),
        plural_determiners=_Choice(lexicon.PLURAL_DETERMINERS),
        speech=_Choice(lexicon.SPEECH_VERBS),
        prepositions=_Choice(lexicon.PREPOSITIONS),
        adverbs=_Choice(lexicon.ADVERBS),
        verbs_of={actor: _Choice(rng.sample(every_verb, 2)) for actor in actors},
        followers_of={verb: _Choice(rng.sample(followers, 2)) for verb in every_verb},
        plural_forms=frozenset(word for topic in topics.values() for word in topic.plurals),
    )


class _Scene:
    """What persists through one document, and the phrases that are drawn from it; words are lower case."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.grammar = _grammar()
        self.topic = rng.choice(list(lexicon.TOPICS))
        self.hero = self.grammar.names(rng)
        self.friend = self.grammar.names(rng)

    def _now(self) -> str:
        return self.topic if self.rng.random() < _ON_TOPIC else self.rng.choice(list(lexicon.TOPICS))

    def thing(self) -> str:
        """A noun, now and then in the plural."""
        source = self.grammar.plurals if self.rng.random() < 0.25 else self.grammar.nouns
        return source[self._now()](self.rng)

    def adjective(self) -> str:
        return self.grammar.adjectives[self._now()](self.rng)

    def noun_phrase(self) -> list[str]:
        noun = self.thing()
        plural = noun in self.grammar.plural_forms
        determiner = (self.grammar.plural_determiners if plural else self.grammar.determiners)(self.rng)
        words = [] if plural and self.rng.random() < 0.3 else [determiner]
        if self.rng.random() < 0.3:
            words.append(self.adjective())
        return [*words, noun]

    def subject(self) -> list[str]:
        draw = self.rng.random()
        if draw < 0.3:
            return [self.hero]
        if draw < 0.42:
            return [self.friend]
        if draw < 0.55:
            return ["she" if self.hero in lexicon.FEMALE_NAMES else "he"]
        return self.noun_phrase()

    def predicate(self, actor: str) -> list[str]:
        company = self.grammar.verbs_of.get(actor)
        usual = company is not None and self.rng.random() < _USUAL_COMPANY
        verb = company(self.rng) if usual and company is not None else self.grammar.verbs[self._now()](self.rng)
        draw = self.rng.random()
        if draw < 0.4:
            return [verb, *self._object()]
        follower = self.grammar.followers_of[verb](self.rng)
        if draw < 0.85:
            return [verb, follower, *([] if follower in lexicon.ADVERBS else self.noun_phrase())]
        return [verb, *self._object(), self.grammar.prepositions(self.rng), *self.noun_phrase()]

    def _object(self) -> list[str]:
        return [self.friend] if self.rng.random() < 0.15 else self.noun_phrase()

    def clause(self) -> list[str]:
        subject = self.subject()
        return [*subject, *self.predicate(subject[-1])]

    def sentence(self) -> list[str]:
        draw = self.rng.random()
        if draw < 0.15:
            speaker = self.hero if self.rng.random() < 0.7 else self.friend
            speech = self.clause()
            return [speaker, self.grammar.speech(self.rng), ",", ' "', *speech, ".", '"']
        if draw < 0.35:
            return [*self.clause(), self.rng.choice(lexicon.CONJUNCTIONS), *self.clause(), "."]
        if draw < 0.42:
            return [*self.clause(), "?"]
        return [*self.clause(), "."]


_Line = Iterator[tuple[str, bool]]
"""Words and marks of a line, each with whether it is capitalised."""


def _prose(scene: _Scene) -> _Line:
    for _ in range(scene.rng.randint(1, 3)):
        capital = True
        for word in scene.sentence():
            yield word, capital or word in lexicon.NAMES
            capital = word == ' "'


def _title(scene: _Scene) -> _Line:
    words = scene.noun_phrase() if scene.rng.random() < 0.4 else scene.clause()
    for word in words:
        yield word, True


def _chat(scene: _Scene) -> _Line:
    words = [scene.adjective(), scene.thing()] if scene.rng.random() < 0.3 else scene.clause()
    for word in words:
        yield word, False


def _tags(scene: _Scene) -> _Line:
    for position in range(scene.rng.randint(2, 4)):
        yield ("#" if position == 0 else " #"), False
        draw = scene.rng.random()
        if draw < 0.6:
            word = scene.thing()
        elif draw < 0.75:
            word = scene.adjective()
        else:
            word = scene.hero if draw < 0.9 else scene.grammar.verbs[scene.topic](scene.rng)
        yield word, scene.rng.random() < 0.2


def _glossary(scene: _Scene) -> _Line:
    head = scene.thing()
    yield head, True
    yield ":", False
    for word in [*scene.noun_phrase(), *scene.predicate(head)]:
        yield word, word in lexicon.NAMES


_STYLES: tuple[Callable[[_Scene], _Line], ...] = (_prose, _title, _chat, _tags, _glossary)
_STYLE_WEIGHTS = (0.36, 0.2, 0.17, 0.19, 0.08)


def _document(rng: random.Random, length: int, table: Mapping[str, tuple[int, ...]]) -> list[int]:
    scene = _Scene(rng)
    tokens = [table[DOCUMENT][0]]
    while len(tokens) < length:
        glued = True
        for word, capital in rng.choices(_STYLES, _STYLE_WEIGHTS)[0](scene):
            ids = table[word]
            tokens.append(ids[0] if len(ids) == 1 else ids[2 * capital + (not glued)])
            glued = word in _GLUED
        tokens.append(table[NEWLINE][0])
    return tokens[:length]
