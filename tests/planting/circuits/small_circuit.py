"""A causal model small enough to be planted within a test."""

from __future__ import annotations

import torch

from scribe_suite.planting.circuits.assembly import Assembled, DecoyRecipe, add_crosstalk, assemble
from scribe_suite.planting.circuits.blocks import Blocks, blocks_of
from scribe_suite.planting.circuits.causal import CausalModel, CausalRun, Correspondence, intervened
from scribe_suite.planting.circuits.compact import compact
from scribe_suite.planting.circuits.fillers import fill
from scribe_suite.planting.circuits.layout import Copy, layout
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe

CORRESPONDENCE = {"half": ("m0",), "out": ("m2",)}
INPUTS, SIZES = 10, {"half": 6, "out": 6}
WIDTH = INPUTS + sum(SIZES.values())


class HalfThenLabel(CausalModel):
    """``half = token // 2``; ``out = (half + token mod 2) mod 3``, at every position."""

    variables = ("half", "out")
    edges = (("input", "half"), ("half", "out"), ("input", "out"), ("out", "output"))
    d_vocab, n_labels, n_ctx = 6, 3, 3
    labelled = (0, 1, 2)

    def __init__(self):
        self.groups = {"tokens": range(6)}

    @staticmethod
    def sample_prompts(n, generator, groups):
        tokens = torch.tensor(groups["tokens"])
        return tokens[torch.randint(len(tokens), (n, 3), generator=generator)]

    def run(self, tokens, interventions=None):
        half = intervened("half", tokens // 2, interventions)
        out = intervened("out", (half + tokens % 2) % 3, interventions)
        return CausalRun({"half": half, "out": out}, out)


def small_shape(**changes) -> TransformerShape:
    sizes = {"n_layers": 2, "n_heads": 2, "d_model": 16, "d_head": 8, "d_mlp": 32, "n_ctx": 3, "d_vocab": 6}
    return TransformerShape(**{**sizes, "d_vocab_out": 3, **changes})


def random_network(**changes) -> PatchableTransformer:
    """One of `small_shape` in which every parameter is noise, biases too."""
    network = PatchableTransformer(small_shape(**changes), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def planted_shape(**changes) -> TransformerShape:
    """Three layers, of which the middle one holds nothing of the circuit, and residual dimensions for decoys."""
    return small_shape(**{"n_layers": 3, "d_model": 36, "act_fn": "relu", "normalization": None, **changes})


def small_plan(shape: TransformerShape | None = None, **changes) -> CircuitPlan:
    recipe = {"steps": 250, "warmup": 20, "learning_rate": 1e-2, **changes.pop("recipe", {})}
    return CircuitPlan(
        causal=HalfThenLabel(),
        correspondence=CORRESPONDENCE,
        shape=planted_shape() if shape is None else shape,
        inputs=INPUTS,
        sizes=SIZES,
        recipe=SiitRecipe(**recipe),
        decoys=DecoyRecipe(**changes.pop("decoys", {})),
        **changes,
    )


def small_blocks(correspondence: Correspondence) -> Blocks:
    """Who has which of the dimensions of the small circuit."""
    return blocks_of(HalfThenLabel(), correspondence, INPUTS, SIZES)


def small_copies(shape: TransformerShape, seed: int = 0) -> list[Copy]:
    """A layout of the small circuit's copies."""
    return layout(shape, {"m0": [], "m2": ["m0"]}, torch.Generator().manual_seed(seed))


def small_assembly(core: PatchableTransformer, recipe: DecoyRecipe, seed: int = 0, **changes) -> Assembled:
    """The small circuit among copies of its nodes and random heads, without LayerNorm."""
    shape = planted_shape(**changes)
    names = compact(shape, ["m0", "m2"], WIDTH).names
    blocks = small_blocks({name: tuple(names[node] for node in nodes) for name, nodes in CORRESPONDENCE.items()})
    copies, generator = small_copies(shape, seed), torch.Generator().manual_seed(seed)
    assembled = assemble(core, blocks, copies, names, shape, recipe, generator)
    fill(assembled, HalfThenLabel().sample(64, generator), generator)
    add_crosstalk(assembled, copies, recipe.crosstalk, generator)
    return assembled
