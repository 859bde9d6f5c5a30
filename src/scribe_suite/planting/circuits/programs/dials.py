"""The size of a program, and the requirements for planting it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scribe_suite.planting.circuits.programs.formats import LONG, LONGEST, SHORT, Format


@dataclass(frozen=True)
class Dial:
    """What is asked of a random program.

    Attributes:
        variables: How many it has.
        form: What prompts are made of.
        everywhere: How many of them have a value at every position.
        rounds: What is added at the end, round by round: ``h`` a head that fetches or counts, ``t`` a table, ``s`` a
            head that reads the slot which an earlier variable names, ``b`` two heads that stand in for each other and
            a table of both, ``d`` two heads that have one half each of a value and a table of both, ``r`` a table of
            two variables of which one is read on a tenth of all prompts. A round may read what the rounds before it
            left.
        extra: Further rounds, one of which is put somewhere between.
        depth: Least number of variables on the longest path.
        effect: Least share of labels that change when one variable is interchanged.
        difference: Least share of pairs of prompts on which the interchanges of any two variables give other labels.
        commonest: Largest share of any label.
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


#: Seven variables in a chain and beside it.
SMALL = Dial(variables=7, everywhere=(2, 2), rounds=("hh", "t", "s"), depth=5)
#: Twelve.
MIDDLE = Dial(variables=12, everywhere=(3, 4), rounds=("hhh", "t", "s", "t"), extra=("s", "h", "hs", "ss"), depth=6)
#: Sixteen over longer prompts, of which some stand in for each other, are divided, or seldom matter.
LARGE = Dial(
    variables=16,
    everywhere=(3, 3),
    rounds=("h", "b", "d", "h", "r", "s", "t"),
    effect=0.03,
    difference=0.03,
    form=LONG,
    # what the neurons of a table of counts say besides its entry is as loud as the entry, and all in one direction
    counts=False,
    classes_at_the_end=False,
)
#: Twenty-six over still longer prompts.
LARGEST = replace(
    LARGE,
    variables=26,
    everywhere=(4, 4),
    rounds=("h", "b", "d", "s", "r", "h", "b", "t", "s", "h", "h", "r", "t"),
    depth=8,
    effect=0.02,
    difference=0.02,
    form=LONGEST,
)
