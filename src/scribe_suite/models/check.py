"""Checks a converted model against the original: log-probabilities on a few texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

#: Largest allowed |Δ log p| of a conversion, in nats.
BAR = 1e-3
#: Texts of several kinds; each is also read with its tokens reversed, so that unlikely continuations count too.
TEXTS = (
    "When the two sisters came home from the market, the older one gave the basket to her mother.",
    "The keys to the old cabinet are on the table, and nobody knows who left them there.",
    "In 1969 the first people walked on the Moon. They stayed for less than a day; 12 men have been there since.",
    "def area(width, height):\n    return width * height\n\nprint(area(3, 4))\n",
    "red blue green red blue green red blue green red blue",
    "Zürich, São Paulo & 東京: 3.14 % of «all» letters are not ASCII.",
)
_RANDOM_SEQUENCES, _RANDOM_LENGTH = 8, 24

LogProbabilities = Callable[[Int[Tensor, "1 position"]], Float[Tensor, "1 position vocabulary"]]


@dataclass(frozen=True)
class ConversionCheck:
    """What was measured.

    Attributes:
        difference: Largest |Δ log p| over all positions and tokens of the vocabulary, in nats.
        nll: Mean negative log-likelihood per token of the original on the sequences, not reversed, in nats; None where
            it does not predict tokens of its own vocabulary.
        positions: How many positions were compared.
    """

    difference: float
    nll: float | None
    positions: int

    @property
    def passed(self) -> bool:
        """Whether the difference is below the limit; NaN fails."""
        return self.difference < BAR


def token_sequences(
    tokenizer: PreTrainedTokenizerBase | None, vocabulary: int, longest: int
) -> list[Int[Tensor, "1 position"]]:
    """The token sequences to compare on.

    Args:
        tokenizer: The model's tokenizer; without one, sequences are random.
        vocabulary: Number of tokens.
        longest: The number of the model's positions.
    """
    if tokenizer is None:
        generator = torch.Generator().manual_seed(0)
        length = min(_RANDOM_LENGTH, longest)
        drawn = torch.randint(vocabulary, (_RANDOM_SEQUENCES, length), generator=generator)
        return [row[None] for row in drawn]
    encoded = [tokenizer.encode(text, add_special_tokens=False)[:longest] for text in TEXTS]
    return [torch.tensor([ids]) for ids in encoded if len(ids) > 1]


@torch.no_grad()
def compare(
    original: LogProbabilities, converted: LogProbabilities, sequences: Sequence[Int[Tensor, "1 position"]]
) -> ConversionCheck:
    """Compare the log-probabilities of two models.

    Args:
        original: The reference.
        converted: The model to check.
        sequences: Token ids to compare on; each is used forwards and backwards.

    Raises:
        ValueError: When there is no sequence.
    """
    if not sequences:
        raise ValueError("there is nothing to compare on")
    differences, losses, positions = [], [], 0
    for ids in sequences:
        for direction in (ids, ids.flip(1)):
            right = original(direction)
            differences.append((right - converted(direction)).abs().max())
            positions += direction.shape[1]
            if direction is ids and right.shape[-1] > int(ids.max()):
                losses.append(-right[0, :-1].gather(1, ids[0, 1:, None])[:, 0])
    nll = torch.cat(losses).mean().item() if losses else None
    # a NaN anywhere must not be lost: torch's max keeps it, Python's does not
    return ConversionCheck(torch.stack(differences).max().item(), nll, positions)
