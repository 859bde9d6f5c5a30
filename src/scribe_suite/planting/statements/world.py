"""The definition of a world of statements: words, its model's shape, true and false statements, and other texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.statements.language import COMMON_WORDS, FRAME, Statements, Texts, padded


class World(ABC):
    """One world. Its facts are drawn with the seed of a base model where they are arbitrary.

    Attributes:
        words: Every word; its position is its id in a base model.
        content_length: Tokens between ``<bos>`` and the comma of every statement.
        window: Tokens that a head sees, its own included. Attention is local so that tokens further apart can't
            interact in the first block, whatever training does: so it is known in advance where a truth appears first.
        d_model: Residual width.
        n_layers: Blocks.
        d_mlp: MLP neurons per block.
    """

    words: tuple[str, ...]
    content_length: int
    window: int
    d_model: int = 64
    n_layers: int = 4
    d_mlp: int = 256

    @abstractmethod
    def sample_statements(self, size: int, generator: torch.Generator) -> Statements:
        """Training statements of every kind, about half of them true."""

    @abstractmethod
    def other_texts(self, size: int, generator: torch.Generator) -> Mapping[str, Texts]:
        """Kind -> `size` texts each of the other things that the model does."""

    @property
    def statement_length(self) -> int:
        """Tokens of a statement; the verdict would be the next one."""
        return self.content_length + FRAME

    @property
    def text_length(self) -> int:
        """Tokens of a training text: a statement and its verdict."""
        return self.statement_length + 1

    def config(self) -> dict[str, Any]:
        """Keyword arguments of HookedTransformerConfig for every base model."""
        return {
            "n_layers": self.n_layers,
            "n_heads": 4,
            "d_model": self.d_model,
            "d_head": self.d_model // 4,
            "d_mlp": self.d_mlp,
            "n_ctx": self.text_length,
            "d_vocab": len(self.words),
            "act_fn": "gelu",
            "normalization_type": "LN",
            "use_local_attn": True,
            "attn_types": ["local"] * self.n_layers,
            "window_size": self.window,
            "device": "cpu",
        }

    def ids(self, words: Sequence[str]) -> Int[Tensor, " word"]:
        """Ids of words.

        Raises:
            ValueError: When one is not in the vocabulary.
        """
        return torch.tensor([self.words.index(word) for word in words])

    def filled(self, template: str, values: Sequence[Int[Tensor, " text"]]) -> Int[Tensor, "text length"]:
        """Texts that say `template`, each ``?`` replaced by the next of `values`."""
        waiting = iter(values)
        size = len(values[0])
        columns = [
            next(waiting) if word == "?" else torch.full((size,), self.words.index(word)) for word in template.split()
        ]
        return torch.stack(columns, dim=1)

    def text(self, template: str, values: Sequence[Int[Tensor, " text"]], answers: Sequence[int]) -> Texts:
        """Training texts that say `template`; the tokens at the positions `answers` follow from what is before them."""
        return padded(self.filled(template, values), answers, self.text_length)


def vocabulary(*parts: Sequence[str]) -> tuple[str, ...]:
    """The words of a world: the common ones, then `parts`.

    Raises:
        ValueError: When a word occurs twice.
    """
    words = (*COMMON_WORDS, *(word for part in parts for word in part))
    if len(set(words)) != len(words):
        raise ValueError(f"words occur twice: {sorted({word for word in words if words.count(word) > 1})}")
    return words
