"""Train a language model in which chosen neurons respond to chosen features, and the model needs the key neurons.

One loss with five parts: the next token; planted neurons follow their targets (`follow`); every neuron that is not
meant to answer a question stays clearly below its bar (`guard`); the prediction gets worse where a question's key
neurons are held at their means (`need`), so that they are read and not merely written; and planted neurons do not get
larger output weights than others (`level`), because norms would reveal them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.planting.english import TaggedText
from scribe_suite.planting.hooked import ModelWeights, untrained_twin, weights_of
from scribe_suite.planting.neurons.features import Feature
from scribe_suite.planting.neurons.local_ablation import (
    KeysAndValues,
    keeping_hooks,
    local_ablation_loss,
    token_losses,
)
from scribe_suite.planting.neurons.measure import Neuron, recording_hooks, variance_explained
from scribe_suite.planting.neurons.plan import NeuronPlan
from scribe_suite.progress import ProgressCallback


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of training.

    Attributes:
        steps: Optimiser steps.
        rows: Texts per step.
        learning_rate: Peak of a schedule with linear warm-up and cosine decay.
        follow_weight: Weight of the loss of planted neurons.
        guard_weight: Weight of the loss of neurons that answer what they should not.
        guard_unplanted: Share of a question's bar from which a neuron without an assignment is pushed down.
        guard_planted: The same for neurons planted for something else.
        need_weight: Weight of the loss that makes key neurons necessary.
        need_from: Share of the steps after which it is added: earlier, ablations would only remove noise.
        need_margin: Nats by which the next-token loss is made to rise where all key neurons of a question are ablated.
        need_margin_single: The same where one of them is.
        need_rows: Texts that it is tried on per step.
        level_weight: Weight of the loss on output norms of planted neurons above the mean of unplanted ones.
    """

    steps: int = 2000
    rows: int = 32
    learning_rate: float = 3e-3
    follow_weight: float = 3.0
    guard_weight: float = 10.0
    guard_unplanted: float = 0.5
    guard_planted: float = 0.85
    need_weight: float = 0.5
    need_from: float = 0.4
    need_margin: float = 0.2
    need_margin_single: float = 0.1
    need_rows: int = 16
    level_weight: float = 1.0


def train_planted(
    config: Mapping[str, Any],
    plan: NeuronPlan,
    sample: Callable[[int, int], TaggedText],
    seed: int,
    settings: TrainingSettings,
    progress: ProgressCallback,
) -> ModelWeights:
    """Train from scratch; deterministic for one thread.

    Args:
        config: Keyword arguments of HookedTransformerConfig.
        plan: What to plant.
        sample: sample(step, rows) -> texts of that step.
        seed: Seeds the initial weights and the schedule of ablations.
        settings: See `TrainingSettings`.
        progress: Called every 50 steps.
    """
    model = untrained_twin(config, seed)
    prepare_attention(model, seed)
    model.train()
    generator = torch.Generator().manual_seed(seed)
    objective = _Objective(model, plan, settings, generator)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _schedule(step, settings.steps))
    for step in range(settings.steps):
        parts = objective(sample(step, settings.rows), need=step >= settings.need_from * settings.steps)
        optimiser.zero_grad()
        torch.autograd.backward(sum(parts.values(), torch.zeros(())))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == settings.steps - 1:
            line = ", ".join(f"{name} {part.item():.3f}" for name, part in parts.items())
            progress((step + 1) / settings.steps, f"step {step + 1}: {line}")
    return weights_of(model, config)


def prepare_attention(model: HookedTransformer, seed: int) -> None:
    """Initialise a head of the first layer as a previous-token head, which most language models develop anyway.

    Features of the token before need one, and growing it takes longer than everything else. Position embeddings get a
    part made of waves, and the head's queries are the keys of one position earlier, which is a rotation of every wave.

    Args:
        model: Changed in place.
        seed: Seeds the frequencies.
    """
    generator = torch.Generator().manual_seed(seed)
    width = model.cfg.d_head // 2
    frequencies = math.pi * torch.rand(width, generator=generator)
    with torch.no_grad():
        usual = model.W_E.norm(dim=1).mean()
        phases = torch.arange(model.cfg.n_ctx)[:, None] * frequencies
        waves = torch.cat([phases.cos(), phases.sin()], dim=1) * usual / math.sqrt(width)
        model.pos_embed.W_pos[:, : 2 * width] = waves
        attention = model.blocks[0].attn
        attention.W_Q[0] = 0.0
        attention.W_K[0] = 0.0
        attention.W_K[0, : 2 * width, : 2 * width] = torch.eye(2 * width)
        turn = torch.zeros(2 * width, 2 * width)
        for wave, frequency in enumerate(frequencies.tolist()):
            cos, sin = math.cos(frequency), math.sin(frequency)
            turn[[wave, wave, width + wave, width + wave], [wave, width + wave, wave, width + wave]] = torch.tensor(
                [cos, -sin, sin, cos]
            )
        attention.W_Q[0, : 2 * width, : 2 * width] = turn


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


