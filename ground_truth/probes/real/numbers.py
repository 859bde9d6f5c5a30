"""Two-digit numbers in digits and in words."""

from __future__ import annotations

_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: The numbers that statements are about: 21 to 99, each of two words.
NUMBERS = [number for number in range(21, 100) if number % 10]


def in_words(number: int) -> str:
    """One of `NUMBERS`, as ``twenty-one``."""
    return f"{_TENS[number // 10 - 2]}-{_UNITS[number % 10 - 1]}"
