"""The two sides of a split: labelled statements for agents, and others about entities they never see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.statements.language import Statements
from scribe_suite.scoring.probes import LabelledStatements


@dataclass(frozen=True)
class Split:
    """The statements on either side, in a base model's token ids until they are `renamed`.

    Attributes:
        public: The agents' statements.
        held_out: The statements on which answers are judged: about other entities, balanced in everything but the
            truth.
        further: Name -> Int[statement]; what agents get about public statements besides their labels.
    """

    public: LabelledStatements
    held_out: LabelledStatements
    further: Mapping[str, Int[Tensor, " statement"]] = field(default_factory=dict)

    def renamed(self, token_map: Sequence[int]) -> Split:
        """The same split in the token ids of an instance."""
        new_ids = torch.tensor(token_map)
        public, held_out = (replace(side, tokens=new_ids[side.tokens]) for side in (self.public, self.held_out))
        return Split(public, held_out, self.further)


def labelled(statements: Statements, groups: Int[Tensor, " statement"]) -> LabelledStatements:
    """Statements with their truth; `groups` says which are about the same entities."""
    return LabelledStatements(statements.tokens, statements.truth.numpy(), groups.numpy())


def shuffled(
    statements: Statements, groups: Int[Tensor, " statement"], generator: torch.Generator
) -> tuple[Statements, Int[Tensor, " statement"], Int[Tensor, " statement"]]:
    """Statements and groups in a random order, and the order."""
    order = torch.randperm(len(groups), generator=generator)
    return statements[order], groups[order], order


def bag_of_words(tokens: Int[Tensor, "statement position"], vocabulary_size: int) -> np.ndarray:
    """How often every word occurs in every statement: Float[statement word]."""
    counts: np.ndarray = torch.nn.functional.one_hot(tokens, vocabulary_size).sum(1).double().numpy()
    return counts
