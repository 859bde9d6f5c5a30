"""The base of the tasks about properties in a real language model: drawing the question, public material, scoring.

An instance draws a property and a position, then one of the windows there: some in which a subspace moves the property
and no other, and some in which none does, as measured. Agents are not told which kind it is.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import torch

from ground_truth.variables.real.behaviour import Behaviour
from ground_truth.variables.real.fitting import MOST_DIRECTIONS
from ground_truth.variables.real.hidden import Hidden
from ground_truth.variables.real.measurement import HIDDEN_PAIRS, MARGIN_BAR, SubspaceMeasurement, Verdict, best_score
from ground_truth.variables.real.public import public_material
from ground_truth.variables.real.windows import Window
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.description import describe, tokenizer_of
from scribe_suite.scoring.crossed_prompts import SITES, CrossedPrompts, Spot
from scribe_suite.scoring.real_probes import PAY_OFFS
from scribe_suite.scoring.real_subspace import (
    FOUND_BAR,
    NULL_BAR,
    REAL_SUBSPACE_METRICS,
    score_claim,
    score_nothing_found,
)
from scribe_suite.seeds import derive_seed, instance_rng
from scribe_suite.tasks.answer_kinds import WindowSubspaceOrNothing
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.task import Score, TaskInstance

#: Pairs of contexts that agents get.
_PUBLIC_PAIRS = 20


class MeasuredSubspaceTask(MeasuredTask):
    """Base of tasks about where a real language model keeps one of two properties of a prompt.

    Class attributes:
        behaviour: The behaviour.
    """

    family = "variables"
    metrics = REAL_SUBSPACE_METRICS
    solution = "real"
    behaviour: ClassVar[Behaviour]
    measurement: ClassVar[SubspaceMeasurement]

    def asked(self) -> Mapping[tuple[int, int], tuple[list[Window], list[Window]]]:
        """Wording -> its windows with something to find and those with nothing; only wordings that have both."""
        sides: dict[tuple[int, int], tuple[list[Window], list[Window]]] = {}
        for at, window in enumerate(self.measurement.windows):
            verdict = self._verdict(at)
            if verdict != "open":
                sides.setdefault(window.wording, ([], []))[verdict == "null"].append(window)
        return {wording: both for wording, both in sides.items() if all(both)}

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`: draw property and position, whether there is something to find, window and prompts."""
        rng = instance_rng(self.question_id, seed)
        asked = self.asked()
        found, null = asked[rng.choice(sorted(asked))]
        return self.instance_of(rng.choice(null if rng.random() < PAY_OFFS.null_share else found), seed)

    def instance_of(self, window: Window, seed: int) -> TaskInstance:
        """The instance of `seed` if there were only this question; the model is not loaded."""
        tokenizer, behaviour = tokenizer_of(self.model), self.behaviour
        seeds = {purpose: derive_seed(seed, self.question_id, purpose) for purpose in ("public", "hidden")}
        public = behaviour.prompts(behaviour.public, _PUBLIC_PAIRS, seeds["public"], tokenizer)
        at, arrays = self.measurement.windows.index(window), self.measured().arrays
        facts = self._facts(window, public, tokenizer)
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=public_material(self.model, behaviour, public, facts),
            hidden=Hidden(
                spec=self.model,
                window=window,
                null=self._verdict(at) == "null",
                best=Spot(int(arrays[f"{at}/layer"][0]), window.sites[-1], window.position),
                directions=torch.tensor(arrays[f"{at}/directions"]).T,
                measured=best_score(arrays[f"{at}/parts"]),
                prompts=self.hidden_prompts(seeds["hidden"]),
            ),
            answer_schema=AnswerSchema(WindowSubspaceOrNothing, facts, _example(facts)),
        )

    def hidden_prompts(self, seed: int) -> CrossedPrompts:
        """Prompts on which answers are scored."""
        return self.behaviour.prompts(self.behaviour.hidden, HIDDEN_PAIRS, seed, tokenizer_of(self.model))

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`: exchanges of the submitted subspace between hidden prompts, or whether there is none."""
        said, hidden = expect(answer, WindowSubspaceOrNothing), instance.hidden
        if said.says_nothing_found():
            return score_nothing_found(hidden.measured, null=hidden.null)
        # the schema has refused other sites
        site = next(site for site in SITES if site == said.site)
        spot = Spot(said.layer, site, hidden.window.position)
        directions = torch.tensor(said.directions, dtype=torch.float64).T
        claim, reference = hidden.parts((spot, directions), (hidden.best, hidden.directions))
        return score_claim(claim, reference.score, null=hidden.null)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`: the best subspace that was measured, or that there is nothing to find."""
        hidden: Hidden = instance.hidden
        fields = {"layer": hidden.best.layer, "site": hidden.best.site, "position": hidden.window.position}
        if hidden.null:
            return {**fields, **_nothing_found("Measured to be nothing.")}
        return {
            **fields,
            "directions": hidden.directions.T.tolist(),
            "nothing_found": False,
            "confidence": 1.0,
            "summary": "The best subspace that was measured.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`: as many random directions as are allowed, at a random layer of those asked."""
        facts = instance.public.facts
        return {
            "layer": rng.randint(*facts["layers"]),
            "site": rng.choice(facts["sites"]),
            "position": facts["asked_position"],
            "directions": [[rng.gauss(0, 1) for _ in range(facts["d_model"])] for _ in range(facts["max_directions"])],
            "nothing_found": False,
            "confidence": 0.0,
            "summary": "Drawn at random.",
        }

    def _verdict(self, at: int) -> Verdict:
        return self.measurement.verdict(self.measured().arrays[f"{at}/parts"])

    def _facts(self, window: Window, public: CrossedPrompts, tokenizer: Any) -> dict[str, Any]:
        """The facts for the prompt template and the schema."""
        shape, properties = describe(self.model), self.behaviour.properties
        shown = public.tokens[0]
        right = [round(100 * float(share)) for share in self.measured().arrays["right"]]
        return {
            "model": self.model_facts(),
            "n_layers": shape.n_layers,
            "d_model": shape.d_model,
            "n_ctx": public.tokens.shape[-1],
            "n_contexts": len(public),
            "layers": list(window.layers),
            "asked_position": window.position,
            "where": window.where,
            "sites": list(window.sites),
            "max_directions": MOST_DIRECTIONS,
            "asked": asdict(properties[window.asked]) | {"axis": window.asked, "right": right[window.asked]},
            "other": asdict(properties[1 - window.asked]) | {"axis": 1 - window.asked},
            "examples": [
                {
                    "prompt": tokenizer.decode(shown[first, second][1:]),
                    "option": tokenizer.decode(public.options[0, first, second]),
                }
                for first in (0, 1)
                for second in (0, 1)
            ],
            "both": [asdict(one) for one in properties],
            "hidden_prompts": 8 * HIDDEN_PAIRS,
            "pay_offs": asdict(PAY_OFFS),
            "bars": {"found": FOUND_BAR, "null": NULL_BAR, "margin": MARGIN_BAR},
        }


def _example(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "layer": facts["layers"][0],
        "site": facts["sites"][-1],
        "position": facts["asked_position"],
        "directions": [[1.0] + [0.0] * (facts["d_model"] - 1)],
        "nothing_found": False,
        "confidence": 0.7,
        "summary": "Where the property is, how I found that, and what supports it.",
    }


def _nothing_found(summary: str) -> dict[str, Any]:
    return {"directions": [], "nothing_found": True, "confidence": 1.0, "summary": summary}
