"""The sizes of programs and networks at each level of ``circuits/mechanism``, and the terms of its laboratory.

At level 3 a run returns one label for each prompt. Outputs of nodes and attention patterns can be read, with as
much noise as signal: a node's output takes several readings to determine, and solving for weights takes thousands.
docs/reference/budgets.md derives the budgets.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.certificate import GRADED, PLAIN, Bars
from scribe_suite.planting.circuits.programs.dials import LARGE, LARGEST, MIDDLE, SMALL, Dial
from scribe_suite.planting.circuits.programs.forcing import ForcingRecipe
from scribe_suite.planting.circuits.programs.placing import place
from scribe_suite.planting.circuits.programs.planting import ProgramPlan
from scribe_suite.planting.circuits.programs.sampling import sample_program

_HEADS = 6


@dataclass(frozen=True)
class Level:
    """The settings of a level.

    Attributes:
        dial: Size of the program.
        n_layers: Layers of the network, each with six heads and an MLP.
        width: Residual dimensions reserved for the program.
        d_model: All residual dimensions.
        steps: Steps of training; 0 where the program is compiled.
        d_head: Width of a head.
        crosstalk: How strongly nodes read the outputs of the others.
        noise: Output of the program's nodes besides their codes, relative to the codes.
        bars: Lower bounds on the effects of its variables.
        n_pairs: Pairs of prompts on which its nodes are patched for the certificate.
    """

    dial: Dial
    n_layers: int
    width: int
    d_model: int
    steps: int
    d_head: int = 10
    crosstalk: float = 0.02
    noise: float = 0.0
    bars: Bars = PLAIN
    n_pairs: int = 1024

    def plan(self, seed: int) -> ProgramPlan:
        """The plan of the base model of a training seed: its program, its nodes and its training."""
        program = sample_program(self.dial, seed)
        shape = TransformerShape(
            n_layers=self.n_layers,
            n_heads=_HEADS,
            d_model=self.d_model,
            d_head=self.d_head,
            d_mlp=80,
            n_ctx=program.n_ctx,
            d_vocab=program.d_vocab,
            d_vocab_out=program.n_labels,
            act_fn="relu",
            normalization=None,
        )
        return ProgramPlan(
            program=program,
            correspondence=place(program, self.n_layers, _HEADS, random.Random(seed)),
            shape=shape,
            width=self.width,
            recipe=ForcingRecipe(steps=self.steps) if self.steps else None,
            crosstalk=self.crosstalk,
            noise=self.noise,
        )


_COMPILED: Mapping[str, Any] = {"steps": 0, "crosstalk": 0.01, "noise": 0.5, "bars": GRADED, "n_pairs": 256}
LEVELS: Mapping[int, Level] = {
    1: Level(SMALL, n_layers=6, width=64, d_model=96, steps=800),
    2: Level(MIDDLE, n_layers=8, width=72, d_model=96, steps=600),
    3: Level(LARGE, n_layers=10, width=88, d_model=120, d_head=12, **_COMPILED),
    4: Level(LARGEST, n_layers=12, width=128, d_model=152, d_head=12, **{**_COMPILED, "crosstalk": 0.003}),
}

_TERMS = Terms(
    budget=2000,
    returns="samples",
    temperature=3.0,
    positions="last",
    read_noise=3.0,
    operations=frozenset({"read", "patch"}),
)
LABORATORY: Mapping[int, Terms] = {3: _TERMS, 4: _TERMS.model_copy(update={"budget": 5000})}
