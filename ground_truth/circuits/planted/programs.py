"""Small programs of different kinds over the same prompts, so that prompts do not reveal which one a model runs.

Every prompt has eight words. One word appears in it exactly once, between the second place and the sixth, and may be
irrelevant. The label is at the last position. No program is linear in its words: which word matters, or what it means,
depends on other words.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import (
    CausalModel,
    CausalRun,
    Correspondence,
    Groups,
    Intervention,
    balanced_table,
    intervened,
)

WORDS, LABELS, LENGTH = 15, 5, 8
#: The token that appears in every prompt once, and the last position.
ONCE, LAST = WORDS, LENGTH - 1

_GROUPS, _CLASSES, _SLOTS = 5, 4, 4


class Program(CausalModel):
    """Base class of all kinds: prompts, sizes, and tables and positions drawn from a seed.

    Attributes:
        steps_of_training: Optimiser steps that this kind needs.
        sizes: Variable -> residual dimensions that its nodes write.
    """

    d_vocab, n_labels, n_ctx = WORDS + 1, LABELS, LENGTH
    labelled = (LAST,)
    steps_of_training: ClassVar[int] = 1000
    sizes: ClassVar[Mapping[str, int]]

    def __init__(self) -> None:
        self.groups = {"words": range(WORDS), "special": (ONCE,)}

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Eight words; one word appears in every prompt once, at one of five places."""
        words, special = torch.tensor(groups["words"]), torch.tensor(groups["special"])
        prompts = words[torch.randint(len(words), (n, 8), generator=generator)]
        prompts[torch.arange(n), torch.randint(1, 6, (n,), generator=generator)] = special
        return prompts

    @classmethod
    @abstractmethod
    def placements(cls, n_layers: int) -> Sequence[Correspondence]:
        """All ways to place the variables among the layers such that each comes after its parents."""

    @abstractmethod
    def source(self, token_ids: Sequence[int], label_ids: Sequence[int]) -> str:
        """The program as Python code that defines ``predict``.

        Args:
            token_ids: The id of each of this program's tokens in the model.
            label_ids: The same for labels.
        """


class AskedSlot(Program):
    """The last word's class selects one of four slots; ``out = table[group of the word there, class]``."""

    variables = ("group", "asked", "out")
    edges = (
        ("input", "group"),
        ("group", "asked"),
        ("input", "asked"),
        ("asked", "out"),
        ("input", "out"),
        ("out", "output"),
    )
    sizes: ClassVar[Mapping[str, int]] = {"group": 5, "asked": 5, "out": 6}
    steps_of_training = 1200

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._slots = torch.randperm(LAST, generator=generator)[:_SLOTS]
        self._group = balanced_table(self.d_vocab, _GROUPS, generator)
        self._class = balanced_table(self.d_vocab, _CLASSES, generator)
        self._table = _label_table(generator)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        group = intervened("group", self._group[tokens], interventions)
        asks = self._class[tokens[:, LAST]]
        asked = intervened("asked", _at(group, self._slots[asks]), interventions)
        out = intervened("out", self._table[asked, asks], interventions)
        return CausalRun({"group": group, "asked": asked, "out": out}, out[:, None])

    @classmethod
    def placements(cls, n_layers: int) -> Sequence[Correspondence]:
        """An MLP, a head of a later layer, an MLP of that layer or a later one."""
        return [
            {"group": (f"m{first}",), "asked": (f"a{head}.h0",), "out": (f"m{last}",)}
            for first in range(n_layers)
            for head in range(first + 1, n_layers)
            for last in range(head, n_layers)
        ]

    def source(self, token_ids: Sequence[int], label_ids: Sequence[int]) -> str:
        """See `Program.source`."""
        return f"""\
SLOT_OF_CLASS = {self._slots.tolist()}
GROUP = {_renamed(self._group, token_ids)}
CLASS = {_renamed(self._class, token_ids)}
LABEL = {_relabelled(self._table, label_ids)}  # LABEL[group][class]


def predict(prompts):
    labels = []
    for prompt in prompts:
        asks = CLASS[prompt[{LAST}]]
        word = prompt[SLOT_OF_CLASS[asks]]
        labels.append(LABEL[GROUP[word]][asks])
    return labels
"""


