"""Numbers in texts: finds them, and compares them within the precision in which they are written.

Texts are untrusted and may be long. No pattern here backtracks at its beginning or end, so the time is proportional to
the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

#: Whole numbers up to this size are parts of answers or coincidences: they are not traced.
LARGEST_TRIVIAL = 20
#: Significant digits that an output must have to support a claim with more digits.
FEWEST_DIGITS = 2
#: Longest number, in characters; longer ones are not measurements.
LONGEST = 40
#: How many numbers of one text are read.
MAX_NUMBERS = 20_000

#: A number after one of these words is a name: "neuron 1234", "seed 42".
_NAMING = frozenset({
    "block", "cell", "cells", "head", "heads", "index", "layer", "layers", "neuron", "neurons", "position",
    "positions", "seed", "seeds", "step", "token", "tokens", "trial", "unit", "units",
})  # fmt: skip
_MINUS = "\N{MINUS SIGN}"
_NUMBER = re.compile(
    rf"""
    (?<![\w.])[0-9]+(?:\.[0-9]+){{2,}}                                   # a version, no number
    | (?P<sign>(?<![\w.)\]])[-+{_MINUS}])? (?<![\w.])
      (?: (?P<grouped>[0-9]{{1,3}}(?:,[0-9]{{3}})+)(?![0-9]) | (?P<whole>[0-9]+) | (?=\.[0-9]) )
      (?P<rest>\.[0-9]*)? (?P<exponent>[eE][-+]?[0-9]{{1,3}})?
      (?P<percent>[ ]?%)?
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"([A-Za-z]+)[\s#:=]{0,3}\Z")
_UNDERSCORE = re.compile(r"(?<=[0-9])_(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written.

    Attributes:
        text: The number as written.
        start: Where it begins in its text.
        value: Its value; 95 for "95 %".
        unit: The unit of its last digit: 0.01 for "0.95", 100 for "1.2e3".
        digits: The number of significant digits.
        whole: Whether it is written without a fraction and exponent.
        signed: Whether it has a sign.
        percent: Whether a percent sign follows.
    """

    text: str
    start: int
    value: float
    unit: float
    digits: int
    whole: bool
    signed: bool
    percent: bool

    @property
    def end(self) -> int:
        """Where it ends in its text."""
        return self.start + len(self.text)

    @property
    def is_trivial(self) -> bool:
        """Whether it is a whole number so small that any output contains it."""
        return self.whole and not self.percent and abs(self.value) <= LARGEST_TRIVIAL


def find_numbers(text: str) -> list[Number]:
    """The numbers in a text, in order, `MAX_NUMBERS` at most.

    Names such as ``a0.h3``, ``L3.N12``, ``GPT-2`` and ``1.2.3`` have none. A group such as ``1,234`` is one number.
    """
    found: list[Number] = []
    for match in _NUMBER.finditer(text):
        number = _number(match)
        if number is not None and not _joined_to_a_name(text, number):
            found.append(number)
            if len(found) == MAX_NUMBERS:
                break
    return found


def traceable_numbers(text: str) -> list[Number]:
    """The numbers in a text that must come from a measurement: neither trivial nor parts of names."""
    return [number for number in find_numbers(text) if not (number.is_trivial or _is_named(text, number))]


def number_of(value: float, *, percent: bool = False) -> Number:
    """A `Number` from a value, in the precision in which Python writes it.

    Args:
        value: Finite; whole numbers that are an `int` are exact.
        percent: Whether the quantity is in percent.
    """
    (number,) = find_numbers(f"{value!r}") or [Number(repr(value), 0, float(value), 1.0, LONGEST, True, True, False)]
    return Number(
        number.text, 0, number.value, number.unit, number.digits, isinstance(value, int), signed=True, percent=percent
    )


def typed_values(code: str) -> set[float]:
    """Absolute values of the numbers in code, including its strings and comments, without trivial ones."""
    return {abs(number.value) for number in find_numbers(_UNDERSCORE.sub("", code)) if not number.is_trivial}


def _number(match: re.Match[str]) -> Number | None:
    whole, rest = match["grouped"] or match["whole"] or "", match["rest"] or ""
    text = match[0]
    if not (whole or rest) or len(text) > LONGEST:
        return None
    exponent = match["exponent"] or ""
    digits = whole.replace(",", "") + rest[1:]
    size = float(f"{whole.replace(',', '')}{rest}{exponent}")
    unit = float(f"1e{int(exponent[1:] or 0) - max(len(rest) - 1, 0)}")  # a power would raise where this is infinite
    sign = match["sign"]
    if not (math.isfinite(size) and math.isfinite(unit)):
        return None
    return Number(
        text=text,
        start=match.start(),
        value=-size if sign in ("-", _MINUS) else size,
        unit=unit,
        digits=len(digits.lstrip("0")),
        whole=len(rest) < 2 and not exponent,
        signed=sign is not None,
        percent=match["percent"] is not None,
    )


def _joined_to_a_name(text: str, number: Number) -> bool:
    """Whether a hyphen joins it to a name: ``GPT-2``, ``SmolLM2-135M``."""
    start, end = number.start, number.end
    if number.signed or start < 2 or text[start - 1] != "-":
        return False
    return text[start - 2].isalpha() or text[end : end + 1].isalpha()


def _is_named(text: str, number: Number) -> bool:
    if not number.whole or number.percent:
        return False
    before = _LAST_WORD.search(text, max(0, number.start - 24), number.start)
    return before is not None and before[1].lower() in _NAMING


class NumberTable:
    """Numbers of one output, side by side.

    Args:
        numbers: In order.
        fewest_digits: Significant digits that one of them must have to support a number with more.
    """

    def __init__(self, numbers: Sequence[Number], fewest_digits: int = FEWEST_DIGITS) -> None:
        self.numbers = numbers
        self.values: Float[np.ndarray, " n"] = np.array([number.value for number in numbers], np.float64)
        self._units: Float[np.ndarray, " n"] = np.array([number.unit for number in numbers], np.float64)
        # an exact number, or one with too few digits, matches only itself
        coarse = [number.digits >= fewest_digits and (not number.whole or number.percent) for number in numbers]
        self._coarse: Bool[np.ndarray, " n"] = np.array(coarse, bool)
        self._percent: Bool[np.ndarray, " n"] = np.array([number.percent for number in numbers], bool)

    @cached_property
    def starts(self) -> Int[np.ndarray, " n"]:
        """Where each begins in its text."""
        return np.array([number.start for number in self.numbers], np.int64)

    def matches(self, number: Number) -> Bool[np.ndarray, " n"]:
        """Which of the numbers equal this one: exactly if it is whole, else rounded to the precision of either.

        A percentage matches its fraction and vice versa, where one of the two has a percent sign. A number without a
        sign matches either sign, because prose says "falls by 0.3".
        """
        found = self._within(number.value, number.unit, number, np.ones(len(self.numbers), bool))
        if number.percent:
            found |= self._within(number.value / 100, number.unit / 100, number, ~self._percent)
        elif abs(number.value) <= 1 and not number.whole:
            found |= self._within(number.value * 100, number.unit * 100, number, self._percent)
        return found

    def _within(
        self, value: float, unit: float, number: Number, among: Bool[np.ndarray, " n"]
    ) -> Bool[np.ndarray, " n"]:
        apart = np.abs(self.values - value) if number.signed else np.abs(np.abs(self.values) - abs(value))
        exact = number.whole and not number.percent
        slack = 1e-12 * abs(value)
        found = apart <= slack if exact else apart <= unit / 2 * (1 + 1e-9) + slack
        if not exact:
            found |= self._coarse & (apart <= self._units / 2 * (1 + 1e-9) + slack)
        inside: Bool[np.ndarray, " n"] = found & among
        return inside
