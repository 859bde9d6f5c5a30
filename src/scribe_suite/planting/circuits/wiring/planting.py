"""From a program to certified weights: train its nodes, put them among others, round, certify."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.attempts import until_certified
from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.plant_circuit import PlantedWeights
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.assembly import among_listeners
from scribe_suite.planting.circuits.wiring.forcing import WiringRecipe, train_wired
from scribe_suite.planting.frozen import Certificate
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

_MEASURED_PROMPTS = 256
#: Share of the work that is training.
_TRAINING = 0.6


@dataclass(frozen=True)
class WiringPlan:
    """A wiring to plant.

    Attributes:
        program: The program.
        correspondence: The node of `shape` for each variable.
        shape: The architecture, with ReLU and without LayerNorm.
        recipe: How its nodes are trained.
        crosstalk: See `assembly.among_listeners`.
    """

    program: Program
    correspondence: Correspondence
    shape: TransformerShape
    recipe: WiringRecipe
    crosstalk: float = 0.005


def plant_wiring(
    plan: WiringPlan, seed: int, certify: Callable[[ModelWeights], Certificate], progress: ProgressCallback
) -> PlantedWeights:
    """Train until a certificate holds; deterministic for one thread.

    Args:
        plan: The plan.
        seed: The seed of initial weights and all random choices; every attempt derives its own.
        certify: Measures all claims; nothing is trained on its data.
        progress: Called during training.

    Returns:
        The first attempt that is certified, otherwise the last one with its failing certificate.
    """

    def make(attempt_seed: int, report: ProgressCallback) -> ModelWeights:
        nodes = train_wired(plan.program, plan.recipe, attempt_seed, report)
        generator = torch.Generator().manual_seed(derive_seed(attempt_seed, "others"))
        prompts = plan.program.sample(_MEASURED_PROMPTS, generator)
        return among_listeners(nodes, plan.correspondence, plan.shape, plan.crosstalk, prompts, generator).to_weights()

    return until_certified(make, seed, certify, progress, _TRAINING)
