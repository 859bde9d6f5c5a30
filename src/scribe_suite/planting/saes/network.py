"""Writes the weights of a model and of its autoencoder from a plan: nothing is trained.

Layer 0: heads move the classes of the slots' tokens to the last position, and one neuron for each feature computes it
and writes it along its direction. Layer 1: neurons read the features of each group, and logits are read from what they
write. The autoencoder is at the residual stream between, at the last position.

All features have directions of one kind: a dimension of their own, and a part in dimensions that all share and nothing
reads but random neurons without an effect. A latent reads the dimension of its feature and, a little, the shared ones.
So neither directions nor the autoencoder tell which features are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from scribe_suite.planting.circuits.patchable import TransformerShape
from scribe_suite.planting.hooked import ModelWeights
from scribe_suite.planting.saes.autoencoder import Autoencoder
from scribe_suite.planting.saes.plans import CLASSES, OUTPUTS, SLOTS, Group, SaeDial, SaePlan
from scribe_suite.planting.saes.prompts import balanced_prompts
from scribe_suite.planting.saes.readers import JITTER, Neuron, neurons_of
from scribe_suite.planting.symmetries import Symmetry, apply_symmetry
from scribe_suite.planting.variables.plans import N_CTX
from scribe_suite.planting.variables.scaffold import DECOYS, NOWHERE, Layout, Scaffold, shape_for

#: The layer after which the autoencoder is.
SITE_LAYER = 0
N_LAYERS, N_HEADS = 2, 8
#: What opens a gate, relative to the size of a feature: more than the jitter can add.
_OPENING = 3.0
#: Dimensions that all features share.
_SHARED = 48
#: A latent is active above this share of the least magnitude of its feature.
_THRESHOLD = 0.5
#: How much the shared dimensions add to a latent, as a share of its size (standard deviation), and the prompts on which
#: that is set.
_LEAK, _PROMPTS = 0.03, 480


@dataclass(frozen=True)
class SparseModel:
    """A model with an autoencoder.

    Attributes:
        weights: The model.
        sae: The autoencoder, at the residual stream after `SITE_LAYER`, at the last position.
        plan: What was written.
        outputs: The direction of each of the plan's outputs among the logits, orthonormal.
    """

    weights: ModelWeights
    sae: Autoencoder
    plan: SaePlan
    outputs: Float[Tensor, "output logit"]

    def changed(self, symmetry: Symmetry, order: list[int]) -> SparseModel:
        """The same computation in other names and another basis.

        Args:
            symmetry: Of the model.
            order: For each new index of a latent the old one.
        """
        return SparseModel(
            apply_symmetry(self.weights, symmetry),
            self.sae.rotated(symmetry.rotation).reordered(order),
            self.plan.reordered(order, symmetry.token_map),
            self.outputs[:, torch.tensor(symmetry.label_map).argsort()],
        )


@torch.no_grad()
def build_sparse_model(dial: SaeDial, plan: SaePlan, seed: int) -> SparseModel:
    """Build a model that computes a plan, and its autoencoder; deterministic for a seed."""
    return _Builder(dial, plan, seed).built()


class _Builder:
    def __init__(self, dial: SaeDial, plan: SaePlan, seed: int) -> None:
        self.dial, self.plan = dial, plan
        self.generator = torch.Generator().manual_seed(seed)
        self.readers = [(group, neuron) for group in plan.groups for neuron in self._neurons(group)]
        self.layout = Layout(
            {
                "class": CLASSES,
                "position": N_CTX,
                "brought": SLOTS * CLASSES,
                "own": dial.n_latents,
                "shared": _SHARED,
                "said": OUTPUTS,
                "nowhere": NOWHERE,
            }
        )
        shape: TransformerShape = shape_for(
            self.layout,
            d_mlp=max(dial.n_latents, len(self.readers)) + DECOYS,
            d_vocab=dial.d_vocab,
            n_labels=OUTPUTS,
            n_layers=N_LAYERS,
            n_heads=N_HEADS,
        )
        self.scaffold = Scaffold(shape, self.layout, CLASSES, self.generator)

    def built(self) -> SparseModel:
        scaffold, plan = self.scaffold, self.plan
        scaffold.embed(plan.classes)
        scaffold.bring(plan.slots)
        for number, feature in enumerate(plan.features):
            reads = torch.zeros(self.layout.size)
            # units of its own size: what it writes is scaled
            for value in range(CLASSES):
                reads[scaffold.brought(feature.slot, value)] += _OPENING * (value == feature.gate)
                reads[scaffold.brought(feature.other, value)] += JITTER * feature.levels[value]
            scaffold.neuron(SITE_LAYER, reads, 1.0 - _OPENING, feature.size * self.directions[number])
        for group, neuron in self.readers:
            self._read(group, neuron)
        outputs = scaffold.rotation(OUTPUTS)
        scaffold.net.W_U[self.layout["said"]] = outputs
        scaffold.fill()
        return SparseModel(scaffold.net.to_weights(), self._autoencoder(), plan, outputs)

    @cached_property
    def directions(self) -> Float[Tensor, "feature d_model"]:
        """The direction of each feature, of unit length."""
        found = torch.zeros(self.dial.n_latents, self.layout.size)
        shared = torch.randn(len(found), _SHARED, generator=self.generator)
        tilt = torch.tensor([feature.tilt for feature in self.plan.features])
        found[:, self.layout["shared"]] = tilt[:, None] * shared / shared.norm(dim=1, keepdim=True)
        found[range(len(found)), self.layout["own"]] = (1 - tilt**2).sqrt()
        return found

    def _neurons(self, group: Group) -> list[Neuron]:
        size = self.plan.features[group.members[0]].size
        return neurons_of(group.kind, size, len(group.members), group.effect, group.flat)

    def _read(self, group: Group, neuron: Neuron) -> None:
        """Add a neuron that reads a group from the dimensions of its features."""
        reads, writes = torch.zeros(self.layout.size), torch.zeros(self.layout.size)
        for member, weight in zip(group.members, neuron.weights, strict=True):
            own = self.layout["own"][member]
            reads[own] = weight / self.directions[member, own]
        slot, classes = group.context
        for value in range(CLASSES):
            reads[self.scaffold.brought(slot, value)] += neuron.context[value not in classes]
        writes[self.layout["said"][group.output]] = neuron.writes
        self.scaffold.neuron(SITE_LAYER + 1, reads, neuron.bias, writes)

    def _features(self, tokens: Int[Tensor, "prompt position"]) -> Float[Tensor, "prompt feature"]:
        """The features of prompts, as the neurons compute them."""
        classes, plan = self.plan.class_of_slots(tokens), self.plan
        is_open = classes[:, [one.slot for one in plan.features]] == torch.tensor([one.gate for one in plan.features])
        levels = torch.tensor([one.levels for one in plan.features]).T
        level = levels.gather(0, classes[:, [one.other for one in plan.features]])
        sizes: Tensor = torch.tensor([one.size for one in plan.features]) * (1 + JITTER * level) * is_open
        return sizes

    def _autoencoder(self) -> Autoencoder:
        """The autoencoder: latents are the features but for a leak."""
        features = self._features(balanced_prompts(_PROMPTS, self.dial.d_vocab, self.generator))
        shared, count = self.layout["shared"], self.dial.n_latents
        here = (features @ self.directions)[:, shared]
        sizes = torch.tensor([one.size for one in self.plan.features])
        leak = torch.randn(_SHARED, count, generator=self.generator)
        leak *= _LEAK * sizes / (here - here.mean(0)).mm(leak).std(0)
        encoder = torch.zeros(self.layout.size, count)
        encoder[shared] = leak
        encoder[self.layout["own"], range(count)] = 1 / self.directions[range(count), self.layout["own"]]
        decoded = torch.zeros(self.layout.size)
        decoded[self.layout["position"][N_CTX - 1]] = 1.0
        decoded[self.layout["class"]] = decoded[self.layout["brought"]] = 1 / CLASSES
        return Autoencoder(encoder, -(here.mean(0) @ leak), self.directions.clone(), decoded, _THRESHOLD * sizes)
