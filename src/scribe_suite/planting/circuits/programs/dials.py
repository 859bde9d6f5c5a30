"""The size of a program, and the requirements for planting it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scribe_suite.planting.circuits.programs.formats import LONG, LONGEST, SHORT, Format


@dataclass(frozen=True)
class Dial:
    """The requirements for a random program.

    Attributes:
        variables: Number of variables.
        form: The format of prompts.
        everywhere: Number of variables with a value at every position.
        rounds: The variables added at the end, round by round: ``h`` a head that fetches or counts, ``t`` a table,
            ``s`` a head that reads the slot named by an earlier variable, ``b`` two heads that replace each other and a
            table of both, ``d`` two heads with half of a value each and a table of both, ``r`` a table of two variables
            of which one is read on a tenth of all prompts. A round may read the variables of earlier rounds.
        extra: Further rounds, one of which is inserted at a random point.
        depth: Least number of variables on the longest path.
        effect: Least share of labels that change when one variable is interchanged.
        difference: Least share of pairs of prompts on which interchanges of any two variables give different labels.
        commonest: Largest allowed share of any label.
        counts: Whether heads may count.
        classes_at_the_end: Whether heads and tables at the end read classes of tokens besides variables.
    """

    variables: int
    everywhere: tuple[int, int]
    rounds: tuple[str, ...]
    extra: tuple[str, ...] = ("",)
    depth: int = 5
    effect: float = 0.2
    difference: float = 0.08
    commonest: float = 0.32
    form: Format = SHORT
    counts: bool = True
    classes_at_the_end: bool = True


#: Seven variables, in a chain and next to it.
SMALL = Dial(variables=7, everywhere=(2, 2), rounds=("hh", "t", "s"), depth=5)
#: Twelve variables.
MIDDLE = Dial(variables=12, everywhere=(3, 4), rounds=("hhh", "t", "s", "t"), extra=("s", "h", "hs", "ss"), depth=6)
#: Sixteen variables over longer prompts, of which some replace each other, are divided, or rarely matter.
LARGE = Dial(
    variables=16,
    everywhere=(3, 3),
    rounds=("h", "b", "d", "h", "r", "s", "t"),
    effect=0.03,
    difference=0.03,
    form=LONG,
    # the neurons of a table of counts write as much noise as signal, all of it in one direction
    counts=False,
    classes_at_the_end=False,
)
#: Twenty-six variables over still longer prompts.
LARGEST = replace(
    LARGE,
    variables=26,
    everywhere=(4, 4),
    rounds=("h", "b", "d", "s", "r", "h", "b", "t", "s", "h", "h", "r", "t"),
    depth=8,
    # the bars of the certificate are 0.02 and 0.015; of 256 pairs, some programs at a bar are always below it
    effect=0.03,
    difference=0.03,
    form=LONGEST,
)
