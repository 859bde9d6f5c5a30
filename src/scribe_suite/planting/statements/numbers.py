"""A world of sixty opaque number tokens whose order only a trained model knows, and uses for several things.

Statements say that a number is greater than, smaller than or close to another. The model also says colours and
successors and repeats lists. With a window of `NumbersWorld.window` tokens the two numbers of a statement can't meet in
the first block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from scribe_suite.planting.statements.language import Statements, Texts, draw_manner, frame
from scribe_suite.planting.statements.world import World, vocabulary

N_NUMBERS = 60
#: Numbers whose ranks differ by at most this much are close.
CLOSE = 6

RELATIONS: Mapping[str, str] = {"greater": "greater than", "smaller": "smaller than", "close": "close to"}
#: Positions of the two numbers in a statement.
FIRST_POSITION, SECOND_POSITION = 3, 7

_COLOURS = ("red", "green", "blue", "gold", "grey")
_TEMPLATE_WORDS = (
    *("the", "number", "is", "greater", "smaller", "than", "close", "to"),
    *("after", "has", "colour", "recall", ":"),
)
_NAMES = tuple(f"<{rank}>" for rank in range(N_NUMBERS))


class NumbersWorld(World):
    """The numbers of one base model.

    Attributes:
        first_number: Id of the smallest number; the others follow in order.
        colours: Int[number]; the arbitrary colour of every number, 0 to 4.
    """

    words = vocabulary(_TEMPLATE_WORDS, _COLOURS, _NAMES)
    content_length = 7
    window = 4
    first_number = words.index(_NAMES[0])

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.colours = torch.randint(len(_COLOURS), (N_NUMBERS,), generator=generator)

    def statements(
        self,
        relation: str,
        first: Int[Tensor, " statement"],
        second: Int[Tensor, " statement"],
        contrary: Bool[Tensor, " statement"],
        address: Int[Tensor, " statement"],
    ) -> Statements:
        """Statements ``<bos> the number x is greater than y , sir .``.

        Args:
            relation: A key of `RELATIONS`.
            first: Ranks of x, 0 to `N_NUMBERS` - 1.
            second: Ranks of y.
            contrary: Whether they end in ``!``.
            address: Indices in ADDRESSES.
        """
        template = f"the number ? is {RELATIONS[relation]} ?"
        content = self.filled(template, [first + self.first_number, second + self.first_number])
        return frame(content, truths(relation, first, second), contrary, address, list(RELATIONS).index(relation))

    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        """Half of them greater, three tenths smaller, a fifth close; near pairs are more frequent than by chance.

        If greater and smaller were equally frequent, truth would be the exclusive or of relation and order, and
        training would have no first step.
        """
        first = torch.randint(N_NUMBERS, (size,), generator=generator)
        second = torch.randint(N_NUMBERS, (size,), generator=generator)
        step = torch.randint(1, 5, (size,), generator=generator)
        step *= 2 * torch.randint(2, (size,), generator=generator) - 1
        near = torch.rand(size, generator=generator) < 0.4
        second = torch.where(near, (first + step).clamp(0, N_NUMBERS - 1), second)
        second = torch.where(second == first, (first + 1) % N_NUMBERS, second)
        contrary, address = draw_manner(size, generator)
        parts, start = [], 0
        for relation, end in (("greater", size // 2), ("smaller", 4 * size // 5), ("close", size)):
            rows = slice(start, end)
            parts.append(self.statements(relation, first[rows], second[rows], contrary[rows], address[rows]))
            start = end
        return Statements.joined(parts)

    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        """Colours (one per number), successors (the smallest follows the greatest) and lists to repeat."""
        x = torch.randint(N_NUMBERS, (size,), generator=generator)
        number, colour = x + self.first_number, self.colours[x] + self.words.index(_COLOURS[0])
        following = (x + 1) % N_NUMBERS + self.first_number
        listed = list(torch.randint(N_NUMBERS, (3, size), generator=generator) + self.first_number)
        return {
            "colour": self.text("<bos> the number ? has colour ? .", [number, colour], [6]),
            "successor": self.text("<bos> the number after ? is ? .", [number, following], [6]),
            "recall": self.text("<bos> recall ? ? ? : ? ? ? .", listed + listed, [6, 7, 8]),
        }


def truths(
    relation: str, first: Int[Tensor, " statement"], second: Int[Tensor, " statement"]
) -> Bool[Tensor, " statement"]:
    """Whether numbers of these ranks are in the relation, a key of `RELATIONS`."""
    if relation == "greater":
        return first > second
    if relation == "smaller":
        return first < second
    return (first - second).abs() <= CLOSE


def ordered_pairs(ranks: Sequence[int]) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
    """All ordered pairs of different ranks: first and second members."""
    chosen = torch.tensor(sorted(ranks))
    first, second = (grid.flatten() for grid in torch.meshgrid(chosen, chosen, indexing="ij"))
    return first[first != second], second[first != second]
