"""Measures which properties of statements a linear probe can read in a real model: the truth of the real probe tasks.

For every question: the recipe's accuracy on entities it was not fitted on, by layer and position, on the model and on
an untrained one of the same shape, and that of counts of tokens. See `ground_truth.probes.real.ceiling` for how.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ground_truth.probes.real.ceiling import NOT_HIDDEN, Ceiling, Judgement, Verdict, best_place, ceiling_of, judge
from ground_truth.probes.real.statements import Question, StatementRows
from scribe_suite.measurements.measurement import Arrays, Context, Measurement, Step
from scribe_suite.planting.frozen import Check
from scribe_suite.scoring.real_probes import BAR, MeasuredQuestion, read_from_end, tokenised

#: The first block that is measured; from there on every second one.
FIRST_LAYER, LAYER_STEP = 1, 2
#: Of the untrained model, where every block adds as little as any other: there is no depth at which it gets better.
TWIN_LAYERS = (1, 3, 5, 9, 13)
#: The full stop, and the last token of what it ends.
POSITIONS = (-1, -2)
#: Seed of the statements that are measured.
MEASURED_SEED = "measured"

#: At most: accuracy with labels that mean nothing. At least: statements of a question.
_SHUFFLED_BAR, _FEWEST_STATEMENTS = 0.6, 150


class ProbeMeasurement(Measurement):
    """What can be read about the questions of one task.

    Args:
        name: Of the task.
        questions: Gives the questions that the task's instances draw from, in a fixed order.
        summary: See `Measurement`.
        cost: See `Measurement`.
    """

    version = 1

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
        """See `Measurement.steps`: for every question, the model, then an untrained one."""
        steps = []
        for question in self.questions():
            rows = StatementRows.of(question.blocks(MEASURED_SEED))
            steps += [
                Step(f"{question.name}_model", f"{question.name}, read from the model", partial(on_model, rows)),
                Step(f"{question.name}_twin", f"{question.name}, read from an untrained model", partial(on_twin, rows)),
            ]
        return steps

    def checks(self, results: Mapping[str, Arrays]) -> list[Check]:
        """See `Measurement.checks`."""
        checks = []
        gains: dict[Verdict, list[tuple[float, float]]] = {"readable": [], "null": [], "open": []}
        for question in self.questions():
            rows = StatementRows.of(question.blocks(MEASURED_SEED))
            model, twin = results[f"{question.name}_model"], results[f"{question.name}_twin"]
            judged = judge(model["hits"], twin["hits"], model["words"], rows.entities)
            gains[judged.verdict].append(judged.gain_interval)
            at_most = {
                "imbalance": (imbalance(rows), 0.0),
                "shuffled_labels": (accuracy_of(model["shuffled"]), _SHUFFLED_BAR),
            }
            checks.append(_at_least(f"{question.name}/statements", len(rows.labels), _FEWEST_STATEMENTS))
            checks += [_at_most(f"{question.name}/{name}", value, bar) for name, (value, bar) in at_most.items()]
        checks.append(_at_least("readable", len(gains["readable"]), 1))
        if gains["readable"]:
            checks.append(_at_least("readable/gain_low_min", min(low for low, _ in gains["readable"]), BAR))
        if gains["null"]:
            checks.append(_at_most("null/gain_high_max", max(high for _, high in gains["null"]), BAR))
        return checks

    def judgements(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Judgement]:
        """What the frozen numbers come to, by question.

        Args:
            arrays: The result, as `Measurement.kept` names it.
        """
        return {
            question.name: judge(
                arrays[f"{question.name}_model/hits"],
                arrays[f"{question.name}_twin/hits"],
                arrays[f"{question.name}_model/words"],
                StatementRows.of(question.blocks(MEASURED_SEED)).entities,
            )
            for question in self.questions()
        }

    def measured(self, arrays: Mapping[str, NDArray[Any]], name: str, judgement: Judgement) -> MeasuredQuestion:
        """What the scorer must know about a question.

        Args:
            arrays: The result.
            name: Of the question.
            judgement: Of the same question.
        """
        layer, position = (int(index) for index in arrays[f"{name}_model/place"])
        return MeasuredQuestion(
            readable=judgement.verdict == "readable",
            layer=layer_at(layer),
            position=POSITIONS[position],
            ceiling=judgement.ceiling,
            low=judgement.interval[0],
            twin=judgement.twin,
            words=judgement.words,
        )


def layers_of(n_layers: int) -> tuple[int, ...]:
    """The blocks of a model of this depth after which is read."""
    return tuple(range(FIRST_LAYER, n_layers, LAYER_STEP))


def layer_at(index: int) -> int:
    """One of `layers_of`, by its index in what was measured."""
    return FIRST_LAYER + LAYER_STEP * index


def on_model(statements: StatementRows, context: Context) -> Arrays:
    """The step on the trained model, with the controls that need none: words, and labels that mean nothing."""
    tokens = tokenised(context.model, statements.texts)
    read = read_from_end(context.model, tokens, layers_of(context.model.cfg.n_layers), POSITIONS)
    context.progress(0.6, "fitting probes")
    found = ceiling_of(read, statements.labels, statements.blocks)
    place = best_place(found)
    shuffled = read[place][None, None]
    return {
        **_arrays(found),
        "place": np.array(place),
        "words": ceiling_of(counts(tokens)[None, None], statements.labels, statements.blocks).hits,
        "shuffled": ceiling_of(shuffled, meaningless(statements), statements.blocks).hits,
    }


def on_twin(statements: StatementRows, context: Context) -> Arrays:
    """The step on the untrained model."""
    layers = [layer for layer in TWIN_LAYERS if layer < context.twin.cfg.n_layers]
    read = read_from_end(context.twin, tokenised(context.twin, statements.texts), layers, POSITIONS)
    context.progress(0.6, "fitting probes")
    return _arrays(ceiling_of(read, statements.labels, statements.blocks))


def counts(tokens: Sequence[Any]) -> Float[np.ndarray, "statement token"]:
    """How often every token that occurs is in every statement."""
    known = sorted({int(token) for one in tokens for token in one})
    column = {token: number for number, token in enumerate(known)}
    table = np.zeros((len(tokens), len(known)), dtype=np.float32)
    for row, one in enumerate(tokens):
        for token in one:
            table[row, column[int(token)]] += 1
    return table


def meaningless(statements: StatementRows) -> Bool[np.ndarray, " statement"]:
    """The labels with both members of a pair exchanged in half of the pairs."""
    exchanged = np.random.default_rng(0).random(statements.pairs.max() + 1) < 0.5
    labels: Bool[np.ndarray, " statement"] = statements.labels ^ exchanged[statements.pairs]
    return labels


def accuracy_of(hits: Int[np.ndarray, "split statement"]) -> float:
    """Share of hidden statements that were read right, over all splits."""
    return float(hits[hits != NOT_HIDDEN].mean())


def imbalance(statements: StatementRows) -> float:
    """How far from one half the true statements of any block are."""
    blocks = np.unique(statements.blocks)
    return float(max(abs(statements.labels[statements.blocks == block].mean() - 0.5) for block in blocks))


def _at_least(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=value, bar=bar, direction=">=")


def _at_most(name: str, value: float, bar: float) -> Check:
    return Check(name=name, value=value, bar=bar, direction="<=")


def _arrays(found: Ceiling) -> Arrays:
    return {
        "hits": found.hits,
        "chosen": found.chosen.astype(np.int8),
        "curve": found.curve.astype(np.float16),
        "inner": found.inner.astype(np.float16),
    }


@cache
def _inputs_sha256(measurement: ProbeMeasurement) -> str:
    digest = hashlib.sha256()
    for question in measurement.questions():
        statements = StatementRows.of(question.blocks(MEASURED_SEED))
        for text, label, block in zip(statements.texts, statements.labels, statements.blocks, strict=True):
            digest.update(f"{question.name}\t{block}\t{text}\t{label}\n".encode())
    return digest.hexdigest()
