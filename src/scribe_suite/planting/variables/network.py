"""Constructs weights that compute a plan, without training, and the subspaces that hold its variables.

Layer 0: heads move the classes of the slots' tokens to the last position. Layer 1: neurons detect pairs of classes
and write the values of the variables. Layer 2: a neuron for each label reads the values of all variables at once, and
writes a random code, from which the logits are read. So after layer 2 no variable has a separate representation. All
other heads and neurons are random: they read anything, and write into unread dimensions.

Each variable has its own dimensions, in which it is both written and read. In addition, all variables, or those of one
party, are written into shared dimensions that nothing reads, and their readers read other shared dimensions that
nothing writes. So neither the spaces in which variables are written nor those in which they are read are orthogonal.
Only an orthogonal projection on a variable's own dimensions exchanges it without affecting the others: exchanging the
space in which it is written also moves parts of others, and exchanging the space from which it is read affects the
readers of others. The second is the subspace illusion (Makelov et al. 2023, arXiv 2311.17030).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.variables.plans import N_CTX, Dial, Plan
from scribe_suite.planting.variables.scaffold import DECOYS, NOWHERE, Layout, Scaffold, shape_for
from scribe_suite.planting.variables.simplex import simplex

#: The layer after which the variables are present.
VARIABLES_LAYER = 1
#: Logit of the correct label; others have only the overlap of their codes with its code.
_LOGIT = 12.0
#: Number of dimensions of labels' codes.
_CODE = 24


def layout_of(dial: Dial) -> Layout:
    """The residual dimensions of models of a level."""
    return Layout(
        {
            "class": dial.values,
            "position": N_CTX,
            "brought": (dial.variables + 1) * dial.values,
            "own": dial.variables * dial.dimensions,
            "written": dial.parties * dial.dimensions,
            "read": dial.parties * dial.dimensions,
            "said": _CODE,
            "nowhere": NOWHERE,
        }
    )


def shape_of(dial: Dial) -> TransformerShape:
    """The architecture of models of a level."""
    n_labels = dial.values**dial.variables
    d_mlp = max(dial.variables * dial.values**2, n_labels) + DECOYS
    return shape_for(layout_of(dial), d_mlp=d_mlp, d_vocab=dial.d_vocab, n_labels=n_labels)


def planted_subspace(dial: Dial, variable: int) -> Float[Tensor, "d_model k"]:
    """The own dimensions of a variable, in the basis of a frozen model."""
    layout = layout_of(dial)
    return torch.eye(layout.size)[:, layout.part("own", variable, dial.dimensions)]


@torch.no_grad()
def build_network(dial: Dial, plan: Plan, seed: int) -> ModelWeights:
    """Build a model that computes a plan; deterministic for a seed.

    Args:
        dial: The dial with which the plan was drawn.
        plan: The plan to compute.
        seed: The seed of all random choices.
    """
    return _Builder(dial, plan, torch.Generator().manual_seed(seed)).weights()


class _Builder:
    def __init__(self, dial: Dial, plan: Plan, generator: torch.Generator) -> None:
        self.dial, self.plan, self.layout = dial, plan, layout_of(dial)
        self.scaffold = Scaffold(shape_of(dial), self.layout, dial.values, generator)
        self.corners = simplex(dial.values)

    def weights(self) -> ModelWeights:
        self.scaffold.embed(self.plan.classes)
        self.scaffold.bring(self.plan.slots)
        self._compute()
        self._read()
        self.scaffold.fill()
        return self.scaffold.net.to_weights()

    def _compute(self) -> None:
        layout, scaffold, values = self.layout, self.scaffold, range(self.dial.values)
        for variable, table in enumerate(self.plan.tables):
            turned = self._turned()
            for a in values:
                for b in values:
                    reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
                    reads[[scaffold.brought(variable, a), scaffold.brought(variable + 1, b)]] = 1.0
                    writes[self._own(variable)] = self.corners[table[a][b]]
                    writes[self._shared("written", variable)] = turned[table[a][b]]
                    scaffold.neuron(VARIABLES_LAYER, reads, -1.0, writes)

    def _read(self) -> None:
        """Add a neuron for each label, which is active only if all variables have the label's values."""
        layout, dial, scaffold = self.layout, self.dial, self.scaffold
        # the dot product of a corner with itself is 1, and this with the others
        other = -1 / dial.dimensions
        threshold = dial.variables - 1 + other
        turned = [self._turned() for _ in range(dial.variables)]
        codes = scaffold.normal(self.plan.n_labels, _CODE)
        codes /= codes.norm(dim=1, keepdim=True)
        for label, combination in enumerate(self.plan.combinations):
            reads, writes = torch.zeros(layout.size), torch.zeros(layout.size)
            for variable, value in enumerate(combination):
                reads[self._own(variable)] = self.corners[value]
                reads[self._shared("read", variable)] += turned[variable][value]
            writes[layout["said"]] = _LOGIT / (1 - other) * codes[label]
            scaffold.neuron(VARIABLES_LAYER + 1, reads, -threshold, writes)
            scaffold.net.W_U[layout["said"], label] = codes[label]

    def _own(self, variable: int) -> list[int]:
        return self.layout.part("own", variable, self.dial.dimensions)

    def _shared(self, name: str, variable: int) -> list[int]:
        """The dimensions that a variable shares with others."""
        party = variable // (self.dial.sharing or self.dial.variables)
        return self.layout.part(name, party, self.dial.dimensions)

    def _turned(self) -> Float[Tensor, "values dimensions"]:
        """A variable's values in dimensions that it shares with others, turned at random."""
        return self.dial.overlap * self.corners @ self.scaffold.rotation(self.dial.dimensions)
