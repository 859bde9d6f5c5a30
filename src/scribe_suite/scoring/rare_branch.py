"""Scores for code that predicts a model's label, exception included, or for the finding that there is no exception.

Primary is ``score``: the mean of the share that is right where the condition of the exception holds, and of the mean
share over kinds of prompts in which it does not. Always predicting the ordinary label gives 0.5, and so does always
predicting the exception. Where there is no exception, finding nothing is right, and any code is an overclaim.
`PAY_OFFS` has the skill of each answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from scribe_suite.scoring.behaviour import LONGEST_PROBLEM
from scribe_suite.scoring.call_by_call import calling_each
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.real_probes import MISSED, OVERCLAIM, PayOffs
from scribe_suite.scoring.submitted_function import FunctionLimits, FunctionResult, run_submitted_function
from scribe_suite.tasks.task import Score
from scribe_suite.text import shortened

#: The metrics of every score, in the tables' column order; the first is primary.
RARE_BRANCH_METRICS = ("score", "holds", "nearly", "ordinary")
#: Kind of the prompts in which the condition holds.
HOLDS = "holds"
#: Kind of the prompts that were drawn like ordinary ones.
ORDINARY = "ordinary"
#: The values that prompts, scores and solutions use.
PAY_OFFS = PayOffs(null_share=1 / 3, found=1.0, missed=-0.5, overclaim=-1.0, nothing=1.0)
#: The limits of a submitted function for all prompts.
LIMITS = FunctionLimits(time_s=30.0)

#: If this many calls all raise, the code is broken; with one call, its prompt may be the reason.
_TELLING = 100
#: Appended with `ordinary`, unless the code defines its own.
_CALL = """
if "ordinary" not in globals():
    def ordinary(prompt, classes={classes!r}, back={back}):
        return classes[prompt[-1 - back]]


def _call(row, predict=predict):
    return predict(row)
"""


@dataclass(frozen=True)
class Judged:
    """The truth about one hidden prompt.

    Attributes:
        kind: The kind of prompt.
        label: The model's label.
        ordinary: Its label if there were no exception.
    """

    kind: str
    label: int
    ordinary: int


def predicted_labels(code: str, prompts: Sequence[Sequence[int]], classes: Sequence[int], back: int) -> FunctionResult:
    """What submitted code predicts, prompt by prompt; one for which it raises has no prediction.

    Args:
        code: Python source that defines ``predict(prompt)``.
        prompts: Token ids.
        classes: The label of each token, which `ordinary` looks up.
        back: The position it reads, counted back from the last one.

    Raises:
        InfrastructureError: With cause ``sandbox`` where there is none.
    """
    behind = calling_each(_CALL.format(classes=bytes(classes), back=back), _TELLING)
    return run_submitted_function(code + behind, prompts, limits=LIMITS)


def balanced_share(predictions: Sequence[int | None], judged: Sequence[Judged]) -> float:
    """The primary metric: see the module.

    Raises:
        ValueError: Without prompts of both kinds, or when there is not one prediction per prompt.
    """
    shares = _shares(predictions, judged)
    others = [share for kind, share in shares.items() if kind != HOLDS]
    if HOLDS not in shares or not others:
        raise ValueError("an exception is judged on prompts in which it holds and on others, and some are missing")
    return (shares[HOLDS] + fmean(others)) / 2


def score_rare_branch(result: FunctionResult, judged: Sequence[Judged], ceiling: float) -> Score:
    """Score what a submitted function predicted of a model that has an exception.

    Args:
        result: The function's result, with one prediction per prompt.
        judged: The truth.
        ceiling: The primary metric of the rule that was planted.

    Returns:
        A score with `RARE_BRANCH_METRICS`: ``holds``, ``nearly`` and ``ordinary`` are the shares that are right where
        the condition holds, where it nearly does (the mean over kinds), and elsewhere. A function that had a problem is
        flagged ``function_<fault>``, and a note says which.
    """
    rows: Sequence[tuple[int, ...] | None] = result.predictions or [None] * len(judged)
    predictions = [None if row is None else row[0] for row in rows]
    score, chance = (balanced_share(labels, judged) for labels in (predictions, [prompt.ordinary for prompt in judged]))
    shares = _shares(predictions, judged)
    return Score(
        metrics={
            "score": score,
            "holds": shares[HOLDS],
            "nearly": fmean(share for kind, share in shares.items() if kind not in (HOLDS, ORDINARY)),
            "ordinary": shares[ORDINARY],
        },
        primary="score",
        skill=normalised_skill(score, chance, ceiling),
        chance=chance,
        reference=ceiling,
        flags=() if result.fault is None else (f"function_{result.fault}",),
        notes=() if result.problem is None else (shortened(result.problem, LONGEST_PROBLEM),),
    )


def score_missed(judged: Sequence[Judged], ceiling: float) -> Score:
    """The score of nothing found in a model that has an exception: that of the ordinary label, and its own skill."""
    ordinary = FunctionResult(tuple((prompt.ordinary,) for prompt in judged))
    score = score_rare_branch(ordinary, judged, ceiling)
    return _flat(score.metrics, PAY_OFFS.missed, score.chance, ceiling, (MISSED,))


def score_null(*, nothing_found: bool) -> Score:
    """The score of an answer about a model that has no exception."""
    flags, skill = ((), PAY_OFFS.nothing) if nothing_found else ((OVERCLAIM,), PAY_OFFS.overclaim)
    return _flat(dict.fromkeys(RARE_BRANCH_METRICS, float(nothing_found)), skill, 0.5, 1.0, flags)


def _flat(metrics: Mapping[str, float], skill: float, chance: float, reference: float, flags: tuple[str, ...]) -> Score:
    return Score(metrics, "score", skill=skill, chance=chance, reference=reference, flags=flags)


def _shares(predictions: Sequence[int | None], judged: Sequence[Judged]) -> dict[str, float]:
    """Share of right predictions, by kind of prompt."""
    right: dict[str, list[bool]] = {}
    for predicted, prompt in zip(predictions, judged, strict=True):
        right.setdefault(prompt.kind, []).append(predicted == prompt.label)
    return {kind: fmean(some) for kind, some in right.items()}
