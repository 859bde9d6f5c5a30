"""The questions that the probe tasks on a real model draw from: properties of statements, with their entities.

Whether a property can be read is not decided here: it is measured (`ground_truth.probes.real.measurement`).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ground_truth.probes.real.grammar import attractor, composer, deeply_embedded, embedded, reflexive, relative
from ground_truth.probes.real.statements import Comparison, Question, Relation, Sentences

_DATA = Path(__file__).with_name("data")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBERS = [number for number in range(21, 100) if number % 10]


@cache
def _data(name: str) -> Any:
    return json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))


def cities() -> list[Question]:
    """About cities."""
    rows = _data("cities")
    country = {row["name"]: row["country"] for row in rows}
    here, not_here = ("the city of {x} is in {y}.",), ("the city of {x} is not in {y}.",)
    size, near = 50, (8, 25)
    return [
        Relation("country", "the statement about the country of a city is true", country, here),
        Relation("country_negated", "the statement about the country of a city is true", country, here, not_here),
        Comparison(
            "north", "the city named first lies further north than the other",
            {row["name"]: row["latitude"] for row in rows}, "{x} lies further north than {y}.",
            block_size=size, near=near,
        ),
        Comparison(
            "people", "the city named first has more inhabitants than the other",
            {row["name"]: row["population"] for row in rows}, "{x} has more inhabitants than {y}.",
            block_size=size, near=near,
        ),
        Comparison(
            "alphabet", "the city named first comes later in alphabetical order than the other",
            _alphabetical([row["name"] for row in rows]), "{x} comes after {y} in alphabetical order.",
            block_size=size, near=near,
        ),
    ]  # fmt: skip


def greater_than() -> list[Question]:
    """Numbers that are larger than others, in some sense."""
    words, digits = {_in_words(n): float(n) for n in _NUMBERS}, {str(n): float(n) for n in _NUMBERS}
    return [
        Comparison("words", "the statement about two numbers is true", words, "{x} is larger than {y}."),
        # inside the sentence both numbers are the same tokens; at its start the first one is not
        Comparison(
            "words_inside", "the statement about two numbers is true", words, "the number {x} is larger than {y}.",
        ),
        Comparison("digits", "the statement about two numbers is true", digits, "{x} is larger than {y}."),
        Comparison(
            "digit_sum", "the statement about the digit sums of two numbers is true",
            {str(n): float(n // 10 + n % 10) for n in _NUMBERS}, "the digit sum of {x} is larger than that of {y}.",
        ),
        Comparison(
            "divisors", "the statement about the divisors of two numbers is true",
            {str(n): float(sum(n % d == 0 for d in range(1, n + 1))) for n in _NUMBERS},
            "{x} has more divisors than {y}.", near=(2, 7),
        ),
    ]  # fmt: skip


def smaller_than() -> list[Question]:
    """Numbers that are smaller than others, in some sense."""
    words, digits = {_in_words(n): float(-n) for n in _NUMBERS}, {str(n): float(-n) for n in _NUMBERS}
    return [
        Comparison(
            "words_inside", "the statement about two numbers is true", words, "the number {x} is smaller than {y}.",
        ),
        Comparison("digits", "the statement about two numbers is true", digits, "{x} is smaller than {y}."),
        Comparison(
            "last_two_of_square", "the statement about the last two digits of two squares is true",
            {str(n): -float(n * n % 100) for n in _NUMBERS},
            "the square of {x} ends in a smaller two-digit number than the square of {y}.",
        ),
    ]  # fmt: skip


def grammar() -> list[Question]:
    """Agreement of a verb or a pronoun with a subject far before it."""
    words = _data("words")
    return [
        Sentences("attractor", "the verb agrees with its subject", composer(words, attractor)),
        Sentences("relative", "the last verb agrees with its subject", composer(words, relative)),
        Sentences("embedded", "the last verb agrees with its subject", composer(words, embedded)),
        Sentences("deeply_embedded", "the last verb agrees with its subject", composer(words, deeply_embedded)),
        Sentences("reflexive", "the pronoun agrees with the subject in number", composer(words, reflexive)),
    ]


def facts() -> list[Question]:
    """Simple facts, one relation each."""
    tables, countries = _data("facts"), _data("countries")

    def of_country(field: str) -> dict[str, str]:
        return {row["name"]: row[field] for row in countries if row[field] is not None}

    words = [noun for noun, _ in _data("words")["people"]] + [value for _, value in tables["opposite"]]
    counts = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    letters = {word: counts[len(word) - 1] for word in words if 3 <= len(word) <= 9}
    fact = "the statement is true"
    return [
        Relation("capital", fact, of_country("capital"), ("the capital of {x} is {y}.",)),
        Relation("currency", fact, of_country("currency"), ("the currency of {x} is the {y}.",)),
        Relation(
            "dialling_code", fact, of_country("dialling_code"), ("the international dialling code of {x} is {y}.",)
        ),
        Relation("symbol", fact, dict(tables["symbol"]), ("the chemical symbol of {x} is {y}.",)),
        Relation("animal", fact, dict(tables["animal"]), ("the {x} is a kind of {y}.",)),
        Relation("opposite", fact, dict(tables["opposite"]), ("the opposite of {x} is {y}.",)),
        Relation("past_tense", fact, dict(tables["past_tense"]), ("the past tense of {x} is {y}.",)),
        Relation("author", fact, dict(tables["author"]), ("the author of {x} is {y}.",)),
        Relation("letters", fact, letters, ("the word {x} has {y} letters.",)),
    ]


def _in_words(number: int) -> str:
    return f"{_TENS[number // 10 - 2]}-{_UNITS[number % 10 - 1]}"


def _alphabetical(names: list[str]) -> dict[str, float]:
    return {name: float(rank) for rank, name in enumerate(sorted(names))}
