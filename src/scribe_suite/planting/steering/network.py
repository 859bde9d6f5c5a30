"""Constructs weights that compute a plan with a gate, without training, and the direction that holds the gate.

Layer 0: heads move the classes of the slots' tokens to later positions. Layer 1: neurons detect pairs of classes and
write the values of the variables; others write what gate and condition decide. Layer 2: neurons for combinations of
variables write the logits of their labels, others read gate and condition, and a head brings what they decide from the
last position but one. All other heads and neurons are random: they read anything, and write into unread dimensions.

Each variable has a dimension of its own, in which it is both written and read. All variables are also written into
dimensions that nothing reads, and their readers read others that nothing writes. So neither what prompts differ in nor
what a gradient points to is the gate alone.

The gate decides which of two labels a prompt gets if the condition holds, and nothing otherwise. Neurons of layer 2
read it at the last position, or the head brings its decision from another. Every model has both; one of them writes
where logits are read, the other where nothing is read. In the second case the same can be decoded at the same places,
and no vector at the last position changes how the model answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.steering.plans import (
    ASIDE,
    CONDITION,
    FIRST,
    GATE,
    N_LABELS,
    SECOND,
    VARIABLES,
    GateDial,
    GatePlan,
)
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.planting.variables.scaffold import DECOYS, N_HEADS, NOWHERE, Layout, Scaffold, shape_for

#: The layer after which the variables are kept, and the one that reads them.
KEPT_LAYER, READING_LAYER = 1, 2
#: The difference that the gate makes to the logits of both of its labels, and the logit of what the others decide.
_GATE_LOGIT, _LOGIT, _NEUTRAL_LOGIT = 10.0, 14.0, 8.0
#: Number of dimensions that variables share for writing and for reading, and their size relative to a variable's own.
_SHARED, _OVERLAP = 3, 1.5
#: Number of combinations of what decides beside the gate.
_COMBINATIONS = 12
#: Number of steps, and the value of gate and condition together from which on they are taken.
_STEPS, _STEP_FROM = 6, 1.5
#: Number of tokens that decide gate and condition together.
_DECIDING = 3
#: The position from which the head brings what they decide.
_OTHER = N_CTX - 2


def layout_of() -> Layout:
    """The residual dimensions."""
    return Layout(
        {
            "class": 2,
            "position": N_CTX,
            "brought": 2 * (VARIABLES + 1),
            "own": VARIABLES,
            "written": _SHARED,
            "read": _SHARED,
            "said": N_LABELS,
            "unsaid": N_LABELS,
            "decided": 1,
            "nowhere": NOWHERE,
        }
    )


def shape_of(dial: GateDial) -> TransformerShape:
    """The architecture of models of a level."""
    neurons = max(4 * VARIABLES + 2**_DECIDING, _COMBINATIONS + 2 * _STEPS)
    return shape_for(layout_of(), d_mlp=neurons + DECOYS, d_vocab=dial.d_vocab, n_labels=N_LABELS, n_heads=N_HEADS + 2)


def gate_direction() -> Float[Tensor, " d_model"]:
    """The own dimension of the gate, in the basis of a frozen model: a step of 2 turns it on."""
    layout = layout_of()
    return torch.eye(layout.size)[layout["own"][GATE]]


@torch.no_grad()
def build_gate(dial: GateDial, plan: GatePlan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices.
    """
    return _Builder(dial, plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, dial: GateDial, plan: GatePlan, generator: torch.Generator) -> None:
        self.dial, self.plan, self.layout = dial, plan, layout_of()
        self.scaffold = Scaffold(shape_of(dial), self.layout, 2, generator)
        self.loud = torch.ones(VARIABLES)
        self.loud[ASIDE] = dial.loud
        self.partners = plan.partners
        self.turned = self._unit_rows()

    def weights(self) -> ModelWeights:
        self.scaffold.embed(self.plan.classes)
        self.scaffold.bring(self.plan.slots)
        self._compute()
        self._decide_elsewhere()
        self._read()
        self.scaffold.net.W_U[self.layout["said"]] = torch.eye(N_LABELS)
        self.scaffold.fill()
        return self.scaffold.net.to_weights()

    def _compute(self) -> None:
        scaffold, layout = self.scaffold, self.layout
        shared = self._unit_rows()
        for variable in range(VARIABLES):
            for a in (0, 1):
                for b in (0, 1):
                    reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
                    reads[[scaffold.brought(variable, a), scaffold.brought(variable + 1, b)]] = 1.0
                    sign = 2.0 * ((a + b + self.plan.flips[variable]) % 2) - 1
                    writes[layout["own"][variable]] = sign * self.loud[variable]
                    writes[layout["written"]] = sign * _OVERLAP * self.loud[variable] * shared[variable]
                    scaffold.neuron(KEPT_LAYER, reads, -1.0, writes)

    def _decide_elsewhere(self) -> None:
        """Add neurons that read the tokens of gate and condition, and a head that brings what they decide."""
        scaffold, layout, flips = self.scaffold, self.layout, self.plan.flips
        unit = torch.eye(layout.size)[layout["decided"]]
        for number in range(2**_DECIDING):
            classes = [number >> slot & 1 for slot in range(_DECIDING)]
            gate, condition = ((classes[one] + classes[one + 1] + flips[one]) % 2 for one in (GATE, CONDITION))
            reads = torch.zeros(layout.size)
            reads[[scaffold.brought(slot, value) for slot, value in enumerate(classes)]] = 1.0
            scaffold.neuron(KEPT_LAYER, reads, 1.0 - _DECIDING, condition * (2.0 * gate - 1) * unit[0])
        writes = torch.zeros(1, layout.size)
        writes[0, layout["unsaid" if self.plan.read else "said"]] = self._gated(1)
        scaffold.head(READING_LAYER, _OTHER, unit, writes)

    def _read(self) -> None:
        """Add the neurons that read the variables: one for each combination of what decides beside the gate, and steps.

        The first are active, with 2, only if all variables that they read have their values. A step is the difference
        of two neurons, and 1 from the gate's own value on, if the condition holds; so more of the gate than that does
        no more.
        """
        scaffold, layout = self.scaffold, self.layout
        where = layout["said" if self.plan.read else "unsaid"]
        for condition, third in ((1, None), (0, 0), (0, 1)):
            for first, second in itertools.product((0, 1), repeat=2):
                values = {CONDITION: condition, FIRST: first, SECOND: second}
                if third is not None:
                    values[ASIDE] = third
                number = sum(value << variable for variable, value in values.items())
                writes = torch.zeros(layout.size)
                if condition:
                    both = self.plan.labels[number], self.plan.labels[number | 1 << GATE]
                    writes[[layout["said"][one] for one in both]] = _LOGIT / 2
                    writes[where] += self._gated(0) / 2
                else:
                    writes[layout["said"][self.plan.labels[number]]] = _NEUTRAL_LOGIT / 2
                signs = {variable: 2.0 * value - 1 for variable, value in values.items()}
                scaffold.neuron(READING_LAYER, self._reads(signs), 2.0 - len(values), writes)
        for _ in range(_STEPS):
            reads = self._reads({GATE: 1.0, CONDITION: 2.0})
            for bias, sign in ((-_STEP_FROM, 1.0), (-_STEP_FROM - 1, -1.0)):
                writes = torch.zeros(layout.size)
                writes[where] = sign * 2 * self._gated(1) / _STEPS
                scaffold.neuron(READING_LAYER, reads, bias, writes)

    def _reads(self, weights: Mapping[int, float]) -> Float[Tensor, " d_model"]:
        """Input weights that read some variables, and the same of what nothing writes."""
        layout = self.layout
        reads = torch.zeros(layout.size)
        for variable, weight in weights.items():
            reads[layout["own"][variable]] = weight / self.loud[variable]
            reads[layout["read"]] += _OVERLAP * weight * self.turned[variable]
        return reads

    def _gated(self, gate: int) -> Float[Tensor, " label"]:
        """What a value of the gate adds to the logits of all labels, if the condition holds."""
        added = torch.zeros(N_LABELS)
        for off, on in enumerate(self.partners):
            if on >= 0:
                added[on], added[off] = (_GATE_LOGIT, -_GATE_LOGIT) if gate else (-_GATE_LOGIT, _GATE_LOGIT)
        return added

    def _unit_rows(self) -> Float[Tensor, "variable shared"]:
        rows = self.scaffold.normal(VARIABLES, _SHARED)
        unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
        return unit
