"""Draws random programs for their wiring: values pass through without loss, and the edges are random."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.causal import balanced_table
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import LABELS, Variable, token_class
from scribe_suite.planting.circuits.wiring.quality import fault

_ATTEMPTS = 20000
#: Entries of the largest table.
_LARGEST_TABLE = 64
#: Probability that a table reads two variables, not a variable and tokens; probability that an input is an unread
#: variable.
_JOINED, _UNREAD_FIRST = 0.7, 0.5
#: Number of values of most variables.
_SIZE = 4


@dataclass(frozen=True)
class WiringDial:
    """The requirements for a random program.

    Attributes:
        everywhere: Number of variables with a value at every position.
        rounds: The variables added at the end, one letter for each: ``h`` a head that fetches, ``t`` a table, ``s`` a
            head that reads the place named by an earlier variable. A table of the label comes last.
        effect: Least share of labels that change along any edge.
        commonest: Largest allowed share of any label.
    """

    everywhere: int
    rounds: str
    effect: float = 0.34
    commonest: float = 0.32

    @property
    def variables(self) -> int:
        """The number of variables of a program, including the label."""
        return self.everywhere + len(self.rounds) + 1


def sample_wiring(dial: WiringDial, seed: int) -> Program:
    """The first drawn program without a `fault`; deterministic for a seed.

    Raises:
        ValueError: When several thousand attempts yield none.
    """
    for attempt in range(_ATTEMPTS):
        program = _Draft(dial, random.Random(f"wiring/{dial.variables}/{seed}/{attempt}")).program()
        if program is not None and not fault(program, dial.effect, dial.commonest):
            return program
    raise ValueError(f"no program of {dial.variables} variables in {_ATTEMPTS} attempts")


class _Draft:
    """A program under construction; `program` returns None if the draft can't become a valid one."""

    def __init__(self, dial: WiringDial, rng: random.Random) -> None:
        self._dial, self._rng = dial, rng
        self._generator = torch.Generator().manual_seed(rng.randrange(2**31))
        self._parts: list[Variable] = []
        self._classes: list[list[int]] = []
        #: Variables that nothing reads yet.
        self._unread: dict[str, None] = {}
        self._markers = list(range(SHORT.words, SHORT.tokens))
        rng.shuffle(self._markers)

    def program(self) -> Program | None:
        self._grow_everywhere()
        add = {"h": self._fetch, "t": self._look_up, "s": self._point}
        if not all(add[kind]() for kind in self._dial.rounds):
            return None
        ends = [name for name in self._unread if not self._part(name).everywhere]
        spare = [name for name in self._unread if self._part(name).everywhere]
        if len(ends) + len(spare) > 3 or len(spare) > 1 or not ends:
            return None
        inputs = [*ends, *spare]
        if len(inputs) == 1:
            inputs.append(self._rng.choice([self._new_class(), *self._everywhere(), *self._other_ends(inputs)]))
        self._rng.shuffle(inputs)
        return Program(self._parts, self._classes) if self._tabulate(inputs, LABELS, name="out") else None

    # --- the variables so far -----------------------------------------------------------------------------------------

    def _part(self, name: str) -> Variable:
        return next(part for part in self._parts if part.name == name)

    def _size(self, source: str) -> int:
        known = {part.name: part.size for part in self._parts}
        known |= {token_class(number): max(classes) + 1 for number, classes in enumerate(self._classes)}
        return known[source]

    def _everywhere(self) -> list[str]:
        return [part.name for part in self._parts if part.everywhere and part.size > 2]

    def _other_ends(self, but: Sequence[str]) -> list[str]:
        return [part.name for part in self._parts if not part.everywhere and part.name not in but]

    def _rather_unread(self, names: Sequence[str]) -> str:
        unread = [name for name in names if name in self._unread]
        return self._rng.choice(unread if unread and self._rng.random() < _UNREAD_FIRST else list(names))

    def _new_class(self, marker: int | None = None) -> str:
        """A new class of tokens: random, or the indicator of one marker."""
        if marker is None:
            self._classes.append(balanced_table(SHORT.tokens, _SIZE, self._generator).tolist())
        else:
            self._classes.append([int(token == marker) for token in range(SHORT.tokens)])
        return token_class(len(self._classes) - 1)

    def _add(self, part: Variable) -> bool:
        self._parts.append(part)
        for source in part.inputs:
            self._unread.pop(source, None)
        self._unread[part.name] = None
        return True

    def _next_name(self) -> str:
        return f"v{len(self._parts)}"

    # --- at every position --------------------------------------------------------------------------------------------

    def _grow_everywhere(self) -> None:
        rng = self._rng
        self._read_tokens()
        kinds = ["flag", "back", "join", "tokens", "back", "join"]
        rng.shuffle(kinds)
        for kind in kinds[: self._dial.everywhere - 1]:
            earlier = self._everywhere()
            if kind == "flag":
                marker = self._new_class(self._markers.pop())
                self._add(Variable(self._next_name(), "back", (marker,), 2, everywhere=True, by=1))
            elif kind == "tokens":
                self._read_tokens()
            elif kind == "back":
                source, by = self._rather_unread(earlier), rng.choice([1, 1, 2])
                self._add(Variable(self._next_name(), "back", (source,), self._size(source), everywhere=True, by=by))
            else:
                one = self._rather_unread(earlier)
                others = [name for name in earlier if name != one]
                other = rng.choice(others) if others and rng.random() < _JOINED else self._new_class()
                self._tabulate([one, other], _SIZE, everywhere=True)

    def _read_tokens(self) -> None:
        self._tabulate([self._new_class()], _SIZE, everywhere=True)

    # --- at the end ---------------------------------------------------------------------------------------------------

    def _fetch(self) -> bool:
        rng, content = self._rng, self._rather_unread(self._everywhere())
        flags = [part.name for part in self._parts if part.everywhere and part.size == 2]
        kind = rng.choice(["at", "latest", "latest", *(["marked"] * 3 if flags else [])])
        name, size = self._next_name(), self._size(content)
        if kind == "at":
            return self._add(Variable(name, "at", (content,), size, place=rng.randrange(SHORT.last)))
        if kind == "marked":
            return self._add(Variable(name, "marked", (self._rather_unread(flags), content), size))
        others = [one for one in self._everywhere() if one != content]
        if not others:
            return False
        by = rng.choice(others)
        return self._add(Variable(name, "latest", (by, content), size, wanted=rng.randrange(self._size(by))))

    def _look_up(self) -> bool:
        rng = self._rng
        ends = self._other_ends(())
        unread = [name for name in ends if name in self._unread]
        first = rng.choice(unread or ends)
        rest = [name for name in ends if name != first] + self._everywhere()
        second = self._rather_unread(rest) if rest and rng.random() < _JOINED else self._new_class()
        return self._tabulate([first, second], _SIZE)

    def _point(self) -> bool:
        ends = [name for name in self._other_ends(()) if self._size(name) > 2]
        if not ends:
            return False
        pointer, content = self._rather_unread(ends), self._rather_unread(self._everywhere())
        slots = tuple(self._rng.sample(range(SHORT.last), self._size(pointer)))
        return self._add(Variable(self._next_name(), "pointed", (pointer, content), self._size(content), slots=slots))

    # --- tables -------------------------------------------------------------------------------------------------------

    def _tabulate(self, inputs: Sequence[str], size: int, *, everywhere: bool = False, name: str = "") -> bool:
        """Add a random table in which every change of one input changes the entry, as far as sizes allow."""
        sizes = [self._size(source) for source in inputs]
        if math.prod(sizes) > _LARGEST_TABLE or len(set(inputs)) < len(inputs):
            return False
        values = torch.arange(sizes[0]) % size
        table = torch.randperm(size, generator=self._generator)[values]
        for more in sizes[1:]:
            # a Latin square with relabelled rows and columns: each value of the next input shifts the entries
            shift = torch.randperm(more, generator=self._generator) % size
            order = torch.randperm(size, generator=self._generator)
            table = order[(table[..., None] + shift) % size]
        return self._add(
            Variable(
                *(name or self._next_name(), "table", tuple(inputs), size),
                everywhere=everywhere,
                table=tuple(table.flatten().tolist()),
                shape=tuple(sizes),
            )
        )
