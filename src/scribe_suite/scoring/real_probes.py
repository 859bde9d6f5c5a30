"""Scores for linear probes on a real model, where the right answer may be that the property can't be read.

Statements are texts of different lengths, so positions count from their end. A question about a real model has been
measured before: how well the recipe reads the property on entities it was not fitted on, and how well it does so from
an untrained model and from the words alone. Where this is no better, the property is not readable, finding nothing is
right, and claiming a probe is an overclaim, unless the hidden statements support the claim. `PAY_OFFS` has the skill of
each answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.scoring.probes import (
    COIN,
    NOTHING_READ,
    PROBE_METRICS,
    LinearProbe,
    Reading,
    fit_probe,
    probe_accuracy,
    score_reading,
)
from scribe_suite.tasks.answer_kinds import ProbeAnswer
from scribe_suite.tasks.task import Score

#: The metrics of every score, in the tables' column order.
REAL_PROBE_METRICS = (*PROBE_METRICS, "overclaim")
#: Flags: a claim where nothing can be read, nothing found where something can, and a claim that the statements support.
OVERCLAIM, MISSED, REFUTED = "overclaim", "missed", "null_refuted"

#: A property counts as readable if the accuracy exceeds that of words and of an untrained model by this much.
BAR = 0.1
#: ``C`` of the recipe's logistic regression.
INVERSE_PENALTY = 0.01


@dataclass(frozen=True)
class PayOffs:
    """The skill of every kind of answer, and how often each kind of question is asked.

    No answer that ignores the question may pay off: `always_silent` and `always_unfounded` are below 0.

    Attributes:
        null_share: Share of instances whose property can't be read.
        found: Credit for the reference's probe of something readable; other probes get less, in proportion.
        missed: Credit for nothing found where something can be read.
        overclaim: Credit for a probe of what can't be read.
        nothing: Credit for nothing found where nothing can be read.
    """

    null_share: float
    found: float
    missed: float
    overclaim: float
    nothing: float

    @property
    def always_silent(self) -> float:
        """Expected skill of always finding nothing."""
        return self.null_share * self.nothing + (1 - self.null_share) * self.missed

    @property
    def always_unfounded(self) -> float:
        """Expected skill of always submitting a probe that reads nothing (skill 0 where something can be read)."""
        return self.null_share * self.overclaim

    @property
    def claim_threshold(self) -> float:
        """The probability of being readable above which the reference's probe is worth more than finding nothing."""
        return (self.nothing - self.overclaim) / (self.nothing - self.overclaim + self.found - self.missed)


#: The values that prompts, scores and solutions use.
PAY_OFFS = PayOffs(null_share=0.3, found=1.0, missed=-0.5, overclaim=-1.0, nothing=1.0)

#: How many statements are run in one batch.
_BATCH = 64


@dataclass(frozen=True)
class TextStatements:
    """Statements of any length with their truth.

    Attributes:
        tokens: Token ids of each statement, the first one that every text gets included.
        labels: Bool[statement].
        groups: Int[statement]; the members of a pair have the same number.
    """

    tokens: Sequence[Int[Tensor, " position"]]
    labels: Bool[np.ndarray, " statement"]
    groups: Int[np.ndarray, " statement"]


@dataclass(frozen=True)
class MeasuredQuestion:
    """The measurements on a question.

    Attributes:
        readable: Whether its truth can be read; else finding nothing is right.
        layer: The layer at which the recipe reads it best.
        position: The same, counted from the end: -1 is the last token.
        ceiling: The recipe's accuracy on entities that it was not fitted on and that did not select the place.
        low: Lower end of the ceiling's 95 % interval.
        twin: The same accuracy on an untrained model.
        words: The same accuracy of logistic regression on counts of tokens.
    """

    readable: bool
    layer: int
    position: int
    ceiling: float
    low: float
    twin: float
    words: float

    @property
    def control(self) -> float:
        """The better of the two controls."""
        return max(self.twin, self.words)

    @property
    def chance(self) -> float:
        """The accuracy that is possible without the trained model."""
        return max(COIN, self.control)


def tokenised(model: HookedTransformer, texts: Sequence[str]) -> list[Int[Tensor, " position"]]:
    """Token ids of every text as ``model.to_tokens`` gives them, with the first token in front."""
    return [model.to_tokens(text)[0].cpu() for text in texts]


