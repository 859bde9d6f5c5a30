"""Antonyms on request: "first hot second big opposite of second" is answered by "small".

An MLP finds the antonym of the word in every slot; a later head moves the requested one to the end.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Groups, Intervention, intervened, placements
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

_PAIRS, _LENGTH = 12, 8
_SLOTS = (2, 4)
_FIXED = ("<bos>", "first", "second", "opposite", "of")

#: No word appears twice, and none is one of the other tokens.
ANTONYMS = (
    *(("hot", "cold"), ("big", "small"), ("tall", "short"), ("fast", "slow"), ("happy", "sad"), ("rich", "poor")),
    *(
        ("light", "dark"),
        ("heavy", "weightless"),
        ("old", "young"),
        ("wet", "dry"),
        ("hard", "soft"),
        ("loud", "quiet"),
    ),
    *(("strong", "weak"), ("wide", "narrow"), ("thick", "thin"), ("deep", "shallow"), ("full", "empty")),
    *(("open", "closed"), ("early", "late"), ("clean", "dirty"), ("brave", "cowardly"), ("smooth", "rough")),
    *(("sharp", "blunt"), ("cheap", "expensive"), ("true", "false"), ("alive", "dead"), ("near", "far")),
    *(("high", "low"), ("left", "right"), ("safe", "dangerous"), ("simple", "complex"), ("awake", "asleep")),
    *(("guilty", "innocent"), ("public", "private"), ("ancient", "modern"), ("generous", "stingy"), ("guest", "host")),
    *(("sweet", "bitter"), ("tight", "loose"), ("polite", "rude"), ("wise", "foolish"), ("top", "bottom")),
    *(("war", "peace"), ("friend", "enemy"), ("victory", "defeat"), ("heaven", "hell"), ("day", "night")),
    *(("summer", "winter"), ("buy", "sell"), ("push", "pull"), ("laugh", "cry"), ("begin", "end"), ("win", "lose")),
)


class AskedAntonym(CausalModel):
    """``ant``: the antonym of the word in either slot; ``out``: the requested one. Words 2i and 2i + 1 pair up.

    Labels have the words' numbers.
    """

    variables = ("ant", "out")
    edges = (("input", "ant"), ("ant", "out"), ("input", "out"), ("out", "output"))
    d_vocab, n_labels, n_ctx = 2 * _PAIRS + len(_FIXED), 2 * _PAIRS, _LENGTH
    labelled = (_LENGTH - 1,)

    def __init__(self) -> None:
        fixed = {name: 2 * _PAIRS + i for i, name in enumerate(_FIXED)}
        self._second = fixed["second"]
        self.groups: Groups = {"words": range(2 * _PAIRS), **{name: [token] for name, token in fixed.items()}}

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Two different words; either can be requested."""
        words = torch.tensor(groups["words"])
        first, second = words[torch.rand(n, len(words), generator=generator).argsort(1)[:, :2]].T
        places = torch.tensor([groups["first"][0], groups["second"][0]])
        asked = places[torch.randint(2, (n,), generator=generator)]
        bos, opposite, of = (torch.full((n,), groups[name][0]) for name in ("<bos>", "opposite", "of"))
        return torch.stack([bos, places[0].expand(n), first, places[1].expand(n), second, opposite, of, asked], 1)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        ant = intervened("ant", tokens[:, _SLOTS] ^ 1, interventions)
        asked = (tokens[:, -1:] == self._second).long()
        out = intervened("out", ant.gather(1, asked)[:, 0], interventions)
        return CausalRun({"ant": ant, "out": out}, out[:, None])


class Antonym(PlantedCircuitTask):
    """``circuits/antonym``; ten seeds in a row have all ten placements of the MLP and a later head in five layers."""

    name = "antonym"
    summary = "Find the components of a small transformer that name the opposite of one of two words."

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = AskedAntonym()
        shape = five_layers(causal, d_model=176)
        every = placements(shape.n_layers, 2)
        mlp, head = every[seed * 3 % len(every)]
        return CircuitPlan(
            causal=causal,
            correspondence={"ant": (f"m{mlp}",), "out": (f"a{head}.h0",)},
            shape=shape,
            inputs=24,
            sizes={"ant": 6, "out": 6},
            recipe=SiitRecipe(steps=600),
        )

    def words(self, causal: CausalModel, rng: random.Random) -> tuple[list[str], list[str]]:
        """Pairs of antonyms drawn from `ANTONYMS`, each in either order."""
        pairs = rng.sample(ANTONYMS, causal.n_labels // 2)
        words = [word for pair in pairs for word in rng.sample(pair, 2)]
        return [*words, *_FIXED], words
