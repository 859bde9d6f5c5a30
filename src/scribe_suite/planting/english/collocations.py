"""Topics, the collocations of words, and their popularity.

All of it is drawn once from a constant seed, so that it belongs to the language and is the same in every text.
Words are held as codes, ``token id * 32 + tag``, of their usual spelling: `` cat``, or `` Anna`` for proper names.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from scribe_suite.planting.english.lexicon import SPEECH_VERBS, lexicon
from scribe_suite.planting.english.tags import FUNCTION_WORDS, TAG
from scribe_suite.planting.english.vocabulary import vocabulary

T = TypeVar("T")
#: Maps a uniform number in [0, 1) to an item.
Choice = Callable[[float], T]

CODE_BITS = 5
TOPICS = 8
_SEED = 20_261_104
_STARS_PER_TOPIC = 3
#: Few function words begin with these letters, so content words make up for it.
_LETTER_BOOST = {"f": 1.4, "g": 1.25, "l": 1.4, "m": 1.1, "n": 1.4, "o": 1.4, "r": 1.25}
#: How many verbs, adjectives and so on a noun prefers.
_COLLOCATES = 3
#: How many prepositions a verb prefers, and adverbs; and how many objects.
_VERB_COLLOCATES, _VERB_OBJECTS = 2, 4

#: Popularity of a word: of a star (a few frequent words per category), of another frequent word, of any other.
_NOUN_WEIGHTS = (1.0, 0.09, 0.014)
_VERB_WEIGHTS = (1.0, 1.0, 0.13)
_ADJECTIVE_WEIGHTS = (1.5, 0.15, 0.03)
_NAME_WEIGHTS = (1.0, 0.05, 0.02)
#: Stars among adjectives and among the names of either gender, each with a different first letter.
_STAR_ADJECTIVES, _STAR_NAMES = 12, 8
#: Most stars among nouns with one first letter.
_STARS_PER_LETTER = 2

#: How popular a form is in lists and hash tags, as a share of its word's popularity.
_LISTED_PLURAL, _LISTED_ING, _LISTED_VERB_FORM, _LISTED_ADJECTIVE, _LISTED_NAME = 0.7, 0.6, 0.1, 0.5, 0.4
#: The larger it is, the more similar are the popularities of the largest and the smallest city.
_CITY_RANKS = 10


def code(string: str, tag: str) -> int:
    """The code of the token spelled `string`, with `tag`.

    Raises:
        ValueError: When the vocabulary has no such token.
    """
    token = vocabulary().id_of(string)
    if token is None:
        raise ValueError(f"the vocabulary has no token {string!r}")
    return token << CODE_BITS | TAG[tag]


def weighted(items: Sequence[T], weights: Sequence[float]) -> Choice[T]:
    """A weighted choice in constant time: Walker's alias method (1977).

    Args:
        items: What to choose from.
        weights: One positive number per item.

    Raises:
        ValueError: When there is nothing to choose from.
    """
    if not items:
        raise ValueError("there is nothing to choose from")
    size, total = len(items), sum(weights)
    share = [weight * size / total for weight in weights]
    keep, alias = [1.0] * size, list(items)
    small = [i for i in range(size) if share[i] < 1]
    large = [i for i in range(size) if share[i] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], alias[low] = share[low], items[high]
        share[high] -= 1 - share[low]
        if share[high] < 1:
            small.append(large.pop())
    kept = list(items)

    def choose(uniform: float) -> T:
        scaled = uniform * size
        index = int(scaled)
        return kept[index] if scaled - index < keep[index] else alias[index]

    return choose


def even(items: Sequence[T]) -> Choice[T]:
    """A choice without preferences."""
    return weighted(items, [1.0] * len(items))


@dataclass(eq=False, slots=True)
class Adjective:
    """An adjective; `popularity` is a relative weight."""

    code: int
    letter: str
    vowel: bool
    frequent: bool
    popularity: float


@dataclass(eq=False, slots=True)
class Verb:
    """The codes of a verb's forms and its collocations."""

    base: int
    third_person: int
    past: int
    ing: int
    participle: int
    letter: str
    frequent: bool
    popularity: float
    prepositions: Choice[int] = field(init=False)
    adverbs: Choice[int] = field(init=False)
    objects: Choice[Noun] = field(init=False)


