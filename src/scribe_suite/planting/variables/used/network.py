"""Constructs weights that keep several properties at one place, and read only some of them from there.

Layer 0: heads move the classes of the slots' tokens to the last position. Layer 1: random features of each pair of
neighbouring slots, solved by least squares, write the property of the pair, in its own dimensions and in others that
all properties share and nothing reads, and copies of the classes. Layer 2 has two sets of random features for every
property: one reads the property's own dimensions, the other reads the copies of the classes and computes it again. Both
work; one of them writes where logits are read, the other where nothing is read. So for each property the same is
decodable, the same neurons are there, and the label depends on it in the same way.

Besides, each property has dimensions into which nothing ever writes, and from which layer 2 reads its value directly.
An exchange in directions that mix a property's own dimensions with these moves the label, whether or not the property
is read: the subspace illusion (Makelov et al. 2023, arXiv 2311.17030).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.features import Features, solved_features
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.planting.variables.scaffold import DECOYS, N_HEADS, NOWHERE, Layout, Scaffold, shape_for
from scribe_suite.planting.variables.simplex import simplex
from scribe_suite.planting.variables.used.plans import PROPERTIES, UsedDial, UsedPlan

#: The layer after which the properties are kept.
KEPT_LAYER = 1
#: Difference that one property makes to the logits of its right and its wrong values.
_LOGIT = 12.0
#: Size of a property in the dimensions that all share, relative to that in its own.
_OVERLAP = 3.0
#: Number of features that write a property, that read it where it is kept, and that compute it again.
_WRITING, _READING, _AGAIN = 28, 12, 28
#: Neurons that read each of the dimensions into which nothing writes: one for each sign.
_SIGNS = 2


def layout_of(dial: UsedDial) -> Layout:
    """The residual dimensions of models of a level."""
    width = dial.values - 1
    slots = PROPERTIES + 1
    return Layout(
        {
            "class": dial.values,
            "position": N_CTX,
            "brought": slots * dial.values,
            "copies": slots * dial.values,
            "own": PROPERTIES * width,
            "shared": width,
            "unwritten": PROPERTIES * width,
            "said": PROPERTIES * width,
            "unsaid": PROPERTIES * width,
            "nowhere": NOWHERE,
        }
    )


def shape_of(dial: UsedDial) -> TransformerShape:
    """The architecture of models of a level."""
    reading = PROPERTIES * (_READING + _AGAIN + _SIGNS * (dial.values - 1))
    return shape_for(
        layout_of(dial),
        d_mlp=max(PROPERTIES * _WRITING, reading) + DECOYS,
        d_vocab=dial.d_vocab,
        n_labels=dial.values**PROPERTIES,
    )


def kept_directions(dial: UsedDial, number: int) -> Float[Tensor, "d_model k"]:
    """The own dimensions of a property, in the basis of a frozen model."""
    layout = layout_of(dial)
    return torch.eye(layout.size)[:, layout.part("own", number, dial.values - 1)]


def illusory_directions(dial: UsedDial, number: int) -> Float[Tensor, "d_model k"]:
    """Directions half-way between the own dimensions of a property and those from which its value is read directly."""
    layout, width = layout_of(dial), dial.values - 1
    axes = torch.eye(layout.size)
    mixed: Tensor = axes[:, layout.part("own", number, width)] + axes[:, layout.part("unwritten", number, width)]
    return mixed / mixed.norm(dim=0)


@torch.no_grad()
def build_used(dial: UsedDial, plan: UsedPlan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices.
    """
    layout = layout_of(dial)
    scaffold = Scaffold(shape_of(dial), layout, dial.values, torch.Generator().manual_seed(seed))
    scaffold.embed(plan.plan.classes)
    assert len(plan.plan.slots) <= N_HEADS
    scaffold.bring(plan.plan.slots)
    for number in range(PROPERTIES):
        _write(scaffold, dial, plan, number)
    for number in range(PROPERTIES):
        _read(scaffold, dial, plan, number)
    _read_labels(scaffold, dial, plan)
    scaffold.fill()
    return scaffold.net.to_weights()


