"""Indirect object identification, as in GPT-2 small (Wang et al. 2022, arXiv 2211.00593), with a planted circuit.

"Then Mary and John went to the store . John gave a drink to": the answer is the name that is not repeated. A
duplicate-token head finds at the repeated name which of the two names it repeats, an S-inhibition head brings that to
the end, a name-mover head copies the other name. Half of the models have two name movers that share the work: one
copies one half of a name's code, one the other. A third of the models have LayerNorm.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.assembly import DecoyRecipe
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Groups, Intervention, intervened, placements
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

_FIRST, _SECOND, _REPEATED, _LENGTH = 2, 4, 9, 14
#: A name is a pair (name // 4, name % 4) where two movers share the work.
_CODE = 4

# fmt: off
_NAMES = (
    "Mary", "John", "Anna", "Paul", "Lisa", "Mark", "Sarah", "Peter", "Emma", "David", "Laura", "James", "Alice",
    "Simon", "Julia", "Brian", "Karen", "Kevin", "Helen", "Frank", "Diana", "Oscar", "Nancy", "Henry", "Clara",
    "Bruce", "Grace", "Tom", "Ruth", "Jack", "Irene", "Carl", "Jane", "Ralph", "Susan", "Steve", "Maria", "Leon",
)
_WORDS = {
    "names": _NAMES,
    "openings": ("Then", "When", "After", "While", "Later", "Once"),
    "verbs": ("went", "walked", "drove", "ran", "came", "moved"),
    "places": ("store", "park", "school", "office", "beach", "station", "market", "garden", "museum", "library"),
    "givings": ("gave", "handed", "passed", "offered", "sent", "brought"),
    "objects": ("drink", "book", "ring", "letter", "ball", "key", "basket", "flower", "snack", "phone", "coin"),
    "fixed": ("<bos>", "and", "to-the", ".", "a", "to"),
}
# fmt: on
_SIZES = {"names": 20, "openings": 4, "verbs": 4, "places": 8, "givings": 4, "objects": 8, "fixed": 6}


class IndirectObject(CausalModel):
    """``dup``: at the repeated name, which slot holds the same name; ``sinh``: at the end, the slot to leave alone.

    Then either ``out``, the name in the other slot, or its halves ``row`` and ``column``, from two movers.

    Args:
        two_movers: Whether there are two name movers.
    """

    n_labels, n_ctx = _SIZES["names"], _LENGTH
    labelled = (_LENGTH - 1,)

    def __init__(self, *, two_movers: bool) -> None:
        self.two_movers = two_movers
        movers = ("row", "column") if two_movers else ("out",)
        self.variables = ("dup", "sinh", *movers)
        self.edges = (
            ("input", "dup"),
            ("dup", "sinh"),
            *(("sinh", mover) for mover in movers),
            *(("input", mover) for mover in movers),
            *((mover, "output") for mover in movers),
        )
        self.d_vocab = sum(_SIZES.values())
        ids = iter(range(self.d_vocab))
        self.groups = {name: [next(ids) for _ in range(size)] for name, size in _SIZES.items()}
        for name in _WORDS["fixed"]:
            self.groups[name] = [self.groups["fixed"][_WORDS["fixed"].index(name)]]
        del self.groups["fixed"]

    @staticmethod
    def sample_prompts(n: int, generator: torch.Generator, groups: Groups) -> Int[Tensor, "n ctx"]:
        """Two different names, the second sentence repeats one of them."""

        def drawn(group: str) -> Tensor:
            ids = torch.tensor(groups[group])
            return ids[torch.randint(len(ids), (n,), generator=generator)]

        names = torch.tensor(groups["names"])
        both = names[torch.rand(n, len(names), generator=generator).argsort(1)[:, :2]]
        repeated = both[torch.arange(n), torch.randint(2, (n,), generator=generator)]
        columns = [drawn("<bos>"), drawn("openings"), both[:, 0], drawn("and"), both[:, 1], drawn("verbs")]
        columns += [drawn("to-the"), drawn("places"), drawn("."), repeated]
        return torch.stack([*columns, drawn("givings"), drawn("a"), drawn("objects"), drawn("to")], 1)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        dup = intervened("dup", (tokens[:, _REPEATED] == tokens[:, _SECOND]).long(), interventions)
        sinh = intervened("sinh", dup, interventions)
        name = torch.where(sinh == 0, tokens[:, _SECOND], tokens[:, _FIRST])
        if not self.two_movers:
            out = intervened("out", name, interventions)
            return CausalRun({"dup": dup, "sinh": sinh, "out": out}, out[:, None])
        row = intervened("row", name // _CODE, interventions)
        column = intervened("column", name % _CODE, interventions)
        values = {"dup": dup, "sinh": sinh, "row": row, "column": column}
        return CausalRun(values, (row * _CODE + column)[:, None])


class Ioi(PlantedCircuitTask):
    """``circuits/ioi``; seeds take turns: one name mover, two name movers, LayerNorm."""

    name = "ioi"
    version = 4
    summary = "Find the components of a small transformer that name whom something was given to."
    voices = (2, 3)
    laboratory = laboratory(4, 450, 225)
    laboratory_solution = "laboratory_parts"

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = IndirectObject(two_movers=seed % 3 == 1)
        normalization: Literal["LN"] | None = "LN" if seed % 3 == 2 else None
        shape = five_layers(causal, d_model=184, normalization=normalization)
        every = placements(shape.n_layers, 3)
        duplicate, inhibition, mover = every[seed * 7 % len(every)]
        correspondence = {"dup": (f"a{duplicate}.h0",), "sinh": (f"a{inhibition}.h0",)}
        movers = ("row", "column") if seed % 3 == 1 else ("out",)
        correspondence |= {name: (f"a{mover}.h{head}",) for head, name in enumerate(movers)}
        return CircuitPlan(
            causal=causal,
            correspondence=correspondence,
            shape=shape,
            inputs=28,
            sizes={"dup": 4, "sinh": 4, **dict.fromkeys(movers, 6 if causal.two_movers else 12)},
            recipe=SiitRecipe(steps=2000, learning_rate=4e-3),
            decoys=DecoyRecipe(leak=0.003),
        )

    def words(self, causal: CausalModel, rng: random.Random) -> tuple[list[str], list[str]]:
        """Names, places and objects drawn from lists of them."""
        tokens = [word for group, size in _SIZES.items() for word in _drawn(group, size, rng)]
        return tokens, tokens[: causal.n_labels]


def _drawn(group: str, size: int, rng: random.Random) -> list[str]:
    return list(_WORDS["fixed"]) if group == "fixed" else rng.sample(_WORDS[group], size)