class WordAfter(Program):
    """``after``: per position, whether the word before is the one that appears once; ``found``: the group of that word.

    The label is ``table[found, class of the last word]``.
    """

    variables = ("after", "found", "out")
    edges = (
        ("input", "after"),
        ("after", "found"),
        ("input", "found"),
        ("found", "out"),
        ("input", "out"),
        ("out", "output"),
    )
    sizes: ClassVar[Mapping[str, int]] = {"after": 5, "found": 5, "out": 6}

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._group = balanced_table(self.d_vocab, _GROUPS, generator)
        self._class = balanced_table(self.d_vocab, _CLASSES, generator)
        self._table = _label_table(generator)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        after = intervened("after", (tokens == ONCE).long().roll(1, 1), interventions)
        found = intervened("found", _at(self._group[tokens], after.argmax(1)), interventions)
        out = intervened("out", self._table[found, self._class[tokens[:, LAST]]], interventions)
        return CausalRun({"after": after, "found": found, "out": out}, out[:, None])

    @classmethod
    def placements(cls, n_layers: int) -> Sequence[Correspondence]:
        """A head, a head of a later layer, an MLP of that layer or a later one."""
        return [
            {"after": (f"a{first}.h0",), "found": (f"a{second}.h0",), "out": (f"m{last}",)}
            for first in range(n_layers)
            for second in range(first + 1, n_layers)
            for last in range(second, n_layers)
        ]

    def source(self, token_ids: Sequence[int], label_ids: Sequence[int]) -> str:
        """See `Program.source`."""
        return f"""\
MARK = {token_ids[ONCE]}
GROUP = {_renamed(self._group, token_ids)}
CLASS = {_renamed(self._class, token_ids)}
LABEL = {_relabelled(self._table, label_ids)}  # LABEL[group][class]


def predict(prompts):
    labels = []
    for prompt in prompts:
        word = prompt[prompt.index(MARK) + 1]
        labels.append(LABEL[GROUP[word]][CLASS[prompt[{LAST}]]])
    return labels
"""


class SameKind(Program):
    """Whether the words at two places are of the same kind decides between two readings of the last word.

    ``left``: the kind of the first word, brought to the second; ``same``: whether the second is of that kind;
    ``carried``: the same at the end; ``out = readings[carried, class of the last word]``.
    """

    variables = ("left", "same", "carried", "out")
    edges = (
        ("input", "left"),
        ("left", "same"),
        ("input", "same"),
        ("same", "carried"),
        ("carried", "out"),
        ("input", "out"),
        ("out", "output"),
    )
    steps_of_training = 1500
    sizes: ClassVar[Mapping[str, int]] = {"left": 4, "same": 4, "carried": 4, "out": 6}

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._left, self._right = torch.randperm(LAST, generator=generator)[:2].sort().values.tolist()
        self._kind = balanced_table(self.d_vocab, 2, generator)
        self._class = balanced_table(self.d_vocab, LABELS, generator)
        reading = torch.randperm(LABELS, generator=generator)
        shift = int(torch.randint(1, LABELS, (1,), generator=generator))
        self._readings = torch.stack([reading, reading.roll(shift)])

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        left = intervened("left", self._kind[tokens[:, self._left]], interventions)
        same = intervened("same", (left == self._kind[tokens[:, self._right]]).long(), interventions)
        carried = intervened("carried", same, interventions)
        out = intervened("out", self._readings[carried, self._class[tokens[:, LAST]]], interventions)
        return CausalRun({"left": left, "same": same, "carried": carried, "out": out}, out[:, None])

    @classmethod
    def placements(cls, n_layers: int) -> Sequence[Correspondence]:
        """A head and an MLP, not before it; later another head and another MLP."""
        return [
            {"left": (f"a{left}.h0",), "same": (f"m{same}",), "carried": (f"a{carried}.h0",), "out": (f"m{out}",)}
            for left in range(n_layers)
            for same in range(left, n_layers)
            for carried in range(same + 1, n_layers)
            for out in range(carried, n_layers)
        ]

    def source(self, token_ids: Sequence[int], label_ids: Sequence[int]) -> str:
        """See `Program.source`."""
        return f"""\
KIND = {_renamed(self._kind, token_ids)}
CLASS = {_renamed(self._class, token_ids)}
READINGS = {_relabelled(self._readings, label_ids)}  # READINGS[same kind or not][class]


def predict(prompts):
    labels = []
    for prompt in prompts:
        same = KIND[prompt[{self._left}]] == KIND[prompt[{self._right}]]
        labels.append(READINGS[int(same)][CLASS[prompt[{LAST}]]])
    return labels
"""


