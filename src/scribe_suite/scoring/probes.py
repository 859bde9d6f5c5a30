"""Scores for linear probes, recomputed by the evaluator from the model and hidden statements.

The evaluator runs the model on statements that the agent never saw, reads the residual stream at the place that the
answer names, and applies the probe. Accuracy alone means little (a random embedding can be separable too), so the
accuracy of a control is a further metric and the floor of the skill.

Three kinds of answers become a `Reading` that `score_reading` turns into a score: labelled probes
on a planted model (`score_probe`), directions without labels (`scribe_suite.scoring.directions`), and probes on a real
model (`scribe_suite.scoring.real_probes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor
from transformer_lens import HookedTransformer

from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.tasks.answer_kinds import ProbeAnswer
from scribe_suite.tasks.task import Score

#: The metrics of all answers of these kinds, in the tables' column order; the first is primary.
PROBE_METRICS = ("accuracy", "auroc", "control_accuracy", "selectivity")
#: Flag of a probe that is wrong significantly more often than right: its labels or its sign may be inverted.
BELOW_CHANCE = "below_chance"
#: Accuracy and AUROC of a coin on balanced statements.
COIN = 0.5

#: Largest p-value at which a probe counts as wrong more often than right.
_SIGNIFICANCE = 0.01
#: Resamples of the bootstrap.
_RESAMPLES = 2_000
#: How many statements are run in one batch.
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
        groups: Int[statement]; statements of one group are not independent (the same two numbers in both orders),
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
    """The projections and the threshold for "true", on a common scale that can't overflow.

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
    """Share of statements that the probe classifies correctly."""
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

    A one-sided sign (binomial) test over groups, without ties: counting statements would treat the two orders of one
    pair as independent evidence.
    """
    hits, sizes = _per_group(correct, groups)
    right, wrong = int((2 * hits > sizes).sum()), int((2 * hits < sizes).sum())
    if right + wrong == 0:
        return False
    return bool(binomtest(right, right + wrong, 0.5, alternative="less").pvalue < _SIGNIFICANCE)


@dataclass(frozen=True)
class Reading:
    """How well an answer separates true from false hidden statements.

    Attributes:
        accuracy: Share of statements on the right side.
        auroc: The AUROC of the projections.
        interval: 95 % interval of the accuracy; None where nothing was read.
        flags: See `Score`.
    """

    accuracy: float
    auroc: float
    interval: tuple[float, float] | None
    flags: tuple[str, ...] = ()

    @classmethod
    def of_sides(
        cls,
        right: Bool[np.ndarray, " statement"],
        projections: Float[np.ndarray, " statement"],
        labels: Bool[np.ndarray, " statement"],
        groups: Int[np.ndarray, " statement"],
    ) -> Reading:
        """Make a reading from the statements on the right side.

        Args:
            right: Whether each is.
            projections: Their order, larger for "true".
            labels: Their truth; both values occur.
            groups: See `LabelledStatements`.
        """
        return cls(float(right.mean()), float(roc_auc_score(labels, projections)), cluster_interval(right, groups))

    @classmethod
    def of_probe(
        cls,
        probe: LinearProbe,
        hidden: Float[np.ndarray, "statement d_model"],
        labels: Bool[np.ndarray, " statement"],
        groups: Int[np.ndarray, " statement"],
    ) -> Reading:
        """The reading of a probe with a sign and a threshold on activations, flagged where it is inverted."""
        projections, threshold = project(probe, hidden)
        right: Bool[np.ndarray, " statement"] = (projections > threshold) == labels
        read = cls.of_sides(right, projections, labels, groups)
        return replace(read, flags=(BELOW_CHANCE,)) if below_chance(right, groups) else read


#: The reading of an answer without a probe: a coin.
NOTHING_READ = Reading(accuracy=COIN, auroc=COIN, interval=None)


def score_reading(
    read: Reading,
    *,
    control_accuracy: float,
    chance: float,
    reference: float,
    skill: float | None = None,
    further_metrics: Mapping[str, float] | None = None,
) -> Score:
    """The score of a reading; accuracy is primary.

    Args:
        read: The reading on the hidden statements.
        control_accuracy: The accuracy of a reading from something that has not learned the truth.
        chance: The primary metric of the best answer that ignores the model.
        reference: The primary metric of the reference recipe.
        skill: The skill, if it is not the normalised accuracy.
        further_metrics: Metrics besides `PROBE_METRICS`.

    Raises:
        ValueError: When `skill` is left out and the reference does not beat chance.
    """
    return Score(
        metrics={
            "accuracy": read.accuracy,
            "auroc": read.auroc,
            "control_accuracy": control_accuracy,
            "selectivity": read.accuracy - control_accuracy,
            **(further_metrics or {}),
        },
        primary="accuracy",
        skill=normalised_skill(read.accuracy, chance, reference) if skill is None else skill,
        chance=chance,
        reference=reference,
        interval=read.interval,
        flags=read.flags,
    )


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
        model: The instance's model.
        statements: Balanced hidden statements about entities that occur in no public file.
        control_accuracy: Accuracy of the reference recipe on an untrained twin, on the same split.
        reference_accuracy: Accuracy of the reference recipe on the model, on the same split.

    Returns:
        Accuracy is primary; chance is the better of a coin and the control.
    """
    hidden = residual_at(model, statements.tokens, answer.layer, answer.position)
    probe = LinearProbe.from_answer(answer, hidden.shape[1])
    return score_reading(
        Reading.of_probe(probe, hidden, statements.labels, statements.groups),
        control_accuracy=control_accuracy,
        chance=max(COIN, control_accuracy),
        reference=reference_accuracy,
    )


def _per_group(
    correct: Bool[np.ndarray, " statement"], groups: Int[np.ndarray, " statement"]
) -> tuple[Float[np.ndarray, " group"], Float[np.ndarray, " group"]]:
    _, index = np.unique(groups, return_inverse=True)
    return np.bincount(index, weights=correct.astype(float)), np.bincount(index).astype(float)
