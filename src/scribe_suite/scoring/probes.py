"""Scores for linear probes, recomputed by the evaluator from the model and hidden statements.

A probe is only a vector until somebody applies it: the evaluator runs the model on statements that the agent never saw,
reads the residual stream where the answer says and counts. Accuracy alone means little (a random embedding can be
separable too), so the same recipe on an untrained twin stands beside it and is the floor of the skill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.answers import ProbeAnswer
from scribe_suite.tasks.task import Score

PROBE_METRICS = ("accuracy", "auroc", "control_accuracy", "selectivity")
BELOW_CHANCE = "below_chance"
"""Flag of a probe that is wrong significantly more often than right: its labels or its sign are inverted."""

_CHANCE = 0.5
_SIGNIFICANCE = 0.01
_RESAMPLES = 2_000
_BATCH = 1_024


@dataclass(frozen=True)
class LinearProbe:
    """Predicts "true" where ``(h - center) @ weight + bias > 0``.

    Attributes:
        weight: Float[d_model].
        bias: Added after the projection.
        center: Float[d_model], subtracted before it.
    """

    weight: Float[np.ndarray, " d_model"]
    bias: float
    center: Float[np.ndarray, " d_model"]

    @classmethod
    def from_answer(cls, answer: ProbeAnswer, d_model: int) -> LinearProbe:
        """The submitted probe; an empty weight is the zero vector, so it predicts the same for every statement."""
        zeros = np.zeros(d_model)
        return cls(
            weight=np.asarray(answer.weight, dtype=np.float64) if answer.weight else zeros,
            bias=answer.bias,
            center=np.asarray(answer.center, dtype=np.float64) if answer.center else zeros,
        )


@dataclass(frozen=True)
class LabelledStatements:
    """Statements of one length with their truth.

    Attributes:
        tokens: Int[statement position].
        labels: Bool[statement].
        groups: Int[statement]; statements of one group stand or fall together (the same two numbers in both orders),
            so intervals and tests count groups.
    """

    tokens: Int[Tensor, "statement position"]
    labels: Bool[np.ndarray, " statement"]
    groups: Int[np.ndarray, " statement"]


def residual_at(
    model: HookedTransformer, tokens: Int[Tensor, "statement position"], layer: int, position: int | str
) -> Float[np.ndarray, "statement d_model"]:
    """The residual stream after block `layer` at one position of every statement.

    Args:
        model: Run in evaluation mode, only as deep as needed.
        tokens: Statements of one length.
        layer: Block after which to read (``blocks.{layer}.hook_resid_post``).
        position: ``"last"`` or a token index, negative ones from the end of the statement.
    """
    index = -1 if position == "last" else int(position)
    hook = f"blocks.{layer}.hook_resid_post"
    read = []
    with torch.inference_mode():
        for batch in torch.split(tokens, _BATCH):
            _, cache = model.run_with_cache(
                batch, names_filter=lambda name: name == hook, stop_at_layer=layer + 1, return_type=None
            )
            read.append(cache[hook][:, index])
    hidden: Float[np.ndarray, "statement d_model"] = torch.cat(read).double().numpy()
    return hidden


def fit_probe(
    hidden: Float[np.ndarray, "statement d_model"], labels: Bool[np.ndarray, " statement"], inverse_penalty: float
) -> LinearProbe:
    """L2-regularised logistic regression on centred, per-dimension standardised activations.

    Args:
        hidden: Activations.
        labels: Their truth.
        inverse_penalty: ``C`` of scikit-learn; smaller is more regularised.

    Returns:
        The probe in the coordinates of `hidden`.
    """
    center, spread = hidden.mean(0), hidden.std(0) + 1e-9
    fitted = LogisticRegression(C=inverse_penalty, max_iter=1_000).fit((hidden - center) / spread, labels)
    return LinearProbe(weight=fitted.coef_[0] / spread, bias=float(fitted.intercept_[0]), center=center)


def project(
    probe: LinearProbe, hidden: Float[np.ndarray, "statement d_model"]
) -> tuple[Float[np.ndarray, " statement"], float]:
    """Projections and the threshold above which they mean "true", on a common scale that can't overflow.

    Only the order of the projections and their side of the threshold matter, so weight, bias and centred activations
    are divided by their largest entries first: a probe of size 1e300 is judged like the same probe of size 1.

    Returns:
        Projections, Float[statement], finite, and the threshold, possibly infinite.
    """
    centred = hidden - probe.center
    reach, size = float(np.abs(centred).max(initial=0.0)), float(np.abs(probe.weight).max(initial=0.0))
    if reach == 0.0 or size == 0.0:
        return np.zeros(len(hidden)), -float(np.sign(probe.bias))
    projections: Float[np.ndarray, " statement"] = (centred / reach) @ (probe.weight / size)
    # dividing by the larger factor first leaves no intermediate that overflows where the quotient does not
    with np.errstate(over="ignore", under="ignore"):
        threshold = -np.float64(probe.bias) / max(reach, size) / min(reach, size)
    return projections, float(threshold)


def probe_accuracy(
    probe: LinearProbe, hidden: Float[np.ndarray, "statement d_model"], labels: Bool[np.ndarray, " statement"]
) -> float:
    """Share of statements on whose truth the probe is right."""
    projections, threshold = project(probe, hidden)
    return float(np.mean((projections > threshold) == labels))


def cluster_interval(
    correct: Bool[np.ndarray, " statement"], groups: Int[np.ndarray, " statement"]
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of `correct`, resampling whole groups.

    Statements about the same two numbers are not independent draws; resampling rows would make the interval too
    narrow. (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13; cluster version: Davison & Hinkley,
    Bootstrap Methods, 1997, sec. 3.8.) Seeded, so that the same answer has the same interval.
    """
    hits, sizes = _per_group(correct, groups)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=_RESAMPLES)
    means = (drawn @ hits) / (drawn @ sizes)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def below_chance(correct: Bool[np.ndarray, " statement"], groups: Int[np.ndarray, " statement"]) -> bool:
    """Whether more groups are mostly wrong than luck explains.

    A one-sided sign (binomial) test over groups, ties dropped: counting statements would take the two orders of one
    pair for two pieces of evidence.
    """
    hits, sizes = _per_group(correct, groups)
    right, wrong = int((2 * hits > sizes).sum()), int((2 * hits < sizes).sum())
    if right + wrong == 0:
        return False
    return bool(binomtest(right, right + wrong, 0.5, alternative="less").pvalue < _SIGNIFICANCE)


