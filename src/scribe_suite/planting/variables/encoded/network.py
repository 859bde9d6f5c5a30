"""Constructs weights that code one variable in a way that is not linear.

Layer 0: heads move the classes of the slots' tokens to the last position. Layer 1: a neuron for each combination of
classes writes the state of the code into the dimensions of the code; further ones write the other variables, as the
corners of simplices. Layer 2: random features of the code, solved by least squares, write the values of the variable
and, where it is a variable, of the companion. Logits are read from these and from the simplices of the others. All
other heads and neurons are random.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.encoded.codes import CODES, code_of, widest
from scribe_suite.planting.variables.encoded.plans import COMPANION, EncodedDial, EncodedPlan
from scribe_suite.planting.variables.features import solved_features
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.planting.variables.scaffold import (
    DECOYS,
    N_HEADS,
    NOWHERE,
    Layout,
    Scaffold,
    as_loud_as_few,
    shape_for,
)
from scribe_suite.planting.variables.simplex import simplex

#: The layer after which the variables are present.
ENCODED_LAYER = 1
#: Difference that one variable makes to the logits of its right and its wrong values.
_LOGIT = 12.0
#: Number of features that read the code.
_FEATURES = 96


def layout_of(dial: EncodedDial) -> Layout:
    """The residual dimensions of models of a level."""
    width = dial.values - 1
    return Layout(
        {
            "class": dial.values,
            "position": N_CTX,
            "brought": N_HEADS * dial.values,
            "code": widest(dial.values),
            "plain": dial.plain * width,
            "read": (1 + dial.companion_read) * width,
            "nowhere": NOWHERE,
        }
    )


def shape_of(dial: EncodedDial) -> TransformerShape:
    """The architecture of models of a level, the same for all codes."""
    cases = max(_cases(dial, code_of(name, dial.values).rests) for name in CODES)
    return shape_for(
        layout_of(dial),
        d_mlp=max(cases + dial.plain * dial.values**2, _FEATURES) + DECOYS,
        d_vocab=dial.d_vocab,
        n_labels=dial.values**dial.variables,
    )


def _cases(dial: EncodedDial, rests: int) -> int:
    """The number of combinations of classes that decide the state of the code."""
    tokens = 3 + (rests > 1)
    return int(dial.values**tokens)


def code_basis(dial: EncodedDial) -> Float[Tensor, "d_model k"]:
    """The dimensions of the code, in the basis of a frozen model."""
    layout = layout_of(dial)
    return torch.eye(layout.size)[:, layout["code"]]


def embedded_points(plan: EncodedPlan, dial: EncodedDial, seed: int) -> Float[Tensor, "state k"]:
    """The points of the code in its dimensions: turned at random, as the network of this seed has them."""
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(widest(dial.values), plan.code.dimensions, generator=generator))
    return plan.code.points @ q.T


@torch.no_grad()
def build_encoded(dial: EncodedDial, plan: EncodedPlan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices; that of the points is the same.
    """
    layout, code = layout_of(dial), embedded_points(plan, dial, seed)
    scaffold = Scaffold(shape_of(dial), layout, dial.values, torch.Generator().manual_seed(seed))
    scaffold.embed(plan.plan.classes)
    scaffold.bring([*plan.plan.slots, *plan.free_slots][:N_HEADS])
    _write_code(scaffold, plan, code)
    _write_plain(scaffold, dial, plan)
    _read_code(scaffold, dial, plan, code)
    _read_labels(scaffold, dial, plan)
    scaffold.fill(as_loud_as_few)
    return scaffold.net.to_weights()


def _write_code(scaffold: Scaffold, plan: EncodedPlan, code: Float[Tensor, "state k"]) -> None:
    """Add a neuron for each combination of the classes that decide the state."""
    chain, values = plan.plan, range(plan.plan.values)
    free = len(chain.slots)
    # the slots of the variable, of its companion, and of the rest
    slots = [0, 1, 2 if plan.companion_read else free + 1, *([free] if plan.code.rests > 1 else [])]
    for classes in itertools.product(values, repeat=len(slots)):
        first, second, third, *rest = classes
        companion = chain.tables[COMPANION][second][third] if plan.companion_read else third
        state = plan.state_at(chain.tables[0][first][second], companion, rest[0] if rest else 0)
        reads, writes = torch.zeros(scaffold.layout.size), torch.zeros(scaffold.layout.size)
        reads[[scaffold.brought(slot, value) for slot, value in zip(slots, classes, strict=True)]] = 1.0
        writes[scaffold.layout["code"]] = code[state]
        scaffold.neuron(ENCODED_LAYER, reads, 1.0 - len(slots), writes)


def _write_plain(scaffold: Scaffold, dial: EncodedDial, plan: EncodedPlan) -> None:
    corners, first = simplex(dial.values), dial.variables - dial.plain
    for number, variable in enumerate(range(first, dial.variables)):
        for a, b in itertools.product(range(dial.values), repeat=2):
            reads, writes = torch.zeros(scaffold.layout.size), torch.zeros(scaffold.layout.size)
            reads[[scaffold.brought(variable, a), scaffold.brought(variable + 1, b)]] = 1.0
            writes[scaffold.layout.part("plain", number, dial.values - 1)] = corners[plan.plan.tables[variable][a][b]]
            scaffold.neuron(ENCODED_LAYER, reads, -1.0, writes)


def _read_code(scaffold: Scaffold, dial: EncodedDial, plan: EncodedPlan, code: Float[Tensor, "state k"]) -> None:
    """Add random features of the code that write what is read of it as corners."""
    corners = simplex(dial.values)
    read = 1 + dial.companion_read
    targets = torch.stack([torch.cat([corners[value] for value in state[:read]]) for state in plan.code.states])
    # features read only the dimensions that the code uses
    used = torch.linalg.svd(code, full_matrices=False)[2][: plan.code.dimensions]
    features = solved_features(code @ used.T, targets, _FEATURES, scaffold.generator)
    for number in range(_FEATURES):
        reads, writes = torch.zeros(scaffold.layout.size), torch.zeros(scaffold.layout.size)
        reads[scaffold.layout["code"]] = features.reads[:, number] @ used
        writes[scaffold.layout["read"]] = features.writes[number]
        scaffold.neuron(ENCODED_LAYER + 1, reads, float(features.bias[number]), writes)


def _read_labels(scaffold: Scaffold, dial: EncodedDial, plan: EncodedPlan) -> None:
    """Let logits be the sum of what each variable says about the label's values."""
    corners, layout = simplex(dial.values), scaffold.layout
    size = _LOGIT / (1 + 1 / (dial.values - 1))
    for label, combination in enumerate(plan.plan.combinations):
        said = torch.cat([corners[value] for value in combination])
        scaffold.net.W_U[[*layout["read"], *layout["plain"]], label] = size * said
