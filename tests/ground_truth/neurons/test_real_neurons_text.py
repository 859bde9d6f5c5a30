"""How the texts of the neuron tasks on a real model are cut; with a made-up tagger, since spaCy is not installed."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from ground_truth.neurons.real import text_build as build
from ground_truth.neurons.real.tokens import Passage

SENTENCE = "We must keep the_peace and never give up."


class Sentence(list):
    """Words, as spaCy gives them."""

    @property
    def text_with_ws(self) -> str:
        return "".join(word.text + word.whitespace_ for word in self)


def tagger(text: str) -> SimpleNamespace:
    """Cuts at full stops, and gives verbs and nouns to nobody; white space is what spaCy tags ``_SP``."""
    sentences = [
        Sentence(
            SimpleNamespace(text=word, tag_="_SP" if word == "keep" else "XX", whitespace_=" ") for word in part.split()
        )
        for part in text.split(".")
        if part.strip()
    ]
    return SimpleNamespace(sents=sentences)


def found(count: int, sentences: int = 400) -> list[str]:
    return list(build.passages(" ".join([SENTENCE] * sentences), count, tagger))


def test_an_address_gives_as_many_passages_as_are_wanted() -> None:
    assert len(found(4)) == 4
    assert len(found(9)) == 9


def test_passages_are_long_enough_and_start_with_a_sentence() -> None:
    for tagged in found(4):
        passage = Passage.parse(f"1950\tA Speaker\t{tagged}")
        assert passage.text.startswith("We must")
        assert build.MIN_CHARACTERS - 2 <= len(passage.text) < build.MIN_CHARACTERS + 2 * len(SENTENCE)


def test_marks_of_the_format_do_not_occur_in_words_or_tags() -> None:
    passage = Passage.parse(f"1950\tA Speaker\t{found(4)[0]}")
    assert "the-peace" in passage.text
    assert set(passage.tags) == {"XX", "SP"}


def test_a_short_address_gives_less() -> None:
    assert found(4, sentences=30) == []


def test_addresses_are_those_of_the_last_century_on(tmp_path) -> None:
    for year in (1899, 1900, 1955):
        (tmp_path / f"{year}_somebody.json").write_text(json.dumps({"year": year, "name": "A", "text": ""}))
    assert [address["year"] for address in build.addresses(tmp_path)] == [1900, 1955]


def test_making_the_texts_needs_the_tagger(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["build", str(tmp_path)])
    monkeypatch.setattr(build, "_FOLDER", tmp_path)
    monkeypatch.setitem(sys.modules, "spacy", None)  # as where it is not installed
    with pytest.raises(ModuleNotFoundError, match="spacy"):
        build.main()
    assert not list(tmp_path.glob("*.tsv"))
