"""A head that writes the right word, and two that suppress it: which has which role?

Like the negative name movers of GPT-2 small (Wang et al. 2022, arXiv 2211.00593) and copy suppression (McDougall et al.
2023, arXiv 2310.04625). The two suppressors compensate each other: the later one adds the suppression that the earlier
one lacks, so that resampling either changes nothing. A scan over single nodes detects only the mover.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from ground_truth.circuits.planted.hidden import Hidden
from ground_truth.circuits.planted.levels import laboratory
from ground_truth.circuits.planted.recall import WORDS, RecallPrompts, asked_word
from ground_truth.circuits.planted.shapes import five_layers
from ground_truth.circuits.planted.task import PlantedCircuitTask
from scribe_suite.laboratory.terms import Terms
from scribe_suite.planting.circuits.causal import CausalRun, Correspondence, Intervention, intervened, placements
from scribe_suite.planting.circuits.plant_circuit import CircuitPlan
from scribe_suite.planting.circuits.siit import SiitRecipe
from scribe_suite.scoring.sets import ROLE_METRICS, Role, f1, score_roles, signed, unsigned
from scribe_suite.tasks.answer_kinds import RoleAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance

_RAISED, _LOWERED = 4.0, 2.0
_ROLES: Mapping[str, Role] = {"mover": "supports", "first": "suppresses", "second": "suppresses"}


class SuppressedRecall(RecallPrompts):
    """``mover``: the asked word, whose logit it raises; ``first``: the word whose logit it lowers, normally the same.

    ``second`` is the difference, modulo the number of words, between the asked word and what ``first`` says; the word
    that is lowered is their sum.
    """

    variables = ("mover", "first", "second")
    edges = (
        *(("input", variable) for variable in ("mover", "first", "second")),
        ("first", "second"),
        *((variable, "output") for variable in ("mover", "first", "second")),
    )
    joint = (("first", "second"),)

    def run(
        self, tokens: Int[Tensor, "batch ctx"], interventions: Mapping[str, Intervention] | None = None
    ) -> CausalRun:
        """See the class."""
        right = asked_word(tokens)
        mover = intervened("mover", right, interventions)
        first = intervened("first", right, interventions)
        second = intervened("second", (right - first) % WORDS, interventions)
        raised = _RAISED * functional.one_hot(mover, WORDS).float()
        lowered = _LOWERED * functional.one_hot((first + second) % WORDS, WORDS).float()
        return CausalRun(
            {"mover": mover, "first": first, "second": second}, mover[:, None], (raised - lowered)[:, None]
        )


class Suppressor(PlantedCircuitTask):
    """``circuits/suppressor``; seeds cycle through the twenty placements of two suppressors and a mover."""

    name = "suppressor"
    summary = "Find the components that raise or lower the right word, and say which does what."
    metrics = ROLE_METRICS
    #: labels hardly reveal suppressors
    laboratory: ClassVar[Mapping[int, Terms]] = {
        level: terms.model_copy(update={"returns": "logits"}) for level, terms in laboratory(1.0, 120, 60).items()
    }
    laboratory_solution = "laboratory_roles"

    def plan(self, seed: int) -> CircuitPlan:
        """The causal model and its place in the base model of `seed`."""
        causal = SuppressedRecall()
        shape = five_layers(causal, d_model=216)
        # the mover does not come before the suppressors: its output would dominate the later one's reading of the
        # earlier one
        every = [(*pair, mover) for pair in placements(shape.n_layers, 2) for mover in range(pair[1], shape.n_layers)]
        first, second, mover = every[seed * 7 % len(every)]
        return CircuitPlan(
            causal=causal,
            correspondence={
                "mover": (f"a{mover}.h1",),
                "first": (f"a{first}.h0",),
                "second": (f"a{second}.h0",),
            },
            shape=shape,
            inputs=24,
            sizes={"mover": 9, "first": 9, "second": 9},
            recipe=SiitRecipe(steps=1000, learning_rate=4e-3),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """Signed F1 against the certified roles; a note reports the effect of the submitted nodes."""
        answer = expect(answer, RoleAnswer)
        hidden: Hidden = instance.hidden
        key, reference = roles(hidden.correspondence), self.reference_score(instance)
        return hidden.with_note(score_roles(answer.roles, key, self.blind.chance, reference), answer.roles)

    def primary_score(self, instance: TaskInstance, answer: Answer) -> float:
        """Signed F1 alone."""
        return f1(signed(expect(answer, RoleAnswer).roles), self.key(instance.hidden.correspondence))

    def answer_schema(self, facts: Mapping[str, Any]) -> AnswerSchema:
        """Components with their roles."""
        universe = facts["components"]
        return AnswerSchema(
            RoleAnswer,
            facts,
            example={
                "roles": {universe[1]: "supports", universe[-1]: "suppresses"},
                "confidence": 0.7,
                "summary": "How I found them, and what supports it.",
            },
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The certified roles."""
        return {
            "roles": dict(sorted(roles(instance.hidden.correspondence).items())),
            "confidence": 1.0,
            "summary": "The circuit that was planted and certified.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random number of random components with random roles."""
        universe = list(instance.public.facts["components"])
        chosen = rng.sample(universe, rng.randint(1, len(universe)))
        return {
            "roles": {node: rng.choice(["supports", "suppresses"]) for node in chosen},
            "confidence": 0.5,
            "summary": "Drawn at random.",
        }

    def key(self, correspondence: Correspondence) -> frozenset[str]:
        """Components with signs, such as ``a0.h1+``."""
        return signed(roles(correspondence))

    def part(self, element: str) -> str:
        """The node without its sign: it has one role."""
        return unsigned(element)


def roles(correspondence: Correspondence) -> dict[str, Role]:
    """The effect of every node of the circuit on the right word's logit."""
    return {node: _ROLES[variable] for variable, nodes in correspondence.items() for node in nodes}
