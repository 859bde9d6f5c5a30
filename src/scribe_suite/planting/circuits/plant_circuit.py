"""From a causal model to certified weights: train the circuit alone, put it among copies, round, certify."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int
from torch import Tensor

from scribe_suite.planting.circuits.anchor import DIMENSIONS, under_layer_norm
from scribe_suite.planting.circuits.assembly import DecoyRecipe, add_crosstalk, assemble
from scribe_suite.planting.circuits.blocks import Blocks, blocks_of
from scribe_suite.planting.circuits.causal import CausalModel, Correspondence, circuit_of
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR, INTERCHANGE_BAR
from scribe_suite.planting.circuits.compact import Compact, compact
from scribe_suite.planting.circuits.fillers import fill
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.layout import Copy, layout
from scribe_suite.planting.circuits.leak import add_leak
from scribe_suite.planting.circuits.norms import equalise_norms
from scribe_suite.planting.circuits.patchable import PatchableTransformer, TransformerShape
from scribe_suite.planting.circuits.siit import SiitRecipe, train_circuit
from scribe_suite.planting.frozen import Certificate, round_to_half
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.progress import ProgressCallback
from scribe_suite.seeds import derive_seed

#: How many initial weights are tried for a seed: occasionally training finds another algorithm.
ATTEMPTS = 6

_MEASURED_PROMPTS = 256
_CHECKED_PAIRS = 1024


@dataclass(frozen=True)
class CircuitPlan:
    """A circuit to plant.

    Attributes:
        causal: The function it computes.
        correspondence: Its nodes, among those of `shape`.
        shape: The architecture, decoys included.
        inputs: Residual dimensions of the embeddings while the circuit is trained.
        sizes: Variable -> residual dimensions that its nodes write; its copies write as many each.
        recipe: How it is trained.
        decoys: How the other nodes are made.
    """

    causal: CausalModel
    correspondence: Correspondence
    shape: TransformerShape
    inputs: int
    sizes: Mapping[str, int]
    recipe: SiitRecipe
    decoys: DecoyRecipe = field(default_factory=DecoyRecipe)


@dataclass(frozen=True)
class PlantedWeights:
    """The planted weights.

    Attributes:
        weights: The weights, rounded to half precision as when frozen.
        certificate: Passed, unless every attempt failed.
        failures: Why earlier attempts failed.
        cpu_seconds: The total over all of them.
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
        plan: The plan.
        seed: Seeds the initial weights and all random choices; every attempt derives its own.
        certify: Measures everything the key will claim (`certify.certify_circuit` and what a task adds); nothing is
            trained or chosen on it but whether to try again.
        progress: Called during training.

    Returns:
        The first attempt that is certified, else the last one with its failing certificate.
    """
    started = time.process_time()
    small, blocks = _alone(plan)
    failures: list[str] = []
    for attempt in range(1, ATTEMPTS + 1):
        attempt_seed = derive_seed(seed, "attempt", attempt)
        report = _reporter(progress, failures)
        core = train_circuit(
            plan.causal, _inside(plan, small), small.shape, blocks, plan.recipe, attempt_seed, report(0.0, 0.9)
        )
        unlearned = _what_is_unlearned(core, plan, small, attempt_seed)
        if unlearned and attempt < ATTEMPTS:
            failures.append(unlearned)
            continue
        weights = _among_decoys(core, plan, small, blocks, attempt_seed)
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
    """The checks that the circuit alone fails, which decoys can't improve, as text; empty if there are none."""
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


def _alone(plan: CircuitPlan) -> tuple[Compact, Blocks]:
    """The architecture of the circuit alone, and the owner of each of its dimensions."""
    circuit, width = circuit_of(plan.correspondence), plan.inputs
    width += sum(len(plan.correspondence[name]) * plan.sizes[name] for name in plan.causal.variables)
    small = compact(plan.shape, circuit, width)
    return small, blocks_of(plan.causal, _inside(plan, small), plan.inputs, plan.sizes)


def copies_of(plan: CircuitPlan, seed: int, attempt: int) -> list[Copy]:
    """The roles of a planted model's nodes: the layout that `plant_circuit` chose.

    Args:
        plan: The plan.
        seed: The seed it was planted from.
        attempt: The certified attempt, counted from 1.
    """
    small, blocks = _alone(plan)
    generator = torch.Generator().manual_seed(derive_seed(derive_seed(seed, "attempt", attempt), "decoys"))
    return _prompts_and_copies(plan, small, blocks, generator)[1]


def _prompts_and_copies(
    plan: CircuitPlan, small: Compact, blocks: Blocks, generator: torch.Generator
) -> tuple[Int[Tensor, "prompt position"], list[Copy]]:
    prompts = plan.causal.sample(_MEASURED_PROMPTS, generator)
    full = {node: name for name, node in small.names.items()}
    read = {full[node]: [full[parent] for parent in parents] for node, parents in blocks.read.items()}
    return prompts, layout(plan.shape, read, generator)


def _among_decoys(
    core: PatchableTransformer, plan: CircuitPlan, small: Compact, blocks: Blocks, seed: int
) -> ModelWeights:
    generator = torch.Generator().manual_seed(derive_seed(seed, "decoys"))
    prompts, copies = _prompts_and_copies(plan, small, blocks, generator)
    normalised = plan.shape.normalization is not None
    shape = replace(plan.shape, normalization=None, d_model=plan.shape.d_model - DIMENSIONS * normalised)
    assembled = assemble(core, blocks, copies, small.names, shape, plan.decoys, generator)
    fill(assembled, prompts, generator)
    add_crosstalk(assembled, copies, plan.decoys.crosstalk, generator)
    circuit = circuit_of(plan.correspondence)
    network, theirs = assembled.network, {d for node in circuit for d in assembled.written[node]}
    others = [dimension for dimension in range(blocks.inputs, shape.d_model) if dimension not in theirs]
    add_leak(network, plan.causal, shape.mask(circuit), others, plan.decoys.leak, generator)
    if normalised:
        network = under_layer_norm(network, prompts, plan.decoys.anchor, generator)
    equalise_norms(network, prompts, generator)
    return round_to_half(network.to_weights())


def _inside(plan: CircuitPlan, small: Compact) -> Correspondence:
    return {variable: tuple(small.names[node] for node in nodes) for variable, nodes in plan.correspondence.items()}
