"""The label is the word right after a marker: a head's attention decides.

A previous-token head marks the position whose predecessor is the marker; at the end, a later head attends to that
position and copies its word.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Groups, Intervention, intervened, placements
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

_WORDS, _LENGTH = 14, 11
_MARKER, _BOS, _END = _WORDS, _WORDS + 1, _WORDS + 2


class WordAfterMarker(CausalModel):
    """``mark``: the position after the marker's; ``out``: the word at that position.

    Only an intervention on ``mark`` can point to the base prompt's own marker. The answer is then the marker's label;
    this is why the marker has a label although it is never right on a plain prompt.
    """

    variables = ("mark", "out")
    edges = (("input", "mark"), ("mark", "out"), ("input", "out"), ("out", "output"))
    d_vocab, n_labels, n_ctx = _WORDS + 3, _WORDS + 1, _LENGTH
    labelled = (_LENGTH - 1,)

    def __init__(self) -> None:
        self.groups: Groups = {"words": range(_WORDS), "special": [_MARKER], "begin": [_BOS], "end": [_END]}

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Independent words and one special token."""
        words = torch.tensor(groups["words"])
        middle = words[torch.randint(len(words), (n, 9), generator=generator)]
        middle[torch.arange(n), torch.randint(8, (n,), generator=generator)] = groups["special"][0]
        begin, end = (torch.full((n, 1), groups[name][0]) for name in ("begin", "end"))
        return torch.cat([begin, middle, end], 1)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        mark = intervened("mark", (tokens == _MARKER).long().argmax(1) + 1, interventions)
        out = intervened("out", tokens.gather(1, mark[:, None])[:, 0], interventions)
        return CausalRun({"mark": mark, "out": out}, out[:, None])


class AttentionPattern(PlantedCircuitTask):
    """``circuits/attention_pattern``; ten seeds in a row have all ten placements of two heads in five layers."""

    name = "attention_pattern"
    version = 4
    summary = "Find the components of a small transformer that choose the word to answer with."
    voices = (2, 3, 4)
    laboratory = laboratory(3, 750, 200)
    headroom_levels = (3, 4)
    laboratory_solution = "laboratory_parts"

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = WordAfterMarker()
        shape = five_layers(causal, d_model=160)
        every = placements(shape.n_layers, 2)
        previous, mover = every[seed * 3 % len(every)]
        return CircuitPlan(
            causal=causal,
            correspondence={"mark": (f"a{previous}.h0",), "out": (f"a{mover}.h0",)},
            shape=shape,
            inputs=24,
            sizes={"mark": 5, "out": 7},
            recipe=SiitRecipe(steps=800),
        )
