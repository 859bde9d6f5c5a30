"""The task ``neurons/unigram``: which neurons of a small language model fire on one given word?

Base models are language models with planted neurons for seven words each, and near misses of all of them
(`scribe_suite.planting.word_plan`); an instance asks for one word of one model, after a drawn symmetry, on fresh text.
The definition follows Gurnee et al. 2024, "Universal Neurons in GPT2 Language Models" (arXiv 2401.12181, section 4.1):
a unigram neuron follows a token merged over its case and space variants.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Int
from safetensors.torch import save
from torch import Tensor

from scribe_suite.paths import suite_root
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    frozen_folder,
    load_all_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, build_model, public_files
from scribe_suite.planting.language import sample_tokens, vocabulary
from scribe_suite.planting.neuron_training import TrainingSettings, train_planted
from scribe_suite.planting.neurons import (
    TokenFeature,
    all_neurons,
    feature_matrix,
    neuron_activations,
    variance_explained,
)
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.symmetries import Symmetry, apply_symmetry, draw_symmetry
from scribe_suite.planting.word_certificate import word_checks
from scribe_suite.planting.word_plan import WordPlan, draw_word_plan
from scribe_suite.scoring.normalise import best_blind_answer
from scribe_suite.scoring.sets import NEURON_METRICS, f1, score_neurons
from scribe_suite.tasks import (
    Answer,
    AnswerSchema,
    NeuronAnswer,
    ProgressCallback,
    PublicMaterial,
    Score,
    Task,
    TaskInstance,
)

N_WORDS = 7
CONFIG: Mapping[str, Any] = {
    "n_layers": 2,
    "d_model": 64,
    "n_heads": 4,
    "d_head": 16,
    "d_mlp": 256,
    "n_ctx": 64,
    "d_vocab": len(vocabulary()),
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": None,
}
_PUBLIC_ROWS = 1000
_HIDDEN_ROWS = 500
_BLIND_INSTANCES = 300
_TRAINING_SEEDS = 1_000_000
"""Base model s trains on texts drawn with the seeds from s times this on."""

_REFERENCE_CHECK = "reference/f1"
_EXAMPLE: Mapping[str, Any] = {
    "neurons": ["L0.N12", "L1.N3"],
    "confidence": 0.7,
    "nothing_found": False,
    "summary": "What was measured, and why it shows that these neurons fire on the word.",
}

_SETUP_CODE = (
    SETUP_CODE
    + """
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
tokens = load_file("text.safetensors")["tokens"].long()  # one text per row
word = json.load(open("question.json"))["word"]
"""
)


@dataclass(frozen=True)
class _Base:
    """A base model, frozen or about to be.

    `words` and `near_misses` are word -> neuron names; both have the same words.
    """

    name: str
    weights: ModelWeights
    words: Mapping[str, Sequence[str]]
    near_misses: Mapping[str, Sequence[str]]
    reference_f1: float


@dataclass(frozen=True)
class _Draw:
    """The choices that make an instance out of base models."""

    base: _Base
    word: str
    symmetry: Symmetry
    public_seed: int
    hidden_seed: int

    def truth(self) -> frozenset[str]:
        return frozenset(map(self.symmetry.neuron, self.base.words[self.word]))


@dataclass(frozen=True)
class HiddenTruth:
    """What the evaluator knows.

    Attributes:
        neurons: The planted neurons of the word.
        near_misses: Planted neurons that look like them.
        weights: The model of this instance.
        variants: Token ids of the word.
        symmetry: From the base model to this instance.
        text_seed: Of the text on which answers are measured.
        reference_f1: What the reference solution reaches on this base model.
    """

    neurons: frozenset[str]
    near_misses: frozenset[str]
    weights: ModelWeights
    variants: frozenset[int]
    symmetry: Symmetry
    text_seed: int
    reference_f1: float

    def text(self) -> Int[Tensor, "rows pos"]:
        """Held-out text in this instance's token ids."""
        return _text(self.symmetry, self.text_seed, _HIDDEN_ROWS)

    @cached_property
    def explained(self) -> Mapping[str, float]:
        """Neuron name -> RVE with the word on the held-out text, measured when it is first asked for."""
        model, text = build_model(self.weights), self.text()
        word = feature_matrix([TokenFeature("word", self.variants)], text)
        values = variance_explained(neuron_activations(model, text), word)[:, 0].tolist()
        return dict(zip(map(str, all_neurons(model.cfg.n_layers, model.cfg.d_mlp)), values, strict=True))


