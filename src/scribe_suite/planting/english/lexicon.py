"""The content words of the grammar, as `build` selected them: typed, loaded once.

Lists are sorted by frequency in English, most frequent first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

#: Verbs that introduce direct speech; `build` always takes them.
SPEECH_VERBS = ("ask", "explain", "insist", "announce", "suggest", "admit", "argue", "agree")


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in both numbers; `frequent` nouns have all four variants in the vocabulary."""

    singular: str
    plural: str
    frequent: bool


@dataclass(frozen=True, slots=True)
class Verb:
    """The five forms of a verb; `past` and `participle` are the same for regular verbs."""

    base: str
    third_person: str
    past: str
    ing: str
    participle: str
    frequent: bool


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective in the positive degree."""

    word: str
    frequent: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A given name, lower case."""

    name: str
    female: bool
    frequent: bool


@dataclass(frozen=True, slots=True)
class City:
    """A city and its country, lower case; the country is None where the lexicon does not list it."""

    city: str
    country: str | None


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All content words."""

    nouns: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    adverbs: tuple[str, ...]
    names: tuple[Name, ...]
    cities: tuple[City, ...]
    countries: tuple[str, ...]


@cache
def lexicon() -> Lexicon:
    """The lexicon in `lexicon.json` beside this module."""
    data = json.loads(resources.files(__package__).joinpath("lexicon.json").read_text(encoding="utf-8"))
    return Lexicon(
        nouns=tuple(Noun(**entry) for entry in data["nouns"]),
        verbs=tuple(Verb(**entry) for entry in data["verbs"]),
        adjectives=tuple(Adjective(**entry) for entry in data["adjectives"]),
        adverbs=tuple(entry["word"] for entry in data["adverbs"]),
        names=tuple(Name(**entry) for entry in data["names"]),
        cities=tuple(City(**entry) for entry in data["cities"]),
        countries=tuple(entry["country"] for entry in data["countries"]),
    )
