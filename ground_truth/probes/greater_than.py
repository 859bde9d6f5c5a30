"""probes/greater_than: a linear probe for the truth of "x is greater than y", judged on numbers it was not fitted on.

The model (`scribe_suite.planting.comparison`) has its own order of sixty opaque number tokens. It says the truth after
a statement that ends in ``.`` and the opposite after one that ends in ``!``, so its output is no key. An instance
renames everything, turns the residual stream and draws which 36 numbers stand in the public statements; the hidden ones
are about the other 24, every pair in both orders and with both endings, so that words are worth nothing without the
model's number line.
"""

from __future__ import annotations

import json
import random
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import save
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.paths import suite_root
from scribe_suite.planting import comparison
from scribe_suite.planting.frozen import (
    Certificate,
    Check,
    FrozenModel,
    frozen_folder,
    load_all_frozen,
    round_to_half,
    save_frozen,
)
from scribe_suite.planting.hooked import SETUP_CODE, ModelWeights, build_model, public_files, untrained_twin
from scribe_suite.planting.reference import reference_answer
from scribe_suite.planting.symmetries import apply_symmetry, draw_symmetry
from scribe_suite.scoring.probes import (
    PROBE_METRICS,
    LabelledStatements,
    LinearProbe,
    fit_probe,
    probe_accuracy,
    residual_at,
    score_probe,
)
from scribe_suite.tasks import (
    Answer,
    AnswerSchema,
    ProbeAnswer,
    ProgressCallback,
    PublicMaterial,
    Score,
    Task,
    TaskInstance,
)

PUBLIC_NUMBERS = 36
LAYER = 1
"""The first block whose output holds the truth of the comparison; read at the last token."""

_STEPS = 2_500
_INVERSE_PENALTY = 0.1
_ORACLE_INVERSE_PENALTY = 10.0
_CERTIFIED_SPLITS = range(5)
_REFERENCE_SEED = 0

_DATA_CODE = """
vocabulary = json.load(open("vocabulary.json"))  # token id -> string
data = load_file("statements.safetensors")
statements, labels = data["tokens"], data["labels"].bool()  # token ids [statement, position], truth [statement]


def text(tokens):
    return " ".join(vocabulary[token] for token in tokens.tolist())
"""


@dataclass(frozen=True)
class Split:
    """Which numbers are public, and the statements on either side, in a base model's token ids."""

    public: LabelledStatements
    held_out: LabelledStatements


@dataclass(frozen=True)
class Hidden:
    """What the evaluator keeps.

    Attributes:
        weights: The model of the instance.
        public: The public statements.
        held_out: Statements about held-out numbers only, in the instance's token ids.
        reference_accuracy: Of the reference recipe, on `held_out`.
        control_accuracy: Of the same recipe on an untrained twin.
    """

    weights: ModelWeights
    public: LabelledStatements
    held_out: LabelledStatements
    reference_accuracy: float
    control_accuracy: float


