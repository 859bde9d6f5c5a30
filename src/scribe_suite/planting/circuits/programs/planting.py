"""From a program to certified weights: train or compile its nodes, put them among others, round, certify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.attempts import until_certified
from scribe_suite.planting.circuits.causal import Correspondence, circuit_of
from scribe_suite.planting.circuits.compact import compact
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.plant_circuit import PlantedWeights
from scribe_suite.planting.circuits.programs.assembly import among_decoys
from scribe_suite.planting.circuits.programs.compiling import compiled
from scribe_suite.planting.circuits.programs.forcing import ForcingRecipe, train_forced
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.frozen import Certificate
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

_MEASURED_PROMPTS = 256
#: The same for the large networks of compiled programs, where one kind of head is ten times as sharp as others.
_FEWER_PROMPTS = 48
#: Share of the work that is training.
_TRAINING = 0.9


@dataclass(frozen=True)
class ProgramPlan:
    """A program to plant.

    Attributes:
        program: The program.
        correspondence: The node of `shape` for each variable.
        shape: The architecture, with ReLU and without LayerNorm.
        width: Number of residual dimensions that are reserved for the program.
        recipe: How its nodes are trained; None if they are compiled (`compiling`).
        crosstalk: How much they read of the other nodes' outputs (`assembly.among_decoys`).
        noise: Size of what they write besides their codes, relative to those (also there).
    """

    program: Program
    correspondence: Correspondence
    shape: TransformerShape
    width: int
    recipe: ForcingRecipe | None
    crosstalk: float = 0.02
    noise: float = 0.0


def plant_program(
    plan: ProgramPlan, seed: int, certify: Callable[[ModelWeights], Certificate], progress: ProgressCallback
) -> PlantedWeights:
    """Train, or compile, until a certificate holds; deterministic for one thread.

    Args:
        plan: The plan.
        seed: The seed of initial weights and all random choices; every attempt derives its own.
        certify: Measures all claims; nothing is trained on its data.
        progress: Called during training.

    Returns:
        The first attempt that is certified, otherwise the last one with its failing certificate.
    """
    small = compact(plan.shape, circuit_of(plan.correspondence), plan.width)
    inside = {name: tuple(small.names[node] for node in nodes) for name, nodes in plan.correspondence.items()}

    def make(attempt_seed: int, report: ProgressCallback) -> ModelWeights:
        if plan.recipe is None:
            core = compiled(plan.program, inside, small.shape, attempt_seed)
        else:
            core = train_forced(plan.program, inside, small.shape, plan.recipe, attempt_seed, report)
        generator = torch.Generator().manual_seed(derive_seed(attempt_seed, "decoys"))
        prompts = plan.program.sample(_MEASURED_PROMPTS if plan.recipe else _FEWER_PROMPTS, generator)
        typical = torch.mean if plan.recipe else torch.median
        return among_decoys(
            core, small, plan.shape, plan.crosstalk, plan.noise, prompts, generator, typical
        ).to_weights()

    return until_certified(make, seed, certify, progress, _TRAINING)
