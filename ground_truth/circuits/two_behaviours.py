"""Two behaviours in one model that share a head: which components serve the one in question?

Most prompts end with a token that asks for a word: five heads bring one bit each of that word's code to the end, the
label is the code. One prompt in five ends with a token for which an MLP overrules this: the label then comes from the
MLP's entry for that token and from the first head's bit. Prompts come mixed, and a scan over the mix finds both.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ground_truth.circuits.planted.draws import generator
from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.material import right_labels
from ground_truth.circuits.planted.recall import WORDS, RecallPrompts, asked_word, asking_index
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Correspondence, Intervention, intervened
from scribe_suite.planting.circuits.certificate import EFFECT_BAR, STRICT_BAR
from scribe_suite.planting.circuits.interchange import ABLATIONS, Pairs, PatchedModel
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights

_BITS, _ENTRIES = 5, 3
#: Asking tokens; the MLP's table contains the first `_ENTRIES` of them.
_ASKING = 15
_CODES = 2**_BITS
_EXAMPLES = 12
_CERTIFICATE_PAIRS = 1024


class OverruledRecall(RecallPrompts):
    """``bit0`` to ``bit4``: the code of the asked word. ``entry``: 1 to 3 for three of the asking tokens, else 0.

    The label is the code where ``entry`` is 0, otherwise one of six further labels, for ``entry`` and ``bit0``.

    Args:
        seed: Seeds the words' codes.
    """

    n_labels = _CODES + 2 * _ENTRIES
    variables = (*(f"bit{bit}" for bit in range(_BITS)), "entry")
    edges = tuple((a, b) for name in variables for a, b in (("input", name), (name, "output")))

    def __init__(self, seed: int) -> None:
        super().__init__(_ASKING)
        generator = torch.Generator().manual_seed(seed)
        half = torch.arange(WORDS) % 2
        self._code = torch.stack([half[torch.randperm(WORDS, generator=generator)] for _ in range(_BITS)], 1)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        code = self._code[asked_word(tokens)]
        values = {f"bit{bit}": intervened(f"bit{bit}", code[:, bit], interventions) for bit in range(_BITS)}
        index = asking_index(tokens)
        values["entry"] = intervened("entry", torch.where(index < _ENTRIES, index + 1, 0), interventions)
        recalled = sum(values[f"bit{bit}"] * 2**bit for bit in range(_BITS))
        overruled = _CODES + 2 * (values["entry"] - 1) + values["bit0"]
        return CausalRun(values, torch.where(values["entry"] == 0, recalled, overruled)[:, None])


class TwoBehaviours(PlantedCircuitTask):
    """``circuits/two_behaviours``; the task is about the rarer behaviour, whose circuit is one head and one MLP."""

    name = "two_behaviours"
    summary = "Find the components that serve one of two behaviours of a model."
    laboratory = laboratory(6, 400, 200)

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = OverruledRecall(seed)
        shape = five_layers(causal, d_model=144)
        rng = random.Random(seed)
        layers = sorted(rng.sample(range(shape.n_layers), 3))
        heads = [f"a{layer}.h{head}" for layer in layers for head in range(2)]
        chosen = rng.sample(heads, _BITS)
        correspondence = {f"bit{bit}": (node,) for bit, node in enumerate(chosen)}
        return CircuitPlan(
            causal=causal,
            correspondence={**correspondence, "entry": (f"m{rng.randrange(shape.n_layers)}",)},
            shape=shape,
            inputs=24,
            sizes={**dict.fromkeys(correspondence, 4), "entry": 8},
            recipe=SiitRecipe(steps=1200, learning_rate=4e-3),
        )

    def key(self, correspondence: Correspondence) -> frozenset[str]:
        """The circuit of the behaviour in question."""
        return frozenset((*correspondence["bit0"], *correspondence["entry"]))

    def hidden_pairs(self, causal: CausalModel, n: int, generator: torch.Generator) -> Pairs:
        """Base prompts of the behaviour in question; sources of both."""
        drawn = 2 * n * _ASKING // _ENTRIES  # one in five shows it; twice as many as needed on average
        base, source = causal.sample_pairs(drawn, generator)
        asked = is_asked(causal, base)
        return Pairs(base[asked][:n], source[asked][:n])

    def further_checks(self, seed: int, weights: ModelWeights) -> Sequence[Check]:
        """On prompts of the behaviour in question only its own nodes matter, for every source of patches."""
        plan = self.plan(seed)
        pairs = self.hidden_pairs(plan.causal, _CERTIFICATE_PAIRS, generator(self.models_id, seed, "asked"))
        patched = PatchedModel(PatchableTransformer.from_weights(weights), plan.causal, pairs)
        circuit = self.key(plan.correspondence)
        others = [node for node in plan.shape.nodes if node not in circuit]
        served = [node for nodes in plan.correspondence.values() for node in nodes if node not in circuit]
        checks = [
            Check(
                name=f"asked/strict/{ablation}/{name}",
                value=round(patched.ablated(nodes, ablation), 6),
                bar=STRICT_BAR,
                direction=">=",
            )
            for ablation in ABLATIONS
            for name, nodes in {**{node: [node] for node in served}, "all": others}.items()
        ]
        return [
            *checks,
            *(
                Check(
                    name=f"asked/effect/resample/{node}",
                    value=round(patched.effect([node]), 6),
                    bar=EFFECT_BAR,
                    direction=">=",
                )
                for node in sorted(circuit)
            ),
        ]

    def public_data(self, causal: CausalModel, generator: torch.Generator) -> dict[str, Tensor]:
        """Examples of the behaviour in question, besides the mix."""
        data = super().public_data(causal, generator)
        examples = self.hidden_pairs(causal, _EXAMPLES, generator).base
        return {**data, "asked_prompts": examples, "asked_labels": right_labels(causal, examples)}

    def further_facts(self, data: Mapping[str, Tensor]) -> dict[str, Any]:
        """The number of examples."""
        return {"n_asked": len(data["asked_prompts"])}


def is_asked(causal: CausalModel, prompts: Int[Tensor, "n ctx"]) -> Bool[Tensor, " n"]:
    """A mask of the prompts that show the behaviour in question."""
    return causal.run(prompts).values["entry"] > 0
