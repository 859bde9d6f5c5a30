"""The prompts of the recall tasks: three words, of which the last token asks for one."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.causal import CausalModel, Groups

WORDS, FILLERS, SLOTS, LENGTH = 10, 6, (2, 4, 6), 9
_START = WORDS + FILLERS
_FIRST_ASKING = _START + 1


class RecallPrompts(CausalModel):
    """Base class with everything but the computation: a start token, three words between fillers, an asking token.

    Args:
        n_asking: Number of asking tokens; they ask for the slots in turn.
    """

    n_labels, n_ctx = WORDS, LENGTH
    labelled = (LENGTH - 1,)

    def __init__(self, n_asking: int = len(SLOTS)) -> None:
        self.d_vocab = _FIRST_ASKING + n_asking
        self.groups = {
            "words": range(WORDS),
            "between": range(WORDS, _START),
            "start": (_START,),
            "last": range(_FIRST_ASKING, self.d_vocab),
        }

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """A start token, three words between fillers, a filler, an asking token."""
        order = ["start", *["between", "words"] * 3, "between", "last"]
        columns = []
        for name in order:
            ids = torch.tensor(groups[name])
            columns.append(ids[torch.randint(len(ids), (n,), generator=generator)])
        return torch.stack(columns, 1)


def asking_index(tokens: Int[Tensor, "batch ctx"]) -> Int[Tensor, " batch"]:
    """The index of the asking token at the end of each prompt."""
    return tokens[:, -1] - _FIRST_ASKING


def asked_word(tokens: Int[Tensor, "batch ctx"]) -> Int[Tensor, " batch"]:
    """The word in the slot that the last token asks for."""
    slot = asking_index(tokens) % len(SLOTS)
    return tokens[:, list(SLOTS)].gather(1, slot[:, None])[:, 0]
