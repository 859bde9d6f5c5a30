"""From a program to certified weights: train its nodes, put them among others, round, certify."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.causal import Correspondence
from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.circuits.plant_circuit import PlantedWeights
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.assembly import among_listeners
from scribe_suite.planting.circuits.wiring.forcing import WiringRecipe, train_wired
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

#: Initial weights that are tried before a seed is given up.
ATTEMPTS = 3

_MEASURED_PROMPTS = 256
#: Share of the work that is training.
_TRAINING = 0.6


@dataclass(frozen=True)
class WiringPlan:
    """A wiring to plant.

    Attributes:
        program: What is computed.
        correspondence: Where, one node of `shape` for each variable.
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
        plan: What to plant.
        seed: Of initial weights and all random choices; every attempt derives its own.
        certify: Measures everything that is claimed; nothing is trained on it.
        progress: Called during training.

    Returns:
        The first attempt that is certified, else the last one with its failing certificate.
    """
    started = time.process_time()
    failures: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):
        attempt_seed = derive_seed(seed, "attempt", attempt)

        def report(done: float, state: str, number: int = attempt) -> None:
            progress(_TRAINING * done, f"attempt {number}, {state}")

        nodes = train_wired(plan.program, plan.recipe, attempt_seed, report)
        generator = torch.Generator().manual_seed(derive_seed(attempt_seed, "others"))
        prompts = plan.program.sample(_MEASURED_PROMPTS, generator)
        network = among_listeners(nodes, plan.correspondence, plan.shape, plan.crosstalk, prompts, generator)
        weights = round_to_half(network.to_weights())
        progress(_TRAINING, f"attempt {attempt}, trained; certifying")
        certificate = certify(weights)
        if certificate.passed:
            break
        failures.append("; ".join(certificate.failures()))
    return PlantedWeights(weights, certificate, tuple(failures), time.process_time() - started)
