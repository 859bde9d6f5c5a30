"""Trains a base model on a world of statements: the next token, where the truth is read, and how strong it is there.

Next-token prediction alone makes a model know the truth sooner or later, at an unpredictable place. Two more losses
determine the place: linear readings of the truth (trained with the model and discarded), one block earlier at the last
word of the content and after block `TRUTH_LAYER` at the last token, and the shape of the residual stream (`shape`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformer_lens import HookedTransformer

from scribe_suite.planting.hooked import ModelWeights, untrained_twin, weights_of
from scribe_suite.planting.statements.language import FRAME, Texts, joined, with_verdicts
from scribe_suite.planting.statements.shape import ShapeSettings, nuisance_loss, share_loss
from scribe_suite.planting.statements.world import World

#: The block after which the truth is a direction at the last token.
TRUTH_LAYER = 2

#: Block and place of every reading; places count from the last word of the content.
_READ_AT = ((TRUTH_LAYER - 1, 0), (TRUTH_LAYER, FRAME - 1))


@dataclass(frozen=True)
class StatementTraining:
    """The settings of training.

    Attributes:
        steps: Optimiser steps.
        statements: Statements per step.
        others: Other texts per step and kind.
        learning_rate: Peak of a one-cycle schedule.
        weight_decay: The weight decay of AdamW.
        template_weight: Loss weight of tokens that are template or free choice; determined answers weigh 1.
        read_weight: Weight of each linear reading.
        shape_weight: Weight of each loss on the shape.
        nuisance_from: Share of the steps after which the loss on the nuisance is added.
        share_from: The same of the loss on the truth's share.
        shape: The target shape of the residual stream.
    """

    steps: int = 1500
    statements: int = 96
    others: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    template_weight: float = 0.02
    read_weight: float = 0.3
    shape_weight: float = 0.1
    nuisance_from: float = 0.15
    share_from: float = 0.5
    shape: ShapeSettings = field(default_factory=ShapeSettings)


def train_statements(
    world: World,
    seed: int,
    settings: StatementTraining,
    progress: Callable[[float, str], None] = lambda _fraction, _line: None,
) -> ModelWeights:
    """Train from scratch; deterministic for one thread.

    Args:
        world: The world it learns.
        seed: Seeds the initial weights and the texts.
        settings: See `StatementTraining`.
        progress: Called every hundred steps.
    """
    config = world.config()
    model = untrained_twin(config, seed).train()
    readings = [torch.nn.Linear(int(config["d_model"]), 1) for _ in _READ_AT]
    for parameter in (parameter for reading in readings for parameter in reading.parameters()):
        torch.nn.init.zeros_(parameter)
    generator = torch.Generator().manual_seed(seed + 1_000_003)
    rate = settings.learning_rate
    parameters = [*model.parameters(), *(parameter for reading in readings for parameter in reading.parameters())]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=settings.steps, pct_start=0.05)
    for step in range(settings.steps):
        statements = world.sample_statements(settings.statements, generator)
        others = world.other_texts(settings.others, generator)
        texts = joined([with_verdicts(statements, world.text_length), *others.values()])
        next_token, residual = _run(model, texts, settings.template_weight)
        # the last content token and the frame after it, of the statements, after every block that may hold the truth
        end = world.statement_length
        ends = {layer: kept[: len(statements.tokens), end - FRAME : end] for layer, kept in residual.items()}
        truth = statements.truth.float()
        wrong = torch.stack(
            [
                binary_cross_entropy_with_logits(reading(ends[layer][:, place])[:, 0], truth)
                for reading, (layer, place) in zip(readings, _READ_AT, strict=True)
            ]
        ).sum()
        shape = torch.zeros(())
        if step >= settings.nuisance_from * settings.steps:
            shape = shape + nuisance_loss(ends[TRUTH_LAYER][:, -1], statements, settings.shape)
        if step >= settings.share_from * settings.steps:
            shape = shape + torch.stack([share_loss(kept, statements, settings.shape) for kept in ends.values()]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(next_token + settings.read_weight * wrong + settings.shape_weight * shape)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            line = f"next token {next_token:.3f}, reading {wrong:.3f}, shape {shape:.3f}"
            progress((step + 1) / settings.steps, f"step {step + 1}: {line}")
    return weights_of(model, config)


def _run(
    model: HookedTransformer, texts: Texts, template_weight: float
) -> tuple[Float[Tensor, ""], dict[int, Float[Tensor, "text position d_model"]]]:
    """The loss on the next token, and the residual stream after every block but the first."""
    residual: dict[int, Float[Tensor, "text position d_model"]] = {}

    def keeper(layer: int) -> Callable[..., None]:
        def keep(value: Float[Tensor, "text position d_model"], hook: object) -> None:  # noqa: ARG001
            residual[layer] = value

        return keep

    hooks = [(f"blocks.{layer}.hook_resid_post", keeper(layer)) for layer in range(1, model.cfg.n_layers)]
    logits = model.run_with_hooks(texts.tokens[:, :-1], fwd_hooks=hooks)
    each = cross_entropy(logits.transpose(1, 2), texts.tokens[:, 1:], reduction="none")
    weights = torch.where(texts.determined, 1.0, template_weight)
    return (each * weights).sum() / weights.sum(), residual
