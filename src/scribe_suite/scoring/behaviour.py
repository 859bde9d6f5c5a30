"""Scores for answers that say what a model computes (a function) and where (a set of nodes).

Primary is ``combined``, the harmonic mean of the function's skill and the nodes' skill: half an answer scores nothing,
because either half can be found without the other (the function from the model's outputs alone, the nodes from a scan
alone). Each is the gain over the best answer that ignores the model, as a share of the largest possible gain::

    combined = 2 F N / (F + N),    F = max(0, (exact match - c) / (1 - c)),    N = max(0, (F1 - b) / (1 - b))

with c the exact match of the best constant prediction and b the expected F1 of the best fixed node set. Without b, the
right function together with the answer "all nodes" would have a ``combined`` of 0.4 and more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from scribe_suite.scoring.normalise import SMALLEST_RANGE, normalised_skill
from scribe_suite.scoring.sets import set_metrics
from scribe_suite.scoring.submitted_function import FunctionResult, Labels
from scribe_suite.tasks.task import Score
from scribe_suite.text import shortened

#: The metrics of every score, in the tables' column order; the first is primary.
BEHAVIOUR_METRICS = ("combined", "exact_match", "f1", "iou", "precision", "recall")

#: How many characters of a function's problem a score quotes: enough for an exception and its line.
LONGEST_PROBLEM = 300


def exact_match(predictions: Sequence[Labels | None] | None, labels: Sequence[Labels]) -> float:
    """Share of prompts whose labels are all predicted; a prompt without a valid prediction is a wrong one.

    Raises:
        ValueError: Without prompts, or when there is not one prediction per prompt.
    """
    if not labels:
        raise ValueError("exact match needs prompts")
    if predictions is None:
        return 0.0
    return sum(given == right for given, right in zip(predictions, labels, strict=True)) / len(labels)


def constant_exact_match(labels: Sequence[Labels]) -> float:
    """Exact match of the best constant prediction: the most frequent labels, for each number of labels of a prompt.

    Raises:
        ValueError: Without prompts.
    """
    if not labels:
        raise ValueError("exact match needs prompts")
    counts = Counter(labels)
    best = {len(row): count for row, count in sorted(counts.items(), key=lambda item: item[1])}
    return sum(best.values()) / len(labels)


def function_skill(exact: float, chance: float) -> float:
    """Exact match above chance, as a share of the possible gain: at most 0 for a constant, 1 for the right function.

    Raises:
        ValueError: When a constant predicts nearly everything, so that no function is distinguishable from it.
    """
    if 1.0 - chance < SMALLEST_RANGE:
        raise ValueError(f"a constant prediction has exact match {chance:.3f}; no function is distinguishable from it")
    return max(0.0, (exact - chance) / (1.0 - chance))


def node_skill(f1: float, chance: float) -> float:
    """F1 above chance, as a share of the possible gain: 0 for the best fixed node set, 1 for the right nodes.

    Raises:
        ValueError: When a fixed node set is nearly always right.
    """
    if 1.0 - chance < SMALLEST_RANGE:
        raise ValueError(f"a fixed set of nodes has F1 {chance:.3f}; no finding is distinguishable from it")
    return max(0.0, (f1 - chance) / (1.0 - chance))


def harmonic_mean(first: float, second: float) -> float:
    """The harmonic mean of two shares; 0 when one of them is."""
    return 2.0 * first * second / (first + second) if first > 0.0 and second > 0.0 else 0.0


def combined_score(
    result: FunctionResult,
    labels: Sequence[Labels],
    submitted: Collection[str],
    truth: Collection[str],
    chance_f1: float,
) -> float:
    """The primary metric alone; see the module and `score_behaviour`."""
    function = function_skill(exact_match(result.predictions, labels), constant_exact_match(labels))
    return harmonic_mean(function, node_skill(set_metrics(submitted, truth)["f1"], chance_f1))


def score_behaviour(
    result: FunctionResult,
    labels: Sequence[Labels],
    submitted: Collection[str],
    truth: Collection[str],
    chance_f1: float,
    reference_combined: float,
) -> Score:
    """Score a function and a set of heads and MLPs.

    Args:
        result: The result of the submitted function on the hidden prompts.
        labels: The model's labels there, per prompt.
        submitted: Component names of the answer.
        truth: The certified circuit.
        chance_f1: Expected F1 of the best node set that ignores the model (`normalise.expected_score`).
        reference_combined: ``combined`` of the reference solution on this instance.

    Returns:
        A score with `BEHAVIOUR_METRICS`. Its chance is 0: an answer that ignores the model can't do better than a
        constant, whatever its nodes. A function that had a problem is flagged ``function_<fault>``, and a note says
        which.
    """
    combined = combined_score(result, labels, submitted, truth, chance_f1)
    exact = exact_match(result.predictions, labels)
    found = {"combined": combined, "exact_match": exact, **set_metrics(submitted, truth)}
    metrics = {name: found[name] for name in BEHAVIOUR_METRICS}
    return Score(
        metrics=metrics,
        primary="combined",
        skill=normalised_skill(combined, 0.0, reference_combined),
        chance=0.0,
        reference=reference_combined,
        flags=() if result.fault is None else (f"function_{result.fault}",),
        # short, because parts of a problem come from the code and may contain hidden prompts
        notes=() if result.problem is None else (shortened(result.problem, LONGEST_PROBLEM),),
    )
