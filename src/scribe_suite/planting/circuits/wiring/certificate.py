"""The certificate of a planted wiring: by path patching, the edges of the key matter, and no others do."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from scribe_suite.planting.circuits.causal import Correspondence, circuit_of
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR, INTERCHANGE_BAR, STRICT_BAR
from scribe_suite.planting.circuits.interchange import Pairs, PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.wiring.edges import LOGITS, Edge, edges_between, edges_to_logits, wiring_of
from scribe_suite.planting.circuits.wiring.moving import WiredNetwork, moved
from scribe_suite.planting.circuits.wiring.paths import PathPatched, all_others
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights

#: Least share of labels that change along an edge of the key; largest share along another edge or all others at once.
EDGE_BAR, OTHER_BAR = 0.3, 0.02

_PAIRS = 1024
#: Number of prompts on which edges outside the key are measured one by one.
_EACH = 256


def certify_wiring(weights: ModelWeights, program: Program, correspondence: Correspondence, seed: int) -> Certificate:
    """Measure all claims about a network with a planted wiring.

    Args:
        weights: The network that agents get.
        program: The program that it should compute.
        correspondence: The node of each variable.
        seed: The seed of prompts; nothing is trained on them.

    Returns:
        Checks ``behaviour``; ``iia/<variable>``; ``strict/resample/all`` for the nodes outside the circuit;
        ``edge/<edge>``, the share of labels that change along an edge of the key; ``other/largest``, the largest share
        along another edge between nodes of the circuit, from the embedding or to the logits; ``other/all``, the share
        for all edges of the network outside the key at once.
    """
    network = PatchableTransformer.from_weights(weights)
    pairs = draw_pairs(program, _PAIRS, torch.Generator().manual_seed(seed))
    patched = PatchedModel(network, program, pairs)
    checks = [_at_least("behaviour", patched.behaviour(), BEHAVIOUR_BAR)]
    checks += [
        _at_least(f"iia/{name}", patched.interchange([name], correspondence).accuracy, INTERCHANGE_BAR)
        for name in program.variables
    ]
    circuit = circuit_of(correspondence)
    outside = [node for node in network.shape.nodes if node not in circuit]
    checks.append(_at_least("strict/resample/all", patched.ablated(outside, "resample"), STRICT_BAR))
    paths, key = PathPatched(network, pairs), wiring_of(program, correspondence)
    checks += [_at_least(f"edge/{edge}", paths.effect([edge]), EDGE_BAR) for edge in key]
    read_out = Edge(correspondence[program.variables[-1]][0], LOGITS)
    known = {*key, read_out}
    others = [edge for edge in (*edges_between(circuit), *edges_to_logits(circuit)) if edge not in known]
    few = PathPatched(network, Pairs(pairs.base[:_EACH], pairs.source[:_EACH]))
    checks.append(_at_most("other/largest", max(few.effect([edge]) for edge in others), OTHER_BAR))
    checks.append(_at_most("other/all", paths.effect(all_others(network, known)), OTHER_BAR))
    return Certificate(checks=tuple(checks))


def certify_moves(wired: WiredNetwork, placements: Sequence[Correspondence], seed: int) -> Certificate:
    """Measure whether the claims about edges still hold when the nodes are elsewhere, as they are in instances.

    Args:
        wired: The network that was certified.
        placements: Other nodes for its variables.
        seed: The seed of prompts and of everything that is drawn when nodes are moved.

    Returns:
        For each placement, by its number: ``moved/0/behaviour``; ``moved/0/strict/resample/all``; ``moved/0/edges``,
        the least share of labels that change along an edge of the key; ``moved/0/other/all``.
    """
    program = wired.program
    checks: list[Check] = []
    for number, there in enumerate(placements):
        generator = torch.Generator().manual_seed(seed + number)
        network = PatchableTransformer.from_weights(moved(wired, there, generator))
        pairs = draw_pairs(program, _PAIRS, generator)
        patched, paths = PatchedModel(network, program, pairs), PathPatched(network, pairs)
        circuit, key = circuit_of(there), wiring_of(program, there)
        outside = [node for node in network.shape.nodes if node not in circuit]
        known = {*key, Edge(there[program.variables[-1]][0], LOGITS)}
        name = f"moved/{number}"
        checks += [
            _at_least(f"{name}/behaviour", patched.behaviour(), BEHAVIOUR_BAR),
            _at_least(f"{name}/strict/resample/all", patched.ablated(outside, "resample"), STRICT_BAR),
            _at_least(f"{name}/edges", min(paths.effect([edge]) for edge in key), EDGE_BAR),
            _at_most(f"{name}/other/all", paths.effect(all_others(network, known)), OTHER_BAR),
        ]
    return Certificate(checks=tuple(checks))


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction="<=")
