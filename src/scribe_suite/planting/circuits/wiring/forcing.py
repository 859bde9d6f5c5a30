"""Trains all nodes of a program at once, each on its own inputs and outputs, and lets it read nothing else.

As in `programs.forcing`, every node gets an ideal residual stream, with the codes of all variables under random
interchange interventions and some noise, and learns to write the code of its own variable. Here each input of a node
sees only the dimensions that its variable reads in that role, and a node writes only into its own dimensions. So all
heads can be trained in parallel, and all MLPs, whatever their layers are later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from scribe_suite.planting.circuits.causal import interchanged
from scribe_suite.planting.circuits.optimising import one_thread, optimise
from scribe_suite.planting.circuits.programs.forcing import ForcingRecipe
from scribe_suite.planting.circuits.programs.formats import SHORT
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import Variable
from scribe_suite.planting.circuits.wiring.edges import Role, inputs_of
from scribe_suite.planting.circuits.wiring.stream import (
    CODE_NORM,
    CONSTANTS,
    POSITION_DIMENSIONS,
    TOKEN_DIMENSIONS,
    Stream,
)
from scribe_suite.progress import ProgressCallback

_TOLD_EVERY = 100
#: Ratio of the initial length of markers' embeddings to that of words'.
_MARKED = 3.0
#: The final learning rate, as a share of the peak.
_LEAST_RATE = 0.01
#: Positions at which tables are trained.
_TABULATED = slice(1, None, 2)


@dataclass(frozen=True)
class WiringRecipe(ForcingRecipe):
    """Hyperparameters of the training; see `ForcingRecipe`.

    Attributes:
        d_head: Number of dimensions of a head's queries and keys, and of its values.
        neurons: Number of neurons of an MLP.
    """

    steps: int = 800
    batch: int = 64
    learning_rate: float = 6e-3
    clip: float = 3.0
    d_head: int = 8
    neurons: int = 40


class Nodes(nn.Module):
    """The nodes of a program, without layers: heads and MLPs by the names of their variables.

    Args:
        program: The program that they compute.
        stream: The layout of the residual stream.
        recipe: Their sizes.
        generator: Draws initial weights.

    Attributes:
        heads: The variables that heads compute; parameters of heads are in this order.
        tables: The variables that MLPs compute, likewise.
        W_O: Weights into the dimensions of a head's own variable, which may be fewer; ``W_out`` and ``b_out`` likewise.
    """

    def __init__(self, program: Program, stream: Stream, recipe: WiringRecipe, generator: torch.Generator) -> None:
        super().__init__()
        self.stream, self.program = stream, program
        self.heads = [part for part in program.parts if part.is_head]
        self.tables = [part for part in program.parts if not part.is_head]
        width, inner, neurons = stream.width, recipe.d_head, recipe.neurons
        count, tables = len(self.heads), len(self.tables)
        written = max(part.size for part in program.parts) - 1

        def normal(*size: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*size, generator=generator) * std)

        reading = 0.25
        self.tokens = normal(program.d_vocab, TOKEN_DIMENSIONS, std=0.5)
        with torch.no_grad():  # markers are rare, so they must be easy to distinguish
            self.tokens[SHORT.words :] *= _MARKED
        self.places = normal(SHORT.length, POSITION_DIMENSIONS, std=1.0)
        self.W_Q, self.W_K, self.W_V = (normal(count, width, inner, std=reading) for _ in range(3))
        self.b_Q, self.b_K, self.b_V = (nn.Parameter(torch.zeros(count, inner)) for _ in range(3))
        self.W_O = normal(count, inner, written, std=inner**-0.5)
        self.W_in = normal(tables, width, neurons, std=reading)
        self.b_in = normal(tables, neurons, std=1.0)
        self.W_out = normal(tables, neurons, written, std=neurons**-0.5)
        self.b_out = nn.Parameter(torch.zeros(tables, written))
        self._masks = {
            "W_Q": self._reading(self.heads, "q", positions=True),
            "W_K": self._reading(self.heads, "k", positions=True),
            "W_V": self._reading(self.heads, "v", positions=False),
            "W_in": self._reading(self.tables, "in", positions=False),
        }

    def masked(self, name: str) -> Float[Tensor, "node width inner"]:
        """The reading weights of nodes, masked to the entries that may be nonzero."""
        weights: Tensor = getattr(self, name) * self._masks[name]
        return weights

    def embedded(self, tokens: Int[Tensor, "prompt position"]) -> Float[Tensor, "prompt position width"]:
        """The outputs of the embeddings."""
        rest = self.stream.width - self.stream.constants.stop
        parts = [self.tokens[tokens], self.places.expand(len(tokens), -1, -1), torch.ones(*tokens.shape, CONSTANTS)]
        return torch.cat([*parts, torch.zeros(*tokens.shape, rest)], -1)

    def attended(self, x: Float[Tensor, "prompt position width"]) -> Float[Tensor, "head prompt position written"]:
        """The outputs of all heads."""
        weights = torch.stack([self.masked(f"W_{one}") for one in "QKV"])
        offsets = torch.stack([self.b_Q, self.b_K, self.b_V])
        rows = (x @ weights.flatten(0, 1).transpose(0, 1).flatten(1)).view(*x.shape[:2], *offsets.shape) + offsets
        q, k, v = rows.permute(2, 3, 0, 1, 4)
        z = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        written: Tensor = z.flatten(1, 2) @ self.W_O
        return written.view(len(z), *x.shape[:2], -1)

    def tabulated(self, x: Float[Tensor, "row width"]) -> Float[Tensor, "table row written"]:
        """The outputs of all MLPs."""
        inner = (x @ self.masked("W_in").transpose(0, 1).flatten(1)).view(len(x), *self.b_in.shape)
        active = functional.relu(inner + self.b_in).transpose(0, 1)
        return active @ self.W_out + self.b_out[:, None]

    def _reading(self, parts: Sequence[Variable], role: Role, *, positions: bool) -> Float[Tensor, "part width 1"]:
        rows = torch.zeros(len(parts), self.stream.width)
        for row, part in zip(rows, parts, strict=True):
            for source, own in inputs_of(self.program, part.name):
                if own == role:
                    row[list(self.stream.dimensions[source])] = 1.0
            if positions:
                row[list(self.stream.positions)] = 1.0
        return rows[..., None]


def train_wired(program: Program, recipe: WiringRecipe, seed: int, progress: ProgressCallback) -> Nodes:
    """Train the nodes of a program; deterministic for a seed, on one thread.

    Args:
        program: The program to compute.
        recipe: The hyperparameters.
        seed: The seed of initial weights, prompts and noise.
        progress: Called at intervals.
    """
    generator = torch.Generator().manual_seed(seed)
    nodes = Nodes(program, Stream(program), recipe, generator)
    losses: dict[str, float] = {}

    def loss() -> Float[Tensor, ""]:
        found = _losses(nodes, program, recipe, generator)
        losses.update({name: value.item() for name, value in found.items()})
        return torch.stack(list(found.values())).sum()

    def tell(step: int, _loss: float) -> None:
        if step % _TOLD_EVERY == 0 or step == recipe.steps:
            worst = max(losses, key=lambda name: losses[name])
            progress(step / recipe.steps, f"step {step}: largest error {losses[worst]:.3f} ({worst})")

    with one_thread():
        optimise(list(nodes.parameters()), loss, recipe, _LEAST_RATE, tell)
    return nodes


def _losses(
    nodes: Nodes, program: Program, recipe: WiringRecipe, generator: torch.Generator
) -> dict[str, Float[Tensor, ""]]:
    """The error of every node on a fresh batch."""
    base, source = program.sample_pairs(recipe.batch, generator)
    chosen = torch.rand(recipe.batch, len(program.variables), generator=generator) < recipe.interchanged
    values = interchanged(program, base, source, chosen).values
    filled = nodes.stream.filled(values, generator)
    ideal = nodes.embedded(base) + nodes.stream.written(filled)
    seen = ideal + recipe.noise * torch.randn(ideal.shape, generator=generator)
    found = {}
    for part, written in zip(nodes.heads, nodes.attended(seen), strict=True):
        # the variable's computed value, even if it is then interchanged
        wanted = program.computed(part, base, values)
        found[part.name] = _error(nodes, part, written if part.everywhere else written[:, -1], wanted)
    # a table is the same at all positions, so some positions are enough
    rows = seen[:, _TABULATED].flatten(0, 1)
    for part, written in zip(nodes.tables, nodes.tabulated(rows), strict=True):
        read = [program._read(name, base, filled)[:, _TABULATED] for name in part.inputs]
        wanted = replace(part, everywhere=True).value(read).flatten()
        found[part.name] = _error(nodes, part, written, wanted)
    return found


def _error(
    nodes: Nodes, part: Variable, written: Float[Tensor, "... written"], wanted: Int[Tensor, "..."]
) -> Float[Tensor, ""]:
    codes = nodes.stream.codes[part.name]
    error = (written[..., : codes.shape[1]] - codes[wanted]).pow(2).sum(-1)
    if len(codes) > 2:
        return error.mean() / CODE_NORM**2
    # both values of a flag have the same weight: 1 is rare, and would otherwise be learned last, if at all
    count = torch.bincount(wanted.flatten(), minlength=2).clamp(min=1)
    return (error / count[wanted]).sum() / 2 / CODE_NORM**2
