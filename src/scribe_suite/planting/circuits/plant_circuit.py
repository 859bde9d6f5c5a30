"""From a causal model to certified weights: train the circuit alone, place it among decoys, harden, round, certify."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from scribe_suite.planting.circuits.anchor import read_as_biases
from scribe_suite.planting.circuits.causal import CausalModel, Correspondence, circuit_of
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR, INTERCHANGE_BAR
from scribe_suite.planting.circuits.compact import Compact, compact, place
from scribe_suite.planting.circuits.decoys import DecoyRecipe, add_decoys
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.leak import add_leak
from scribe_suite.planting.circuits.norms import equalise_norms
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.siit import SiitRecipe, harden, train_circuit
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

#: Initial weights that are tried before a seed is given up: now and then training settles on another algorithm.
ATTEMPTS = 6

_MEASURED_PROMPTS = 256
_CHECKED_PAIRS = 1024


@dataclass(frozen=True)
class CircuitPlan:
    """A circuit to plant.

    Attributes:
        causal: What it computes.
        correspondence: Where, in the nodes of `shape`.
        shape: The architecture, decoys included.
        width: Residual dimensions of the circuit; the decoys get the rest.
        recipe: How it is trained.
        decoys: How the other nodes are drawn.
    """

    causal: CausalModel
    correspondence: Correspondence
    shape: TransformerShape
    width: int
    recipe: SiitRecipe
    decoys: DecoyRecipe = field(default_factory=DecoyRecipe)


@dataclass(frozen=True)
class PlantedWeights:
    """What came out.

    Attributes:
        weights: Rounded to half precision, as they are frozen.
        certificate: Passed, unless every attempt failed.
        failures: Why earlier attempts were given up.
        cpu_seconds: Of all of them.
    """

    weights: ModelWeights
    certificate: Certificate
    failures: tuple[str, ...]
    cpu_seconds: float


def plant_circuit(
    plan: CircuitPlan, seed: int, certify: Callable[[ModelWeights], Certificate], progress: ProgressCallback
) -> PlantedWeights:
    """Train until a certificate holds; deterministic for one thread.

    Args:
        plan: What to plant.
        seed: Of initial weights and all random choices; every attempt derives its own.
        certify: Measures everything the key will claim (`certify.certify_circuit` and what a task adds); nothing is
            trained or chosen on it but whether to try again.
        progress: Called during training.

    Returns:
        The first attempt that is certified, else the last one with its failing certificate.
    """
    started = time.process_time()
    small = compact(plan.shape, circuit_of(plan.correspondence), plan.width)
    failures: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):
        attempt_seed = derive_seed(seed, "attempt", attempt)
        report = _reporter(progress, failures)
        core = train_circuit(
            plan.causal, _inside(plan, small), small.shape, plan.recipe, attempt_seed, report(0.0, 0.6)
        )
        unlearned = _what_is_unlearned(core, plan, small, attempt_seed)
        if unlearned and attempt < ATTEMPTS:
            failures.append(unlearned)
            continue
        weights = _among_decoys(core, plan, small, attempt_seed, report(0.6, 0.95))
        certificate = certify(weights)
        if certificate.passed:
            break
        failures.append("; ".join(certificate.failures()))
    return PlantedWeights(weights, certificate, tuple(failures), time.process_time() - started)


def _reporter(progress: ProgressCallback, failures: Sequence[str]) -> Callable[[float, float], ProgressCallback]:
    """Makes callbacks for a part of the work, from one fraction of the whole to another."""
    note = f"attempt {len(failures) + 1} (the last failed: {failures[-1]}), " if failures else ""

    def part(begin: float, end: float) -> ProgressCallback:
        return lambda done, state: progress(begin + (end - begin) * done, note + state)

    return part


def _what_is_unlearned(core: PatchableTransformer, plan: CircuitPlan, small: Compact, seed: int) -> str:
    """What the circuit alone fails in of the certificate; decoys can't improve it. Empty when nothing."""
    pairs = draw_pairs(plan.causal, _CHECKED_PAIRS, torch.Generator().manual_seed(derive_seed(seed, "check")))
    patched = PatchedModel(core, plan.causal, pairs)
    behaviour = patched.behaviour()
    if behaviour < BEHAVIOUR_BAR:
        return f"behaviour {behaviour:.3f} before decoys"
    for group in (*((name,) for name in plan.causal.variables), *plan.causal.joint):
        accuracy = patched.interchange(group, _inside(plan, small)).accuracy
        if accuracy < INTERCHANGE_BAR:
            return f"interchange of {'+'.join(group)} {accuracy:.3f} before decoys"
    return ""


def _among_decoys(
    core: PatchableTransformer, plan: CircuitPlan, small: Compact, seed: int, progress: ProgressCallback
) -> ModelWeights:
    generator = torch.Generator().manual_seed(derive_seed(seed, "decoys"))
    prompts = plan.causal.sample(_MEASURED_PROMPTS, generator)
    network = place(core, small, plan.shape)
    circuit = plan.shape.mask(circuit_of(plan.correspondence))
    anchor = add_decoys(network, circuit, plan.width, prompts, plan.decoys, generator)
    if plan.recipe.hardening_steps:
        hardening_seed = derive_seed(seed, "hardening")
        harden(network, plan.causal, plan.correspondence, plan.recipe, hardening_seed, progress)
    if anchor is not None:
        read_as_biases(network, anchor, prompts)
    add_leak(network, plan.causal, circuit, plan.width, plan.decoys.leak, generator)
    equalise_norms(network, prompts, generator)
    return round_to_half(network.to_weights())


def _inside(plan: CircuitPlan, small: Compact) -> Correspondence:
    return {variable: tuple(small.names[node] for node in nodes) for variable, nodes in plan.correspondence.items()}
