"""The base of the probe tasks on a real model: drawing the question, the split, scoring.

An instance draws a wording, then one of the questions in these words, some that a probe can read and some that it
can't, as measured; agents are not told which kind it is, and the share of each is the same for every wording. Five new
blocks of statements are drawn for it, three are public with their labels.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ground_truth.probes.planted.answers import example_probe, fitted_probe, random_probe, reading_facts
from ground_truth.probes.real.ceiling import Judgements
from ground_truth.probes.real.hidden import Hidden
from ground_truth.probes.real.levels import LABORATORY
from ground_truth.probes.real.measurement import ProbeMeasurement
from ground_truth.probes.real.pairing import paired
from ground_truth.probes.real.public import public_material
from ground_truth.probes.real.statements import N_BLOCKS, N_PUBLIC_BLOCKS, Block, Question, StatementRows
from scribe_suite.laboratory.terms import Terms
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.scoring.probes import fit_probe
from scribe_suite.scoring.real_probes import (
    PAY_OFFS,
    REAL_PROBE_METRICS,
    TextStatements,
    read_from_end,
    score_real_probe,
    tokenised,
)
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, Score, TaskInstance, TextProbeOrNothing
from scribe_suite.tasks.answers import expect

#: ``C`` of the probe that the oracle fits on the hidden statements.
_ORACLE_INVERSE_PENALTY = 1.0


class MeasuredProbeTask(MeasuredTask):
    """Base of the probe tasks on a real model: a linear probe is submitted, or that there is none."""

    family: ClassVar[str] = "probes"
    version = 3
    metrics: ClassVar[tuple[str, ...]] = REAL_PROBE_METRICS
    laboratory: ClassVar[Mapping[int, Terms]] = LABORATORY
    solution: ClassVar[str] = "real"
    laboratory_solution: ClassVar[str] = "real_lab"
    measurement: ClassVar[ProbeMeasurement]

    def judgements(self) -> Mapping[str, Judgements]:
        """The judgements, by question."""
        return _judgements(self, self.model)

    def asked(self) -> Mapping[str, tuple[list[Question], list[Question]]]:
        """Wording -> its readable and its unreadable questions; a wording without both is never used."""
        verdicts = {name: judged.verdict for name, judged in self.judgements().items()}
        return paired(self.measurement.questions(), verdicts)

    def questions(self, *, readable: bool) -> list[Question]:
        """The questions that are asked, those that can be read or those that can't."""
        return [question for sides in self.asked().values() for question in sides[0 if readable else 1]]

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw question, entities, pairs and blocks."""
        rng = instance_rng(self.question_id, seed)
        return self.instance_of(drawn_question(self.asked(), rng), seed, rng)

    def instance_of(self, question: Question, seed: int, rng: random.Random) -> TaskInstance:
        """The instance of `seed` if there were only this question.

        Args:
            question: The question.
            seed: The instance's seed.
            rng: Draws the statements.
        """
        public, held_out = split(question.instance_blocks(rng.getrandbits(60)), rng)
        judgement = self.judgements()[question.name]
        measured = self.measurement.measured(self.measured().arrays, question.name, judgement)
        hidden = Hidden(question.name, measured, public, held_out)
        config = self.evaluator().cfg
        shortest = min(map(len, tokenised(self.evaluator(), (*public.texts, *held_out.texts))))
        facts = reading_facts({"n_layers": config.n_layers, "d_model": config.d_model}, shortest)
        example = {**example_probe(facts["d_model"]), "nothing_found": False}
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=public_material(self.model, question, public, facts).with_facts(model=self.model_facts()),
            hidden=hidden,
            answer_schema=AnswerSchema(TextProbeOrNothing, facts, example),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy on statements about hidden entities, or whether nothing was there to be found."""
        probe = expect(answer, TextProbeOrNothing)
        hidden: Hidden = instance.hidden
        model = self.evaluator()
        public, held_out = (
            TextStatements(tokenised(model, side.texts), side.labels, side.pairs)
            for side in (hidden.public, hidden.held_out)
        )
        return score_real_probe(probe, model, hidden.measured, public, held_out)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the probe fitted on the hidden statements, or that there is nothing to find."""
        hidden: Hidden = instance.hidden
        found = hidden.measured
        if not found.readable:
            return nothing_found("Measured to be unreadable.")
        tokens = tokenised(self.evaluator(), hidden.held_out.texts)
        read = read_from_end(self.evaluator(), tokens, [found.layer], [found.position])[0, 0].astype(np.float64)
        probe = fit_probe(read, hidden.held_out.labels, _ORACLE_INVERSE_PENALTY)
        return fitted_probe(probe, found.layer, found.position)

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random direction at a random layer."""
        return random_probe(instance.answer_schema.facts, rng)


def drawn_question(asked: Mapping[str, tuple[list[Question], list[Question]]], rng: random.Random) -> Question:
    """Draw first the wording, then whether the question is readable, so that the words don't reveal it."""
    readable, null = asked[rng.choice(list(asked))]
    return rng.choice(null if rng.random() < PAY_OFFS.null_share else readable)


def split(blocks: Sequence[Block], rng: random.Random) -> tuple[StatementRows, StatementRows]:
    """Public statements in a random order, and hidden ones."""
    public = StatementRows.of(blocks[:N_PUBLIC_BLOCKS])
    order = rng.sample(range(len(public.texts)), len(public.texts))
    return public.reordered(order), StatementRows.of(blocks[N_PUBLIC_BLOCKS:N_BLOCKS])


def nothing_found(summary: str) -> dict[str, Any]:
    """The answer that there is no such probe."""
    return {"weight": [], "nothing_found": True, "confidence": 1.0, "summary": summary}


@cache
def _judgements(task: MeasuredProbeTask, spec: str) -> Mapping[str, Judgements]:  # noqa: ARG001 -- other truths for each
    return task.measurement.judgements(task.measured().arrays)
