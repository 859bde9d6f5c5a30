"""The sizes of programs and networks at each level of ``circuits/edges``, and the terms of its laboratory."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.assembly import DEAF
from scribe_suite.planting.circuits.wiring.forcing import WiringRecipe
from scribe_suite.planting.circuits.wiring.placing import spread
from scribe_suite.planting.circuits.wiring.planting import WiringPlan
from scribe_suite.planting.circuits.wiring.sampling import WiringDial, sample_wiring

_HEADS = 2
#: Neurons of an MLP in addition to those that its table needs.
_MORE_NEURONS = 16


@dataclass(frozen=True)
class Level:
    """The settings of a level.

    Attributes:
        dial: Size of the program.
        n_layers: Layers of the network, each with two heads and an MLP.
        d_model: Dimensions of its residual stream.
        recipe: How its nodes are trained, and their sizes.
    """

    dial: WiringDial
    n_layers: int
    d_model: int
    recipe: WiringRecipe = field(default_factory=WiringRecipe)

    def placement(self, program: Program, seed: int) -> Correspondence:
        """A random node for each variable."""
        return spread(program, self.n_layers, _HEADS, random.Random(seed))

    def plan(self, seed: int) -> WiringPlan:
        """The plan of the base model of a training seed: its program, its nodes and its training."""
        program, recipe = sample_wiring(self.dial, seed), self.recipe
        shape = TransformerShape(
            n_layers=self.n_layers,
            n_heads=_HEADS,
            d_model=self.d_model,
            d_head=recipe.d_head + 2 * DEAF,
            d_mlp=recipe.neurons + _MORE_NEURONS,
            n_ctx=SHORT.length,
            d_vocab=SHORT.tokens,
            d_vocab_out=Program.n_labels,
            act_fn="relu",
            normalization=None,
        )
        return WiringPlan(program=program, correspondence=self.placement(program, seed), shape=shape, recipe=recipe)


#: Terms of levels with weights.
LEVELS: Mapping[int, Level] = {
    1: Level(WiringDial(everywhere=4, rounds="hhtsh"), n_layers=7, d_model=72),
    2: Level(WiringDial(everywhere=5, rounds="hhhtstsh"), n_layers=10, d_model=84),
}

#: The level whose base models a laboratory's level uses.
MODELS: Mapping[int, int] = {3: 1, 4: 2}
#: Terms of laboratories: nodes and their inputs can be patched, single paths can't, and no activation can be read. A
#: run returns one label for each prompt, drawn from the model's probabilities at a temperature at which it is right
#: about five times in six.
LABORATORY: Mapping[int, Terms] = {
    level: Terms(budget=budget, returns="samples", temperature=3.7, positions="last", operations=frozenset({"patch"}))
    for level, budget in {3: 1500, 4: 2000}.items()
}
