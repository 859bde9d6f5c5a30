"""Compare the facts of the real probes with third-party lists; only the lists that are given are used."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.cities_real import questions as about_cities  # noqa: E402
from ground_truth.probes.greater_than_real import questions as about_larger  # noqa: E402
from ground_truth.probes.real.datasets import dataset  # noqa: E402
from ground_truth.probes.real.sizes import reversed_order  # noqa: E402
from ground_truth.probes.real.statements import Comparison, Question  # noqa: E402
from ground_truth.probes.smaller_than_real import questions as about_smaller  # noqa: E402
from studies.second_sources import readers  # noqa: E402
from studies.second_sources.compare import (  # noqa: E402
    compare_numbers,
    compare_order,
    compare_places,
    compare_values,
)
from studies.second_sources.taxa import TAXA  # noqa: E402

#: Names of our places, countries and minerals in other lists, where they differ.
_SPELLINGS = {
    "Makkah": "mecca", "Madinah": "medina", "Taiz": "taizz", "Sulaymaniyah": "as sulaymaniyah",
    "Gqeberha": "port elizabeth", "Bengaluru": "bangalore", "Ahmedabad": "ahmadabad", "Zamboanga": "zamboanga city",
    "Taguig": "taguig city", "Calamba": "city of calamba", "Muntinlupa": "muntinlupa city", "Caloocan": "caloocan city",
    "Czechia": "Czech Republic", "barite": "baryte", "bastnaesite": "bastnasite",
}  # fmt: skip
#: Areas, populations and masses within these factors of each other agree. The factor of masses is such that two masses
#: that differ tenfold keep their order if neither is off by more.
_AREA, _POPULATION, _MASS = 1.05, 1.25, 10**0.5
#: A place of the same name that is farther away, in degrees of latitude, is a different place.
_OTHER_PLACE = 1.0


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(prog="python -m studies.second_sources", description=__doc__)
    for name, (_, says) in _LISTS.items():
        parser.add_argument(f"--{name}", type=Path, nargs="+", metavar="FILE", help=says)
    options = vars(parser.parse_args())
    for name, (compare, says) in _LISTS.items():
        if paths := options[name.replace("-", "_")]:
            print(f"{name}: {says}")
            compare(paths)


def _areas_by_code(paths: Collection[Path]) -> None:
    codes = {row["code"]: row["name"] for row in dataset("countries")}
    for path in paths:
        _areas({codes[code]: area for code, area in readers.areas_by_code(path).items() if code in codes})


def _areas_by_name(paths: Collection[Path]) -> None:
    named = {_bare(row["name"]): row["name"] for row in dataset("countries")}
    for path in paths:
        _areas({named[name]: area for name, area in readers.areas_by_name(path).items() if name in named})


def _areas(theirs: Mapping[str, float]) -> None:
    print(compare_numbers({row["name"]: row["area_km2"] for row in dataset("countries")}, theirs, _AREA))
    _order(about_larger, ["countries_near"], theirs)
    _order(about_smaller, ["countries_near"], reversed_order(theirs))


def _populations(paths: Collection[Path]) -> None:
    codes = {row["code"]: row["name"] for row in dataset("countries")}
    for path in paths:
        theirs = {codes[code]: number for code, number in readers.populations_by_code(path).items() if code in codes}
        print(compare_numbers({row["name"]: row["population"] for row in dataset("countries")}, theirs, _POPULATION))
        _order(about_larger, ["inhabitants", "inhabitants_near"], theirs)


def _places(paths: Collection[Path]) -> None:
    named = {row["code"]: row["name"] for row in dataset("countries")}
    countries: dict[str, set[str]] = defaultdict(set)
    latitudes: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for place in (place for path in paths for place in readers.places(path)):
        country = named.get(place.country, place.country)
        countries[place.name].add(country)
        latitudes[place.name, country].append((place.population, place.latitude))
    _cities_and_towns(countries)
    theirs = {}
    for row in dataset("cities"):
        names = (readers.folded(row["name"]), _spelled(row["name"]))
        found = [one for name in names for one in latitudes.get((name, row["country"]), ())]
        near = [one for one in found if abs(one[1] - row["latitude"]) <= _OTHER_PLACE]
        if near:
            theirs[row["name"]] = max(near)[1]
    _order(about_cities, ["north", "north_near"], theirs)


def _place_names(paths: Collection[Path]) -> None:
    named = {_bare(row["name"]): row["name"] for row in dataset("countries")}
    for path in paths:
        found = readers.countries_of_places(path)
        _cities_and_towns({name: {named.get(one, one) for one in countries} for name, countries in found.items()})


def _cities_and_towns(countries: Mapping[str, Collection[str]]) -> None:
    for name in ("cities", "towns"):
        rows = dataset(name)
        print(f"  {name}:")
        known = {row["name"]: row.get("namesakes_in", ()) for row in rows}
        theirs = {row["name"]: set(countries.get(readers.folded(row["name"]), ())) for row in rows}
        for row in rows:  # for another spelling, check only the location
            theirs[row["name"]] |= {row["country"]} & set(countries.get(_spelled(row["name"]), ()))
        print(compare_places({row["name"]: row["country"] for row in rows}, known, theirs))


def _classes(name: str, read: Callable[[Path], Mapping[str, Collection[str]]]) -> Callable[[Collection[Path]], None]:
    def compare(paths: Collection[Path]) -> None:
        for path in paths:
            found, ours = read(path), dict(dataset("facts")[name])
            print(compare_values(ours, {thing: found.get(thing) or found.get(_spelled(thing), ()) for thing in ours}))

    return compare


def _masses(paths: Collection[Path]) -> None:
    """Compare masses; the first table that has any species of an animal is used."""
    tables = [list(readers.masses(path)) for path in paths]
    ours = dict(dataset("facts")["mass_kg"])
    theirs: dict[str, float] = {}
    for animal in ours:
        found = (readers.typical_mass(TAXA[animal], rows) for rows in tables)
        if (kg := next((kg for kg in found if kg), None)) is not None:
            theirs[animal] = kg
    print(compare_numbers(ours, theirs, _MASS))
    named = {f"the {animal}": kg for animal, kg in theirs.items()}
    _order(about_larger, ["animals"], named)
    _order(about_smaller, ["animals"], reversed_order(named))


def _order(questions: Callable[[], list[Question]], names: Collection[str], theirs: Mapping[str, float]) -> None:
    for question in questions():
        if question.name in names and isinstance(question, Comparison):
            print(f"  {question.template}  ({question.name})")
            print(compare_order(question, theirs))


def _spelled(name: str) -> str:
    return _SPELLINGS.get(name, readers.folded(name))


def _bare(country: str) -> str:
    return _SPELLINGS.get(country, country.removeprefix("the "))


_LISTS: Mapping[str, tuple[Callable[[Collection[Path]], None], str]] = {
    "mledoze": (_areas_by_code, "countries.json of mledoze/countries: areas"),
    "country-json": (_areas_by_name, "country-by-surface-area.json of samayo/country-json: areas"),
    "inhabitants": (_populations, "csv/countries.csv of dr5hn/countries-states-cities-database: inhabitants"),
    "places": (_places, "contributions/cities/*.json of the same, or worldcities.csv of simplemaps: cities and towns"),
    "place-names": (_place_names, "json/countries+cities.json of dr5hn/countries-states-cities-database: the same"),
    "dana": (_classes("mineral", readers.dana_classes), "superman/dana_numbers.txt of all-umass/superman: minerals"),
    "strunz": (
        _classes("mineral", readers.strunz_classes),
        "minerals.csv of florianneukirchen/scrape_mineral_data: minerals",
    ),
    "wordnet": (
        _classes("animal", readers.wordnet_kinds),
        "src/yaml/noun.animal.yaml of globalwordnet/english-wordnet: kinds of animals",
    ),
    "masses": (
        _masses,
        "Amniote_Database_Aug_2015.csv, AmphiBIO_v1.csv, anage_data.txt, observations.csv of AnimalTraits",
    ),
}


if __name__ == "__main__":
    main()