def score_probe(
    answer: ProbeAnswer,
    model: HookedTransformer,
    statements: LabelledStatements,
    control_accuracy: float,
    reference_accuracy: float,
) -> Score:
    """Score a submitted probe on hidden statements.

    Args:
        answer: The validated answer.
        model: The model of the instance.
        statements: Balanced hidden statements about entities that stand in no public file.
        control_accuracy: Accuracy of the reference recipe on an untrained twin, on the same split.
        reference_accuracy: Accuracy of the reference recipe on the model, on the same split.

    Returns:
        Accuracy is primary; chance is the better of a coin and the control.
    """
    hidden = residual_at(model, statements.tokens, answer.layer, answer.position)
    probe = LinearProbe.from_answer(answer, hidden.shape[1])
    projections, threshold = project(probe, hidden)
    correct: Bool[np.ndarray, " statement"] = (projections > threshold) == statements.labels
    accuracy = float(correct.mean())
    chance = max(_CHANCE, control_accuracy)
    return Score(
        metrics={
            "accuracy": accuracy,
            "auroc": float(roc_auc_score(statements.labels, projections)),
            "control_accuracy": control_accuracy,
            "selectivity": accuracy - control_accuracy,
        },
        primary="accuracy",
        skill=normalised_skill(accuracy, chance, reference_accuracy),
        chance=chance,
        reference=reference_accuracy,
        interval=cluster_interval(correct, statements.groups),
        flags=(BELOW_CHANCE,) if below_chance(correct, statements.groups) else (),
    )


def _per_group(
    correct: Bool[np.ndarray, " statement"], groups: Int[np.ndarray, " statement"]
) -> tuple[Float[np.ndarray, " group"], Float[np.ndarray, " group"]]:
    _, index = np.unique(groups, return_inverse=True)
    return np.bincount(index, weights=correct.astype(float)), np.bincount(index).astype(float)
