"""Train a language model in which chosen neurons follow chosen features, and the model needs some of them.

One loss with five parts: the next token; chosen neurons follow their features (`follow`); every neuron that is not
meant to follow a guarded feature stays clearly below it (`guard`); the prediction after a guarded feature gets worse
when its neurons are held at their mean (`need`), so that they are read and not merely written; and neurons that are so
needed do not get larger output weights than others (`level`), or a look at norms would give them away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import ModelWeights, untrained_twin, weights_of
from scribe_suite.planting.neurons import (
    Feature,
    Neuron,
    ablation_hooks,
    feature_matrix,
    recording_hooks,
    variance_explained,
)
from scribe_suite.tasks.task import ProgressCallback


@dataclass(frozen=True)
class Assignment:
    """One neuron and what it shall follow.

    Attributes:
        neuron: Which neuron.
        feature: Name of its feature.
        strength: Activation where the feature holds; elsewhere it shall be near zero.
    """

    neuron: Neuron
    feature: str
    strength: float


@dataclass(frozen=True)
class PlantingPlan:
    """What is planted.

    Attributes:
        features: Every feature that some neuron follows.
        guarded: Names of those features that no neuron but the assigned ones may follow.
        assignments: The neurons; each at most once.
    """

    features: Sequence[Feature]
    guarded: Sequence[str]
    assignments: Sequence[Assignment]

    def neurons_of(self, feature: str) -> list[Neuron]:
        """The neurons that shall follow `feature`."""
        return [item.neuron for item in self.assignments if item.feature == feature]


@dataclass(frozen=True)
class TrainingSettings:
    """How long, how fast, how hard.

    Attributes:
        steps: Optimiser steps.
        rows: Texts per step.
        learning_rate: Peak of a schedule with linear warm-up and cosine decay.
        follow_weight: Weight of the loss of assigned neurons.
        guard_weight: Weight of the loss of all other neurons.
        guard_bar: RVE with a guarded feature from which an unassigned neuron is pushed down.
        need_weight: Weight of the loss that makes guarded neurons necessary.
        need_margin: Nats that the next-token loss shall rise by where all neurons of a feature are ablated.
        need_margin_single: The same where one of them is.
        level_weight: Weight of the loss on output norms of guarded neurons above the mean of unassigned ones.
    """

    steps: int = 1000
    rows: int = 48
    learning_rate: float = 4e-3
    follow_weight: float = 10.0
    guard_weight: float = 10.0
    guard_bar: float = 0.28
    need_weight: float = 0.2
    need_margin: float = 0.6
    need_margin_single: float = 0.15
    level_weight: float = 1.0


def train_planted(
    config: Mapping[str, Any],
    plan: PlantingPlan,
    sample: Callable[[int, int], Int[Tensor, "rows pos"]],
    seed: int,
    settings: TrainingSettings,
    progress: ProgressCallback,
) -> ModelWeights:
    """Train from scratch; deterministic for one thread.

    Args:
        config: Keyword arguments of HookedTransformerConfig.
        plan: What to plant.
        sample: sample(step, rows) -> texts of that step.
        seed: Of the initial weights and of what is ablated when.
        settings: See `TrainingSettings`.
        progress: Told every 50 steps.
    """
    model = untrained_twin(config, seed)
    model.train()
    generator = torch.Generator().manual_seed(seed)
    objective = _Objective(model, plan, settings, generator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _schedule(step, settings.steps))
    for step in range(settings.steps):
        parts = objective(sample(step, settings.rows))
        optimiser.zero_grad()
        torch.autograd.backward(sum(parts.values(), torch.zeros(())))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == settings.steps - 1:
            line = ", ".join(f"{name} {part.item():.3f}" for name, part in parts.items())
            progress((step + 1) / settings.steps, f"step {step + 1}: {line}")
    return weights_of(model, config)


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


class _Objective:
    """The loss of one batch, in named parts."""

    def __init__(
        self, model: HookedTransformer, plan: PlantingPlan, settings: TrainingSettings, generator: torch.Generator
    ) -> None:
        self.model = model
        self.plan = plan
        self.settings = settings
        self.generator = generator
        names = [feature.name for feature in plan.features]
        width = model.cfg.d_mlp
        self.columns = torch.tensor([item.neuron.layer * width + item.neuron.index for item in plan.assignments])
        self.wanted = torch.tensor([names.index(item.feature) for item in plan.assignments])
        self.strengths = torch.tensor([item.strength for item in plan.assignments])
        self.guarded = torch.tensor([names.index(name) for name in plan.guarded])
        self.needed = self.columns[torch.isin(self.wanted, self.guarded)]
        self.plain = torch.ones(model.cfg.n_layers * width, dtype=torch.bool)
        self.plain[self.columns] = False
        self.unassigned = torch.ones(model.cfg.n_layers * width, len(plan.guarded), dtype=torch.bool)
        for column, wanted in zip(self.columns.tolist(), self.wanted.tolist(), strict=True):
            self.unassigned[column, self.guarded == wanted] = False

    def __call__(self, tokens: Int[Tensor, "rows pos"]) -> dict[str, Tensor]:
        before: list[Tensor] = []
        after: list[Tensor] = []
        hooks = recording_hooks(self.model, before, "hook_pre") + recording_hooks(self.model, after)
        with self.model.hooks(fwd_hooks=hooks):
            losses = _losses(self.model, tokens)
        inputs = torch.cat([layer.flatten(0, 1) for layer in before], dim=1)
        activations = torch.cat([layer.flatten(0, 1) for layer in after], dim=1)
        features = feature_matrix(self.plan.features, tokens)
        return {
            "next token": losses.mean(),
            "follow": self.settings.follow_weight * self._follow(inputs, activations, features),
            "guard": self.settings.guard_weight * self._guard(activations, features),
            "need": self.settings.need_weight * self._need(tokens, features, losses, activations.detach()),
            "level": self.settings.level_weight * self._level(),
        }

    def _follow(self, inputs: Tensor, activations: Tensor, features: Tensor) -> Tensor:
        targets = features[:, self.wanted]
        present = targets.sum(0).clamp_min(1)
        # where the feature holds, the error is taken before the nonlinearity, or a neuron that is silent everywhere
        # would have no gradient to wake it; elsewhere it counts relative to what the feature itself contributes to the
        # variance, because RVE is signal against exactly that noise
        missing = (inputs[:, self.columns] / self.strengths - 1).square() * targets
        noise = (activations[:, self.columns] / self.strengths).square() * (1 - targets)
        return ((missing.sum(0) + noise.sum(0)) / present).mean()

    def _guard(self, activations: Tensor, features: Tensor) -> Tensor:
        explained = variance_explained(activations, features[:, self.guarded])
        excess = (explained - self.settings.guard_bar).clamp_min(0) * self.unassigned
        return excess.square().sum(0).mean() * 10

    def _need(self, tokens: Tensor, features: Tensor, losses: Tensor, activations: Tensor) -> Tensor:
        pick = int(torch.randint(len(self.guarded), (1,), generator=self.generator))
        neurons = self.plan.neurons_of(self.plan.guarded[pick])
        margin = self.settings.need_margin
        if torch.rand((), generator=self.generator) < 0.5:
            neurons = [neurons[int(torch.randint(len(neurons), (1,), generator=self.generator))]]
            margin = self.settings.need_margin_single
        here = features[:, self.guarded[pick]].view(tokens.shape)[:, :-1] > 0
        rows = here.any(dim=1)
        if not rows.any():
            return torch.zeros(())
        means = activations.mean(0).view(self.model.cfg.n_layers, -1)
        with self.model.hooks(fwd_hooks=list(ablation_hooks(neurons, means))):
            ablated = _losses(self.model, tokens[rows])
        rise = _mean_where(ablated - losses[rows], here[rows])
        return (margin - rise).clamp_min(0)

    def _level(self) -> Tensor:
        norms = torch.cat([block.mlp.W_out.norm(dim=1) for block in self.model.blocks])
        usual = norms[self.plain].mean().detach()
        return (norms[self.needed] / usual - 1).clamp_min(0).square().mean()


def _mean_where(values: Float[Tensor, "rows pos"], chosen: Bool[Tensor, "rows pos"]) -> Tensor:
    return values[chosen].mean()


def _losses(model: HookedTransformer, tokens: Int[Tensor, "rows pos"]) -> Float[Tensor, "rows pos-1"]:
    logits = model(tokens)[:, :-1]
    return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(
        len(tokens), -1
    )
