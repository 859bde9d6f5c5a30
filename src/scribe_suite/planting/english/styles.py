"""Styles of lines: which there are, where in a document they are likely, and how they are spelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from scribe_suite.planting.english.collocations import CODE_BITS, Choice, code, even, weighted
from scribe_suite.planting.english.scene import (
    AND,
    CITY_PREPOSITIONS,
    COMMA,
    CONJUNCTIONS,
    NAME_SHARE,
    POSITIONS,
    Scene,
)
from scribe_suite.planting.english.tags import TAG
from scribe_suite.planting.english.vocabulary import DOCUMENT, NEWLINE, vocabulary

#: Code of the usual spelling -> code of another one; words without it are missing.
Spelling = Mapping[int, int]

_MARK = code(DOCUMENT, "mark")
_NEWLINE = code(NEWLINE, "mark")
_STOP, _QUESTION = code(".", "punctuation"), code("?", "punctuation")
_COLON, _SEMICOLON = code(":", "punctuation"), code(";", "punctuation")
_OPEN_QUOTE, _CLOSE_QUOTE = code(' "', "punctuation"), code('"', "punctuation")
_TAG_START, _TAG_NEXT = code("#", "mark"), code(" #", "mark")
_PROPER = frozenset({TAG["person"], TAG["city"], TAG["country"]})


def _respelled(change: Callable[[str], str]) -> dict[int, int]:
    """Code -> code of ``change(word)`` with the same tag, for every usual spelling that has such a token."""
    table = {}
    words = vocabulary()
    for token, string in enumerate(words.strings):
        is_usual = string[0] == " " and string[1:2].isupper() == bool(words.tags_of(token) & _PROPER)
        other = words.id_of(change(string[1:].lower())) if is_usual and words.word(token) is not None else None
        if other is not None:
            for tag in words.tags_of(token):
                table[token << CODE_BITS | tag] = other << CODE_BITS | tag
    return table


# What is chosen how often; see `scene` for how bounds are written.

#: Prose ends with this sentence.
_LAST_SENTENCE = 0.6

#: A title begins with a name (where its share allows for one) or a noun; or, above this bound, with neither.
_TITLE_NAME, _TITLE_NOUN = 0.45, 0.9
#: After its beginning a title has a verb; or a conjunction; or a preposition.
_TITLE_VERB, _TITLE_CONJUNCTION = 0.6, 0.75
#: A title without a beginning has a singular verb; or a plural one; or an imperative.
_TITLE_SINGULAR, _TITLE_FINITE = 0.92, 0.95
#: A verb of a title, or an adjective, begins with the letter of its noun, where there is such a word.
_TITLE_ALLITERATION = 0.5
#: A noun of a title is the first of the cast; it has an adjective; it is in the plural.
_TITLE_CAST_NOUN, _TITLE_ADJECTIVE, _TITLE_PLURAL = 0.4, 0.4, 0.35

#: A message is a noun; or a verb and what follows; or a question; or a phrase with a preposition or a conjunction; or a
#: clause, which ends by itself, or with the one it is for, or as a question.
_CHAT_NOUN, _CHAT_VERB, _CHAT_QUESTION, _CHAT_PREPOSITION, _CHAT_PHRASE = 0.25, 0.45, 0.52, 0.56, 0.6
_CHAT_CLAUSE, _CHAT_ADDRESSED = 0.63, 0.85
#: The verb of a message is plural; a message is for the friend, not for the hero.
_CHAT_PLURAL, _CHAT_FRIEND = 0.5, 0.5

#: A letter begins with a country, not with a city, which has its country.
_LETTER_COUNTRY, _LETTER_COUNTRY_OF_CITY = 0.15, 0.5
#: A second city follows, which has its country.
_LETTER_SECOND_CITY, _LETTER_COUNTRY_OF_SECOND = 0.25, 0.3

#: The letter of hash tags and lists is that of the cast's first noun, not that of a name.
_CAST_LETTER = 0.5
#: A hash tag has that letter; there are this many tags, and up to so many more.
_TAG_OF_LETTER, _FEWEST_TAGS, _MORE_TAGS = 0.8, 2, 4
#: A list has one word before the last, and up to so many more.
_MORE_LISTED = 3

#: A headword is a noun; or a name; or an adjective; or a verb.
_HEADWORD_NOUN, _HEADWORD_NAME, _HEADWORD_ADJECTIVE = 0.6, 0.75, 0.88
#: A headword that is a noun is in the plural.
_HEADWORD_PLURAL = 0.3
#: A headword has a colon, after which comes a list, not a sentence.
_HEADWORD_COLON, _HEADWORD_LIST = 0.9, 0.4

GLUED = _respelled(lambda word: word)
LOWER = _respelled(lambda word: f" {word}")
GLUED_CAPITAL = _respelled(str.capitalize)
CAPITAL = _respelled(lambda word: f" {word.capitalize()}")

_SENTENCE_OPENERS = even([code(f" {word}", "adverb") for word in ("then", "now", "here", "there", "soon")])
_CHAT_OPENERS = even(
    [
        *(code(f" {word}", "conjunction") for word in ("and", "but", "so", "because")),
        *(code(f" {word}", "adverb") for word in ("then", "now", "here", "there", "soon")),
    ]
)


def _start(scene: Scene, start: int, spelling: Spelling, openers: Choice[int]) -> None:
    """Respell the word at `start`; one that cannot be gets a word before it that can."""
    word = scene.out[start]
    if word not in spelling:
        word = openers(scene.random())
        scene.out.insert(start, word)
    scene.out[start] = spelling[word]


def _prose(scene: Scene) -> None:
    out, spelling = scene.out, GLUED_CAPITAL
    while True:
        start = len(out)
        out.append(_QUESTION if scene.sentence() else _STOP)
        _start(scene, start, spelling, _SENTENCE_OPENERS)
        spelling = CAPITAL
        if scene.random() < _LAST_SENTENCE:
            return


def _dialogue(scene: Scene) -> None:
    out, start = scene.out, len(scene.out)
    _, plural = scene.subject()
    scene.verb_group(scene.words.speech_verbs(scene.random()), plural=plural, past=scene.is_past())
    out += (COMMA, _OPEN_QUOTE)
    speech = len(out)
    out.append(_QUESTION if scene.sentence() else _STOP)
    _start(scene, speech, GLUED_CAPITAL, _SENTENCE_OPENERS)
    out.append(_CLOSE_QUOTE)
    _start(scene, start, GLUED_CAPITAL, _SENTENCE_OPENERS)


def _title(scene: Scene) -> None:
    """A headline of frequent words, each with a capital; the subject may be missing."""
    draw, words, out, start = scene.random, scene.words, scene.out, len(scene.out)
    kind = draw()
    letter, plural = "", False
    if kind < _TITLE_NAME and draw() < NAME_SHARE[scene.position()]:
        person = scene.hero if scene.hero.frequent else words.frequent_people(draw())
        out.append(person.code)
        letter = person.letter
    elif kind < _TITLE_NOUN:
        letter, plural = _title_noun(scene)
    if kind < _TITLE_VERB or kind >= _TITLE_NOUN:
        fitting = words.frequent_verbs_by_letter.get(letter) if draw() < _TITLE_ALLITERATION else None
        verb = (fitting or words.frequent_verbs)(draw())
        if kind < _TITLE_FINITE:
            scene.verb_group(verb, plural=plural or (kind >= _TITLE_SINGULAR), past=scene.is_past())
        else:
            out.append(verb.base)
    else:
        out.append((CONJUNCTIONS if kind < _TITLE_CONJUNCTION else words.prepositions)(draw()))
    _title_noun(scene)
    out[start] = GLUED_CAPITAL[out[start]]
    out[start + 1 :] = [CAPITAL[word] for word in out[start + 1 :]]


def _title_noun(scene: Scene) -> tuple[str, bool]:
    """A frequent noun, perhaps with an adjective; returns its letter and whether it is plural."""
    draw, words = scene.random, scene.words
    noun = scene.cast[0] if draw() < _TITLE_CAST_NOUN else scene.topic.frequent_nouns(draw())
    if draw() < _TITLE_ADJECTIVE:
        fitting = words.frequent_adjectives_by_letter.get(noun.letter) if draw() < _TITLE_ALLITERATION else None
        scene.out.append((fitting or words.frequent_adjectives)(draw()).code)
    plural = draw() < _TITLE_PLURAL
    scene.out.append(noun.plural if plural else noun.singular)
    return noun.letter, plural


def _chat(scene: Scene) -> None:
    """A message without capitals and final mark; the subject may be missing."""
    draw, out, start = scene.random, scene.out, len(scene.out)
    kind = draw()
    if kind < _CHAT_NOUN:
        _title_noun(scene)
    elif kind < _CHAT_VERB:
        verb = scene.words.frequent_verbs(draw())
        scene.verb_group(verb, plural=draw() < _CHAT_PLURAL, past=scene.is_past())
        scene.complement(verb)
    elif kind < _CHAT_QUESTION:
        scene.question()
        out.append(_QUESTION)
    elif kind < _CHAT_PHRASE:
        out.append((scene.words.prepositions if kind < _CHAT_PREPOSITION else CONJUNCTIONS)(draw()))
        scene.noun_phrase()
    else:
        scene.clause()
        if kind > _CHAT_ADDRESSED:
            out.append(_QUESTION)
        elif kind > _CHAT_CLAUSE:
            scene.mention(scene.friend if draw() < _CHAT_FRIEND else scene.hero)  # whom the message is for
    _start(scene, start, GLUED, _CHAT_OPENERS)
    out[start + 1 :] = [LOWER.get(word, word) for word in out[start + 1 :]]


def _letter(scene: Scene) -> None:
    """A line of a letter: where it comes from, then a sentence."""
    draw, out, start = scene.random, scene.out, len(scene.out)
    out.append(CITY_PREPOSITIONS(draw()))
    if draw() < _LETTER_COUNTRY:
        out.append(scene.words.countries(draw()))
    else:
        scene.write_city(_LETTER_COUNTRY_OF_CITY)
    if draw() < _LETTER_SECOND_CITY:
        out.append(CITY_PREPOSITIONS(draw()))
        scene.write_city(_LETTER_COUNTRY_OF_SECOND)
    out.append(COMMA)
    out.append(_QUESTION if scene.sentence() else _STOP)
    out[start] = GLUED_CAPITAL[out[start]]


def _tags(scene: Scene) -> None:
    """A row of hash tags, mostly of one first letter."""
    draw, words, out = scene.random, scene.words, scene.out
    letter = scene.cast[0].letter if draw() < _CAST_LETTER else words.frequent_people(draw()).letter
    fitting = words.frequent_words_by_letter[letter]
    for index in range(_FEWEST_TAGS + int(draw() * _MORE_TAGS)):
        word = fitting(draw()) if draw() < _TAG_OF_LETTER else scene.topic.frequent_nouns(draw()).singular
        out += (_TAG_NEXT if index else _TAG_START, GLUED[word])


def _list(scene: Scene) -> None:
    """Words of one first letter with commas between them, ended by a semicolon."""
    start = len(scene.out)
    letter = (
        scene.cast[0].letter if scene.random() < _CAST_LETTER else scene.words.frequent_people(scene.random()).letter
    )
    scene.out.append(scene.words.frequent_words_by_letter[letter](scene.random()))
    scene.out.append(COMMA)
    _words_of(scene, letter)
    scene.out[start] = GLUED_CAPITAL[scene.out[start]]


def _words_of(scene: Scene, letter: str) -> None:
    draw, out = scene.random, scene.out
    fitting = scene.words.words_by_letter[letter]
    for _ in range(1 + int(draw() * _MORE_LISTED)):
        out += (fitting(draw()), COMMA)
    out[-1] = AND
    out += (fitting(draw()), _SEMICOLON)


def _headword(scene: Scene) -> None:
    """The first line: a headword with a capital and nearly always a colon, then words of its letter or a sentence."""
    draw, words, out = scene.random, scene.words, scene.out
    kind = draw()
    if kind < _HEADWORD_NOUN:
        noun = scene.cast[0]
        out.append(noun.plural if draw() < _HEADWORD_PLURAL else noun.singular)
        letter = noun.letter
    elif kind < _HEADWORD_NAME:
        person = scene.hero if scene.hero.frequent else words.frequent_people(draw())
        out.append(person.code)
        letter = person.letter
    elif kind < _HEADWORD_ADJECTIVE:
        adjective = words.frequent_adjectives(draw())
        out.append(adjective.code)
        letter = adjective.letter
    else:
        verb = words.frequent_verbs(draw())
        out.append(verb.ing)
        letter = verb.letter
    out[-1] = GLUED_CAPITAL[out[-1]]
    if draw() >= _HEADWORD_COLON:
        out.append(AND)
        _title_noun(scene)
        out[2:] = [CAPITAL[word] for word in out[2:]]
    elif draw() < _HEADWORD_LIST:
        out.append(_COLON)
        _words_of(scene, letter)
    else:
        out.append(_COLON)
        out.append(_QUESTION if scene.sentence() else _STOP)


def _entry(scene: Scene) -> None:
    """A headword line in the middle of a document: rare, so that the position is more informative than the word."""
    scene.out.append(GLUED_CAPITAL[scene.topic.frequent_nouns(scene.random()).singular])
    scene.out.append(_COLON)
    scene.clause()
    scene.out.append(_STOP)


#: Relative weight of every style for a line that starts at positions 0-7, 8-15, ..., 56-63.
_STYLES: Mapping[Callable[[Scene], None], tuple[float, ...]] = {
    _prose: (50, 50, 22, 22, 42, 22, 22, 25),
    _title: (16, 16, 7, 7, 14, 8, 8, 6),
    _chat: (16, 16, 8, 8, 30, 10, 12, 16),
    _dialogue: (2, 2, 52, 52, 3, 2, 2, 2),
    _letter: (1, 1, 1, 1, 3, 48, 46, 4),
    _tags: (3, 3, 3, 3, 4, 6, 6, 44),
    _list: (10, 10, 5, 5, 3, 3, 3, 2),
    _entry: (2, 2, 2, 2, 1, 1, 1, 1),
}

_BIN = 8


@cache
def _style_at() -> tuple[Choice[Callable[[Scene], None]], ...]:
    styles = list(_STYLES)
    return tuple(
        weighted(styles, [_STYLES[style][position // _BIN] for style in styles]) for position in range(POSITIONS)
    )


def write_document(scene: Scene, length: int) -> None:
    """Write lines to the scene until it holds at least `length` codes.

    Args:
        scene: A new scene.
        length: Wanted codes; the last line may go beyond.
    """
    out, draw, style_at = scene.out, scene.random, _style_at()
    out.append(_MARK)
    _headword(scene)
    out.append(_NEWLINE)
    while len(out) < length:
        style_at[scene.position()](draw())(scene)
        out.append(_NEWLINE)
