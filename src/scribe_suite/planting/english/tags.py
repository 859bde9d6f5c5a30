"""The categories of tokens and the function words: lists written by hand, each word in exactly one category."""

from __future__ import annotations

from collections.abc import Mapping

#: What a token is; a tag is an index in this tuple.
TAGS: tuple[str, ...] = (
    "noun_singular",
    "noun_plural",
    "verb_base",
    "verb_past",
    "verb_third_person",
    "verb_ing",
    "verb_participle",
    "adjective",
    "adverb",
    "person",
    "city",
    "country",
    "determiner",
    "pronoun",
    "preposition",
    "conjunction",
    "auxiliary",
    "number",
    "punctuation",
    "mark",
)

TAG: Mapping[str, int] = {name: index for index, name in enumerate(TAGS)}


def split(text: str) -> tuple[str, ...]:
    """The words of a list that is written as one string."""
    return tuple(text.split())


#: Words that hold a sentence together. *Her* and *that* are determiners only, *to* and *for* prepositions only.
FUNCTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "determiner": split(
        "the a an this that every each another some many several few these those both all no his her their our your"
    ),
    "pronoun": split("he she it they we you him them us me who which everyone someone something"),
    "preposition": split(
        "in on at by with from to near under behind beside over into across through around without along for"
    ),
    "conjunction": split("and but or because while when so if though until"),
    "auxiliary": split("was were is are had has have will would can could must should did does do"),
    "number": split("one two three four five six seven eight nine ten twelve"),
    "adverb": split("then now here there soon again"),
}


#: Function words that no line begins with: they have one spelling.
NEVER_FIRST = frozenset(split("him them us me who which again"))


def function_words() -> tuple[str, ...]:
    """All hand-listed words, in a fixed order."""
    return tuple(word for words in FUNCTION_WORDS.values() for word in words)
