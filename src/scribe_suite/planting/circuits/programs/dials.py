"""The size of a program, and the requirements for planting it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dial:
    """What is asked of a random program.

    Attributes:
        variables: How many it has.
        everywhere: How many of them have a value at every position.
        rounds: What is added at the end, round by round: ``h`` a head that fetches or counts, ``t`` a table, ``s`` a
            head that reads the slot which an earlier variable names. A round may read what the rounds before it left.
        extra: Further rounds, one of which is put somewhere between.
        depth: Least number of variables on the longest path.
        effect: Least share of labels that change when one variable is interchanged.
        difference: Least share of pairs of prompts on which the interchanges of any two variables give other labels.
        commonest: Largest share of any label.
    """

    variables: int
    everywhere: tuple[int, int]
    rounds: tuple[str, ...]
    extra: tuple[str, ...] = ("",)
    depth: int = 5
    effect: float = 0.2
    difference: float = 0.08
    commonest: float = 0.32


#: Seven variables in a chain and beside it.
SMALL = Dial(variables=7, everywhere=(2, 2), rounds=("hh", "t", "s"), depth=5)
#: Twelve.
MIDDLE = Dial(variables=12, everywhere=(3, 4), rounds=("hhh", "t", "s", "t"), extra=("s", "h", "hs", "ss"), depth=6)
