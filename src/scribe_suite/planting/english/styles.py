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

Spelling = Mapping[int, int]
"""Code of the usual spelling -> code of another one; words without it are missing."""

_MARK = code(DOCUMENT, "mark")
_NEWLINE = code(NEWLINE, "mark")
_STOP, _QUESTION = code(".", "punctuation"), code("?", "punctuation")
_COLON, _SEMICOLON = code(":", "punctuation"), code(";", "punctuation")
_OPEN_QUOTE, _CLOSE_QUOTE = code(' "', "punctuation"), code('"', "punctuation")
_TAG_START, _TAG_NEXT = code("#", "mark"), code(" #", "mark")
_HEADWORD_COLON = 0.9
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
        if scene.random() < 0.6:
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
    if kind < 0.45 and draw() < NAME_SHARE[scene.position()]:
        person = scene.hero if scene.hero.frequent else words.frequent_people(draw())
        out.append(person.code)
        letter = person.letter
    elif kind < 0.9:
        letter, plural = _title_noun(scene)
    if kind < 0.6 or kind >= 0.9:
        fitting = words.frequent_verbs_by_letter.get(letter) if draw() < 0.5 else None
        verb = (fitting or words.frequent_verbs)(draw())
        if kind < 0.95:
            scene.verb_group(verb, plural=plural or (kind >= 0.92), past=scene.is_past())
        else:
            out.append(verb.base)
    else:
        out.append((CONJUNCTIONS if kind < 0.75 else words.prepositions)(draw()))
    _title_noun(scene)
    out[start] = GLUED_CAPITAL[out[start]]
    out[start + 1 :] = [CAPITAL[word] for word in out[start + 1 :]]


def _title_noun(scene: Scene) -> tuple[str, bool]:
    """A frequent noun, perhaps with an adjective; returns its letter and whether it is plural."""
    draw, words = scene.random, scene.words
    noun = scene.cast[0] if draw() < 0.4 else scene.topic.frequent_nouns(draw())
    if draw() < 0.4:
        fitting = words.frequent_adjectives_by_letter.get(noun.letter) if draw() < 0.5 else None
        scene.out.append((fitting or words.frequent_adjectives)(draw()).code)
    plural = draw() < 0.35
    scene.out.append(noun.plural if plural else noun.singular)
    return noun.letter, plural


def _chat(scene: Scene) -> None:
    """A message without capitals and final mark; the subject may be missing."""
    draw, out, start = scene.random, scene.out, len(scene.out)
    kind = draw()
    if kind < 0.25:
        _title_noun(scene)
    elif kind < 0.45:
        verb = scene.words.frequent_verbs(draw())
        scene.verb_group(verb, plural=draw() < 0.5, past=scene.is_past())
        scene.complement(verb)
    elif kind < 0.52:
        scene.question()
        out.append(_QUESTION)
    elif kind < 0.6:
        out.append((scene.words.prepositions if kind < 0.56 else CONJUNCTIONS)(draw()))
        scene.noun_phrase()
    else:
        scene.clause()
        if kind > 0.85:
            out.append(_QUESTION)
        elif kind > 0.63:
            scene.mention(scene.friend if draw() < 0.5 else scene.hero)  # whom the message is for
    _start(scene, start, GLUED, _CHAT_OPENERS)
    out[start + 1 :] = [LOWER.get(word, word) for word in out[start + 1 :]]


def _letter(scene: Scene) -> None:
    """A line of a letter: where it comes from, then a sentence."""
    draw, out, start = scene.random, scene.out, len(scene.out)
    out.append(CITY_PREPOSITIONS(draw()))
    if draw() < 0.15:
        out.append(scene.words.countries(draw()))
    else:
        scene.write_city(0.5)
    if draw() < 0.25:
        out.append(CITY_PREPOSITIONS(draw()))
        scene.write_city(0.3)
    out.append(COMMA)
    out.append(_QUESTION if scene.sentence() else _STOP)
    out[start] = GLUED_CAPITAL[out[start]]


def _tags(scene: Scene) -> None:
    """A row of hash tags, mostly of one first letter."""
    draw, words, out = scene.random, scene.words, scene.out
    letter = scene.cast[0].letter if draw() < 0.5 else words.frequent_people(draw()).letter
    fitting = words.frequent_words_by_letter[letter]
    for index in range(2 + int(draw() * 4)):
        word = fitting(draw()) if draw() < 0.8 else scene.topic.frequent_nouns(draw()).singular
        out += (_TAG_NEXT if index else _TAG_START, GLUED[word])


def _list(scene: Scene) -> None:
    """Words of one first letter with commas between them, ended by a semicolon."""
    start = len(scene.out)
    letter = scene.cast[0].letter if scene.random() < 0.5 else scene.words.frequent_people(scene.random()).letter
    scene.out.append(scene.words.frequent_words_by_letter[letter](scene.random()))
    scene.out.append(COMMA)
    _words_of(scene, letter)
    scene.out[start] = GLUED_CAPITAL[scene.out[start]]


def _words_of(scene: Scene, letter: str) -> None:
    draw, out = scene.random, scene.out
    fitting = scene.words.words_by_letter[letter]
    for _ in range(1 + int(draw() * 3)):
        out += (fitting(draw()), COMMA)
    out[-1] = AND
    out += (fitting(draw()), _SEMICOLON)


def _headword(scene: Scene) -> None:
    """The first line: a headword with a capital and nearly always a colon, then words of its letter or a sentence."""
    draw, words, out = scene.random, scene.words, scene.out
    kind = draw()
    if kind < 0.6:
        noun = scene.cast[0]
        out.append(noun.plural if draw() < 0.3 else noun.singular)
        letter = noun.letter
    elif kind < 0.75:
        person = scene.hero if scene.hero.frequent else words.frequent_people(draw())
        out.append(person.code)
        letter = person.letter
    elif kind < 0.88:
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
    elif draw() < 0.4:
        out.append(_COLON)
        _words_of(scene, letter)
    else:
        out.append(_COLON)
        out.append(_QUESTION if scene.sentence() else _STOP)


def _entry(scene: Scene) -> None:
    """A headword line in the middle of a document: rare, so that position tells more than the word does."""
    scene.out.append(GLUED_CAPITAL[scene.topic.frequent_nouns(scene.random()).singular])
    scene.out.append(_COLON)
    scene.clause()
    scene.out.append(_STOP)


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
"""Relative weight of every style for a line that starts at positions 0-7, 8-15, ..., 56-63."""

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
