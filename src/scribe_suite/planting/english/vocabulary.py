"""Token id -> string: whole words in their case and space variants, and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from scribe_suite.planting.english.lexicon import lexicon
from scribe_suite.planting.english.tags import FUNCTION_WORDS, NEVER_FIRST, TAG

DOCUMENT = "<doc>"
NEWLINE = "\n"
#: Every token that is no word, with its tag.
MARKS: Mapping[str, str] = {
    DOCUMENT: "mark",
    NEWLINE: "mark",
    "#": "mark",
    " #": "mark",
    ".": "punctuation",
    ",": "punctuation",
    "?": "punctuation",
    ":": "punctuation",
    ";": "punctuation",
    ' "': "punctuation",
    '"': "punctuation",
    " (": "punctuation",
    ")": "punctuation",
}

#: Marks after which a word stands without a space.
GLUED_AFTER = frozenset({DOCUMENT, NEWLINE, "#", " #", ' "', " ("})

_PROPER = frozenset({"person", "city", "country"})


@dataclass(frozen=True)
class Vocabulary:
    """Token id -> string, and what is known of a token without its context.

    Attributes:
        strings: One string per id, all different.
        tags: Per id, the tags (indices in `TAGS`) that the token can have; more than one only where a past tense and a
            participle are spelled alike.
    """

    strings: tuple[str, ...]
    tags: tuple[frozenset[int], ...]
    _words: tuple[str | None, ...] = field(init=False, repr=False, compare=False)
    _variants: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = tuple(None if string in MARKS else string.strip().lower() for string in self.strings)
        variants: dict[str, tuple[int, ...]] = {}
        for token, word in enumerate(words):
            if word is not None:
                variants[word] = (*variants.get(word, ()), token)
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_variants", variants)
        object.__setattr__(self, "_ids", {string: token for token, string in enumerate(self.strings)})

    def __len__(self) -> int:
        return len(self.strings)

    def variants(self, word: str) -> tuple[int, ...]:
        """Ids of all tokens that are `word` up to case and spaces.

        Args:
            word: Lower case, without spaces.

        Raises:
            ValueError: When no token is.
        """
        if word not in self._variants:
            raise ValueError(f"the vocabulary has no token for the word {word!r}")
        return self._variants[word]

    def word(self, token: int) -> str | None:
        """The token's word in lower case, or None for a mark."""
        return self._words[token]

    def initial(self, token: int) -> str | None:
        """The first letter of the token's word in lower case, or None for a mark."""
        word = self._words[token]
        return None if word is None else word[0]

    def tags_of(self, token: int) -> frozenset[int]:
        """The tags that the token can have, as indices in `TAGS`."""
        return self.tags[token]

    def id_of(self, string: str) -> int | None:
        """The id of the token that is spelled exactly so, spaces included, or None."""
        return self._ids.get(string)

    def mark(self, string: str) -> int:
        r"""The id of a mark.

        Args:
            string: A key of `MARKS`, such as ``"\n"`` or ``" #"``.

        Raises:
            KeyError: When it is no mark.
        """
        if string not in MARKS:
            raise KeyError(f"{string!r} is no mark; marks are {list(MARKS)}")
        return self._ids[string]


@cache
def vocabulary() -> Vocabulary:
    """The marks, then every word of the lexicon and the function words.

    Frequent content words and the function words that can begin a line have four variants (``cat``, `` cat``, ``Cat``,
    `` Cat``), the others one: `` cat``, or `` Anna`` for names of people, cities and countries.
    """
    strings = list(MARKS)
    tags = [frozenset({TAG[tag]}) for tag in MARKS.values()]
    for word, of_word, frequent in _words_with_tags():
        spelled = (word, f" {word}", word.capitalize(), f" {word.capitalize()}")
        usual = 3 if of_word & _PROPER else 1
        kept = spelled if frequent else (spelled[usual],)
        strings += kept
        tags += [frozenset(TAG[tag] for tag in of_word)] * len(kept)
    return Vocabulary(tuple(strings), tuple(tags))


def _words_with_tags() -> Iterator[tuple[str, frozenset[str], bool]]:
    """Every word type once, with its tags and whether it has all four variants."""
    for tag, words in FUNCTION_WORDS.items():
        yield from ((word, frozenset({tag}), word not in NEVER_FIRST) for word in words)
    words_of = lexicon()
    for noun in words_of.nouns:
        yield noun.singular, frozenset({"noun_singular"}), noun.frequent
        yield noun.plural, frozenset({"noun_plural"}), noun.frequent
    for verb in words_of.verbs:
        yield verb.base, frozenset({"verb_base"}), verb.frequent
        yield verb.third_person, frozenset({"verb_third_person"}), verb.frequent
        yield verb.ing, frozenset({"verb_ing"}), verb.frequent
        if verb.past == verb.participle:
            yield verb.past, frozenset({"verb_past", "verb_participle"}), verb.frequent
        else:
            yield verb.past, frozenset({"verb_past"}), verb.frequent
            yield verb.participle, frozenset({"verb_participle"}), verb.frequent
    for adjective in words_of.adjectives:
        yield adjective.word, frozenset({"adjective"}), adjective.frequent
    for adverb in words_of.adverbs:
        yield adverb, frozenset({"adverb"}), False
    for name in words_of.names:
        yield name.name, frozenset({"person"}), name.frequent
    for city in words_of.cities:
        yield city.city, frozenset({"city"}), False
    for country in words_of.countries:
        yield country, frozenset({"country"}), False
