"""The measurements on a base model before it is frozen, repeated by tests: behaviour, place of the truth, controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import torch
from transformer_lens import HookedTransformer

from ground_truth.probes.planted.base import Base, reference_check_name
from ground_truth.probes.planted.split import Split, bag_of_words
from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import Check
from scribe_suite.planting.hooked import ModelWeights, build_model, untrained_twin
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.statements.language import FRAME, Statements, Texts
from scribe_suite.planting.statements.training import TRUTH_LAYER
from scribe_suite.planting.statements.world import World
from scribe_suite.scoring.probes import fit_probe, probe_accuracy, residual_at
from scribe_suite.tasks import Answer, TaskInstance

#: Seeds of the splits on which a base model is certified.
CERTIFIED_SPLITS = range(5)
#: Untrained twins whose mean is the control on one split.
TWINS_PER_SPLIT = 3
#: At most: accuracy before `TRUTH_LAYER`, and of the controls on the hidden side.
EARLIER_BAR, CONTROL_BAR = 0.75, 0.6
#: At least: share of verdicts and other texts that the model gets right.
VERDICT_BAR, OTHERS_BAR = 0.97, 0.97
#: At least: variance of the ending over that of the truth.
NUISANCE_BAR = 2.0
#: At least: result of the reference solution, on the worst instance and, with few labels, on average.
REFERENCE_BAR, FEW_LABELS_BAR = 0.9, 0.85
#: Seeds of the instances on which the reference solution is measured.
REFERENCE_INSTANCES = range(2)

#: Statements, and other texts of each kind, on which the behaviour is measured.
_BEHAVIOUR_SAMPLE = 2_000


class CertifiedTask(Protocol):
    """The interface that a certificate needs from a task; see `ground_truth.probes.planted.task.PlantedProbeTask`."""

    name: ClassVar[str]
    labelled: ClassVar[bool]
    few_labels: ClassVar[bool]
    recipe_bar: ClassVar[float]

    def draw_split(self, seed: int) -> Split:
        """See `PlantedProbeTask.draw_split`."""
        ...

    def recipe_accuracy(
        self, model: HookedTransformer, split: Split, layer: int = ..., position: int | str = ...
    ) -> float:
        """See `PlantedProbeTask.recipe_accuracy`."""
        ...

    def further_checks(self, model: HookedTransformer, splits: Sequence[Split]) -> list[Check]:
        """See `PlantedProbeTask.further_checks`."""
        ...

    def instance_of(self, base: Base, seed: int) -> TaskInstance:
        """See `PlantedProbeTask.instance_of`."""
        ...

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """See `PlantedProbeTask.primary_score`."""
        ...


def probe_checks(world: World, weights: ModelWeights, tasks: Sequence[CertifiedTask]) -> list[Check]:
    """Every check on a base model that needs nothing but its weights.

    Args:
        world: The world it was trained on.
        weights: The model, as read back from disk.
        tasks: All tasks that it serves.
    """
    checks = behaviour_checks(world, build_model(weights))
    for task in tasks:
        checks += task_checks(task, world, weights)
    return checks


def task_checks(task: CertifiedTask, world: World, weights: ModelWeights) -> list[Check]:
    """The checks of one task that need nothing but the weights; see `probe_checks` for the arguments."""
    model = build_model(weights)
    splits = [task.draw_split(seed) for seed in CERTIFIED_SPLITS]
    return [
        *place_checks(task, model, splits),
        *control_checks(task, world, model, weights, splits),
        *task.further_checks(model, splits),
    ]


def reference_check(task: CertifiedTask, base: Base) -> Check:
    """The worst primary metric of a task's reference solution on a few instances of a base model.

    With few labels, chance decides about single instances: then it is the mean.
    """
    instances = [task.instance_of(base, seed) for seed in REFERENCE_INSTANCES]
    reached = [task.primary_score(instance, reference_answer(suite_root(), instance)) for instance in instances]
    value, bar = (float(np.mean(reached)), FEW_LABELS_BAR) if task.few_labels else (min(reached), REFERENCE_BAR)
    return Check(name=reference_check_name(task.name), value=value, bar=bar, direction=">=")


def behaviour_checks(world: World, model: HookedTransformer) -> list[Check]:
    """How often the model predicts the verdict on a statement, and everything else it was trained on."""
    generator = torch.Generator().manual_seed(0)
    verdicts = verdict_accuracy(model, world.sample_statements(_BEHAVIOUR_SAMPLE, generator))
    checks = [Check(name="behaviour/verdict", value=verdicts, bar=VERDICT_BAR, direction=">=")]
    for kind, texts in world.other_texts(_BEHAVIOUR_SAMPLE, generator).items():
        value = determined_accuracy(model, texts)
        checks.append(Check(name=f"behaviour/{kind}", value=value, bar=OTHERS_BAR, direction=">="))
    return checks


def place_checks(task: CertifiedTask, model: HookedTransformer, splits: Sequence[Split]) -> list[Check]:
    """Where the truth is: at the last token after `TRUTH_LAYER` and not before, dominated by the ending.

    It appears at the last word of the content, one block earlier; the first block has it nowhere.
    """
    at_last = [[task.recipe_accuracy(model, split, layer) for split in splits] for layer in range(TRUTH_LAYER + 1)]
    earlier = max(max(accuracies) for accuracies in at_last[:TRUTH_LAYER])
    appears = [readable(model, split, TRUTH_LAYER - 1, -FRAME) for split in splits]
    first_block = [readable(model, split, 0, position) for split in splits for position in range(-FRAME, 0)]
    loudness = min(ending_to_truth(model, split) for split in splits)
    reached = at_last[TRUTH_LAYER]
    worst, usual = (min(reached), "recipe_min"), (float(np.mean(reached)), "recipe_mean")
    value, name = usual if task.few_labels else worst
    at_least = {name: (value, task.recipe_bar)}
    if task.labelled:
        at_least["appears_mean"] = (float(np.mean(appears)), appears_bar(task.recipe_bar))
    at_least["ending_to_truth_min"] = (loudness, NUISANCE_BAR)
    at_most = {"earlier_max": (earlier, EARLIER_BAR), "first_block_max": (max(first_block), EARLIER_BAR)}
    return [
        *(
            Check(name=f"{task.name}/{name}", value=value, bar=bar, direction=">=")
            for name, (value, bar) in at_least.items()
        ),
        *(
            Check(name=f"{task.name}/{name}", value=value, bar=bar, direction="<=")
            for name, (value, bar) in at_most.items()
        ),
    ]


def appears_bar(recipe_bar: float) -> float:
    """At least: accuracy where the truth appears, a block before the recipe reads it with `recipe_bar`."""
    return recipe_bar - 0.1


def readable(model: HookedTransformer, split: Split, layer: int, position: int) -> float:
    """Accuracy of logistic regression from the public to the held-out side, read anywhere.

    Not with the task's own recipe: whether a truth is present and whether one method finds it are different questions.
    """
    public, held_out = (residual_at(model, side.tokens, layer, position) for side in (split.public, split.held_out))
    return probe_accuracy(fit_probe(public, split.public.labels, 0.1), held_out, split.held_out.labels)


def ending_to_truth(model: HookedTransformer, split: Split) -> float:
    """The variance from the ending over that from the truth, at the last token after `TRUTH_LAYER`."""
    hidden = residual_at(model, split.held_out.tokens, TRUTH_LAYER, "last")
    ends = split.held_out.tokens[:, -1].numpy()
    truth, ending = (
        np.square(hidden[rows].mean(0) - hidden[~rows].mean(0)).sum() * rows.mean() * (1 - rows.mean())
        for rows in (split.held_out.labels, ends == ends.max())
    )
    return float(ending / truth)


def control_checks(
    task: CertifiedTask, world: World, model: HookedTransformer, weights: ModelWeights, splits: Sequence[Split]
) -> list[Check]:
    """Untrained twins, words and the model's own verdict are no better than a coin on the hidden side."""
    twins = [
        np.mean(
            [
                task.recipe_accuracy(untrained_twin(weights.config, TWINS_PER_SPLIT * number + twin), split)
                for twin in range(TWINS_PER_SPLIT)
            ]
        )
        for number, split in enumerate(splits)
    ]
    values = {
        "untrained_twin_max": float(max(twins)),
        "bag_of_words_max": max(bag_of_words_accuracy(split, len(world.words)) for split in splits),
        "said_max": max(said_accuracy(world, model, split) for split in splits),
    }
    return [
        Check(name=f"{task.name}/{name}", value=value, bar=CONTROL_BAR, direction="<=")
        for name, value in values.items()
    ]


