"""The base of all tasks about circuits of a real language model: fresh prompts, public material, scoring.

A task adds a behaviour (templates, words, how a pair is drawn) with its measurement, and a prompt; all share one
reference solution.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any, ClassVar

from safetensors.torch import save

from ground_truth.circuits.planted.public import public_source
from ground_truth.circuits.real.behaviour import Behaviour, Draw, encode
from ground_truth.circuits.real.hidden import Hidden
from ground_truth.circuits.real.laboratory import ENCODE, LOAD
from ground_truth.circuits.real.measurement import BLIND
from ground_truth.circuits.real.rankings import blind_rankings
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.description import describe, tokenizer_of
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.circuit_curve import METRICS, SHARES, circuit_sizes, score_ranking
from scribe_suite.scoring.circuit_patching import PromptPairs, component_names
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answer_kinds import RankingAnswer
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer, expect
from scribe_suite.tasks.material import PublicMaterial
from scribe_suite.tasks.task import Score, TaskInstance

_PUBLIC_PAIRS = 200
_SHOWN = 3


class MeasuredCircuitTask(MeasuredTask):
    """Base of tasks about the components of a real language model that a behaviour needs.

    Class attributes:
        behaviour: The behaviour.
    """

    family = "circuits"
    version = 3
    metrics = METRICS
    solution = "real"
    laboratory_solution = "real_lab"
    behaviour: ClassVar[Behaviour]

    def instance(self, seed: int) -> TaskInstance:
        """Fresh public and hidden prompts; the model is not loaded."""
        tokenizer = tokenizer_of(self.model)
        behaviour = self.behaviour
        public = behaviour.pairs(
            behaviour.public, _PUBLIC_PAIRS, derive_seed(seed, self.question_id, "public"), tokenizer
        )
        hidden = behaviour.pairs(
            behaviour.hidden, behaviour.hidden_pairs, derive_seed(seed, self.question_id, "hidden"), tokenizer
        )
        facts = self._facts(public, tokenizer)
        data = {
            "prompts": public.clean,
            "counterfactuals": public.counterfactual,
            "options": public.options,
            "weights": public.weights,
        }
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=self.model,
            public=PublicMaterial(
                model_code=SETUP_CODE,
                data_files={
                    "data.safetensors": save(data),
                    "frames.json": json.dumps(dict(behaviour.public), indent=1).encode(),
                },
                data_code=_setup_code(behaviour),
                lab_code=_laboratory_code(behaviour),
                facts=facts,
                model=self.model,
            ),
            hidden=Hidden(self.model, hidden),
            answer_schema=self.answer_schema(facts),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """The closeness of the answer's curve, between that of the best blind ranking and the reference's."""
        ranking = expect(answer, RankingAnswer).ranking
        hidden: Hidden = instance.hidden
        truth, shape = self.measured().arrays, describe(hidden.spec)
        blind = {f"{BLIND}{name}": one for name, one in blind_rankings(shape.n_layers, shape.n_heads).items()}
        chance = {str(name): blind[str(name)] for name in truth["chance"]}
        return score_ranking(hidden.meter, ranking, [*map(str, truth["reference"])], chance)

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:  # noqa: ARG002  # the same for all prompts
        """The reference ranking."""
        return {
            "ranking": [*map(str, self.measured().arrays["reference"])],
            "confidence": 1.0,
            "summary": "The reference ranking that was measured.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """All components in random order."""
        universe = list(instance.public.facts["components"])
        return {"ranking": rng.sample(universe, len(universe)), "confidence": 0.5, "summary": "Drawn at random."}

    def answer_schema(self, facts: Mapping[str, Any]) -> AnswerSchema:
        """The schema of answers: components in order."""
        components = facts["components"]
        return AnswerSchema(
            RankingAnswer,
            facts,
            example={
                "ranking": [components[-1], components[0]],
                "confidence": 0.7,
                "summary": "How I ranked them, and what supports it.",
            },
        )

    def _facts(self, public: PromptPairs, tokenizer: Any) -> dict[str, Any]:
        """The facts for the prompt template."""
        shape = describe(self.model)
        components = component_names(shape.n_layers, shape.n_heads)
        shown = public.part(slice(_SHOWN))
        return {
            "components": components,
            "model": self.model_facts(),
            "n_layers": shape.n_layers,
            "n_heads": shape.n_heads,
            "n_pairs": len(public),
            "length": public.clean.shape[1],
            "n_options": public.options.shape[1],
            "hidden_pairs": self.behaviour.hidden_pairs,
            "correct": round(100 * float(self.measured().arrays["accuracy"][0])),
            "n_blind": len(self.measured().arrays["chance"]),
            "readout": self.behaviour.readout,
            "shares": list(SHARES),
            "sizes": circuit_sizes(len(components)),
            "examples": [
                {"clean": tokenizer.decode(clean[1:]), "counterfactual": tokenizer.decode(other[1:])}
                for clean, other in zip(shown.clean, shown.counterfactual, strict=True)
            ],
        }


#: How logits are read, as public code.
_READ = {"logits": "logits", "probabilities": "logits.softmax(-1)", "log_probabilities": "logits.log_softmax(-1)"}

_LOAD = """\

import json
import random
from safetensors.torch import load_file

frames = json.load(open("frames.json"))
data = load_file("data.safetensors", device=device)
prompts, counterfactuals = data["prompts"], data["counterfactuals"]
options, weights = data["options"], data["weights"]
components = [
    name
    for layer in range(model.cfg.n_layers)
    for name in [*(f"a{layer}.h{head}" for head in range(model.cfg.n_heads)), f"m{layer}"]
]


"""

_GENERATE = """\


def generate(n, seed=0):
    \"\"\"n more pairs: prompts, counterfactuals, options, weights.\"\"\"
    rng = random.Random(seed)
    return tuple(part.to(device) for part in encode([draw(rng, frames) for _ in range(n)], tokenizer))
"""
_GENERATE_IN_LABORATORY = """\


def generate(n, seed=0):
    \"\"\"n more pairs: prompts, counterfactuals, options, weights.\"\"\"
    rng = random.Random(seed)
    return encode([draw(rng, frames) for _ in range(n)])
"""
_METRIC = """\


def metric(logits, options=options, weights=weights):
    \"\"\"How much of the behaviour is there, per prompt; logits at the last position, shape (n, d_vocab).\"\"\"
    return ({read}.gather(-1, options) * weights).sum(-1)
"""


def _setup_code(behaviour: Behaviour) -> str:
    """Public: data, functions that draw more of it, the metric."""
    draw: Draw = behaviour.draw
    functions = "\n\n".join(public_source(function) for function in (draw, encode))
    return _LOAD + functions + _GENERATE + _METRIC.format(read=_READ[behaviour.readout])


def _laboratory_code(behaviour: Behaviour) -> str:
    """The same where the laboratory has the model and its tokenizer."""
    functions = f"{public_source(behaviour.draw)}\n\n{ENCODE}"
    return LOAD + functions + _GENERATE_IN_LABORATORY + _METRIC.format(read=_READ[behaviour.readout])
