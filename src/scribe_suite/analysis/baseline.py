"""Judges a run against an earlier one: has a provider become worse?

The verdict is a gate for CI, so it always says what it could not judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scribe_suite.analysis.columns import attempts_of
from scribe_suite.analysis.comparison import SIGNIFICANT, Comparison, PairResult, compare
from scribe_suite.analysis.pairing import pairs_with_earlier, version_differences
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.sources import Results

Judgement = Literal["not asked", "not worse", "worse", "not comparable"]


@dataclass(frozen=True)
class Verdict:
    """The result of comparing a run with an earlier one.

    Attributes:
        comparison: Its pairs are (this run, earlier run), no others.
        tolerance: Accepted drop in skill, or None when no judgement was asked for.
        not_compared: Providers of this run that have no counterpart in the earlier one.
    """

    comparison: Comparison
    tolerance: float | None
    not_compared: tuple[str, ...]

    @property
    def fallen(self) -> tuple[PairResult, ...]:
        """Pairs in which this run is worse by more than the tolerance, and significantly so."""
        if self.tolerance is None:
            return ()
        return tuple(pair for pair in self.comparison.pairs if pair.falls_below(self.tolerance))

    @property
    def judgement(self) -> Judgement:
        """The judgement that decides the exit code."""
        if self.tolerance is None:
            return "not asked"
        if self.fallen:
            return "worse"
        return "not worse" if any(pair.pairs for pair in self.comparison.pairs) else "not comparable"

    def lines(self) -> list[str]:
        """The verdict in words, and the questions it leaves open."""
        lines = [self._line(pair) for pair in self.comparison.pairs]
        lines += [
            f"{provider}: not compared, the earlier run has other providers only." for provider in self.not_compared
        ]
        if self.judgement == "not comparable":
            lines.append(
                "NOT COMPARABLE: no attempt of this run has a partner in the earlier one, so nothing is judged."
            )
        return lines

    def _line(self, pair: PairResult) -> str:
        name = f"{pair.left} against {pair.right}"
        if pair.difference is None or pair.p_corrected is None:
            return f"{name}: no pair of attempts that count."
        size = f"{pair.pairs} pairs, {pair.tasks} tasks"
        sentence = f"{name}: skill {pair.difference:+.3f} ({size}, p {pair.p_corrected:.4f})"
        if self.tolerance is None:
            return f"{sentence}."
        if pair.falls_below(self.tolerance):
            return f"{sentence}: WORSE by more than {self.tolerance:g}, and significantly."
        if pair.difference < -self.tolerance:
            sentence += f": worse by more than {self.tolerance:g}, but not significantly"
            return f"{sentence}{self._open(pair)}."
        return f"{sentence}: not worse by more than {self.tolerance:g}{self._open(pair)}."

    def _open(self, pair: PairResult) -> str:
        """The questions that a verdict other than "worse" leaves open."""
        compared = sum(other.p is not None for other in self.comparison.pairs)
        if smallest_p(pair, compared) >= SIGNIFICANT:
            return "; so few pairs can never be significant: run more tasks or --trials"
        if pair.detectable is not None:
            return f" (these pairs could have shown a true difference of {pair.detectable:.3f})"
        return ""


def smallest_p(pair: PairResult, comparisons: int) -> float:
    """The corrected p if one side were better everywhere: of the 2^n patterns of signs, 2 have all signs alike."""
    units = pair.tasks if pair.unit == "tasks" else pair.pairs
    return min(1.0, comparisons * 2.0 ** (1 - units))


def judge(new: Results, old: Results, tolerance: float | None) -> Verdict:
    """Compare a run with an earlier one.

    Args:
        new: This run.
        old: The earlier one.
        tolerance: Accepted drop in skill, in units of skill; None to compare only.

    Raises:
        ConfigurationError: When one can't be read, or a task has different versions in them.
    """
    attempts = attempts_of([new, old])
    if differences := version_differences(attempts):
        raise ConfigurationError(f"The runs have different versions of {', '.join(differences)}: nothing is compared.")
    number = next(place for place, info in enumerate(attempts.runs) if info is new.info)
    comparison = compare(attempts, lambda sides: pairs_with_earlier(sides, number))
    met = {pair.left for pair in comparison.pairs}
    return Verdict(
        comparison,
        tolerance,
        tuple(side.provider for side in comparison.sides if side.run == number + 1 and side.label not in met),
    )
