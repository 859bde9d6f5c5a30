"""Draws rules that text can identify: every condition matters, and no list of tokens comes close."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from scribe_suite.planting.english import TaggedText, sample_text, vocabulary
from scribe_suite.planting.neurons.compound.atoms import Atom, atoms
from scribe_suite.planting.neurons.compound.rules import ANYWHERE, Alternative, Condition, Rule
from scribe_suite.planting.neurons.compound.strata import position_weights
from scribe_suite.planting.neurons.compound.token_lists import Judged, best_list
from scribe_suite.planting.neurons.compound.writing import REACH
from scribe_suite.planting.neurons.survey import CONTEXT

#: Least and largest share of positions at which an alternative holds.
FIRES = (0.003, 0.04)
#: Least share of positions at which one condition alone is missing.
NEAR = 0.0015
#: Largest correlation that a list of tokens may reach, at any place.
LARGEST_LIST = 0.75

#: Least and largest share of text in a set of tokens; a set of forbidden tokens may be rarer, one that may stand
#: anywhere before must be, and one that is counted can't be rare.
_SETS, _EXCEPTIONS, _SOUGHT, _COUNTED = (0.02, 0.35), (0.01, 0.35), (0.004, 0.03), (0.09, 0.35)
_ROWS, _SEED = 1000, 19
_TRIES = 300
#: Strength of an alternative relative to the one before it.
_WEAKER = 0.6


@dataclass(frozen=True)
class Blank:
    """A condition to be filled in.

    Attributes:
        places: The possible choices of its places.
        negated: See `Condition`.
        least: See `Condition`.
    """

    places: tuple[tuple[int, ...], ...]
    negated: bool = False
    least: int = 1

    @property
    def shares(self) -> tuple[float, float]:
        """Least and largest share of text in its set of tokens."""
        if ANYWHERE in self.places:
            return _SOUGHT
        if self.least > 1:
            return _COUNTED
        return _EXCEPTIONS if self.negated else _SETS


_HERE, _ONE, _TWO = Blank(((0,),)), Blank(((1,),)), Blank(((2,),))
_BEFORE = Blank(((1,), (2,)))
_WINDOW = Blank(((1, 2, 3), (2, 3)))
_EXCEPTION = Blank(((0,), (1,)), negated=True)
_SO_FAR, _NOT_SO_FAR = Blank((ANYWHERE,)), Blank((ANYWHERE,), negated=True)
_TWO_OF_THREE = Blank(((1, 2, 3),), least=2)

#: Forms of rules: a list of blanks for each alternative.
FORMS: Mapping[str, tuple[tuple[Blank, ...], ...]] = {
    "exception": ((_HERE, _BEFORE, _EXCEPTION),),
    "unrelated": ((_HERE, _ONE), (_HERE, _TWO)),
    "window": ((_HERE, _WINDOW, _EXCEPTION),),
    "three": ((_HERE, _ONE, _TWO),),
    "context": ((_HERE, _BEFORE, _SO_FAR), (_HERE, _TWO_OF_THREE, _NOT_SO_FAR)),
    "context that silences": ((_HERE, _BEFORE, _NOT_SO_FAR), (_HERE, _TWO_OF_THREE, _SO_FAR)),
}


def draw_rule(form: str, rng: random.Random, uncounted: Collection[str] = ()) -> Rule:
    """Draw a rule of a form.

    Args:
        form: One of `FORMS`.
        rng: Draws all random choices.
        uncounted: Names of sets that no condition counts: few sets are common enough for that, and some are drawn far
            more often than others.

    Raises:
        RuntimeError: When none is found, which the author of a form will notice at once.
    """
    for _ in range(_TRIES):
        alternatives = tuple(
            Alternative(_alternative(blanks, rng, uncounted), _WEAKER**number)
            for number, blanks in enumerate(FORMS[form])
        )
        rule = Rule(alternatives)
        if _is_told_apart(rule):
            return rule
    raise RuntimeError(f"no rule of the form {form!r} was found in {_TRIES} draws")


def _alternative(blanks: Sequence[Blank], rng: random.Random, uncounted: Collection[str]) -> tuple[Condition, ...]:
    """Conditions that hold together often enough, and of which each alone is missing often enough."""
    while True:
        chosen = [
            (rng.choice(_sets(blank.shares)), rng.choice(blank.places), blank.negated, blank.least) for blank in blanks
        ]
        if any(least > 1 and atom.name in uncounted for atom, _, _, least in chosen):
            continue
        holds = [_packed(*one) for one in chosen]
        together = reduce(np.bitwise_and, holds)
        if not FIRES[0] <= _share(together) <= FIRES[1]:
            continue
        nearly = (
            reduce(np.bitwise_and, [*holds[:at], *holds[at + 1 :], _packed_nearly(*one)])
            for at, one in enumerate(chosen)
        )
        if all(_share(one) >= NEAR for one in nearly):
            return tuple(
                Condition(atom.name, atom.tokens, places, negated, least) for atom, places, negated, least in chosen
            )


def _is_told_apart(rule: Rule) -> bool:
    """Whether all alternatives and conditions matter in the whole rule, and no list of tokens suffices."""
    tokens, size = survey_text().tokens, len(vocabulary())
    strata = rule.strata(tokens, size)
    fires = [float((strata.fires == number).float().mean()) for number in range(len(rule.alternatives))]
    near = [float((strata.near == number).float().mean()) for number in range(len(rule.conditions))]
    if min(fires) < FIRES[0] or min(near) < NEAR:
        return False
    half = len(tokens) // 2
    return best_list(judged(rule, tokens[:half]), judged(rule, tokens[half:]), REACH) <= LARGEST_LIST


def judged(rule: Rule, tokens: Int[Tensor, "batch pos"]) -> Judged:
    """Texts with the rule's values as activations."""
    size = len(vocabulary())
    values = rule.values(tokens, size).reshape(-1).double().numpy()
    return Judged(tokens, values, position_weights(rule.strata(tokens, size)))


