"""The comparison of facts with lists made by others, on small lists made here."""

from __future__ import annotations

import json

import pytest

from scribe_suite.tasks.registry import default_registry

default_registry()  # it makes the task files importable

from ground_truth.probes.real.datasets import dataset  # noqa: E402
from ground_truth.probes.real.statements import Comparison  # noqa: E402
from studies.second_sources import __main__ as program  # noqa: E402
from studies.second_sources import readers  # noqa: E402
from studies.second_sources.compare import (  # noqa: E402
    compare_numbers,
    compare_order,
    compare_places,
    compare_values,
)
from studies.second_sources.taxa import TAXA  # noqa: E402

WORDNET = """\
00000001-n:
  hypernym:
  - 00000009-n
  members:
  - mammal
00000002-n:
  definition:
  - a spotted cat
  hypernym:
  - 00000001-n
  members:
  - leopard
  - 'Panther'
00000003-n:
  hypernym:
  - 00000002-n
  members:
  - cub
"""
AMNIOTES = """\
class,order,family,genus,species,adult_body_mass_g
Mammalia,Carnivora,Felidae,Panthera,leo,100000
Mammalia,Carnivora,Felidae,Panthera,pardus,1000
Mammalia,Carnivora,Felidae,Felis,catus,NA
"""


def written(folder, name, text):
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def run(monkeypatch, capsys, *options):
    monkeypatch.setattr("sys.argv", ["second_sources", *map(str, options)])
    program.main()
    return capsys.readouterr().out


def test_a_value_differs_also_where_the_name_means_another_thing_as_well():
    compared = compare_values(
        {"lion": "mammal", "dolphin": "mammal", "tilapia": "fish"}, {"lion": {"mammal"}, "dolphin": {"mammal", "fish"}}
    )
    assert compared.found == 2
    assert compared.missing == ("tilapia",)
    assert compared.differing == ("dolphin: mammal, there fish or mammal",)


def test_numbers_agree_up_to_a_factor():
    compared = compare_numbers({"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}, {"a": 1.9, "b": 2.1, "c": 0.4}, 2)
    assert [line[0] for line in compared.differing] == ["b", "c"]
    assert compared.missing == ("d",)


def test_a_namesake_counts_in_a_country_that_statements_name_and_we_did_not_know():
    ours = {"Lima": "Peru", "Bonn": "Germany", "Rom": "Germany"}
    compared = compare_places(ours, {"Lima": ["Germany"]}, {"Lima": {"Peru", "Germany"}, "Bonn": {"Peru", "Chile"}})
    assert compared.found == 1
    assert compared.missing == ("Bonn", "Rom")
    assert compared.differing == ("Bonn: Germany, there also Peru",)


def test_only_pairs_that_a_question_may_draw_are_compared():
    keys = {name: float(rank) for rank, name in enumerate("abcdefghij")}
    question = Comparison("test", "it", keys, "{x} > {y}.", block_size=2, near=(1, 1), apart=2.0)
    asked = {statement.entities for block in question.blocks("measured") for statement in block}
    turned = {name: -key for name, key in keys.items() if name != "j"}
    compared = compare_order(question, turned)
    assert compared.drawable == len(compared.reversed) == 7 * 8 / 2  # of nine, those two apart
    assert compared.measured == {pair for pair in asked if "j" not in pair}
    assert not compare_order(question, keys).reversed
    far = Comparison("test", "it", keys, "{x} > {y}.", block_size=2, near=(8, 9))
    assert set(compare_order(far, {name: -key for name, key in keys.items()}).reversed) == {
        ("a", "i"), ("a", "j"), ("b", "j"),
    }  # fmt: skip


def test_minerals_are_of_the_class_of_their_number(tmp_path):
    lines = "02.04.01.01 Acanthite\n16a.01.02.01 Azurite\n38.04.03.01 MonaziteCe\n01.01.01.01 Gold\n"
    assert readers.dana_classes(written(tmp_path, "dana.txt", lines)) == {
        "acanthite": {"sulfide"}, "azurite": {"carbonate"}, "monazite": {"phosphate"},
    }  # fmt: skip
    rows = "name,Strunz class\nCelestine (mineral),7.AD.35\nThénardite,07.AC.25\nGold,1.AA.05\nMica,\n"
    assert readers.strunz_classes(written(tmp_path, "minerals.csv", rows)) == {
        "celestine": {"sulfate"}, "thenardite": {"sulfate"},
    }  # fmt: skip


def test_an_animal_is_of_the_kind_above_it(tmp_path):
    kinds = readers.wordnet_kinds(written(tmp_path, "animal.yaml", WORDNET))
    assert kinds == {"mammal": {"mammal"}, "leopard": {"mammal"}, "panther": {"mammal"}, "cub": {"mammal"}}


def test_a_typical_mass_is_the_geometric_mean_of_the_species(tmp_path):
    rows = list(readers.masses(written(tmp_path, "amniotes.csv", AMNIOTES)))
    assert readers.typical_mass("Panthera", rows) == pytest.approx(10.0)
    assert readers.typical_mass("Panthera leo;Felis", rows) == pytest.approx(100.0)
    assert readers.typical_mass("family:Felidae", rows) == readers.typical_mass("order:Carnivora", rows)
    assert readers.typical_mass("Felis", rows) is None


def test_every_animal_has_taxa():
    assert list(TAXA) == [animal for animal, _ in dataset("facts")["mass_kg"]]


def test_an_area_that_turns_a_measured_pair_is_shown(monkeypatch, capsys, tmp_path):
    rows = [{"cca2": row["code"], "area": row["area_km2"]} for row in dataset("countries")]
    same = run(monkeypatch, capsys, "--mledoze", written(tmp_path, "countries.json", rows))
    assert "136 of 136 found, 0 differ" in same
    assert same.count("0 reversed, 0 of these measured") == 2
    for row in rows:
        row["area"] = 1.0 if row["cca2"] == "RU" else row["area"]
    other = run(monkeypatch, capsys, "--mledoze", written(tmp_path, "countries.json", rows))
    assert "differs: Russia: 1.71e+07, there 1\n" in other
    assert "    * " in other


def test_places_are_looked_up_without_accents_and_by_other_spellings(monkeypatch, capsys, tmp_path):
    rows = [
        {"name": "Mecca", "country_code": "SA", "latitude": "21.4", "population": 9},
        {"name": "Mecca", "country_code": "US", "latitude": "33.6", "population": 5},
        {"name": "Makkah", "country_code": "US", "latitude": "33.6", "population": None},
        {"name": "Múmbai", "country_code": "IN", "latitude": "19.0", "population": 9},
    ]
    shown = run(monkeypatch, capsys, "--places", written(tmp_path, "XX.json", rows))
    assert "2 of 265 found, 1 differ" in shown
    assert "differs: Makkah: Saudi Arabia, there also the United States" in shown
    assert "  1 pairs, 0 reversed" in shown.split("(north_near)")[1]
