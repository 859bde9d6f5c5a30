"""Compares our lists with others: facts one by one, and the order of all pairs that a question may draw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from ground_truth.probes.real.measurement import MEASURED_SEED
from ground_truth.probes.real.statements import Comparison


@dataclass(frozen=True)
class FactsCompared:
    """The result of comparing facts.

    Attributes:
        found: Number of our facts that the other list has.
        missing: Those that it lacks.
        differing: Differences among those found, as text.
    """

    found: int
    missing: tuple[str, ...]
    differing: tuple[str, ...]

    def __str__(self) -> str:
        """A few lines."""
        lines = [f"  {self.found} of {self.found + len(self.missing)} found, {len(self.differing)} differ"]
        lines += [f"    differs: {line}" for line in self.differing]
        return "\n".join([*lines, f"    not found: {', '.join(self.missing)}"] if self.missing else lines)


@dataclass(frozen=True)
class PairsCompared:
    """The result of comparing the order of pairs.

    Attributes:
        drawable: Number of pairs that a question may draw and that the other list has.
        reversed: Those that the other list orders in reverse, as (smaller, larger) in our list.
        measured: The reversed pairs that the frozen measurement asks about.
    """

    drawable: int
    reversed: tuple[tuple[str, str], ...]
    measured: frozenset[tuple[str, str]]

    def __str__(self) -> str:
        """A few lines."""
        head = f"  {self.drawable} pairs, {len(self.reversed)} reversed, {len(self.measured)} of these measured"
        lines = [f"    {'*' if pair in self.measured else ' '} {pair[0]} < {pair[1]}" for pair in self.reversed]
        return "\n".join([head, *lines])


def compare_values(ours: Mapping[str, str], theirs: Mapping[str, Collection[str]]) -> FactsCompared:
    """Compare facts: the other list must have our value among its values.

    Args:
        ours: Thing -> value.
        theirs: Thing -> its values; more than one where a name means several things.
    """
    differing = [
        f"{thing}: {value}, there {' or '.join(sorted(theirs[thing]))}"
        for thing, value in ours.items()
        if theirs.get(thing) and set(theirs[thing]) != {value}
    ]
    return _compared(ours, [thing for thing in ours if theirs.get(thing)], differing)


def compare_numbers(ours: Mapping[str, float], theirs: Mapping[str, float], factor: float) -> FactsCompared:
    """Compare numbers, which agree if they differ by at most a factor."""
    differing = [
        f"{thing}: {number:g}, there {theirs[thing]:g}"
        for thing, number in ours.items()
        if thing in theirs and not 1 / factor <= theirs[thing] / number <= factor
    ]
    return _compared(ours, [thing for thing in ours if thing in theirs], differing)


def compare_places(
    ours: Mapping[str, str], known: Mapping[str, Collection[str]], theirs: Mapping[str, Collection[str]]
) -> FactsCompared:
    """Compare places: whether each is in its country, and in which further countries the other list has the name.

    Args:
        ours: Place -> country.
        known: Place -> further countries that are known to have a place of the same name.
        theirs: Place -> all countries.
    """
    named = set(ours.values())
    found = [place for place in ours if ours[place] in theirs.get(place, ())]
    differing = [
        f"{place}: {ours[place]}, there also {further}"
        for place in ours
        if (further := ", ".join(sorted((set(theirs.get(place, ())) & named) - {ours[place], *known.get(place, ())})))
    ]
    return _compared(ours, found, differing)


def compare_order(question: Comparison, theirs: Mapping[str, float]) -> PairsCompared:
    """Compare the order of all pairs that a question may draw with the order of our keys.

    Args:
        question: The comparison.
        theirs: Thing -> compared number, for those that the other list has.
    """
    keys = question.keys
    ranked = sorted(keys, key=lambda thing: (keys[thing], thing))
    # two things are at least as many ranks apart in the whole list as in a block
    drawable = [
        (low, high)
        for (rank, low), (other, high) in combinations(enumerate(ranked), 2)
        if other - rank >= question.near[0] and 0 < keys[high] - keys[low] >= question.apart
        if low in theirs and high in theirs
    ]
    asked = {frozenset(statement.entities) for block in question.blocks(MEASURED_SEED) for statement in block}
    turned = tuple(pair for pair in drawable if theirs[pair[0]] >= theirs[pair[1]])
    return PairsCompared(len(drawable), turned, frozenset(pair for pair in turned if frozenset(pair) in asked))


def _compared(ours: Iterable[str], found: Collection[str], differing: Iterable[str]) -> FactsCompared:
    return FactsCompared(len(found), tuple(thing for thing in ours if thing not in found), tuple(differing))
