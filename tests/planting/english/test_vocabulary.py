from __future__ import annotations

import pytest

from scribe_suite.planting.english import TAGS, Vocabulary, vocabulary
from scribe_suite.planting.english.lexicon import lexicon
from scribe_suite.planting.english.tags import NEVER_FIRST, TAG, function_words
from scribe_suite.planting.english.vocabulary import MARKS


def test_the_size_is_within_the_promised_bounds_and_no_string_occurs_twice() -> None:
    words = vocabulary()
    assert 3_000 <= len(words) <= 3_800
    assert len(words) == len(words.strings) == len(words.tags) == len(set(words.strings))


def test_frequent_and_function_words_have_four_variants() -> None:
    words = vocabulary()
    frequent = [noun.plural for noun in lexicon().nouns if noun.frequent]
    frequent += [verb.third_person for verb in lexicon().verbs if verb.frequent]
    frequent += [name.name for name in lexicon().names if name.frequent]
    for word in (*frequent, *(word for word in function_words() if word not in NEVER_FIRST)):
        spelled = {words.strings[token] for token in words.variants(word)}
        assert spelled == {word, f" {word}", word.capitalize(), f" {word.capitalize()}"}


def test_other_words_have_the_variant_they_are_read_in() -> None:
    words = vocabulary()
    noun = next(noun.singular for noun in lexicon().nouns if not noun.frequent)
    city = lexicon().cities[0].city
    assert [words.strings[token] for token in words.variants(noun)] == [f" {noun}"]
    assert [words.strings[token] for token in words.variants(city)] == [f" {city.capitalize()}"]


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'xylophone'"):
        vocabulary().variants("xylophone")


def test_a_word_knows_its_letter_and_a_mark_has_neither() -> None:
    words = vocabulary()
    token = words.id_of(" The")
    assert token is not None
    assert (words.word(token), words.initial(token)) == ("the", "t")
    for string in MARKS:
        assert words.word(words.mark(string)) is None
        assert words.initial(words.mark(string)) is None


def test_something_else_is_no_mark() -> None:
    with pytest.raises(KeyError, match="no mark"):
        vocabulary().mark(" the")
    assert vocabulary().id_of("nonsense") is None


def test_only_verb_forms_have_two_tags() -> None:
    words = vocabulary()
    several = {words.tags_of(token) for token in range(len(words)) if len(words.tags_of(token)) != 1}
    assert several == {frozenset({TAG["verb_past"], TAG["verb_participle"]})}


def test_all_tags_but_no_others_occur() -> None:
    words = vocabulary()
    assert frozenset().union(*words.tags) == set(range(len(TAGS)))


def test_a_word_that_is_part_of_another_is_not_its_variant() -> None:
    noun = frozenset({TAG["noun_singular"]})
    words = Vocabulary(("book", " Books", "books", " book"), (noun,) * 4)
    assert words.variants("book") == (0, 3)
