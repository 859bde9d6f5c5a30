"""Trains all nodes of a program at once, each on its own inputs and outputs.

Every value of every variable has a fixed code. Each layer reads an ideal residual stream: the embeddings, the codes of
all variables of earlier layers under random interchange interventions, and some noise. Each node learns to write the
code of its own variable. As no node waits for another, depth costs nothing, and separately trained nodes fit together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from scribe_suite.planting.circuits.blocks import layer_and_head
from scribe_suite.planting.circuits.causal import Correspondence, interchanged
from scribe_suite.planting.circuits.optimising import one_thread, optimise
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.programs.codes import CODE_NORM, Codes
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.variables import Variable
from scribe_suite.progress import ProgressCallback

_TOLD_EVERY = 100
#: The final learning rate, as a share of the peak.
_LEAST_RATE = 0.01
#: Weight of the label's loss; those of the variables have weight 1.
_LABEL_WEIGHT = 0.2


@dataclass(frozen=True)
class ForcingRecipe:
    """Hyperparameters of the training.

    Attributes:
        steps: Number of optimiser steps.
        batch: Pairs per step.
        learning_rate: Peak of Adam's rate; linear warm-up, then linear decay to 1 %.
        warmup: Steps of warm-up.
        noise: Standard deviation of the noise in the residual stream, per dimension; a code has length 2.
        interchanged: Share of variables whose value comes from another prompt.
        clip: Largest norm of a gradient.
    """

    steps: int = 1600
    batch: int = 96
    learning_rate: float = 4e-3
    warmup: int = 50
    noise: float = 0.06
    interchanged: float = 0.25
    clip: float = 1.0


def train_forced(
    program: Program,
    correspondence: Correspondence,
    shape: TransformerShape,
    recipe: ForcingRecipe,
    seed: int,
    progress: ProgressCallback,
) -> PatchableTransformer:
    """Train a network whose nodes compute the variables of a program; deterministic for a seed, on one thread.

    Args:
        program: The program to compute.
        correspondence: The node of each variable.
        shape: The architecture, ideally as small as the program allows (`planting.circuits.compact`); no LayerNorm.
        recipe: The hyperparameters.
        seed: The seed of initial weights, codes, prompts and noise.
        progress: Called at intervals.

    Returns:
        The network. Only the nodes of the program compute anything; the others write nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    lesson = _Lesson(program, correspondence, shape, recipe, generator)
    network = _untrained(shape, correspondence, lesson.codes, seed, generator)
    losses: dict[str, Float[Tensor, ""]] = {}

    def loss() -> Float[Tensor, ""]:
        losses.update(lesson.losses(network))
        return torch.stack(list(losses.values())).sum()

    def tell(step: int, _loss: float) -> None:
        if step % _TOLD_EVERY == 0 or step == recipe.steps:
            worst = max(losses, key=lambda name: losses[name].item())
            progress(step / recipe.steps, f"step {step}: largest error {losses[worst].item():.3f} ({worst})")

    with one_thread():
        optimise(list(network.parameters()), loss, recipe, _LEAST_RATE, tell)
    return network


@torch.no_grad()
def _untrained(
    shape: TransformerShape, correspondence: Correspondence, codes: Codes, seed: int, generator: torch.Generator
) -> PatchableTransformer:
    """A network whose other nodes write nothing, and whose embeddings do not use the dimensions of codes."""
    network = PatchableTransformer(shape, seed)
    used = shape.mask(node for nodes in correspondence.values() for node in nodes)
    network.W_O[~used[:, :-1]] = 0.0
    network.W_out[~used[:, -1]] = 0.0
    network.W_O.mul_(shape.n_layers**0.5)
    network.b_in.normal_(0.0, 1.0, generator=generator)  # otherwise all neurons bend at 0, which is bad for counts
    for embedding in (network.W_E, network.W_pos):
        embedding.copy_(embedding @ codes.free.T @ codes.free)
    return network


class _Lesson:
    """The inputs and targets of every node, batch by batch."""

    def __init__(
        self,
        program: Program,
        correspondence: Correspondence,
        shape: TransformerShape,
        recipe: ForcingRecipe,
        generator: torch.Generator,
    ) -> None:
        self.codes = Codes(program, shape.d_model, generator)
        self._program, self._recipe, self._generator = program, recipe, generator
        self._places = {name: layer_and_head(node) for name, (node,) in correspondence.items()}
        self._layers = [
            [part for part in program.parts if self._places[part.name][0] == layer] for layer in range(shape.n_layers)
        ]

    def losses(self, network: PatchableTransformer) -> dict[str, Float[Tensor, ""]]:
        """The error of every node on a fresh batch, and the loss of the label."""
        recipe, program = self._recipe, self._program
        base, source = program.sample_pairs(recipe.batch, self._generator)
        chosen = torch.rand(recipe.batch, len(program.variables), generator=self._generator) < recipe.interchanged
        values = interchanged(program, base, source, chosen).values
        losses: dict[str, Float[Tensor, ""]] = {}
        stream = network.W_E[base] + network.W_pos
        for layer, here in enumerate(self._layers):
            heads, tables = ([part for part in here if part.is_head == which] for which in (True, False))
            attended = network._attention(layer, self._noisy(stream)) if heads else None
            for part in heads:
                assert attended is not None
                slot = self._places[part.name][1]
                written = attended[:, :, slot] @ network.W_O[layer, slot]
                # the variable's computed value, even if it is then interchanged
                losses[part.name] = self._error(written, part, program.computed(part, base, values))
            for part in heads:
                stream = stream + self.codes.stream(part, values[part.name], self._generator)
            for part in tables:
                written = network._mlp(layer, self._noisy(stream))
                losses[part.name] = self._error(written, part, program.computed(part, base, values))
                stream = stream + self.codes.stream(part, values[part.name], self._generator)
        logits = self._noisy(stream)[:, -1] @ network.W_U + network.b_U
        label = values[program.variables[-1]]
        losses["label"] = _LABEL_WEIGHT * functional.cross_entropy(logits, label)
        return losses

    def _noisy(self, stream: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return stream + self._recipe.noise * torch.randn(stream.shape, generator=self._generator)

    def _error(
        self, written: Float[Tensor, "prompt position width"], part: Variable, wanted: Int[Tensor, "prompt ..."]
    ) -> Float[Tensor, ""]:
        own = written if part.everywhere else written[:, -1]
        return (own - self.codes.of[part.name][wanted]).pow(2).sum(-1).mean() / CODE_NORM**2
