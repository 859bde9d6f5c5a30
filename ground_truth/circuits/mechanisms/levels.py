"""How large programs and networks are at each level of ``circuits/mechanism``."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.dials import MIDDLE, SMALL, Dial
from scribe_suite.planting.circuits.programs.forcing import ForcingRecipe
from scribe_suite.planting.circuits.programs.placing import place
from scribe_suite.planting.circuits.programs.planting import ProgramPlan
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.sampling import sample_program

_HEADS = 6


@dataclass(frozen=True)
class Level:
    """What a level asks for.

    Attributes:
        dial: Of the program.
        n_layers: Of the network, each with six heads and an MLP.
        width: Residual dimensions that the program has for itself.
        d_model: All of them.
        steps: Of training.
    """

    dial: Dial
    n_layers: int
    width: int
    d_model: int
    steps: int

    def plan(self, seed: int) -> ProgramPlan:
        """What the base model of a training seed computes, where, and how it is trained."""
        program = sample_program(self.dial, seed)
        shape = TransformerShape(
            n_layers=self.n_layers,
            n_heads=_HEADS,
            d_model=self.d_model,
            d_head=10,
            d_mlp=80,
            n_ctx=Program.n_ctx,
            d_vocab=Program.d_vocab,
            d_vocab_out=Program.n_labels,
            act_fn="relu",
            normalization=None,
        )
        return ProgramPlan(
            program=program,
            correspondence=place(program, self.n_layers, _HEADS, random.Random(seed)),
            shape=shape,
            width=self.width,
            recipe=ForcingRecipe(steps=self.steps),
        )


LEVELS: Mapping[int, Level] = {
    1: Level(SMALL, n_layers=6, width=64, d_model=96, steps=800),
    2: Level(MIDDLE, n_layers=8, width=72, d_model=96, steps=600),
}