@dataclass(eq=False, slots=True)
class Noun:
    """The codes of a noun's forms and its collocations."""

    singular: int
    plural: int
    letter: str
    vowel: bool
    frequent: bool
    popularity: float
    verbs: Choice[Verb] = field(init=False)
    adjectives: Choice[Adjective] = field(init=False)


@dataclass(eq=False, slots=True)
class Person:
    """A name, its gender and the verbs it prefers."""

    code: int
    letter: str
    female: bool
    frequent: bool
    popularity: float
    verbs: Choice[Verb] = field(init=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A city and, where the lexicon lists it, its country."""

    code: int
    country: int | None


@dataclass(frozen=True, slots=True)
class Topic:
    """The material for a text about one subject."""

    nouns: Choice[Noun]
    frequent_nouns: Choice[Noun]
    verbs: Choice[Verb]
    adjectives: Choice[Adjective]


@dataclass(frozen=True, slots=True)
class Language:
    """All words with their collocations."""

    topics: tuple[Topic, ...]
    people: Choice[Person]
    frequent_people: Choice[Person]
    cities: Choice[Place]
    countries: Choice[int]
    adverbs: Choice[int]
    prepositions: Choice[int]
    frequent_verbs: Choice[Verb]
    frequent_adjectives: Choice[Adjective]
    speech_verbs: Choice[Verb]
    verbs_by_letter: Mapping[str, Choice[Verb]]
    adjectives_by_letter: Mapping[str, Choice[Adjective]]
    frequent_adjectives_by_letter: Mapping[str, Choice[Adjective]]
    frequent_verbs_by_letter: Mapping[str, Choice[Verb]]
    adverbs_by_letter: Mapping[str, Choice[int]]
    words_by_letter: Mapping[str, Choice[int]]
    frequent_words_by_letter: Mapping[str, Choice[int]]


@cache
def language() -> Language:
    """The words and their collocations; the same in every process."""
    rng = random.Random(_SEED)
    nouns, verbs, adjectives, people = _nouns(), _verbs(), _adjectives(), _people()
    adverbs = [(code(f" {word}", "adverb"), word[0]) for word in (*lexicon().adverbs, *FUNCTION_WORDS["adverb"])]
    prepositions = [code(f" {word}", "preposition") for word in FUNCTION_WORDS["preposition"]]
    adverb_codes = [adverb for adverb, _ in adverbs]
    for verb in verbs:
        verb.prepositions = _some(rng, prepositions, [1.0] * len(prepositions), _VERB_COLLOCATES)
        verb.adverbs = _some(rng, adverb_codes, [1.0] * len(adverbs), _VERB_COLLOCATES)
        verb.objects = _some(rng, nouns, _popularity(nouns), _VERB_OBJECTS)
    for noun in nouns:
        noun.verbs = _some(rng, verbs, _popularity(verbs), _COLLOCATES)
        noun.adjectives = _some(rng, adjectives, _popularity(adjectives), _COLLOCATES)
    for person in people:
        person.verbs = _some(rng, verbs, _popularity(verbs), _COLLOCATES)
    topics = tuple(
        Topic(
            nouns=_popular(of_nouns),
            frequent_nouns=_popular([noun for noun in of_nouns if noun.frequent]),
            verbs=_popular(of_verbs),
            adjectives=_popular(of_adjectives),
        )
        for of_nouns, of_verbs, of_adjectives in zip(
            _dealt(rng, nouns), _dealt(rng, verbs), _dealt(rng, adjectives), strict=True
        )
    )
    words = _letter_words(nouns, verbs, adjectives, people)
    speech = {code(f" {word}", "verb_base") for word in SPEECH_VERBS}
    places = [
        Place(_proper(city.city, "city"), _proper(city.country, "country") if city.country else None)
        for city in lexicon().cities
    ]
    return Language(
        topics=topics,
        people=_popular(people),
        frequent_people=_popular([person for person in people if person.frequent]),
        cities=weighted(places, [1 / (rank + _CITY_RANKS) for rank in range(len(places))]),
        countries=even([_proper(country, "country") for country in lexicon().countries]),
        adverbs=even(adverb_codes),
        prepositions=even(prepositions),
        frequent_verbs=_popular([verb for verb in verbs if verb.frequent]),
        frequent_adjectives=_popular([adjective for adjective in adjectives if adjective.frequent]),
        speech_verbs=even([verb for verb in verbs if verb.base in speech]),
        verbs_by_letter=_by_letter((verb, verb.letter, verb.popularity) for verb in verbs),
        adjectives_by_letter=_by_letter((word, word.letter, word.popularity) for word in adjectives),
        frequent_adjectives_by_letter=_by_letter(
            (word, word.letter, word.popularity) for word in adjectives if word.frequent
        ),
        frequent_verbs_by_letter=_by_letter((verb, verb.letter, verb.popularity) for verb in verbs if verb.frequent),
        adverbs_by_letter=_by_letter((adverb, letter, 1.0) for adverb, letter in adverbs),
        words_by_letter=_by_letter((word, letter, popularity) for word, letter, popularity, _ in words),
        frequent_words_by_letter=_by_letter(
            (word, letter, popularity) for word, letter, popularity, frequent in words if frequent
        ),
    )


def _proper(word: str, tag: str) -> int:
    return code(f" {word.capitalize()}", tag)


def _popularity(words: Iterable[Noun | Verb | Adjective | Person]) -> list[float]:
    return [word.popularity for word in words]


def _popular(words: Sequence[T]) -> Choice[T]:
    return weighted(words, [word.popularity for word in words])  # type: ignore[attr-defined]


def _some(rng: random.Random, items: Sequence[T], weights: Sequence[float], count: int) -> Choice[T]:
    """A choice among `count` different items that were drawn by weight; the first is the usual one."""
    drawn: list[T] = []
    while len(drawn) < count:
        item = rng.choices(items, weights)[0]
        if item not in drawn:
            drawn.append(item)
    return weighted(drawn, [1 / rank for rank in range(1, count + 1)])


def _dealt(rng: random.Random, words: Sequence[T]) -> list[list[T]]:
    """Words dealt to topics in rounds, so that every topic gets some of each popularity."""
    topics: list[list[T]] = [[] for _ in range(TOPICS)]
    for start in range(0, len(words), TOPICS):
        round_ = list(words[start : start + TOPICS])
        for topic, word in zip(rng.sample(range(TOPICS), len(round_)), round_, strict=True):
            topics[topic].append(word)
    return topics


def _by_letter(rows: Iterable[tuple[T, str, float]]) -> dict[str, Choice[T]]:
    items: dict[str, list[T]] = defaultdict(list)
    weights: dict[str, list[float]] = defaultdict(list)
    for item, letter, weight in rows:
        items[letter].append(item)
        weights[letter].append(weight)
    return {letter: weighted(items[letter], weights[letter]) for letter in items}


def _letter_words(
    nouns: Sequence[Noun], verbs: Sequence[Verb], adjectives: Sequence[Adjective], people: Sequence[Person]
) -> list[tuple[int, str, float, bool]]:
    """What lists and tags are made of: code, letter, weight, and whether all four variants exist."""
    rows = [(noun.singular, noun.letter, noun.popularity, noun.frequent) for noun in nouns]
    rows += [(noun.plural, noun.letter, noun.popularity * _LISTED_PLURAL, noun.frequent) for noun in nouns]
    rows += [(verb.ing, verb.letter, verb.popularity * _LISTED_ING, verb.frequent) for verb in verbs]
    for verb in verbs:
        forms = [verb.base, verb.third_person, verb.past]
        if verb.participle >> CODE_BITS != verb.past >> CODE_BITS:
            forms.append(verb.participle)
        rows += [(form, verb.letter, verb.popularity * _LISTED_VERB_FORM, verb.frequent) for form in forms]
    rows += [(word.code, word.letter, word.popularity * _LISTED_ADJECTIVE, word.frequent) for word in adjectives]
    return rows + [(name.code, name.letter, name.popularity * _LISTED_NAME, name.frequent) for name in people]


def _stars(words: Sequence[tuple[str, bool]], count: int, per_letter: int) -> set[str]:
    """The first `count` frequent words, at most `per_letter` with one first letter."""
    used: dict[str, int] = defaultdict(int)
    chosen: set[str] = set()
    for word, frequent in words:
        if frequent and len(chosen) < count and used[word[0]] < per_letter:
            used[word[0]] += 1
            chosen.add(word)
    return chosen


def _weight(word: str, frequent: bool, stars: set[str], weights: tuple[float, float, float]) -> float:
    weight = weights[0] if word in stars else weights[1] if frequent else weights[2]
    return weight * _LETTER_BOOST.get(word[0], 1.0)


def _nouns() -> list[Noun]:
    source = lexicon().nouns
    stars = _stars([(noun.singular, noun.frequent) for noun in source], TOPICS * _STARS_PER_TOPIC, _STARS_PER_LETTER)
    words = [
        Noun(
            code(f" {noun.singular}", "noun_singular"),
            code(f" {noun.plural}", "noun_plural"),
            noun.singular[0],
            _takes_an(noun.singular),
            noun.frequent,
            _weight(noun.singular, noun.frequent, stars, _NOUN_WEIGHTS),
        )
        for noun in source
    ]
    return sorted(words, key=lambda noun: -noun.popularity)


def _verbs() -> list[Verb]:
    words = [
        Verb(
            code(f" {verb.base}", "verb_base"),
            code(f" {verb.third_person}", "verb_third_person"),
            code(f" {verb.past}", "verb_past"),
            code(f" {verb.ing}", "verb_ing"),
            code(f" {verb.participle}", "verb_participle"),
            verb.base[0],
            verb.frequent,
            _weight(verb.base, verb.frequent, set(), _VERB_WEIGHTS),
        )
        for verb in lexicon().verbs
    ]
    return sorted(words, key=lambda verb: -verb.popularity)


def _adjectives() -> list[Adjective]:
    source = lexicon().adjectives
    stars = _stars([(adjective.word, adjective.frequent) for adjective in source], _STAR_ADJECTIVES, 1)
    words = [
        Adjective(
            code(f" {adjective.word}", "adjective"),
            adjective.word[0],
            _takes_an(adjective.word),
            adjective.frequent,
            _weight(adjective.word, adjective.frequent, stars, _ADJECTIVE_WEIGHTS),
        )
        for adjective in source
    ]
    return sorted(words, key=lambda adjective: -adjective.popularity)


def _people() -> list[Person]:
    source = lexicon().names
    women = _stars([(name.name, name.frequent) for name in source if name.female], _STAR_NAMES, 1)
    men = _stars([(name.name, name.frequent) for name in source if not name.female], _STAR_NAMES, 1)
    return [
        Person(
            _proper(name.name, "person"),
            name.name[0],
            name.female,
            name.frequent,
            _weight(name.name, name.frequent, women | men, _NAME_WEIGHTS),
        )
        for name in source
    ]


_CONSONANT_SOUND = ("uni", "use", "usu", "util", "euro")
_VOWEL_SOUND = ("hour", "honest", "heir", "honor")


def _takes_an(word: str) -> bool:
    """Whether the article before `word` is *an*."""
    if word.startswith(_VOWEL_SOUND):
        return True
    return word[0] in "aeiou" and not word.startswith(_CONSONANT_SOUND)
