from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from scribe_suite.planting.english import TAGS, sample_text, vocabulary
from scribe_suite.planting.english.lexicon import lexicon
from scribe_suite.planting.english.tags import TAG, split
from scribe_suite.planting.english.vocabulary import DOCUMENT, GLUED_AFTER, MARKS, NEWLINE

CONTENT = frozenset(
    TAG[tag]
    for tag in split(
        "noun_singular noun_plural verb_base verb_past verb_third_person verb_ing verb_participle adjective person"
    )
)


@pytest.fixture(scope="module")
def many() -> tuple[np.ndarray, np.ndarray]:
    """Tokens and tags of enough text for shares of a quarter of a percent."""
    text = sample_text(7, 6_000, 64)
    return text.tokens.numpy(), text.tags.numpy()


@pytest.fixture(scope="module")
def few() -> list[list[tuple[str, int]]]:
    """300 texts as lists of (string, tag)."""
    text = sample_text(11, 300, 64)
    strings = vocabulary().strings
    rows = zip(text.tokens.tolist(), text.tags.tolist(), strict=True)
    return [[(strings[token], tag) for token, tag in zip(*row, strict=True)] for row in rows]


def _is(tokens: np.ndarray, *words: str) -> np.ndarray:
    ids = [token for word in words for token in vocabulary().variants(word)]
    return np.isin(tokens, ids)


def _tagged(tags: np.ndarray, *names: str) -> np.ndarray:
    return np.isin(tags, [TAG[name] for name in names])


# determinism and shape


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    first, again, other = sample_text(3, 20, 64), sample_text(3, 20, 64), sample_text(4, 20, 64)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.tags, again.tags)
    assert not torch.equal(first.tokens, other.tokens)


def test_more_rows_only_add_to_the_text() -> None:
    assert torch.equal(sample_text(5, 30, 48).tokens[:10], sample_text(5, 10, 48).tokens)


def test_every_text_is_the_start_of_a_new_document() -> None:
    text = sample_text(0, 50, 40)
    assert text.tokens.shape == text.tags.shape == (50, 40)
    assert text.tokens.dtype == text.tags.dtype == torch.int64
    assert (text.tokens[:, 0] == vocabulary().mark(DOCUMENT)).all()
    assert (text.tokens[:, 1:] != vocabulary().mark(DOCUMENT)).all()


def test_a_text_may_be_longer_than_the_drift() -> None:
    assert sample_text(0, 3, 200).tokens.shape == (3, 200)


@pytest.mark.parametrize(("rows", "length"), [(0, 5), (5, 0)])
def test_an_empty_text_is_refused(rows: int, length: int) -> None:
    with pytest.raises(ValueError, match="rows and tokens"):
        sample_text(0, rows, length)


# tags and spelling


def test_every_tag_is_one_that_the_token_can_have(many: tuple[np.ndarray, np.ndarray]) -> None:
    words = vocabulary()
    for token, tag in {*zip(*(part.ravel().tolist() for part in many), strict=True)}:
        assert tag in words.tags_of(token), (words.strings[token], TAGS[tag])


def test_spaces_and_capitals_stand_where_a_reader_expects_them(few: list[list[tuple[str, int]]]) -> None:
    for row in few:
        for (before, _), (here, _) in pairwise(row):
            if here in MARKS:
                continue
            assert here.startswith(" ") != (before in GLUED_AFTER), (before, here)
            if before in (".", "?", ' "'):
                assert here.strip()[0].isupper(), (before, here)


# agreement


def test_determiners_agree_with_their_noun(few: list[list[tuple[str, int]]]) -> None:
    singular = {"a", "an", "this", "that", "every", "each", "another"}
    plural = {"some", "many", "several", "few", "these", "those", "both", "all", "two", "three", "ten"}
    seen = 0
    for row in few:
        words = [(string.strip().lower(), TAGS[tag]) for string, tag in row]
        for index, (word, _) in enumerate(words):
            if word not in singular | plural:
                continue
            rest = [tag for _, tag in words[index + 1 : index + 3] if tag != "adjective"]
            if rest:
                seen += 1
                assert rest[0] == ("noun_singular" if word in singular else "noun_plural"), words[index : index + 3]
    assert seen > 300


