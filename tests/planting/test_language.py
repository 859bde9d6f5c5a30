from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scribe_suite.planting import lexicon
from scribe_suite.planting.language import DOCUMENT, NEWLINE, Vocabulary, sample_tokens, vocabulary


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    assert np.array_equal(sample_tokens(3, 20, 64), sample_tokens(3, 20, 64))
    assert not np.array_equal(sample_tokens(3, 20, 64), sample_tokens(4, 20, 64))


def test_more_rows_only_add_to_the_text() -> None:
    assert np.array_equal(sample_tokens(5, 30, 48)[:10], sample_tokens(5, 10, 48))


def test_every_text_is_a_document_of_the_asked_length() -> None:
    tokens = sample_tokens(0, 50, 40)
    assert tokens.shape == (50, 40)
    start = vocabulary().strings.index(DOCUMENT)
    assert (tokens[:, 0] == start).all()
    assert (tokens[:, 1:] != start).all()
    assert tokens.min() >= 0
    assert tokens.max() < len(vocabulary())


@pytest.mark.parametrize(("rows", "length"), [(0, 5), (5, 0)])
def test_an_empty_text_is_refused(rows: int, length: int) -> None:
    with pytest.raises(ValueError, match="rows and tokens"):
        sample_tokens(0, rows, length)


def test_every_word_has_four_variants_and_no_string_occurs_twice() -> None:
    strings = vocabulary().strings
    assert len(set(strings)) == len(strings)
    for word in lexicon.all_words():
        spelled = {strings[i] for i in vocabulary().variants(word)}
        assert spelled == {word, f" {word}", word.capitalize(), f" {word.capitalize()}"}


def test_a_word_that_is_part_of_another_is_not_its_variant() -> None:
    words = Vocabulary(("book", " Books", "books", " book"))
    assert words.variants("book") == (0, 3)


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'zebra'"):
        vocabulary().variants("zebra")


def test_variants_really_occur_in_text() -> None:
    counts = np.bincount(sample_tokens(1, 2000, 64).ravel(), minlength=len(vocabulary()))
    for word in ("boat", "street", "clever", "books"):
        assert (counts[list(vocabulary().variants(word))] >= 10).all(), word


def test_spaces_and_capitals_stand_where_a_reader_expects_them() -> None:
    strings = vocabulary().strings
    words = {i for word in lexicon.all_words() for i in vocabulary().variants(word)}
    for row in sample_tokens(2, 300, 64).tolist():
        for before, here in pairwise(row):
            if here not in words:
                continue
            glued = strings[before] in (DOCUMENT, NEWLINE, ' "', "#", " #")
            assert strings[here].startswith(" ") != glued
            if strings[before] in (".", "?") and not glued:
                assert strings[here].strip()[0].isupper()
