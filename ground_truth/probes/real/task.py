"""What the probe tasks on a real model share: the question drawn, the split, the hidden side, scoring.

An instance draws one of the task's questions, some that a probe can read and some that it can't, as measured; nobody
says which kind it is. Five new blocks of statements are drawn for it, three are public with their labels.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ground_truth.probes.real.ceiling import Judgement
from ground_truth.probes.real.measurement import ProbeMeasurement, StatementRows
from ground_truth.probes.real.statements import N_BLOCKS, N_PUBLIC_BLOCKS, Block, Question
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.probes import fit_probe
from scribe_suite.scoring.real_probes import (
    BAR,
    OVERCLAIM_SKILL,
    REAL_PROBE_METRICS,
    Measured,
    TextStatements,
    read_from_end,
    score_real_probe,
    tokenised,
)
from scribe_suite.seeds import instance_rng
from scribe_suite.tasks import Answer, AnswerSchema, PublicMaterial, Score, TaskInstance, TextProbeAnswer

NULL_SHARE = 0.3
"""How often an instance asks for what can't be read, where a task has such a question."""

DATA_CODE = """
import json

data = json.load(open("statements.json"))
statements, labels = data["statements"], data["labels"]  # texts, and whether they have the property asked for
blocks = data["blocks"]  # [statement], 0 to 2: statements of different blocks are about different entities
"""

_ORACLE_INVERSE_PENALTY = 1.0


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps.

    Attributes:
        question: Name of the question.
        measured: What is known about it.
        public: The statements that agents have, in their order.
        held_out: The statements that answers are judged on.
    """

    question: str
    measured: Measured
    public: StatementRows
    held_out: StatementRows


class MeasuredProbeTask(MeasuredTask):
    """Base of the probe tasks on a real model: a linear probe is submitted, or that there is none."""

    family: ClassVar[str] = "probes"
    metrics: ClassVar[tuple[str, ...]] = REAL_PROBE_METRICS
    measurement: ClassVar[ProbeMeasurement]

    def judgements(self) -> Mapping[str, Judgement]:
        """What was measured, by question."""
        return _judgements(self)

    def questions(self, *, readable: bool) -> list[Question]:
        """The questions that can be read, or those that can't; what is neither for sure is never asked."""
        wanted = "readable" if readable else "null"
        judged = self.judgements()
        return [question for question in self.measurement.questions() if judged[question.name].verdict == wanted]

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw question, entities, pairs and blocks."""
        rng = instance_rng(self.id, seed)
        nulls = self.questions(readable=False)
        asked = nulls if nulls and rng.random() < NULL_SHARE else self.questions(readable=True)
        return self.instance_of(seed, rng.choice(asked), rng)

    def instance_of(self, seed: int, question: Question, rng: random.Random) -> TaskInstance:
        """The instance of `seed` if there were only this question."""
        public, held_out = split(question.blocks(rng.getrandbits(60)), rng)
        measured = self.measurement.measured(
            self.measured().arrays, question.name, self.judgements()[question.name]
        )  # fmt: skip
        hidden = Hidden(question.name, measured, public, held_out)
        config = self.evaluator().cfg
        shortest = min(map(len, tokenised(self.evaluator(), (*public.texts, *held_out.texts))))
        facts = {"n_layers": int(config.n_layers), "n_ctx": shortest, "d_model": int(config.d_model)}
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=public_material(self.model, question, public, facts).with_facts(model=self.model_facts()),
            hidden=hidden,
            answer_schema=AnswerSchema(TextProbeAnswer, facts, example_answer(facts["d_model"])),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: accuracy on statements about hidden entities, or whether nothing was there to be found."""
        if not isinstance(answer, TextProbeAnswer):
            raise TypeError(f"{self.id} scores a TextProbeAnswer, not a {type(answer).__name__}")
        hidden: Hidden = instance.hidden
        model = self.evaluator()
        public, held_out = (
            TextStatements(tokenised(model, side.texts), side.labels, side.pairs)
            for side in (hidden.public, hidden.held_out)
        )
        return score_real_probe(answer, model, hidden.measured, public, held_out)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the probe fitted on the hidden statements, or that there is nothing to find."""
        hidden: Hidden = instance.hidden
        found = hidden.measured
        if not found.readable:
            return nothing_found("Measured to be unreadable.")
        tokens = tokenised(self.evaluator(), hidden.held_out.texts)
        read = read_from_end(self.evaluator(), tokens, [found.layer], [found.position])[0, 0].astype(np.float64)
        probe = fit_probe(read, hidden.held_out.labels, _ORACLE_INVERSE_PENALTY)
        return {
            "layer": found.layer,
            "position": found.position,
            "weight": probe.weight.tolist(),
            "bias": probe.bias,
            "center": probe.center.tolist(),
            "confidence": 1.0,
            "nothing_found": False,
            "summary": "Fitted on the hidden statements.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: a random direction at a random layer."""
        facts = instance.answer_schema.facts
        return {
            "layer": rng.randrange(int(facts["n_layers"])),
            "position": "last",
            "weight": [rng.gauss(0.0, 1.0) for _ in range(int(facts["d_model"]))],
            "bias": 0.0,
            "center": [],
            "confidence": 0.5,
            "nothing_found": False,
            "summary": "A random direction.",
        }


def split(blocks: Sequence[Block], rng: random.Random) -> tuple[StatementRows, StatementRows]:
    """Public statements in a random order, and hidden ones."""
    public = StatementRows.of(blocks[:N_PUBLIC_BLOCKS])
    order = rng.sample(range(len(public.texts)), len(public.texts))
    return public.reordered(order), StatementRows.of(blocks[N_PUBLIC_BLOCKS:N_BLOCKS])


def public_material(model: str, question: Question, public: StatementRows, facts: Mapping[str, int]) -> PublicMaterial:
    """The statements with their labels and blocks, and the model."""
    data = {
        "statements": list(public.texts),
        "labels": [bool(label) for label in public.labels],
        "blocks": [int(block) for block in public.blocks],
    }
    true, false = (next(text for text, label in zip(public.texts, public.labels, strict=True) if label == wanted)
                   for wanted in (True, False))  # fmt: skip
    return PublicMaterial(
        files={"statements.json": json.dumps(data, ensure_ascii=False).encode()},
        setup_code=SETUP_CODE + DATA_CODE,
        facts={
            "n_layers": facts["n_layers"],
            "d_model": facts["d_model"],
            "shortest": facts["n_ctx"],
            "n_statements": len(public.texts),
            "n_blocks": N_PUBLIC_BLOCKS,
            "n_hidden_blocks": N_BLOCKS - N_PUBLIC_BLOCKS,
            "asks": question.asks,
            "true_example": true,
            "false_example": false,
            "bar": BAR,
            "overclaim_skill": OVERCLAIM_SKILL,
        },
        model=model,
    )


def example_answer(d_model: int) -> dict[str, Any]:
    """A valid answer, for the prompt."""
    return {
        "layer": 0,
        "position": "last",
        "confidence": 0.7,
        "nothing_found": False,
        "summary": "How the probe was found and what supports it.",
        "bias": 0.25,
        "weight": [0.5] * d_model,
        "center": [],
    }


def nothing_found(summary: str) -> dict[str, Any]:
    """The answer that there is no such probe."""
    return {"weight": [], "nothing_found": True, "confidence": 1.0, "summary": summary}


@cache
def _judgements(task: MeasuredProbeTask) -> Mapping[str, Judgement]:
    return task.measurement.judgements(task.measured().arrays)
