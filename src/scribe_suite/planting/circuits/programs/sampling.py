"""Draws random programs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import balanced_table
from scribe_suite.planting.circuits.programs.dials import Dial
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.quality import fault
from scribe_suite.planting.circuits.programs.variables import LABELS, SPAN, Variable, token_class

_ATTEMPTS = 6000
#: Entries of the largest table: an MLP needs about one neuron for each.
_LARGEST_TABLE = 64
#: Share of tokens in a class that decides where another variable matters.
_RARE = 0.1


def sample_program(dial: Dial, seed: int) -> Program:
    """The first drawn program without a `fault`; deterministic for a seed.

    Raises:
        ValueError: When several thousand attempts yield none.
    """
    for attempt in range(_ATTEMPTS):
        program = _Draft(dial, random.Random(f"{dial.variables}/{seed}/{attempt}")).program()
        if program is not None and not fault(program, dial):
            return program
    raise ValueError(f"no program of {dial.variables} variables in {_ATTEMPTS} attempts")


class _Draft:
    """A program under construction; `program` returns None if the draft can't become a valid one."""

    def __init__(self, dial: Dial, rng: random.Random) -> None:
        self._dial, self._rng, self._form = dial, rng, dial.form
        self._generator = torch.Generator().manual_seed(rng.randrange(2**31))
        self._parts: list[Variable] = []
        self._classes: list[list[int]] = []
        #: Variables that nothing reads yet, in the order of creation.
        self._unread: dict[str, None] = {}
        self._markers = list(range(dial.form.words, dial.form.tokens))
        rng.shuffle(self._markers)

    def program(self) -> Program | None:
        rng, rounds = self._rng, list(self._dial.rounds)
        self._grow_everywhere(rng.randint(*self._dial.everywhere))
        rounds.insert(rng.randint(1, len(rounds) - 1), rng.choice(self._dial.extra))
        add = {
            "h": self._fetch,
            "t": self._look_up,
            "s": self._point,
            "b": self._back_up,
            "d": self._divide,
            "r": self._rarely,
        }
        if not all(add[kind]() for step in rounds for kind in step):
            return None
        ends = [part.name for part in self._parts if part.name in self._unread]
        if any(part.everywhere for part in self._parts if part.name in self._unread) or not 1 <= len(ends) <= 3:
            return None
        rng.shuffle(ends)
        if len(ends) == 1:
            if not self._dial.classes_at_the_end:
                return None
            ends.append(self._new_class(rng.choice([2, 3])))
        return Program(self._parts, self._classes, self._form) if self._tabulate(ends, LABELS, name="out") else None

    # --- the variables so far -----------------------------------------------------------------------------------------

    def _size(self, source: str) -> int:
        known = {part.name: part.size for part in self._parts}
        known |= {token_class(number): max(classes) + 1 for number, classes in enumerate(self._classes)}
        return known[source]

    def _everywhere(self, *, at_least: int) -> list[str]:
        return [part.name for part in self._parts if part.everywhere and part.size >= at_least]

    def _ends(self) -> list[Variable]:
        """Variables at the end, the unread ones first."""
        ends = [part for part in self._parts if not part.everywhere]
        self._rng.shuffle(ends)
        return sorted(ends, key=lambda part: part.name not in self._unread)

    def _new_class(self, size: int, marker: int | None = None) -> str:
        """A new class of tokens: random, or the indicator of one marker."""
        if marker is None:
            self._classes.append(balanced_table(self._form.tokens, size, self._generator).tolist())
        else:
            self._classes.append([int(token == marker) for token in range(self._form.tokens)])
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

    def _grow_everywhere(self, count: int) -> None:
        rng, size = self._rng, self._rng.choice([3, 4])
        first = Variable(
            *(self._next_name(), "table", (self._new_class(size),), size),
            everywhere=True,
            table=tuple(range(size)),
            shape=(size,),
        )
        self._add(first)
        kinds = ["flag", "back", "join", "join"]
        rng.shuffle(kinds)
        for kind in kinds[: count - 1]:
            earlier = self._everywhere(at_least=3)
            if kind == "flag":
                marker = self._new_class(2, self._markers.pop())
                self._add(Variable(self._next_name(), "back", (marker,), 2, everywhere=True, by=1))
            elif kind == "back":
                source = rng.choice(earlier)
                by = rng.choice([1, 1, 2])
                self._add(Variable(self._next_name(), "back", (source,), self._size(source), everywhere=True, by=by))
            else:
                one = rng.choice(earlier)
                others = [name for name in earlier if name != one] or [self._new_class(rng.choice([2, 3]))]
                self._tabulate([one, rng.choice(others)], rng.choice([3, 4]), everywhere=True)

    # --- at the end ---------------------------------------------------------------------------------------------------

    def _content(self) -> str:
        """The content that a head fetches: preferably an unread variable."""
        rng, variables = self._rng, self._everywhere(at_least=3)
        unread = [name for name in variables if name in self._unread]
        if unread and rng.random() < 0.6:
            return rng.choice(unread)
        if self._dial.classes_at_the_end and rng.random() < 0.25:
            return self._new_class(rng.choice([3, 4]))
        return rng.choice(variables)

    def _fetch(self) -> bool:
        rng, content = self._rng, self._content()
        flags = [part.name for part in self._parts if part.everywhere and part.size == 2]
        kind = rng.choice(["at", "latest", "count", *(["marked"] * 4 if flags else [])])
        name, size = self._next_name(), self._size(content)
        if kind == "at":
            return self._add(Variable(name, "at", (content,), size, place=rng.randrange(self._form.last)))
        if kind == "marked":
            return self._add(Variable(name, "marked", (rng.choice(flags), content), size))
        if kind == "count":
            wanted, place = rng.randrange(size), rng.choice(self._spans())
            return self._add(Variable(name, "count", (content,), SPAN + 1, place=place, wanted=wanted))
        by = self._sought()
        return self._add(Variable(name, "latest", (by, content), size, wanted=rng.randrange(self._size(by))))

    def _look_up(self) -> bool:
        ends = [part.name for part in self._ends()]
        inputs = ends[: self._rng.choice([2, 2, 3])]
        if len(inputs) < 2:
            if not self._dial.classes_at_the_end:
                return False
            inputs.append(self._new_class(self._rng.choice([2, 3])))
        return self._tabulate(inputs, self._rng.choice([2, 3, 4]))

    def _point(self) -> bool:
        ends = [part for part in self._ends() if part.operation != "count" and part.size > 2]
        if not ends:
            return False
        pointer = self._rng.choice([part for part in ends if part.name in self._unread] or ends)
        content = self._content()
        slots = tuple(self._rng.sample(range(self._form.last), pointer.size))
        return self._add(
            Variable(self._next_name(), "pointed", (pointer.name, content), self._size(content), slots=slots)
        )

    # --- structure that is hard to detect -----------------------------------------------------------------------------

    def _back_up(self) -> bool:
        """Two heads that fetch the same content; the second is read where the first has one particular value."""
        content = self._rng.choice(self._everywhere(at_least=3))
        size = self._size(content)
        names = [self._fetched(self._place(), content, size)]
        first = self._parts[-1]
        names.append(self._next_name())
        self._add(replace(first, name=names[1]))
        missing = self._rng.randrange(size)
        table = torch.arange(size)[:, None].repeat(1, size)
        table[missing] = torch.arange(size)
        order = torch.randperm(size, generator=self._generator)
        return self._add_table(names, order[table])

    def _divide(self) -> bool:
        """Two heads that each fetch half of the content at one place, and a table of both."""
        place = self._place()
        names = [self._fetched(place, self._new_class(size), size) for size in self._rng.sample([2, 3], 2)]
        return self._tabulate(names, self._rng.choice([3, 4]))

    def _rarely(self) -> bool:
        """A table of two variables at the end; the second is read on only a tenth of all prompts."""
        unread = [part for part in self._ends() if part.name in self._unread and part.operation != "count"]
        if len(unread) < 2:
            return False
        rare = self._rng.sample(range(self._form.words), round(_RARE * self._form.tokens))
        self._classes.append([int(token in rare) for token in range(self._form.tokens)])
        place = Variable("", "at", (), 0, place=self._rng.randrange(self._form.last))
        flag = self._fetched(place, token_class(len(self._classes) - 1), 2)
        sizes = [2, *(part.size for part in unread[:2])]
        if math.prod(sizes) > _LARGEST_TABLE:
            return False
        return self._add_table([flag, *(part.name for part in unread[:2])], self._conditional(sizes, max(sizes)))

    def _place(self) -> Variable:
        """How a head finds a place: a variable without its name and its content."""
        rng = self._rng
        flags = [part.name for part in self._parts if part.everywhere and part.size == 2]
        kind = rng.choice(["at", "latest", "latest", *(["marked"] * 2 if flags else [])])
        if kind == "at":
            return Variable("", "at", (), 0, place=rng.randrange(self._form.last))
        if kind == "marked":
            return Variable("", "marked", (rng.choice(flags),), 0)
        by = rng.choice(self._everywhere(at_least=3))
        return Variable("", "latest", (by,), 0, wanted=rng.randrange(self._size(by)))

    def _fetched(self, place: Variable, content: str, size: int) -> str:
        name = self._next_name()
        self._add(replace(place, name=name, inputs=(*place.inputs, content), size=size))
        return name

    def _sought(self) -> str:
        """The input by which a head finds the latest place."""
        if self._dial.classes_at_the_end and self._rng.random() < 0.3:
            return self._new_class(4)
        return self._rng.choice(self._everywhere(at_least=3))

    def _spans(self) -> tuple[int, int, int]:
        """The starts of the spans of counts."""
        rest = self._form.length - SPAN
        return 0, rest // 2 - 1, rest - 1

    # --- tables -------------------------------------------------------------------------------------------------------

    def _tabulate(self, inputs: Sequence[str], size: int, *, everywhere: bool = False, name: str = "") -> bool:
        """Add a random table in which every input's value matters in every context, as far as sizes allow."""
        sizes = [self._size(source) for source in inputs]
        if math.prod(sizes) > _LARGEST_TABLE:
            return False
        if len(sizes) == 3 and min(sizes) == 2 and self._rng.random() < 0.6:
            table = self._conditional(sizes, size)
        else:
            table = self._spread(sizes[0], size)
            for more in sizes[1:]:  # a different relabelling for every value of the next input
                orders = torch.stack([torch.randperm(size, generator=self._generator) for _ in range(more)])
                table = orders.T[table]
        return self._add_table(inputs, table, size, everywhere=everywhere, name=name)

    def _add_table(
        self, inputs: Sequence[str], table: Tensor, size: int = 0, *, everywhere: bool = False, name: str = ""
    ) -> bool:
        """Add a variable with this table; without a size, the largest entry determines the number of values."""
        return self._add(
            Variable(
                *(name or self._next_name(), "table", tuple(inputs), size or int(table.max()) + 1),
                everywhere=everywhere,
                table=tuple(table.flatten().tolist()),
                shape=tuple(table.shape),
            )
        )

    def _conditional(self, sizes: Sequence[int], size: int) -> Int[Tensor, "one other third"]:
        """A table in which the input with two values selects which of the other two counts."""
        axis = list(sizes).index(2)
        rest = [one for number, one in enumerate(sizes) if number != axis]
        first = self._spread(rest[0], size)[:, None].expand(rest)
        second = self._spread(rest[1], size)[None].expand(rest)
        return torch.stack([first, second], axis)

    def _spread(self, count: int, size: int) -> Int[Tensor, " count"]:
        """A map from `count` values to `size` values, as even as possible; by thresholds for counts.

        The parity of a count is not learned in training: neighbours on a line would need alternating values.
        """
        order = torch.randperm(size, generator=self._generator)
        if count == SPAN + 1:
            return order[(torch.arange(count) * self._rng.choice([2, 3, 4])) // 4 % size]
        values = torch.arange(count) % size
        if count <= size:
            return order[values]
        return order[values[torch.randperm(count, generator=self._generator)]]