class UnigramNeurons(Task):
    """Find the neurons that fire on a given word in all its variants."""

    family = "neurons"
    name = "unigram"
    summary = "Find the neurons of a language model that fire on one given word."
    metrics = (*NEURON_METRICS, "rve")

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """See `Task.plant`; four CPU minutes on one thread, then the reference solution once for every word."""
        plan = draw_word_plan(seed, N_WORDS, int(CONFIG["n_layers"]), int(CONFIG["d_mlp"]))
        trained = train_planted(
            CONFIG,
            plan.planting,
            lambda step, rows: torch.from_numpy(
                sample_tokens(_TRAINING_SEEDS * (seed + 1) + step, rows, int(CONFIG["n_ctx"]))
            ),
            seed,
            TrainingSettings(),
            lambda done, line: progress(0.7 * done, line),
        )
        self._freeze(seed, round_to_half(trained), plan, progress)

    def _freeze(self, seed: int, weights: ModelWeights, plan: WordPlan, progress: ProgressCallback) -> None:
        """Certify and save a trained model; the last step of `plant`.

        Raises:
            FrozenModelError: When the certificate fails; nothing is written then.
        """
        progress(0.7, "measuring the certificate")
        checks = word_checks(weights, plan)
        if all(check.passed for check in checks):
            checks = (*checks, self._reference_check(seed, weights, plan, progress))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            {"words": plan.key(), "near_misses": plan.near_miss_key()},
            Certificate(checks=checks),
            {**asdict(TrainingSettings()), "torch": torch.__version__},
        )
        progress(1.0, "frozen")

    def instance(self, seed: int) -> TaskInstance:
        """See `Task.instance`."""
        return self._instance(seed, _draw(_base_models(), seed, word=None))

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """See `Task.score`; `rve` is the mean RVE of the submitted neurons with the word, on held-out text."""
        assert isinstance(answer, NeuronAnswer)
        hidden: HiddenTruth = instance.hidden
        score = score_neurons(answer.neurons, hidden.neurons, _blind_answer(), hidden.reference_f1)
        rve = fmean(hidden.explained[name] for name in answer.neurons) if answer.neurons else 0.0
        return replace(score, metrics={**score.metrics, "rve": rve})

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """See `Task.oracle_answer`."""
        return {"neurons": sorted(instance.hidden.neurons), "confidence": 1.0, "summary": "The answer key."}

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """See `Task.random_answer`."""
        layers, width = instance.answer_schema.facts["n_layers"], instance.answer_schema.facts["d_mlp"]
        names = {f"L{rng.randrange(layers)}.N{rng.randrange(width)}" for _ in range(rng.randint(1, 6))}
        return {"neurons": sorted(names), "confidence": 0.0, "summary": "Drawn at random."}

    def _instance(self, seed: int, draw: _Draw) -> TaskInstance:
        weights = apply_symmetry(draw.base.weights, draw.symmetry)
        strings = _renamed_strings(draw.symmetry)
        text = _text(draw.symmetry, draw.public_seed, _PUBLIC_ROWS)
        variants = frozenset(draw.symmetry.token_map[token] for token in vocabulary().variants(draw.word))
        sizes = {"n_layers": int(weights.config["n_layers"]), "d_mlp": int(weights.config["d_mlp"])}
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=draw.base.name,
            public=PublicMaterial(
                files={
                    **public_files(weights),
                    "vocabulary.json": json.dumps(strings).encode(),
                    "text.safetensors": save({"tokens": text.int()}),
                    "question.json": json.dumps({"word": draw.word}).encode(),
                },
                setup_code=_SETUP_CODE,
                facts={
                    **sizes,
                    "word": draw.word,
                    "variants": sorted(strings[token] for token in variants),
                    "n_texts": text.shape[0],
                    "text_length": text.shape[1],
                    "d_vocab": len(strings),
                },
            ),
            hidden=HiddenTruth(
                neurons=draw.truth(),
                near_misses=frozenset(map(draw.symmetry.neuron, draw.base.near_misses[draw.word])),
                weights=weights,
                variants=variants,
                symmetry=draw.symmetry,
                text_seed=draw.hidden_seed,
                reference_f1=draw.base.reference_f1,
            ),
            answer_schema=AnswerSchema(model=NeuronAnswer, facts=sizes, example=_EXAMPLE),
        )

    def _reference_check(self, seed: int, weights: ModelWeights, plan: WordPlan, progress: ProgressCallback) -> Check:
        """The worst F1 of the reference solution over all words of a model that is not frozen yet."""
        base = _Base(f"{self.id}/seed{seed}", weights, plan.key(), plan.near_miss_key(), reference_f1=1.0)
        reached = []
        for number, word in enumerate(plan.words):
            progress(0.7 + 0.3 * number / len(plan.words), f"running the reference solution on {word!r}")
            instance = self._instance(seed, _draw([base], seed, word))
            answer = reference_answer(suite_root(), instance)
            assert isinstance(answer, NeuronAnswer)
            reached.append(f1(frozenset(answer.neurons), instance.hidden.neurons))
        return Check(name=_REFERENCE_CHECK, value=min(reached), bar=0.9, direction=">=")