def _pairs(dial: UsedDial) -> list[tuple[int, int]]:
    return [*itertools.product(range(dial.values), repeat=2)]


def _one_hots(dial: UsedDial) -> Float[Tensor, "pair two_classes"]:
    """The classes of two tokens, for all pairs."""
    axes = torch.eye(dial.values)
    return torch.stack([torch.cat([axes[a], axes[b]]) for a, b in _pairs(dial)])


def _write(scaffold: Scaffold, dial: UsedDial, plan: UsedPlan, number: int) -> None:
    """Add features of two slots that write a property and copies of the classes."""
    layout, width, corners = scaffold.layout, dial.values - 1, simplex(dial.values)
    shared = _OVERLAP * corners @ scaffold.rotation(width)
    inputs = _one_hots(dial)
    # inner slots belong to two properties, and each writes half of the copy
    halves = torch.cat([torch.full((dial.values,), 0.5 + 0.5 * (slot in (0, PROPERTIES))) for slot in _slots(number)])
    values = [plan.plan.tables[number][a][b] for a, b in _pairs(dial)]
    targets = torch.cat([dial.size * corners[values], dial.size * shared[values], inputs * halves], 1)
    features = solved_features(inputs, targets, _WRITING, scaffold.generator)
    places = [*layout.part("own", number, width), *layout["shared"], *_two_slots(scaffold, "copies", number)]
    _add(scaffold, KEPT_LAYER, features, _two_slots(scaffold, "brought", number), places)


def _read(scaffold: Scaffold, dial: UsedDial, plan: UsedPlan, number: int) -> None:
    """Add features that read a property where it is kept, and others that compute it again; one of both counts."""
    layout, width, corners = scaffold.layout, dial.values - 1, simplex(dial.values)
    said, unsaid = (layout.part(name, number, width) for name in ("said", "unsaid"))
    values = [plan.plan.tables[number][a][b] for a, b in _pairs(dial)]
    reading = solved_features(dial.size * corners, corners, _READING, scaffold.generator)
    again = solved_features(_one_hots(dial), corners[values], _AGAIN, scaffold.generator)
    is_used = number in plan.used
    own = layout.part("own", number, width)
    _add(scaffold, KEPT_LAYER + 1, reading, own, said if is_used else unsaid)
    _add(scaffold, KEPT_LAYER + 1, again, _two_slots(scaffold, "copies", number), unsaid if is_used else said)
    for source, target in zip(layout.part("unwritten", number, width), said, strict=True):
        for sign in (1.0, -1.0):
            reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
            # an exchange half-way moves by half of the difference, which has to outweigh what is there
            reads[source], writes[target] = sign * 3.0 / dial.size, sign
            scaffold.neuron(KEPT_LAYER + 1, reads, 0.0, writes)


def _slots(number: int) -> tuple[int, int]:
    return number, number + 1


def _two_slots(scaffold: Scaffold, name: str, number: int) -> list[int]:
    return [dim for slot in _slots(number) for dim in scaffold.layout.part(name, slot, scaffold.n_classes)]


def _add(scaffold: Scaffold, layer: int, features: Features, sources: Sequence[int], places: Sequence[int]) -> None:
    for number in range(features.reads.shape[1]):
        reads, writes = torch.zeros(scaffold.layout.size), torch.zeros(scaffold.layout.size)
        reads[list(sources)] = features.reads[:, number]
        writes[list(places)] = features.writes[number]
        scaffold.neuron(layer, reads, float(features.bias[number]), writes)


def _read_labels(scaffold: Scaffold, dial: UsedDial, plan: UsedPlan) -> None:
    """Let logits be the sum of what each property says about the label's values."""
    corners = simplex(dial.values)
    size = _LOGIT / (1 + 1 / (dial.values - 1))
    for label, combination in enumerate(plan.plan.combinations):
        said = torch.cat([corners[value] for value in combination])
        scaffold.net.W_U[scaffold.layout["said"], label] = size * said