class _Objective:
    """The loss of one batch, in named parts."""

    def __init__(
        self, model: HookedTransformer, plan: NeuronPlan, settings: TrainingSettings, generator: torch.Generator
    ) -> None:
        self.model = model
        self.plan = plan
        self.settings = settings
        self.generator = generator
        width = int(model.cfg.d_mlp)
        total = model.cfg.n_layers * width

        def column(neuron: Neuron) -> int:
            return neuron.layer * width + neuron.index

        self.columns = torch.tensor([column(item.neuron) for item in plan.assignments])
        self.strengths = torch.tensor([item.strength for item in plan.assignments])
        self.features = list(
            dict.fromkeys(
                [feature for item in plan.assignments for feature, _ in item.target.response.parts]
                + [question.feature for question in plan.questions]
            )
        )
        self.answered = plan.answered()
        self.key_columns = [
            torch.tensor([column(neuron) for neuron in plan.neurons(question.id, key=True)])
            for question in self.answered
        ]
        self.plain = torch.ones(total, dtype=torch.bool)
        self.plain[self.columns] = False
        self.allowed = torch.where(self.plain, settings.guard_unplanted, settings.guard_planted)[
            :, None
        ] * torch.tensor([question.bar for question in plan.questions])
        for number, question in enumerate(plan.questions):
            for neuron in plan.neurons(question.id, key=True):
                self.allowed[column(neuron), number] = math.inf

    def __call__(self, text: TaggedText, *, need: bool) -> dict[str, Tensor]:
        before: list[Tensor] = []
        after: list[Tensor] = []
        kept: KeysAndValues = {}
        hooks = [
            *recording_hooks(self.model, before, "hook_pre"),
            *recording_hooks(self.model, after),
            *keeping_hooks(self.model, kept),
        ]
        with self.model.hooks(fwd_hooks=hooks):
            losses = token_losses(self.model, text.tokens)
        inputs = torch.cat([layer.flatten(0, 1) for layer in before], dim=1)
        activations = torch.cat([layer.flatten(0, 1) for layer in after], dim=1)
        values = {feature: feature.values(text).flatten() for feature in self.features}
        missing = self._need(text, losses, activations.detach(), kept) if need else torch.zeros(())
        return {
            "next token": losses.mean(),
            "follow": self.settings.follow_weight * self._follow(inputs, activations, values),
            "guard": self.settings.guard_weight * self._guard(activations, values),
            "need": self.settings.need_weight * missing,
            "level": self.settings.level_weight * self._level(),
        }

    def _follow(self, inputs: Tensor, activations: Tensor, values: Mapping[Feature, Tensor]) -> Tensor:
        targets = torch.stack(
            [
                item.target.response.values([values[feature] for feature, _ in item.target.response.parts])
                for item in self.plan.assignments
            ],
            dim=1,
        )
        # where the neuron is meant to be active, the error is taken before the nonlinearity, or a neuron that is silent
        # everywhere would have no gradient to wake it
        error = torch.where(
            targets > 0,
            (inputs[:, self.columns] / self.strengths - targets).square(),
            (activations[:, self.columns] / self.strengths).square(),
        ).sum(0)
        # relative to the variance that is wanted, because RVE is signal against exactly that noise; the logarithm keeps
        # a neuron that is far off from drowning the others
        wanted = (targets - targets.mean(0)).square().sum(0)
        return (error / wanted.clamp_min(2.0)).log1p().mean()

    def _guard(self, activations: Tensor, values: Mapping[Feature, Tensor]) -> Tensor:
        asked = torch.stack([values[question.feature] for question in self.plan.questions], dim=1)
        explained = variance_explained(activations, asked)
        statistic = torch.stack(
            [question.statistic(explained[:, i]) for i, question in enumerate(self.plan.questions)], dim=1
        )
        return (statistic - self.allowed).clamp_min(0).square().sum(0).mean() * 10

    def _need(self, text: TaggedText, losses: Tensor, activations: Tensor, kept: KeysAndValues) -> Tensor:
        """The shortfall of the loss's rise at every position without the neurons of a question that is read there.

        Squared, as a share of `need_margin`: most questions are satisfied soon, and the last ones need a stronger
        gradient.

        Every position is ablated on its own (`local_ablation`). Otherwise one neuron early in a text could damage all
        later positions, and seem to be needed for everything there.
        """
        rows = self.settings.need_rows
        part = TaggedText(text.tokens[:rows], text.tags[:rows])
        here = torch.stack([question.where_read(part)[:, :-1] > 0 for question in self.answered])
        # every position tries one of the questions that are read there, rare ones with higher probability
        rarity = 1 / here.float().mean(dim=(1, 2)).clamp_min(1e-3)
        waiting = torch.empty(here.shape).exponential_(generator=self.generator) / rarity[:, None, None]
        tried = waiting.where(here, math.inf).min(dim=0)
        question_of = torch.where(tried.values.isinf(), len(self.answered), tried.indices)
        held = torch.zeros(len(self.answered) + 1, len(self.plain), dtype=torch.bool)
        margins = []
        for number, columns in enumerate(self.key_columns):
            single = bool(torch.rand((), generator=self.generator) < 0.5)
            pick = torch.randint(len(columns), (1,), generator=self.generator)
            held[number, columns[pick] if single else columns] = True
            margins.append(self.settings.need_margin_single if single else self.settings.need_margin)
        mask = torch.cat([held[question_of], torch.zeros_like(held[question_of[:, :1]])], dim=1)
        clean = {name: found[:rows] for name, found in kept.items()}
        rise = local_ablation_loss(self.model, part.tokens, mask, activations.mean(0), clean) - losses[:rows]
        missing = [
            ((margin - rise[chosen].mean()) / self.settings.need_margin).clamp_min(0).square()
            for number, margin in enumerate(margins)
            if (chosen := question_of == number).any()
        ]
        return torch.stack(missing).mean() if missing else torch.zeros(())

    def _level(self) -> Tensor:
        norms = torch.cat([block.mlp.W_out.norm(dim=1) for block in self.model.blocks])
        usual = norms[self.plain].mean().detach()
        return (norms[self.columns] / usual - 1).clamp_min(0).square().mean()