def read_from_end(
    model: HookedTransformer,
    tokens: Sequence[Int[Tensor, " position"]],
    layers: Sequence[int],
    positions: Sequence[int],
) -> Float[np.ndarray, "layer position statement d_model"]:
    """The residual stream after some blocks, at positions counted from the end of each statement.

    Statements of one length are run together, so nothing is padded.

    Args:
        model: Run as deep as the last of `layers`.
        tokens: Token ids of each statement.
        layers: Blocks after which to read.
        positions: Negative indices; none beyond the shortest statement.
    """
    hooks = [f"blocks.{layer}.hook_resid_post" for layer in layers]
    read = np.zeros((len(layers), len(positions), len(tokens), model.cfg.d_model), dtype=np.float32)
    lengths = np.array([len(one) for one in tokens])
    device = next(model.parameters()).device
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for part in np.array_split(rows, -(-len(rows) // _BATCH)):
            batch = torch.stack([tokens[row] for row in part]).to(device)
            with torch.inference_mode():
                _, cache = model.run_with_cache(
                    batch, names_filter=lambda name: name in hooks, stop_at_layer=max(layers) + 1, return_type=None
                )
            for place, hook in enumerate(hooks):
                read[place][:, part] = cache[hook][:, list(positions)].transpose(0, 1).float().cpu().numpy()
    return read


def index_from_end(position: int | str) -> int:
    """The negative index of an answer's position."""
    return -1 if position == "last" else int(position)


def score_real_probe(
    answer: ProbeAnswer,
    model: HookedTransformer,
    measured: MeasuredQuestion,
    public: TextStatements,
    hidden: TextStatements,
) -> Score:
    """Score an answer to a question whose truth was measured.

    Args:
        answer: A probe, or the finding that nothing can be read.
        model: The real model.
        measured: The measurements on the question.
        public: The agent's statements; the reference is the recipe fitted on them.
        hidden: Balanced statements about other entities.

    Returns:
        Accuracy is primary. Readable: skill from chance to the recipe's accuracy on this very split. Other answers
        have the skill of `PAY_OFFS`; a claim about an unreadable property is not an overclaim if the hidden statements
        support it.
    """
    if answer.says_nothing_found():
        return _nothing_found(measured)
    at = _read_hidden(model, hidden, answer.layer, index_from_end(answer.position), measured)
    probe = LinearProbe.from_answer(answer, model.cfg.d_model)
    read = Reading.of_probe(probe, at["answer"], hidden.labels, hidden.groups)
    if not measured.readable:
        return _claim_about_nothing(measured, read)
    reference = max(_recipe_accuracy(model, measured, public, hidden, at["recipe"]), measured.low)
    return _score(measured, read, reference=reference)


def _nothing_found(measured: MeasuredQuestion) -> Score:
    """The score of finding nothing, whose accuracy is that of a coin."""
    if measured.readable:
        return _score(measured, replace(NOTHING_READ, flags=(MISSED,)), skill=PAY_OFFS.missed)
    return _score(measured, NOTHING_READ, skill=PAY_OFFS.nothing)


def _claim_about_nothing(measured: MeasuredQuestion, read: Reading) -> Score:
    """The score of a probe for an unreadable property: an overclaim, unless the hidden statements support it."""
    refuted = read.interval is not None and read.interval[0] > measured.chance + BAR
    flagged = replace(read, flags=(REFUTED if refuted else OVERCLAIM, *read.flags))
    return _score(measured, flagged, skill=PAY_OFFS.found if refuted else PAY_OFFS.overclaim, overclaim=not refuted)


def _score(
    measured: MeasuredQuestion,
    read: Reading,
    *,
    reference: float | None = None,
    skill: float | None = None,
    overclaim: bool = False,
) -> Score:
    """The score of a reading; the reference is the measured ceiling unless one was measured on this split."""
    return score_reading(
        read,
        control_accuracy=measured.control,
        chance=measured.chance,
        reference=measured.ceiling if reference is None else reference,
        skill=skill,
        further_metrics={"overclaim": float(overclaim)},
    )


def _read_hidden(
    model: HookedTransformer, hidden: TextStatements, layer: int, position: int, measured: MeasuredQuestion
) -> dict[Literal["answer", "recipe"], Float[np.ndarray, "statement d_model"]]:
    """The activations of hidden statements at the answer's place and at the recipe's, from one pass."""
    layers, positions = sorted({layer, measured.layer}), sorted({position, measured.position})
    read = read_from_end(model, hidden.tokens, layers, positions).astype(np.float64)
    return {
        "answer": read[layers.index(layer), positions.index(position)],
        "recipe": read[layers.index(measured.layer), positions.index(measured.position)],
    }


def _recipe_accuracy(
    model: HookedTransformer,
    measured: MeasuredQuestion,
    public: TextStatements,
    hidden: TextStatements,
    read: Float[np.ndarray, "statement d_model"],
) -> float:
    """The recipe's accuracy on the hidden side of this split, at the place that was measured to be best."""
    fitted_on = read_from_end(model, public.tokens, [measured.layer], [measured.position])[0, 0].astype(np.float64)
    return probe_accuracy(fit_probe(fitted_on, public.labels, INVERSE_PENALTY), read, hidden.labels)