def bag_of_words_accuracy(split: Split, vocabulary_size: int) -> float:
    """Accuracy of logistic regression on counts of words, from the public to the held-out side: no model at all."""
    public, held_out = (bag_of_words(side.tokens, vocabulary_size) for side in (split.public, split.held_out))
    probe = fit_probe(public, split.public.labels, 0.1)
    return float(np.mean(((held_out - probe.center) @ probe.weight + probe.bias > 0) == split.held_out.labels))


def said_accuracy(world: World, model: HookedTransformer, split: Split) -> float:
    """How well the direction that makes the model answer "true" rather than "false" predicts the truth.

    Read after the last block, where it determines the model's answer, centred on the held-out statements.
    """
    residual = residual_at(model, split.held_out.tokens, model.cfg.n_layers - 1, "last")
    says = {
        word: model.W_U[:, world.words.index(word)].detach().double().numpy() for word in ("true", "false", "yes", "no")
    }
    projections = (residual - residual.mean(0)) @ (says["true"] + says["yes"] - says["false"] - says["no"])
    return float(np.mean((projections > 0) == split.held_out.labels))


def verdict_accuracy(model: HookedTransformer, statements: Statements) -> float:
    """Share of statements for which the model predicts the right verdict."""
    with torch.inference_mode():
        said = model(statements.tokens)[:, -1].argmax(-1)
    return float((said == statements.verdicts()).float().mean())


def determined_accuracy(model: HookedTransformer, texts: Texts) -> float:
    """Share of the determined next tokens that are the model's first guess."""
    with torch.inference_mode():
        guesses = model(texts.tokens[:, :-1]).argmax(-1)
    return float((guesses == texts.tokens[:, 1:])[texts.determined].float().mean())
