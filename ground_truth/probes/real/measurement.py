"""Measures which properties of statements a linear probe can read in a real model: the truth of the real probe tasks.

For every question and recipe: the accuracy on entities that it was not fitted on, on the model, on one that has learned
nothing, and on counts of tokens. See `ground_truth.probes.real.ceiling` for how, and `ground_truth.probes.real.recipes`
for the recipes. Activations are read once for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ground_truth.probes.real.ceiling import NOT_HIDDEN, Judgement, Judgements, best_place, ceiling_of, judge
from ground_truth.probes.real.pairing import paired
from ground_truth.probes.real.recipes import BASE, CONTROLS, FITS, RECIPES, Recipe, control_model
from ground_truth.probes.real.statements import Question, StatementRows
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.real_probes import BAR, MeasuredQuestion, read_from_end, tokenised

#: The first measured block, the step to the next, and the share of the depth that they cover: a model knows a
#: statement's truth in its middle blocks.
FIRST_LAYER, LAYER_STEP, DEPTH = 5, 4, 0.6
#: The indices of those that the recipes besides the base read.
_FURTHER_RECIPES = slice(None, None, 2)
#: Blocks that are read of models that have learned nothing: no depth is better there.
CONTROL_LAYERS = (3,)
#: The full stop, and the last token before it.
POSITIONS = (-1, -2)
#: Seed of the statements that are measured.
MEASURED_SEED = "measured"

#: At most: accuracy with labels that mean nothing. At least: statements of a question.
_SHUFFLED_BAR, _FEWEST_STATEMENTS = 0.6, 150


class ProbeMeasurement(Measurement):
    """Measures what can be read about the questions of one task.

    Args:
        name: The task's name.
        questions: Returns the questions that the task's instances draw from, in a fixed order.
        summary: See `Measurement`.
        cost: See `Measurement`.
    """

    version = 2

    def __init__(self, name: str, questions: Callable[[], Sequence[Question]], *, summary: str, cost: str) -> None:
        self.id = f"probes/{name}"
        self.summary, self.cost, self._questions = summary, cost, questions

    def questions(self) -> Sequence[Question]:
        """The questions, in a fixed order."""
        return self._questions()

    def inputs_sha256(self) -> str:
        """See `Measurement.inputs_sha256`: of all statements that are measured."""
        return _inputs_sha256(self)

    def steps(self) -> list[Step]:
        """See `Measurement.steps`: all questions on the model, then on each model that has learned nothing."""
        rows = {question.name: StatementRows.of(question.blocks(MEASURED_SEED)) for question in self.questions()}
        on_trained = [
            Step(f"{name}_model", f"{name}, read from the model", partial(on_model, statements))
            for name, statements in rows.items()
        ]
        # one such model after another, so that only one of them is in memory
        on_controls = [
            Step(f"{name}_{control}", f"{name}, read from {control}", partial(on_control, statements, control))
            for control in CONTROLS
            for name, statements in rows.items()
        ]
        return on_trained + on_controls

    def kept(self, results: Mapping[str, Arrays]) -> Arrays:
        """See `Measurement.kept`: the arrays, and for a reader the verdict of every recipe."""
        arrays = super().kept(results)
        verdicts = {
            f"{name}_verdicts/{field}": np.array(values)
            for name, judged in self.judgements(arrays).items()
            for field, values in (
                ("recipe", list(judged.by_recipe)),
                ("verdict", [one.verdict for one in judged.by_recipe.values()]),
            )
        }
        return {**arrays, **verdicts}

    def checks(self, results: Mapping[str, Arrays]) -> list[Check]:
        """See `Measurement.checks`; questions that are not asked need to have their sizes and balance only."""
        judged = self.judgements(super().kept(results))
        asked = paired(self.questions(), {name: one.verdict for name, one in judged.items()})
        checks = []
        for question in self.questions():
            rows = StatementRows.of(question.blocks(MEASURED_SEED))
            shuffled = results[f"{question.name}_model"]["shuffled"]
            at_most = {
                "imbalance": (imbalance(rows), 0.0),
                "shuffled_labels": (accuracy_of(shuffled), _SHUFFLED_BAR),
            }
            checks.append(_at_least(f"{question.name}/statements", len(rows.labels), _FEWEST_STATEMENTS))
            checks += [_at_most(f"{question.name}/{name}", value, bar) for name, (value, bar) in at_most.items()]
        checks.append(_at_least("wordings with both verdicts", len(asked), 1))
        for question in (one for pair in asked.values() for side in pair for one in side):
            checks += _checks_of_asked(question.name, judged[question.name])
        return checks

    def judgements(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Judgements]:
        """The judgements from the frozen numbers, by question.

        Args:
            arrays: The result, as `Measurement.kept` names it.
        """
        return {question.name: _judgements(question, arrays) for question in self.questions()}

    def measured(self, arrays: Mapping[str, NDArray[Any]], name: str, judgement: Judgements) -> MeasuredQuestion:
        """The scorer's facts about a question.

        Args:
            arrays: The result.
            name: The question's name.
            judgement: The judgement of the same question.
        """
        layer, position = (int(index) for index in arrays[f"{name}_model/place"])
        base = judgement.base
        return MeasuredQuestion(
            readable=judgement.verdict == "readable",
            layer=layer_at(layer),
            position=POSITIONS[position],
            ceiling=base.ceiling,
            low=base.interval[0],
            twin=base.twin,
            words=base.words,
        )


def _judgements(question: Question, arrays: Mapping[str, NDArray[Any]]) -> Judgements:
    entities = StatementRows.of(question.blocks(MEASURED_SEED)).entities
    model, words = (arrays[f"{question.name}_model/{name}"] for name in ("right", "words"))
    fits = list(FITS)
    by_recipe: dict[str, Judgement] = {}
    for recipe in RECIPES:
        fit, number = fits.index(recipe.fit), recipes_with(recipe.control).index(recipe)
        control = arrays[f"{question.name}_{recipe.control}/right"][number]
        by_recipe[recipe.name] = judge(model[fit], control, words[fit], entities)
    return Judgements(by_recipe)


def _checks_of_asked(name: str, judged: Judgements) -> list[Check]:
    """That every recipe says the same of a question that is asked, and the gain that is nearest to the bar."""
    ends = [one.gain_interval for one in judged.by_recipe.values()]
    nearest = (
        _at_least(f"{name}/gain_low_min", min(low for low, _ in ends), BAR)
        if judged.verdict == "readable"
        else _at_most(f"{name}/gain_high_max", max(high for _, high in ends), BAR)
    )
    return [_at_least(f"{name}/{judged.verdict} by recipes", judged.agreeing, len(RECIPES)), nearest]


def layers_of(n_layers: int) -> tuple[int, ...]:
    """The blocks after which is read, of a model of six blocks or more."""
    return tuple(range(FIRST_LAYER, max(int(DEPTH * n_layers), FIRST_LAYER + 1), LAYER_STEP))


def layer_at(index: int) -> int:
    """One of `layers_of`, by its index in what was measured."""
    return FIRST_LAYER + LAYER_STEP * index


def on_model(statements: StatementRows, context: Context) -> Arrays:
    """The step on the trained model, with the controls that need none: words, and labels that mean nothing."""
    tokens = tokenised(context.model, statements.texts)
    read = read_from_end(context.model, tokens, layers_of(context.model.cfg.n_layers), POSITIONS)
    counted = counts(tokens)[None, None]
    context.progress(0.3, "fitting probes")
    ceilings = {
        name: ceiling_of(
            read if name == BASE.fit else read[_FURTHER_RECIPES], statements.labels, statements.blocks, fit
        )
        for name, fit in FITS.items()
    }
    base = ceilings[BASE.fit]
    place = best_place(base)
    words = [ceiling_of(counted, statements.labels, statements.blocks, fit).right for fit in FITS.values()]
    shuffled = ceiling_of(read[place][None, None], meaningless(statements), statements.blocks, FITS[BASE.fit])
    return {
        "right": np.stack([ceilings[name].right for name in FITS]),
        "words": np.stack(words),
        "curve": base.curve.astype(np.float16),
        "inner": base.inner.astype(np.float16),
        "chosen": base.chosen.astype(np.int8),
        "place": np.array(place),
        "shuffled": shuffled.hits,
    }


def on_control(statements: StatementRows, control: str, context: Context) -> Arrays:
    """The step on one model that has learned nothing, by recipe."""
    layers = [layer for layer in CONTROL_LAYERS if layer < context.model.cfg.n_layers]
    model = control_model(context.spec, control, max(layers) + 1)
    read = read_from_end(model, tokenised(context.model, statements.texts), layers, POSITIONS)
    ceilings = [
        ceiling_of(read, statements.labels, statements.blocks, FITS[recipe.fit]) for recipe in recipes_with(control)
    ]
    return {"right": np.stack([ceiling.right for ceiling in ceilings])}


def recipes_with(control: str) -> list[Recipe]:
    """The recipes that compare with one of `CONTROLS`."""
    return [recipe for recipe in RECIPES if recipe.control == control]


def counts(tokens: Sequence[Any]) -> Float[np.ndarray, "statement token"]:
    """The counts of all occurring tokens in every statement."""
    known = sorted({int(token) for one in tokens for token in one})
    column = {token: number for number, token in enumerate(known)}
    table = np.zeros((len(tokens), len(known)), dtype=np.float32)
    for row, one in enumerate(tokens):
        for token in one:
            table[row, column[int(token)]] += 1
    return table


def meaningless(statements: StatementRows) -> Bool[np.ndarray, " statement"]:
    """The labels with both members of a pair exchanged in half of the pairs of every block.

    Exactly half: with fewer exchanged pairs, a probe of the truth would also read these labels.
    """
    rng = np.random.default_rng(0)
    exchanged = np.zeros(statements.pairs.max() + 1, dtype=bool)
    for block in np.unique(statements.blocks):
        pairs = np.unique(statements.pairs[statements.blocks == block])
        exchanged[rng.choice(pairs, len(pairs) // 2, replace=False)] = True
    labels: Bool[np.ndarray, " statement"] = statements.labels ^ exchanged[statements.pairs]
    return labels


def accuracy_of(hits: Int[np.ndarray, "split statement"]) -> float:
    """Share of hidden statements that were classified correctly, over all splits."""
    return float(hits[hits != NOT_HIDDEN].mean())


def imbalance(statements: StatementRows) -> float:
    """How far from one half the true statements of any block are."""
    blocks = np.unique(statements.blocks)
    return float(max(abs(statements.labels[statements.blocks == block].mean() - 0.5) for block in blocks))


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=value, bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=value, bar=bar, direction="<=")


@cache
def _inputs_sha256(measurement: ProbeMeasurement) -> str:
    digest = hashlib.sha256()
    for question in measurement.questions():
        statements = StatementRows.of(question.blocks(MEASURED_SEED))
        for text, label, block in zip(statements.texts, statements.labels, statements.blocks, strict=True):
            digest.update(f"{question.name}\t{block}\t{text}\t{label}\n".encode())
    return digest.hexdigest()
