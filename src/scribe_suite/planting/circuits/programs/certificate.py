"""The certificate of a planted program: a network follows it under every kind of intervention.

The first claim is that it does so on the prompts and triples on which answers are judged. The others are that every
variable matters, that no two are equivalent, and that no other node matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from scribe_suite.planting.circuits.causal import Correspondence, circuit_of
from scribe_suite.planting.circuits.certificate import BEHAVIOUR_BAR, INTERCHANGE_BAR, STRICT_BAR
from scribe_suite.planting.circuits.interchange import PatchedModel, draw_pairs
from scribe_suite.planting.circuits.patchable import PatchableTransformer
from scribe_suite.planting.circuits.programs.program import Program
from scribe_suite.planting.circuits.programs.triples import STRATA, draw_triples, network_labels, program_labels
from scribe_suite.planting.frozen import Certificate, Check
from scribe_suite.planting.hooked import ModelWeights

#: Least share of a stratum's labels, changed or unchanged, that agree with the program's.
TRIPLES_BAR = 0.98


@dataclass(frozen=True)
class Bars:
    """The least effects of variables; the sampler of programs requires a little more.

    Attributes:
        effect: Least share of labels that change when one node of the program is patched.
        difference: Least share of prompts on which patching either of any two nodes gives different labels.
    """

    effect: float
    difference: float


#: For programs in which every variable matters on many prompts.
PLAIN = Bars(effect=0.18, difference=0.06)
#: For programs in which some variables matter on few prompts, or only if others don't replace them.
GRADED = Bars(effect=0.02, difference=0.015)

_PER_STRATUM = 512


def certify_program(
    weights: ModelWeights,
    program: Program,
    correspondence: Correspondence,
    seed: int,
    bars: Bars = PLAIN,
    n_pairs: int = 1024,
) -> Certificate:
    """Measure all claims about a network that runs a program.

    Args:
        weights: The network that agents get.
        program: The program that it should compute.
        correspondence: The node of each variable.
        seed: The seed of prompts and triples; nothing is trained on them.
        bars: The least effects of its variables.
        n_pairs: Number of pairs of prompts on which nodes are patched.

    Returns:
        Checks ``behaviour``; ``iia/<variable>`` and ``iia_changed/<variable>``, as for other circuits;
        ``strict/resample/<node>`` and ``strict/resample/all`` for irrelevant nodes; ``patched/<node>``, the share of
        labels that change when a node of the program is patched; ``told_apart/least``, the share of labels that differ
        between patching one node and patching another, for the two most similar nodes;
        ``triples/<stratum>/changed`` and ``.../unchanged``, the agreement on the triples on which answers are judged.
    """
    network = PatchableTransformer.from_weights(weights)
    generator = torch.Generator().manual_seed(seed)
    pairs = draw_pairs(program, n_pairs, generator)
    patched = PatchedModel(network, program, pairs)
    checks = [_at_least("behaviour", patched.behaviour(), BEHAVIOUR_BAR)]
    for name in program.variables:
        found = patched.interchange([name], correspondence)
        checks.append(_at_least(f"iia/{name}", found.accuracy, INTERCHANGE_BAR))
        if found.accuracy_where_changed is not None:
            checks.append(_at_least(f"iia_changed/{name}", found.accuracy_where_changed, INTERCHANGE_BAR))
    circuit = circuit_of(correspondence)
    others = [node for node in network.shape.nodes if node not in circuit]
    for name, group in {**{node: [node] for node in others}, "all": others}.items():
        checks.append(_at_least(f"strict/resample/{name}", patched.ablated(group, "resample"), STRICT_BAR))
    nodes = [node for name in program.variables for node in correspondence[name]]
    alone = torch.stack([patched.said_after([node])[:, 0] for node in nodes])
    clean = patched.said_after([])[:, 0]
    checks += [
        _at_least(f"patched/{node}", (labels != clean).float().mean().item(), bars.effect)
        for node, labels in zip(nodes, alone, strict=True)
    ]
    differ = (alone[:, None] != alone[None]).float().mean(-1) + torch.eye(len(alone))
    checks.append(_at_least("told_apart/least", differ.min().item(), bars.difference))
    return Certificate(checks=(*checks, *_on_triples(network, program, correspondence, seed)))


def _on_triples(
    network: PatchableTransformer, program: Program, correspondence: Correspondence, seed: int
) -> Iterator[Check]:
    triples = draw_triples(program, correspondence, network.shape.nodes, _PER_STRATUM, seed)
    wanted = program_labels(program, triples)
    agree = network_labels(network, triples.pairs, triples.patched, program.n_ctx - 1) == wanted
    changed = wanted != program.run(triples.pairs.base).labels[:, 0]
    for stratum in STRATA:
        here = torch.tensor([one == stratum for one in triples.strata])
        for name, rows in {"changed": here & changed, "unchanged": here & ~changed}.items():
            yield _at_least(f"triples/{stratum}/{name}", agree[rows].float().mean().item(), TRIPLES_BAR)


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=round(value, 6), bar=bar, direction=">=")
