"""The labels of numbers in an output: ``label: number``, ``label = number``, rows of printed tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scribe_suite.claims.numbers import Number

#: Lines with more characters or numbers are not labelled results.
MAX_LINE = 2_000
MAX_NUMBERS_OF_LINE = 40
#: Longest head of a table's row, in characters.
MAX_HEAD = 60
#: Fewest letters of a label.
FEWEST_LETTERS = 3

_FILLING = frozenset({
    "a", "an", "is", "of", "the", "was",
})  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+(?:[._][a-z0-9]+)*")
_ENDS_LABEL = re.compile(r"""[:=][\s({\["'~]*\Z""")


@dataclass(frozen=True)
class Reading:
    """One labelled number of an output.

    Attributes:
        label: Its words, in lower case.
        column: In a table, the heading above the number, or its place in the row; empty outside of tables.
        place: Which number of the output it is, from 0.
    """

    label: str
    column: str
    place: int

    @property
    def key(self) -> tuple[str, str]:
        """What two readings of the same measurement have in common."""
        return self.label, self.column

    @property
    def name(self) -> str:
        """The name that readers see."""
        return f"{self.label}, {self.column}" if self.column else self.label


def words(text: str) -> str:
    """The words of a text in lower case, separated by one space; names such as ``a0.h3`` are words."""
    return " ".join(_WORD.findall(text.lower()))


def names(text: str, label: str) -> bool:
    """Whether a text, as `words` gives it, is about a label: it contains the label's words next to each other.

    One plain word, such as "accuracy", also occurs in texts about other things ("accuracy drops by"), so it has to be
    the whole text, apart from numbers and filler words.
    """
    if f" {label} " not in f" {text} ":
        return False
    if " " in label or any(map(str.isdigit, label)):
        return True
    return [word for word in text.split() if word not in _FILLING and not word[0].isdigit()] == [label]


def find_readings(text: str, numbers: Sequence[Number]) -> list[Reading]:
    """The labelled numbers of an output.

    Args:
        text: The output's text.
        numbers: All its numbers, in order.
    """
    found: list[Reading] = []
    header: list[str] = []
    begin = place = 0
    for line in text.split("\n"):
        end = begin + len(line)
        first = place
        while place < len(numbers) and numbers[place].start < end:
            place += 1
        if first == place:
            header = line.split() if len(line) <= MAX_LINE else []
        elif place - first <= MAX_NUMBERS_OF_LINE and len(line) <= MAX_LINE:
            here = numbers[first:place]
            found += list(_labelled(line, begin, here, first)) or _row(line, begin, here, first, header)
        begin = end + 1
    return found


def _labelled(line: str, begin: int, numbers: Sequence[Number], first: int) -> Iterator[Reading]:
    """Numbers after a colon or an equals sign."""
    label_begin = before = 0
    for offset, number in enumerate(numbers):
        start = number.start - begin
        if _ENDS_LABEL.search(line, before, start):
            label = words(line[label_begin:start])
            if _says_something(label):
                yield Reading(label, "", first + offset)
            label_begin = number.end - begin
        before = number.end - begin


def _row(line: str, begin: int, numbers: Sequence[Number], first: int, header: list[str]) -> list[Reading]:
    """A row of a printed table: a head, then numbers; a row number before the head is left out."""
    if numbers[0].whole and not line[: numbers[0].start - begin].strip() and len(numbers) > 1:
        head_begin, numbers, first = numbers[0].end - begin, numbers[1:], first + 1
    else:
        head_begin = 0
    head = line[head_begin : numbers[0].start - begin]
    label = words(head)
    if not _says_something(label) or len(head) > MAX_HEAD or len(label.split()) > 4:
        return []
    columns = _columns(header, len(numbers))
    return [Reading(label, columns[offset], first + offset) for offset in range(len(numbers))]


def _columns(header: list[str], count: int) -> list[str]:
    if count == 1 and not header:
        return [""]
    titles = header[len(header) - count :] if len(header) - count in (0, 1, 2) else []
    return [words(title) for title in titles] or [f"column {offset + 1} of {count}" for offset in range(count)]


def _says_something(label: str) -> bool:
    # a component's name such as m2 has one letter and is a label all the same
    return sum(map(str.isalpha, label)) >= FEWEST_LETTERS or re.fullmatch(r"[a-z]\d+(?:\.[a-z]\d+)?", label) is not None