def test_verbs_agree_with_the_subject_before_them(few: list[list[tuple[str, int]]]) -> None:
    singular_words = {"is", "was", "has"}
    plural_words = {"are", "were", "have"}
    seen = 0
    for row in few:
        for (before, before_tag), (here, tag) in pairwise(row):
            subject = before.strip().lower()
            is_plural = TAGS[before_tag] == "noun_plural" or subject in {"they", "we", "you"}
            is_singular = TAGS[before_tag] in ("noun_singular", "person") or subject in {"he", "she", "it", "someone"}
            verb = here.strip().lower()
            if TAGS[tag] == "verb_third_person" or verb in singular_words:
                assert not is_plural, (before, here)
                seen += is_singular
            if verb in plural_words:
                assert not is_singular, (before, here)
                seen += is_plural
    assert seen > 300


def test_auxiliaries_take_the_form_that_they_need(few: list[list[tuple[str, int]]]) -> None:
    needed = dict.fromkeys(("had", "has", "have"), "verb_participle")
    needed |= dict.fromkeys(("was", "were", "is", "are"), "verb_ing")
    needed |= dict.fromkeys(("will", "can", "must", "could", "would", "should"), "verb_base")
    seen = {"verb_participle": 0, "verb_ing": 0, "verb_base": 0}
    for row in few:
        for (auxiliary, _), (_, tag) in pairwise(row):
            form = needed.get(auxiliary.strip().lower())
            if form is not None:
                assert TAGS[tag] == form
                seen[form] += 1
    assert min(seen.values()) > 50


def test_a_or_an_by_the_next_sound(few: list[list[tuple[str, int]]]) -> None:
    pairs = [(a.strip().lower(), b.strip()) for row in few for (a, _), (b, _) in pairwise(row)]
    assert {b[0] for a, b in pairs if a == "an"} <= set("aeiouh")
    assert {b[0] for a, b in pairs if a == "a"} & set("aeio") == set()


def test_he_and_she_stand_for_somebody_named_before(few: list[list[tuple[str, int]]]) -> None:
    female = {name.name: name.female for name in lexicon().names}
    seen = 0
    for row in few:
        named: set[bool] = set()
        for string, tag in row:
            word = string.strip().lower()
            if TAGS[tag] == "person":
                named.add(female[word])
            if word in ("he", "she", "his", "her", "him"):
                seen += 1
                assert (word in ("she", "her")) in named, "".join(part for part, _ in row)
    assert seen > 100


# company and letters