class GreaterThan(Task):
    """Read from the residual stream whether "x is greater than y" is true."""

    family: ClassVar[str] = "probes"
    name: ClassVar[str] = "greater_than"
    summary: ClassVar[str] = "linear probe for the truth of number comparisons, judged on unseen numbers"
    metrics: ClassVar[tuple[str, ...]] = PROBE_METRICS

    def plant(self, seed: int, progress: ProgressCallback) -> None:
        """Train, certify and freeze a base model; about two minutes on one thread."""
        started = time.process_time()
        weights = round_to_half(
            comparison.train_comparison_model(seed, _STEPS, lambda done, line: progress(0.8 * done, line))
        )
        trained = time.process_time() - started
        progress(0.8, "certifying")
        checks = certify(weights, seed)
        progress(0.9, "running the reference solution")
        checks.append(self._check_reference(weights))
        save_frozen(
            frozen_folder(self),
            self,
            seed,
            weights,
            key={"layer": LAYER, "position": "last", "colours": comparison.draw_colours(seed).tolist()},
            certificate=Certificate(checks=tuple(checks)),
            training={"steps": _STEPS, "cpu_seconds": round(trained, 1), "torch": torch.__version__},
        )
        _base_models.cache_clear()

    def instance(self, seed: int) -> TaskInstance:
        """Draw base model, names, symmetry and split."""
        models = _base_models(frozen_folder(self))
        base = models[random.Random(f"base {seed}").randrange(len(models))]
        return self._derive(seed, base.name, base.weights)

    def score(self, instance: TaskInstance, answer: Answer) -> Score:
        """Accuracy on statements about held-out numbers."""
        if not isinstance(answer, ProbeAnswer):
            raise TypeError(f"{self.id} scores a ProbeAnswer, not a {type(answer).__name__}")
        hidden: Hidden = instance.hidden
        return score_probe(
            answer,
            build_model(hidden.weights),
            hidden.held_out,
            control_accuracy=hidden.control_accuracy,
            reference_accuracy=hidden.reference_accuracy,
        )

    def oracle_answer(self, instance: TaskInstance) -> dict[str, Any]:
        """The probe fitted on the hidden statements."""
        hidden: Hidden = instance.hidden
        residual = residual_at(build_model(hidden.weights), hidden.held_out.tokens, LAYER, "last")
        probe = fit_probe(residual, hidden.held_out.labels, _ORACLE_INVERSE_PENALTY)
        return {
            "layer": LAYER,
            "position": "last",
            "weight": probe.weight.tolist(),
            "bias": probe.bias,
            "center": probe.center.tolist(),
            "confidence": 1.0,
            "nothing_found": False,
            "summary": "Fitted on the hidden statements.",
        }

    def random_answer(self, instance: TaskInstance, rng: random.Random) -> dict[str, Any]:
        """A random direction at a random layer."""
        config = instance.hidden.weights.config
        return {
            "layer": rng.randrange(int(config["n_layers"])),
            "position": "last",
            "weight": [rng.gauss(0.0, 1.0) for _ in range(int(config["d_model"]))],
            "bias": 0.0,
            "center": [],
            "confidence": 0.5,
            "nothing_found": False,
            "summary": "A random direction.",
        }

    def _derive(self, seed: int, base_name: str, base: ModelWeights) -> TaskInstance:
        rng = random.Random(f"instance {seed}")
        symmetry = draw_symmetry(base.config, rng.getrandbits(60), labels="as_tokens")
        weights = apply_symmetry(base, symmetry)
        drawn = draw_split(rng.getrandbits(60))
        split = Split(_renamed(drawn.public, symmetry.token_map), _renamed(drawn.held_out, symmetry.token_map))
        vocabulary = _vocabulary(symmetry.token_map, rng)
        twin = untrained_twin(weights.config, rng.getrandbits(60))
        hidden = Hidden(
            weights=weights,
            public=split.public,
            held_out=split.held_out,
            reference_accuracy=recipe_accuracy(build_model(weights), split, LAYER),
            control_accuracy=recipe_accuracy(twin, split, LAYER),
        )
        return TaskInstance(
            task=self,
            seed=seed,
            base_model=base_name,
            public=_public_material(weights, vocabulary, split.public),
            hidden=hidden,
            answer_schema=_answer_schema(weights.config),
        )

    def _check_reference(self, weights: ModelWeights) -> Check:
        instance = self._derive(_REFERENCE_SEED, f"{self.id}/candidate", weights)
        score = self.score(instance, reference_answer(suite_root(), instance))
        return Check(name="reference/accuracy", value=score.metrics["accuracy"], bar=0.9, direction=">=")


@cache
def _base_models(folder: Path) -> list[FrozenModel]:
    return load_all_frozen(GreaterThan(), folder)


