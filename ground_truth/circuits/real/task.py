"""What all tasks about circuits of a real language model share: fresh prompts, public material, scoring.

A task adds a behaviour (templates, words, how a pair is drawn), its measurement, a prompt and a reference solution.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from safetensors.torch import save

from ground_truth.circuits.planted.public import public_source
from ground_truth.circuits.real.behaviour import Behaviour, Draw, encode, tokenizer_of
from ground_truth.circuits.real.measurement import BLIND
from ground_truth.circuits.real.rankings import blind_rankings
from scribe_suite.measurements.measured_task import MeasuredTask
from scribe_suite.models.evaluator import evaluator_model
from scribe_suite.models.spec import SETUP_CODE, ready
from scribe_suite.scoring.circuit_curve import METRICS, SHARES, CurveMeter, circuit_sizes, score_ranking
from scribe_suite.scoring.circuit_patching import PromptPairs, component_names
from scribe_suite.seeds import derive_seed
from scribe_suite.tasks.answers import Answer, AnswerSchema, RankingAnswer
from scribe_suite.tasks.task import PublicMaterial, Score, TaskInstance

_PUBLIC_PAIRS = 200
_SHOWN = 3


@dataclass(frozen=True)
class Secret:
    """The hidden side of an instance.

    Attributes:
        spec: Specification of the model.
        pairs: Prompts that no agent sees.
    """

    spec: str
    pairs: PromptPairs

    @cached_property
    def meter(self) -> CurveMeter:
        """Measures rankings on the pairs."""
        return CurveMeter(evaluator_model(self.spec), self.pairs)


class MeasuredCircuitTask(MeasuredTask):
    """Base of tasks that ask which components of a real language model a behaviour needs.

    Class attributes:
        behaviour: Which one.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    behaviour: ClassVar[Behaviour]

    def instance(self, seed: int) -> TaskInstance:
        """Fresh public and hidden prompts; the model is not loaded."""
        tokenizer = tokenizer_of(self.model)
        behaviour = self.behaviour
        public = behaviour.pairs(behaviour.public, _PUBLIC_PAIRS, derive_seed(seed, self.id, "public"), tokenizer)
        hidden = behaviour.pairs(
            behaviour.hidden, behaviour.hidden_pairs, derive_seed(seed, self.id, "hidden"), tokenizer
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
                files={
                    "data.safetensors": save(data),
                    "frames.json": json.dumps(dict(behaviour.public), indent=1).encode(),
                },
                setup_code=SETUP_CODE + _setup_code(behaviour),
                facts=facts,
                model=self.model,
            ),
            hidden=Secret(self.model, hidden),
            answer_schema=AnswerSchema(
                RankingAnswer,
                facts,
                example={
                    "ranking": [facts["components"][-1], facts["components"][0]],
                    "confidence": 0.7,
                    "nothing_found": False,
                    "summary": "How I ranked them, and what supports it.",
                },
            ),
        )

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """The closeness of the answer's curve, between that of the best blind ranking and the reference's."""
        assert isinstance(answer, RankingAnswer)
        truth = self.measured().arrays
        blind = {f"{BLIND}{name}": ranking for name, ranking in blind_rankings(*_shape(self.model)).items()}
        chance = {str(name): blind[str(name)] for name in truth["chance"]}
        return score_ranking(instance.hidden.meter, answer.ranking, [*map(str, truth["reference"])], chance)

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

    def _facts(self, public: PromptPairs, tokenizer: Any) -> dict[str, Any]:
        """What the prompt template may show."""
        n_layers, n_heads = _shape(self.model)
        components = component_names(n_layers, n_heads)
        shown = public.part(slice(_SHOWN))
        return {
            "components": components,
            "n_layers": n_layers,
            "n_heads": n_heads,
            "n_pairs": len(public),
            "length": public.clean.shape[1],
            "n_options": public.options.shape[1],
            "hidden_pairs": self.behaviour.hidden_pairs,
            "readout": self.behaviour.readout,
            "shares": list(SHARES),
            "sizes": circuit_sizes(len(components)),
            "examples": [
                {"clean": tokenizer.decode(clean[1:]), "counterfactual": tokenizer.decode(other[1:])}
                for clean, other in zip(shown.clean, shown.counterfactual, strict=True)
            ],
        }


def _shape(spec: str) -> tuple[int, int]:
    """Layers and heads per layer, without the model."""
    config = json.loads((ready(spec).folder / "config.json").read_text())
    return int(config["n_layers"]), int(config["n_heads"])


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

_FUNCTIONS = """\


def generate(n, seed=0):
    \"\"\"n more pairs: prompts, counterfactuals, options, weights.\"\"\"
    rng = random.Random(seed)
    return tuple(part.to(device) for part in encode([draw(rng, frames) for _ in range(n)], tokenizer))


def metric(logits, options=options, weights=weights):
    \"\"\"How much of the behaviour is there, per prompt; logits at the last position, shape (n, d_vocab).\"\"\"
    return ({read}.gather(-1, options) * weights).sum(-1)
"""


def _setup_code(behaviour: Behaviour) -> str:
    """Public: data, functions that draw more of it, the metric."""
    draw: Draw = behaviour.draw
    functions = "\n\n".join(public_source(function) for function in (draw, encode))
    return _LOAD + functions + _FUNCTIONS.format(read=_READ[behaviour.readout])