def test_names_come_again_within_a_document(many: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, tags = many
    again = total = 0
    for row, is_name in zip(tokens[:1000], _tagged(tags[:1000], "person"), strict=True):
        names = [vocabulary().word(token) for token in row[is_name].tolist()]
        again += sum(name in names[:index] for index, name in enumerate(names))
        total += len(names)
    assert again / total > 0.4


@pytest.mark.parametrize(
    ("first", "second"),
    [("adjective", "noun_singular"), ("verb_past", "adverb"), ("person", "verb_past"), ("adjective", "noun_plural")],
)
def test_neighbours_often_share_their_first_letter(
    many: tuple[np.ndarray, np.ndarray], first: str, second: str
) -> None:
    tokens, tags = many
    letters = np.array([ord(vocabulary().initial(token) or " ") for token in range(len(vocabulary()))])[tokens]
    pair = _tagged(tags[:, :-1], first) & _tagged(tags[:, 1:], second)
    before, after = letters[:, :-1][pair], letters[:, 1:][pair]
    by_chance = sum((before == letter).mean() * (after == letter).mean() for letter in np.unique(before))
    assert (before == after).mean() > by_chance + 0.25


# position


def test_a_headword_and_mostly_a_colon_begin_a_document(many: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, tags = many
    strings = vocabulary().strings
    assert all(strings[token][0].isupper() for token in tokens[:, 1])
    colon = vocabulary().mark(":")
    assert 0.85 < (tokens[:, 2] == colon).mean() < 0.95
    line_start = tokens[:, :-2] == vocabulary().mark(NEWLINE)
    capital = np.array([string[0].isupper() for string in strings])[tokens[:, 1:-1]]
    headword_like = line_start & capital & np.isin(tags[:, 1:-1], list(CONTENT))
    assert 0.005 < (tokens[:, 2:] == colon)[headword_like].mean() < 0.1


def test_tense_drifts_from_past_to_present(many: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, tags = many
    past = _tagged(tags, "verb_past") | _is(tokens, "had", "was", "were", "could", "would", "should", "did")
    present = _tagged(tags, "verb_third_person") | _is(
        tokens, "has", "have", "is", "are", "will", "can", "must", "does", "do"
    )
    shares = [past[:, at : at + 8].sum() / (past | present)[:, at : at + 8].sum() for at in range(0, 64, 8)]
    assert shares[0] > 0.88
    assert shares[-1] < 0.12
    assert all(0.04 < before - after < 0.2 for before, after in pairwise(shares))


def test_subjects_drift_from_names_to_pronouns(many: tuple[np.ndarray, np.ndarray]) -> None:
    tokens, tags = many
    finite = _tagged(tags[:, 1:], "verb_past", "verb_third_person", "auxiliary")
    kinds = {
        "name": _tagged(tags[:, :-1], "person") & finite,
        "pronoun": _tagged(tags[:, :-1], "pronoun") & finite & ~_is(tokens[:, :-1], "who", "which"),
        "noun": _tagged(tags[:, :-1], "noun_singular", "noun_plural") & finite,
    }

    def shares(kind: str) -> list[float]:
        return [
            kinds[kind][:, at : at + 9].sum() / sum(found[:, at : at + 9].sum() for found in kinds.values())
            for at in range(0, 63, 9)
        ]

    names, pronouns = shares("name"), shares("pronoun")
    assert names == sorted(names, reverse=True)
    assert names[0] - names[-1] > 0.4
    assert pronouns == sorted(pronouns)
    assert pronouns[-1] - pronouns[0] > 0.3


@pytest.mark.parametrize(
    ("mark", "tag", "start", "stop"), [('"', None, 24, 40), (" #", None, 56, 64), (None, "city", 40, 56)]
)
def test_styles_have_their_place(
    many: tuple[np.ndarray, np.ndarray], mark: str | None, tag: str | None, start: int, stop: int
) -> None:
    tokens, tags = many
    here = tokens == vocabulary().mark(mark) if mark is not None else _tagged(tags, tag or "")
    inside = here[:, start:stop].mean()
    outside = np.delete(here, np.s_[start:stop], axis=1).mean()
    assert inside > 2 * outside > 0


# frequencies


@pytest.mark.parametrize(
    "tag",
    split("noun_plural verb_past verb_ing adjective adverb person city preposition determiner pronoun noun_singular"),
)
def test_categories_are_neither_rare_nor_dominant(many: tuple[np.ndarray, np.ndarray], tag: str) -> None:
    tokens, tags = many
    here = _tagged(tags, tag)
    assert 0.015 < here.mean() < 0.15
    types = {vocabulary().word(token) for token in np.unique(tokens[here]).tolist()}
    assert len(types) >= 15


def test_lines_start_at_five_to_fifteen_percent_of_positions(many: tuple[np.ndarray, np.ndarray]) -> None:
    assert 0.05 < (many[0] == vocabulary().mark(NEWLINE)).mean() < 0.15


def test_twelve_first_letters_are_common_and_none_dominates(many: tuple[np.ndarray, np.ndarray]) -> None:
    initials = np.array([vocabulary().initial(token) or "" for token in range(len(vocabulary()))])
    counts = np.bincount(many[0].ravel(), minlength=len(vocabulary())) / many[0].size
    shares = [counts[initials == letter].sum() for letter in "abcdefghijklmnopqrstuvwxyz"]
    assert sum(0.025 <= share <= 0.12 for share in shares) >= 12
    assert max(shares) <= 0.12


def test_forty_content_words_are_frequent_in_all_four_variants(many: tuple[np.ndarray, np.ndarray]) -> None:
    words = vocabulary()
    counts = np.bincount(many[0].ravel(), minlength=len(words))
    found = []
    for word in {words.word(token) for token in range(len(words)) if words.tags_of(token) & CONTENT}:
        assert word is not None
        of_word = counts[list(words.variants(word))]
        share = of_word.sum() / counts.sum()
        if len(of_word) == 4 and 0.0025 <= share <= 0.015 and of_word.min() >= 0.03 * of_word.sum():
            found.append(word)
    assert len(found) >= 40