def draw_split(seed: int) -> Split:
    """Draw the public numbers and write the statements of both sides.

    Public statements: every ordered pair of public numbers once, with a random ending. Held-out ones: every ordered
    pair of the other numbers with both endings; the four statements about two numbers are a group.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(comparison.N_NUMBERS, generator=generator).tolist()
    first, second = comparison.ordered_pairs(order[:PUBLIC_NUMBERS])
    shuffled = torch.randperm(len(first), generator=generator)
    public = _statements(first[shuffled], second[shuffled], contrary=torch.rand(len(first), generator=generator) < 0.5)
    first, second = (ranks.repeat(2) for ranks in comparison.ordered_pairs(order[PUBLIC_NUMBERS:]))
    held_out = _statements(first, second, contrary=torch.arange(len(first)) >= len(first) // 2)
    return Split(public, held_out)


def _statements(
    first: Int[Tensor, " statement"], second: Int[Tensor, " statement"], contrary: Bool[Tensor, " statement"]
) -> LabelledStatements:
    greater = torch.zeros_like(first)
    groups = torch.minimum(first, second) * comparison.N_NUMBERS + torch.maximum(first, second)
    return LabelledStatements(
        tokens=comparison.statement_tokens(first, second, greater, contrary),
        labels=comparison.truths(first, second, greater).numpy(),
        groups=groups.numpy(),
    )


def _renamed(statements: LabelledStatements, token_map: Sequence[int]) -> LabelledStatements:
    return LabelledStatements(torch.tensor(token_map)[statements.tokens], statements.labels, statements.groups)


def _vocabulary(token_map: Sequence[int], rng: random.Random) -> list[str]:
    """Strings by new token id: template words as they are, numbers under opaque names."""
    names: list[str] = []
    while len(names) < comparison.N_NUMBERS:
        first, second, last = rng.choices(string.ascii_lowercase, k=3)
        name = f"{first}{second}{rng.randrange(10)}{last}"
        if name not in names:
            names.append(name)
    vocabulary = [""] * len(token_map)
    for old, word in enumerate([*comparison.WORDS, *names]):
        vocabulary[token_map[old]] = word
    return vocabulary


def _public_material(
    weights: ModelWeights, vocabulary: Sequence[str], statements: LabelledStatements
) -> PublicMaterial:
    data = {
        "tokens": statements.tokens.contiguous(),
        "labels": torch.from_numpy(statements.labels.astype(np.uint8)),
    }
    return PublicMaterial(
        files={
            **public_files(weights),
            "vocabulary.json": json.dumps(list(vocabulary)).encode(),
            "statements.safetensors": save(data),
        },
        setup_code=SETUP_CODE + _DATA_CODE,
        facts={
            "n_layers": int(weights.config["n_layers"]),
            "d_model": int(weights.config["d_model"]),
            "n_numbers": comparison.N_NUMBERS,
            "n_public_numbers": PUBLIC_NUMBERS,
            "n_statements": len(statements.tokens),
            "statement_length": comparison.STATEMENT_LENGTH,
            "example": " ".join(vocabulary[token] for token in statements.tokens[0].tolist()),
            "example_label": bool(statements.labels[0]),
        },
    )


def _answer_schema(config: Mapping[str, Any]) -> AnswerSchema:
    width = int(config["d_model"])
    facts = {"n_layers": int(config["n_layers"]), "n_ctx": comparison.STATEMENT_LENGTH, "d_model": width}
    example = {
        "layer": 0,
        "position": "last",
        "confidence": 0.7,
        "nothing_found": False,
        "summary": "How the probe was found and what supports it.",
        "bias": 0.25,
        "weight": [0.5] * width,
        "center": [],
    }
    return AnswerSchema(model=ProbeAnswer, facts=facts, example=example)


def reference_probe(model: HookedTransformer, public: LabelledStatements, layer: int) -> LinearProbe:
    """The reference recipe: regularised logistic regression at the last token after block `layer`."""
    return fit_probe(residual_at(model, public.tokens, layer, "last"), public.labels, _INVERSE_PENALTY)


def recipe_accuracy(model: HookedTransformer, split: Split, layer: int) -> float:
    """Accuracy of the reference recipe, fitted on the public side of a split, on its held-out side."""
    probe = reference_probe(model, split.public, layer)
    return probe_accuracy(probe, residual_at(model, split.held_out.tokens, layer, "last"), split.held_out.labels)


def bag_of_words_accuracy(split: Split, vocabulary_size: int) -> float:
    """Accuracy of a probe on one-hot tokens per position: what no model at all is worth."""

    def one_hot(tokens: Int[Tensor, "statement position"]) -> Float[np.ndarray, "statement feature"]:
        features: Float[np.ndarray, "statement feature"] = (
            torch.nn.functional.one_hot(tokens, vocabulary_size).flatten(1).double().numpy()
        )
        return features

    probe = fit_probe(one_hot(split.public.tokens), split.public.labels, _INVERSE_PENALTY)
    return probe_accuracy(probe, one_hot(split.held_out.tokens), split.held_out.labels)


def said_accuracy(model: HookedTransformer, split: Split) -> float:
    """How often what the model says after a statement is the statement's truth."""
    true, false = comparison.WORDS.index("true"), comparison.WORDS.index("false")
    with torch.inference_mode():
        logits = model(split.held_out.tokens)[:, -1]
    return float(((logits[:, true] > logits[:, false]).numpy() == split.held_out.labels).mean())


def certify(weights: ModelWeights, seed: int) -> list[Check]:
    """Every check on a base model that needs nothing but its weights (and the seed that drew its colours)."""
    model = build_model(weights)
    splits = [draw_split(split_seed) for split_seed in _CERTIFIED_SPLITS]
    by_layer = [[recipe_accuracy(model, split, layer) for split in splits] for layer in range(LAYER + 2)]
    twins = [recipe_accuracy(untrained_twin(weights.config, index), split, LAYER) for index, split in enumerate(splits)]
    words = [bag_of_words_accuracy(split, int(weights.config["d_vocab"])) for split in splits]
    return [
        *_behaviour(model, seed),
        Check(name=f"probe/layer{LAYER}_min", value=min(by_layer[LAYER]), bar=0.95, direction=">="),
        Check(name="probe/layer0_max", value=max(by_layer[0]), bar=0.8, direction="<="),
        Check(name=f"probe/layer{LAYER + 1}_min", value=min(by_layer[LAYER + 1]), bar=0.85, direction=">="),
        Check(name="control/untrained_twin_mean", value=float(np.mean(twins)), bar=0.6, direction="<="),
        Check(name="control/untrained_twin_max", value=max(twins), bar=0.65, direction="<="),
        Check(name="control/bag_of_words_max", value=max(words), bar=0.6, direction="<="),
        Check(name="control/said_max", value=max(said_accuracy(model, s) for s in splits), bar=0.6, direction="<="),
    ]


def _behaviour(model: HookedTransformer, seed: int) -> list[Check]:
    generator = torch.Generator().manual_seed(0)
    size = 2_000
    texts = {
        "colour": comparison.colour_texts(size, generator, comparison.draw_colours(seed)),
        "successor": comparison.successor_texts(size, generator),
        "recall": comparison.recall_texts(size, generator),
    }
    measured = [
        (name, comparison.verdict_accuracy(model, name), bar)
        for name, bar in (("greater", 0.99), ("smaller", 0.99), ("close", 0.9))
    ]
    measured += [(name, comparison.determined_accuracy(model, text), 0.99) for name, text in texts.items()]
    return [Check(name=f"behaviour/{name}", value=value, bar=bar, direction=">=") for name, value, bar in measured]
