"""Reads third-party lists into plain mappings; only this module depends on the names of their columns and keys."""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

#: Dana's classes of minerals, by the first and the last number of each.
_DANA = (("sulfide", 2, 2), ("oxide", 4, 8), ("carbonate", 13, 17), ("sulfate", 28, 32), ("phosphate", 37, 43),
         ("silicate", 51, 78))  # fmt: skip
#: Nickel and Strunz's classes, under the same names.
_STRUNZ = {2: "sulfide", 4: "oxide", 5: "carbonate", 7: "sulfate", 8: "phosphate", 9: "silicate"}
_KINDS = ("mammal", "bird", "fish", "insect", "reptile")


class Place(NamedTuple):
    """A place of a list."""

    name: str
    country: str
    latitude: float
    population: float


class Mass(NamedTuple):
    """The mass of a species or of a sample, in kilograms."""

    order: str
    family: str
    genus: str
    species: str
    kg: float


#: A column of a table of masses -> kilograms per unit, and the columns of order, family, genus and species.
_MASSES: Mapping[str, tuple[float, str, str, str, str]] = {
    "adult_body_mass_g": (1e-3, "order", "family", "genus", "species"),
    "Body_mass_g": (1e-3, "Order", "Family", "Genus", "Species"),
    "Adult weight (g)": (1e-3, "Order", "Family", "Genus", "Species"),
    "body mass": (1.0, "order", "family", "genus", "specificEpithet"),
}


def folded(name: str) -> str:
    """A name in lower case, without accents, apostrophes and similar characters."""
    return re.sub(r"[^\w\s-]", "", unicodedata.normalize("NFKD", name)).lower().strip()


def areas_by_code(path: Path) -> dict[str, float]:
    """Code of a country -> its area, from mledoze/countries (``countries.json``)."""
    return {row["cca2"]: float(row["area"]) for row in _json(path)}


def areas_by_name(path: Path) -> dict[str, float]:
    """Name of a country -> its area, from samayo/country-json (``country-by-surface-area.json``)."""
    return {row["country"]: float(row["area"]) for row in _json(path) if row["area"]}


def populations_by_code(path: Path) -> dict[str, float]:
    """Code of a country -> its population, from dr5hn/countries-states-cities-database (``countries.csv``)."""
    return {row["iso2"]: float(row["population"]) for row in _table(path) if row["population"]}


def places(path: Path) -> Iterator[Place]:
    """Places in dr5hn's ``contributions/cities/XX.json``, or in simplemaps' ``worldcities.csv``."""
    if path.suffix == ".json":
        for row in _json(path):
            yield Place(folded(row["name"]), row["country_code"], float(row["latitude"]), row.get("population") or 0)
        return
    for row in _table(path):
        for name in {folded(row["city"]), folded(row["city_ascii"])}:
            yield Place(name, row["iso2"], float(row["lat"]), float(row["population"] or 0))


def countries_of_places(path: Path) -> dict[str, set[str]]:
    """Name of a place -> names of its countries, from dr5hn's ``countries+cities.json``."""
    found: dict[str, set[str]] = defaultdict(set)
    for country in _json(path):
        for name in country["cities"]:
            found[folded(name)].add(country["name"].removeprefix("The "))
    return found


def dana_classes(path: Path) -> dict[str, set[str]]:
    """Mineral -> its class, from all-umass/superman (``dana_numbers.txt``): lines as "02.04.01.01 Acanthite"."""
    found: dict[str, set[str]] = defaultdict(set)
    for number, mineral in re.findall(r"^(\d+)[a-z]?\.\S* (\S+)$", path.read_text("utf-8"), re.M):
        for kind, first, last in _DANA:
            if first <= int(number) <= last:
                # the element's symbol distinguishes species that differ by an element: MonaziteCe
                found[re.sub(r"(?<=[a-z])([A-Z][a-z]?)$", "", mineral).lower()].add(kind)
    return found


def strunz_classes(path: Path) -> dict[str, set[str]]:
    """Mineral -> its class, from florianneukirchen/scrape_mineral_data (``minerals.csv``)."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in _table(path):
        number = re.match(r"0*(\d+)\.", row["Strunz class"] or "")
        if number and int(number[1]) in _STRUNZ:
            found[folded(row["name"].removesuffix(" (mineral)"))].add(_STRUNZ[int(number[1])])
    return found


def wordnet_kinds(path: Path) -> dict[str, set[str]]:
    """Word -> kinds of animal that it can mean, from globalwordnet/english-wordnet (``noun.animal.yaml``)."""
    above: dict[str, list[str]] = defaultdict(list)
    meanings: dict[str, list[str]] = defaultdict(list)
    synset = field = ""
    for line in path.read_text("utf-8").splitlines():
        if head := re.fullmatch(r"(\d+-n):", line):
            synset = head[1]
        elif head := re.fullmatch(r"  (\w+):.*", line):
            field = head[1]
        elif field == "hypernym":
            above[synset].append(line.strip("- "))
        elif field == "members":
            meanings[line.strip("- '").lower()].append(synset)
    kinds = {kind: set(meanings.get(kind, ())) for kind in _KINDS}
    found: dict[str, set[str]] = {}
    for word, synsets in meanings.items():
        chains = [_all_above(one, above) for one in synsets]
        found[word] = {kind for kind, tops in kinds.items() if any(chain & tops for chain in chains)}
    return found


def masses(path: Path) -> Iterator[Mass]:
    """Masses from a published table of the amniote database, AmphiBIO, AnAge or AnimalTraits."""
    rows = list(_table(path))
    column = next(name for name in _MASSES if name in rows[0])
    scale, *taxa = _MASSES[column]
    for row in rows:
        kg = scale * _number(row[column])
        if kg > 0:
            order, family, genus, species = (row[taxon] for taxon in taxa)
            yield Mass(order, family, genus, species.removeprefix(f"{genus} "), kg)


def typical_mass(taxa: str, rows: Iterable[Mass]) -> float | None:
    """The geometric mean over the species of some taxa.

    Args:
        taxa: Separated by ``;``; a genus, a species, or ``family:X`` or ``order:X``.
        rows: A table of masses.
    """
    by_species: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        names = {f"order:{row.order}", f"family:{row.family}", row.genus, f"{row.genus} {row.species}"}
        if names & set(taxa.split(";")):
            by_species[row.genus, row.species].append(row.kg)
    return math.exp(mean(math.log(mean(kg)) for kg in by_species.values())) if by_species else None


def _all_above(synset: str, above: Mapping[str, list[str]]) -> set[str]:
    found, waiting = {synset}, [synset]
    while waiting:
        new = [one for one in above.get(waiting.pop(), ()) if one not in found]
        found.update(new)
        waiting += new
    return found


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t" if path.suffix == ".txt" else ",")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