@cache
def survey_text() -> TaggedText:
    """The text on which rules are tested, and which nothing else uses."""
    return sample_text(_SEED, _ROWS, CONTEXT)


@cache
def _sets(bounds: tuple[float, float]) -> tuple[Atom, ...]:
    """The sets of tokens whose share of text is within bounds."""
    low, high = bounds
    tokens = survey_text().tokens
    shares = torch.bincount(tokens.flatten(), minlength=len(vocabulary())).double() / tokens.numel()
    return tuple(atom for atom in atoms() if low <= float(shares[list(atom.tokens)].sum()) <= high)


@cache
def _packed(atom: Atom, places: tuple[int, ...], negated: bool, least: int) -> NDArray[np.uint16]:
    """Positions of the survey's text where the condition holds, as bits: each rule needs hundreds of trials."""
    condition = Condition(atom.name, atom.tokens, places, negated, least)
    return _bits(condition.holds(survey_text().tokens, len(vocabulary())))


@cache
def _packed_nearly(atom: Atom, places: tuple[int, ...], negated: bool, least: int) -> NDArray[np.uint16]:
    """Positions where it nearly holds; see `Condition.nearly`."""
    condition = Condition(atom.name, atom.tokens, places, negated, least)
    return _bits(condition.nearly(condition.counted(survey_text().tokens, len(vocabulary()))))


def _bits(holds: Bool[Tensor, "batch pos"]) -> NDArray[np.uint16]:
    return np.packbits(holds.numpy().reshape(-1)).view(np.uint16)


#: The number of set bits of every 16-bit number.
_BITS = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1)


def _share(packed: NDArray[np.uint16]) -> float:
    return int(_BITS[packed].sum()) / (16 * len(packed))
