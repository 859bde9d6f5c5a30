"""The words of the small English that language models are trained on, sorted by what they do in a sentence.

Only lists: how often a word comes and what it goes with is decided in `language`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """What a text about one subject is made of; earlier words are more frequent.

    Attributes:
        nouns: Singular nouns.
        plurals: Plurals of some of them.
        verbs: Past tenses that go with or without an object.
        adjectives: Adjectives that stand before the nouns.
    """

    nouns: tuple[str, ...]
    plurals: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]


def _topic(nouns: str, plurals: str, verbs: str, adjectives: str) -> Topic:
    return Topic(tuple(nouns.split()), tuple(plurals.split()), tuple(verbs.split()), tuple(adjectives.split()))


TOPICS: Mapping[str, Topic] = {
    "farm": _topic(
        "horse barn cart cow hay plough gate goat hen fence",
        "horses cows carts hens",
        "fed chased milked led",
        "brown heavy muddy stubborn",
    ),
    "sea": _topic(
        "boat harbour sail whale anchor net captain gull wave rope",
        "boats sails waves gulls",
        "sailed pulled hauled sighted",
        "salty grey stormy wooden",
    ),
    "kitchen": _topic(
        "bread oven soup kettle knife cook plate onion butter spoon",
        "plates onions knives spoons",
        "baked stirred sliced tasted",
        "warm sweet fresh sharp",
    ),
    "town": _topic(
        "street market bridge shop baker clock tower letter bell coach",
        "streets shops bells letters",
        "sold bought mended carried",
        "narrow crowded busy old",
    ),
    "forest": _topic(
        "tree fox river owl path wolf cabin axe moss deer",
        "trees foxes paths wolves",
        "followed climbed hunted crossed",
        "dark green silent wild",
    ),
    "school": _topic(
        "teacher book pencil desk lesson pupil map chalk poem page",
        "books pupils lessons maps",
        "read wrote learned copied",
        "clever long quiet difficult",
    ),
}

COMMON_VERBS: tuple[str, ...] = ("saw", "found", "liked", "watched", "left", "wanted")
SPEECH_VERBS: tuple[str, ...] = ("said", "asked", "whispered", "shouted")
ADVERBS: tuple[str, ...] = ("slowly", "again", "early", "carefully", "together", "often", "alone", "today")
FEMALE_NAMES: tuple[str, ...] = ("anna", "clara", "mary", "ruth", "helen", "jane", "emma", "lucy")
MALE_NAMES: tuple[str, ...] = ("tom", "peter", "john", "oscar", "henry", "paul", "simon", "jack")
DETERMINERS: tuple[str, ...] = ("the", "a", "this", "every", "her", "his")
PLURAL_DETERMINERS: tuple[str, ...] = ("the", "some", "two", "many", "these")
PREPOSITIONS: tuple[str, ...] = ("near", "with", "behind", "under", "from", "to", "by", "beside")
CONJUNCTIONS: tuple[str, ...] = ("and", "but", "because", "while")
PRONOUNS: Mapping[str, tuple[str, ...]] = {"she": FEMALE_NAMES, "he": MALE_NAMES}

NAMES: tuple[str, ...] = FEMALE_NAMES + MALE_NAMES


def content_words() -> tuple[str, ...]:
    """Nouns, verbs, adjectives and names: the words with a meaning of their own, in a fixed order."""
    words = [
        word for topic in TOPICS.values() for word in (*topic.nouns, *topic.plurals, *topic.verbs, *topic.adjectives)
    ]
    return tuple(words) + COMMON_VERBS + NAMES


def all_words() -> tuple[str, ...]:
    """Every word type once, lower case, in a fixed order."""
    function_words = (
        *SPEECH_VERBS,
        *ADVERBS,
        *DETERMINERS,
        *PLURAL_DETERMINERS,
        *PREPOSITIONS,
        *CONJUNCTIONS,
        *PRONOUNS,
    )
    return tuple(dict.fromkeys((*content_words(), *function_words)))
