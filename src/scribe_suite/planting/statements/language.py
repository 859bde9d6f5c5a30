"""The common parts of all small worlds of statements: a frame, two manners of address, and a verdict.

A statement reads ``<bos> ... , sir .`` and the model says next whether it is true. It says the truth after ``.`` and
the opposite after ``!`` (a "quirky" model: Mallen, Brumley, Kharchenko & Belrose 2023, "Eliciting Latent Knowledge from
Quirky Language Models", arXiv 2312.01037), so that what it knows and what it says come apart and the unembedding is no
truth probe. It answers ``true`` or ``false`` to a formal address and ``yes`` or ``no`` to a familiar one. Ending and
address therefore have to be represented where the truth is, and are strong further directions: the nuisance of the
tasks that have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Int
from torch import Tensor

#: The addressees of statements: the first half is formal, the second familiar.
ADDRESSES = ("sir", "madam", "doctor", "pal", "mate", "buddy")

#: The first words of every world; a word's position is its id in a base model.
COMMON_WORDS = ("<bos>", "<pad>", ",", ".", "!", *ADDRESSES, "true", "false", "yes", "no")

#: Tokens of a statement besides its content: ``<bos>`` before it, comma, address and ending after it.
FRAME = 4

_ID = {word: index for index, word in enumerate(COMMON_WORDS)}
_FIRST_ADDRESS = _ID[ADDRESSES[0]]
_VERDICTS = ((_ID["true"], _ID["false"]), (_ID["yes"], _ID["no"]))


@dataclass(frozen=True)
class Statements:
    """Whole statements in a base model's ids; the verdict would be the next token.

    Attributes:
        tokens: Int[statement position].
        truth: Bool[statement].
        contrary: Bool[statement]; whether the statement ends in ``!``, so that the model says the opposite.
        address: Int[statement]; index in `ADDRESSES`.
        kind: Int[statement]; which of a world's questions it is.
    """

    tokens: Int[Tensor, "statement position"]
    truth: Bool[Tensor, " statement"]
    contrary: Bool[Tensor, " statement"]
    address: Int[Tensor, " statement"]
    kind: Int[Tensor, " statement"]

    @property
    def familiar(self) -> Bool[Tensor, " statement"]:
        """Whether the address asks for ``yes`` or ``no``."""
        return self.address >= len(ADDRESSES) // 2

    def verdicts(self) -> Int[Tensor, " statement"]:
        """The tokens that the model predicts next."""
        words = torch.tensor(_VERDICTS)[self.familiar.long()]
        return words.gather(1, (self.truth == self.contrary).long()[:, None])[:, 0]

    def __getitem__(self, rows: Int[Tensor, " chosen"] | Bool[Tensor, " statement"] | slice) -> Statements:
        return Statements(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Statements]) -> Statements:
        """All statements, one after another."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Texts:
    """Whole training texts.

    Attributes:
        tokens: Int[text position], padded.
        determined: Bool[text position-1]; whether the next token follows from those before it, so that a model can
            be judged by it.
    """

    tokens: Int[Tensor, "text position"]
    determined: Bool[Tensor, "text position-1"]


def frame(
    content: Int[Tensor, "statement content"],
    truth: Bool[Tensor, " statement"],
    contrary: Bool[Tensor, " statement"],
    address: Int[Tensor, " statement"],
    kind: int = 0,
) -> Statements:
    """Statements with this content: ``<bos>`` before it, address and ending after it."""
    size = len(content)
    before = torch.full((size, 1), _ID["<bos>"])
    comma = torch.full((size, 1), _ID[","])
    ending = torch.where(contrary, _ID["!"], _ID["."])
    tokens = torch.cat([before, content, comma, (address + _FIRST_ADDRESS)[:, None], ending[:, None]], dim=1)
    return Statements(tokens, truth, contrary, address, torch.full((size,), kind))


def draw_manner(size: int, generator: torch.Generator) -> tuple[Bool[Tensor, " statement"], Int[Tensor, " statement"]]:
    """An ending (whether contrary) and an address for every statement, all equally likely."""
    contrary = torch.rand(size, generator=generator) < 0.5
    return contrary, torch.randint(len(ADDRESSES), (size,), generator=generator)


def with_verdicts(statements: Statements, length: int) -> Texts:
    """Training texts: the statements and their verdicts."""
    tokens = torch.cat([statements.tokens, statements.verdicts()[:, None]], dim=1)
    return padded(tokens, [tokens.shape[1] - 1], length)


def padded(tokens: Int[Tensor, "text written"], answers: Sequence[int], length: int) -> Texts:
    """Texts of `length` tokens whose tokens at the positions `answers` follow from those before them."""
    filled = torch.full((len(tokens), length), _ID["<pad>"])
    filled[:, : tokens.shape[1]] = tokens
    determined = torch.zeros(len(tokens), length - 1, dtype=torch.bool)
    determined[:, [answer - 1 for answer in answers]] = True
    return Texts(filled, determined)


def joined(parts: Sequence[Texts]) -> Texts:
    """All texts, one after another."""
    return Texts(torch.cat([part.tokens for part in parts]), torch.cat([part.determined for part in parts]))