@cache
def _base_models() -> tuple[_Base, ...]:
    return tuple(
        _Base(
            model.name,
            model.weights,
            model.record.key["words"],
            model.record.key["near_misses"],
            model.record.certificate.value(_REFERENCE_CHECK),
        )
        for model in load_all_frozen(UnigramNeurons())
    )


def _draw(bases: Sequence[_Base], seed: int, word: str | None) -> _Draw:
    """What the instance of `seed` is made of; `word` asks for a certain one."""
    rng = random.Random(f"neurons/unigram {seed}")
    base = rng.choice(bases)
    drawn = rng.choice(sorted(base.words))
    return _Draw(
        base=base,
        word=drawn if word is None else word,
        symmetry=draw_symmetry(base.weights.config, rng.getrandbits(62), labels="as_tokens"),
        public_seed=rng.getrandbits(62),
        hidden_seed=rng.getrandbits(62),
    )


@cache
def _blind_answer() -> frozenset[str]:
    """The best answer of somebody who knows the source but sees no model."""
    bases = _base_models()
    keys = [_draw(bases, seed, word=None).truth() for seed in range(_BLIND_INSTANCES)]
    neurons = all_neurons(int(CONFIG["n_layers"]), int(CONFIG["d_mlp"]))
    layers = [[str(neuron) for neuron in neurons if neuron.layer == layer] for layer in range(CONFIG["n_layers"])]
    return best_blind_answer(keys, layers, f1)


def _renamed_strings(symmetry: Symmetry) -> list[str]:
    """Token id of the instance -> string."""
    strings = [""] * len(vocabulary())
    for old, new in enumerate(symmetry.token_map):
        strings[new] = vocabulary().strings[old]
    return strings


def _text(symmetry: Symmetry, seed: int, rows: int) -> Int[Tensor, "rows pos"]:
    return symmetry.tokens(torch.from_numpy(sample_tokens(seed, rows, int(CONFIG["n_ctx"]))))