class SumOfTwo(Program):
    """Words at two places have a number each; the label is their sum modulo the number of labels.

    ``first`` and ``second``: the numbers, brought to the end; ``out``: their sum.
    """

    variables = ("first", "second", "out")
    edges = (("input", "first"), ("input", "second"), ("first", "out"), ("second", "out"), ("out", "output"))
    sizes: ClassVar[Mapping[str, int]] = {"first": 5, "second": 5, "out": 6}

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._places = torch.randperm(LAST, generator=generator)[:2].tolist()
        self._numbers = [balanced_table(self.d_vocab, LABELS, generator) for _ in range(2)]

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        read = [numbers[tokens[:, place]] for numbers, place in zip(self._numbers, self._places, strict=True)]
        first, second = (intervened(*named, interventions) for named in zip(("first", "second"), read, strict=True))
        out = intervened("out", (first + second) % LABELS, interventions)
        return CausalRun({"first": first, "second": second, "out": out}, out[:, None])

    @classmethod
    def placements(cls, n_layers: int) -> Sequence[Correspondence]:
        """Two heads anywhere, an MLP not before them."""
        return [
            {
                "first": (f"a{first}.h0",),
                "second": (f"a{second}.h{int(first == second)}",),
                "out": (f"m{last}",),
            }
            for first in range(n_layers)
            for second in range(n_layers)
            for last in range(max(first, second), n_layers)
        ]

    def source(self, token_ids: Sequence[int], label_ids: Sequence[int]) -> str:
        """See `Program.source`."""
        first, second = (_renamed(numbers, token_ids) for numbers in self._numbers)
        return f"""\
FIRST = {first}
SECOND = {second}
LABEL = {list(label_ids)}  # of a sum


def predict(prompts):
    labels = []
    for prompt in prompts:
        total = FIRST[prompt[{self._places[0]}]] + SECOND[prompt[{self._places[1]}]]
        labels.append(LABEL[total % {LABELS}])
    return labels
"""


KINDS: tuple[Callable[[int], Program], ...] = (AskedSlot, WordAfter, SameKind, SumOfTwo)


def program_of(seed: int) -> Program:
    """The program of a training seed; seeds cycle through the kinds."""
    return KINDS[seed % len(KINDS)](seed)


def placement_of(program: Program, n_layers: int, seed: int) -> Correspondence:
    """The nodes of the variables of a training seed's program."""
    return random.Random(seed).choice(program.placements(n_layers))


def _label_table(generator: torch.Generator) -> Int[Tensor, "group class"]:
    """A table in which the groups of a class differ in label, so that a wrong group always gives a wrong label."""
    return torch.stack([torch.randperm(LABELS, generator=generator)[:_GROUPS] for _ in range(_CLASSES)], 1)


def _at(values: Int[Tensor, "batch ctx"], positions: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    return values.gather(1, positions[:, None])[:, 0]


def _renamed(table: Int[Tensor, " token"], token_ids: Sequence[int]) -> dict[int, int]:
    return dict(sorted(zip(token_ids, table.tolist(), strict=True)))


def _relabelled(table: Int[Tensor, "row column"], label_ids: Sequence[int]) -> list[list[int]]:
    return [[label_ids[label] for label in row] for row in table.tolist()]
