"""Criteria for reporting a metric: three views of it, from scores of answers whose order is known.

- *Reseed noise*: the same answer is scored on other hidden samples of the same model and key. The standard deviation,
  relative to the range between right and wrong answers, must be small.
- *Truth*: answers are made worse step by step, in several ways (`Graded.path`). Along each way the metric must follow:
  Spearman's rank correlation with how right the answers are.
- *Separation*: methods whose order is known. The metric must put the better one first: the probability that an answer
  of the better method has the higher value (AUC; the Mann-Whitney statistic), for neighbours in the order.

The views follow arXiv 2605.18229. The criteria were fixed here before any measurement. Nothing here depends on a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from jaxtyping import Float
from scipy.stats import mannwhitneyu, spearmanr

#: Maximum standard deviation over hidden samples, as a share of the metric's range.
LARGEST_NOISE = 0.05
#: Minimum rank correlation with the truth, along every path that the metric claims to detect.
SMALLEST_CORRELATION = 0.8
#: Minimum AUC between neighbouring methods.
SMALLEST_SEPARATION = 0.9

_DIGITS = 4

#: Metrics for which lower values are better.
LOWER_IS_BETTER = frozenset({"cmd", "overclaim", "error_used", "error_unused"})

#: Metrics that depend only on the names of an answer's nodes or neurons.
_NAMES_ONLY = frozenset({"flipped", "function"})
#: Metric -> the paths (`Graded.path`) that it does not claim to detect; none for a metric that is not listed.
BLIND_TO: Mapping[str, frozenset[str]] = {
    "precision": _NAMES_ONLY | {"dropped"},
    "recall": _NAMES_ONLY | {"added", "near misses", "doubled"},
    "f1": _NAMES_ONLY,
    "iou": _NAMES_ONLY,
    "rve": frozenset({"dropped"}),
    "exact_match": frozenset({"dropped", "added", "swapped"}),
    "accuracy": frozenset({"claimed"}),
    "auroc": frozenset({"claimed", "shifted"}),
    "selectivity": frozenset({"claimed", "replaced"}),
    "isolation": frozenset({"claimed", "replaced"}),  # exchanging nothing leaves the other property as it is
    "effect": frozenset({"claimed"}),
    "flips": frozenset({"claimed"}),
    "overclaim": frozenset({"turned", "shifted", "replaced"}),
    "unchanged": frozenset({"missed"}),  # labels that a patch leaves as they are
    "holds": frozenset({"unasked"}),  # prompts that meet the condition also meet a looser one
    "sums_f1": frozenset({"wrong heads"}),  # the sums stay the right ones
    "error_used": frozenset({"flipped"}),  # the flipped property may be an unused one, and the other way round
    "error_unused": frozenset({"flipped"}),
    "mcc": frozenset({"doubled"}),  # the best pairing leaves duplicates out; `f1` counts them
}
#: Metrics that do not measure the quality of an answer, with the reason why they exist.
NOT_JUDGED: Mapping[str, str] = {
    "control_accuracy": "what a control reaches: of the instance, not of the answer",
    "untrained_share": "what an untrained model's neurons reach: of the instance, not of the answer",
    "divergence": "what a vector does to neutral prompts at the length that the evaluator picked: limited, not sought",
    "against": "the share of prompts that a vector moves the other way, which no planted direction does",
    "success": "yes or no, without degrees",
}
#: Metrics that measure one side of an answer, complemented by one that measures the other: alone, they order no
#: methods.
ONE_SIDED = frozenset(
    {
        "precision",
        "recall",
        "exact_match",
        "overclaim",
        "changed",
        "unchanged",
        "novel",
        "holds",
        "nearly",
        "ordinary",
        "error_used",
        "error_unused",
        "near",
        "elsewhere",
        "within",
    }
)

#: Metric -> the steps ("better > worse") that it does not claim to put in order; none for a metric that is not listed.
UNORDERED: Mapping[str, frozenset[str]] = {
    "isolation": frozenset({"truth > where it is written", "truth > directions", "best measured > random"}),
    "selectivity": frozenset({"best measured > random"}),
}


@dataclass(frozen=True)
class Graded:
    """The score of an answer of known wrongness.

    Attributes:
        path: The way in which it was made worse.
        wrongness: The degree of wrongness, on the path's own scale; 0 is a right answer.
        metrics: Metric -> value.
    """

    path: str
    wrongness: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """The measurements on one instance.

    Attributes:
        graded: Scores of graded answers.
        samples: For some answers, the same answer's metrics on several hidden samples.
        methods: Method -> metrics of its answers; the best method first. An answer that a better method also gives is
            left out, because it carries no information about the metric.
    """

    graded: Sequence[Graded]
    samples: Sequence[Sequence[Mapping[str, float]]]
    methods: Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class Lenses:
    """One metric of one task.

    Attributes:
        noise: Standard deviation over hidden samples, as a share of the range; None where there is only one sample.
        correlations: Path -> rank correlation with how right the answers are, mean over instances.
        separations: "better > worse" -> AUC.
    """

    noise: float | None
    correlations: Mapping[str, float]
    separations: Mapping[str, float]

    def rounded(self) -> Lenses:
        """The same, rounded to the digits of a record."""
        return Lenses(
            None if self.noise is None else round(self.noise, _DIGITS),
            {path: round(value, _DIGITS) for path, value in self.correlations.items()},
            {step: round(value, _DIGITS) for step, value in self.separations.items()},
        )


def look(metric: str, instances: Sequence[Seen]) -> Lenses:
    """The three views of a metric over the instances of a task."""
    return Lenses(
        noise=reseed_noise(metric, instances),
        correlations=truth_correlations(metric, instances),
        separations=separations(metric, instances),
    )


def reseed_noise(metric: str, instances: Sequence[Seen]) -> float | None:
    """Pooled standard deviation of a metric over hidden samples, relative to its range over graded answers.

    Returns:
        At most 1; None without samples.
    """
    several = [[sample[metric] for sample in answer] for one in instances for answer in one.samples]
    if not several:
        return None
    deviation = fmean(float(np.var(values, ddof=1)) for values in several) ** 0.5
    values = [graded.metrics[metric] for one in instances for graded in one.graded]
    reach = max(values) - min(values)
    return 0.0 if deviation == 0.0 else min(1.0, deviation / reach) if reach > 0 else 1.0


def truth_correlations(metric: str, instances: Sequence[Seen]) -> dict[str, float]:
    """Path -> Spearman's correlation of a metric with how right answers are, mean over instances.

    The correlation is 0 for a metric that is the same for all answers of a path.
    """
    sign = 1.0 if metric in LOWER_IS_BETTER else -1.0
    found: dict[str, list[float]] = {}
    for one in instances:
        for path in dict.fromkeys(graded.path for graded in one.graded):
            answers = [graded for graded in one.graded if graded.path == path]
            wrongness = [graded.wrongness for graded in answers]
            if len(set(wrongness)) < 2:
                continue
            values = [sign * graded.metrics[metric] for graded in answers]
            found.setdefault(path, []).append(_spearman(np.array(wrongness), np.array(values)))
    return {path: fmean(values) for path, values in found.items()}


def _spearman(wrongness: Float[np.ndarray, " answer"], values: Float[np.ndarray, " answer"]) -> float:
    if np.ptp(values) == 0 or np.ptp(wrongness) == 0:
        return 0.0
    return float(spearmanr(wrongness, values).statistic)


def separations(metric: str, instances: Sequence[Seen]) -> dict[str, float]:
    """By ``better > worse``: the probability that the better method's answer has the better value; ties count half.

    Answers of all instances are compared with each other, as tables of means do.
    """
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    names = list(dict.fromkeys(name for one in instances for name in one.methods))
    values = {
        name: [sign * metrics[metric] for one in instances for metrics in one.methods.get(name, ())] for name in names
    }
    known = [name for name in names if values[name]]
    return {f"{better} > {worse}": auc(values[better], values[worse]) for better, worse in pairwise(known)}


def auc(better: Sequence[float], worse: Sequence[float]) -> float:
    """The share of pairs in which the first is larger; ties count half (Mann & Whitney 1947)."""
    return float(mannwhitneyu(better, worse).statistic) / (len(better) * len(worse))


def lowest(values: Mapping[str, float]) -> tuple[str, float] | None:
    """The name with the lowest value, and the value; None when there is none."""
    return min(values.items(), key=lambda item: item[1]) if values else None


def claimed(metric: str, correlations: Mapping[str, float]) -> dict[str, float]:
    """The correlations along the paths that a metric claims to detect."""
    unseen = BLIND_TO.get(metric, frozenset())
    return {path: value for path, value in correlations.items() if path not in unseen}


def ordered(metric: str, separations: Mapping[str, float]) -> dict[str, float]:
    """The separations that a metric claims."""
    unclaimed = set(separations) if metric in ONE_SIDED else UNORDERED.get(metric, frozenset())
    return {step: value for step, value in separations.items() if step not in unclaimed}


def failures(metric: str, lenses: Lenses) -> list[str]:
    """The views in which a metric does not meet its criterion: ``noise``, ``truth``, ``separation``."""
    if metric in NOT_JUDGED:
        return []
    found = []
    if lenses.noise is not None and lenses.noise > LARGEST_NOISE:
        found.append("noise")
    correlation = lowest(claimed(metric, lenses.correlations))
    if correlation is not None and correlation[1] < SMALLEST_CORRELATION:
        found.append("truth")
    separation = lowest(ordered(metric, lenses.separations))
    if separation is not None and separation[1] < SMALLEST_SEPARATION:
        found.append("separation")
    return found
