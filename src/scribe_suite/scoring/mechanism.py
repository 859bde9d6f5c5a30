"""Scores for answers that predict a model's output while some of its nodes have their outputs from another prompt.

A triple is a prompt to run (base), one to take values from (source), and the nodes that are patched. Primary is
``score``: the mean over strata of triples of the balanced exact match, which weighs labels that the patch changes as
much as those that it does not change. Predicting the unpatched label perfectly, and ignoring the patch, gives 0.5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from scribe_suite.scoring.behaviour import LONGEST_PROBLEM
from scribe_suite.scoring.call_by_call import calling_each
from scribe_suite.scoring.normalise import normalised_skill
from scribe_suite.scoring.submitted_function import FunctionLimits, FunctionResult, run_submitted_function
from scribe_suite.tasks.task import Score
from scribe_suite.text import shortened

#: The metrics of every score, in the tables' column order; the first is primary.
MECHANISM_METRICS = ("score", "changed", "unchanged", "novel")
#: The limits of a submitted function for all triples.
LIMITS = FunctionLimits(time_s=60.0)

#: If this many calls all raise, the code is broken; with one call, its triple may be the reason.
_TELLING = 100
_CALL = """
def _call(row, predict=predict, length={length}, nodes={nodes!r}):
    return predict(row[:length], row[length : 2 * length], [nodes[index] for index in row[2 * length :]])
"""


@dataclass(frozen=True)
class Patched:
    """The truth about one triple.

    Attributes:
        stratum: The kind of triple.
        label: The model's label.
        clean: Its label on the base prompt without any patch.
        source: Its label on the source prompt.
    """

    stratum: str
    label: int
    clean: int
    source: int

    @property
    def is_changed(self) -> bool:
        """Whether the patch changes the label."""
        return self.label != self.clean

    @property
    def is_novel(self) -> bool:
        """Whether the label is that of neither prompt."""
        return self.label not in (self.clean, self.source)


def predicted_labels(
    code: str,
    base: Sequence[Sequence[int]],
    source: Sequence[Sequence[int]],
    patched: Sequence[Sequence[str]],
    nodes: Sequence[str],
) -> FunctionResult:
    """What submitted code predicts, triple by triple; one for which it raises has no prediction.

    Args:
        code: Python source that defines ``predict(base, source, patched)``.
        base: Prompts that are run.
        source: Prompts that values are taken from.
        patched: Names of the nodes that are patched.
        nodes: The names of all nodes.

    Raises:
        InfrastructureError: With cause ``sandbox`` where there is none.
    """
    number = {node: index for index, node in enumerate(nodes)}
    rows = [
        (*one, *other, *(number[node] for node in names))
        for one, other, names in zip(base, source, patched, strict=True)
    ]
    behind = calling_each(_CALL.format(length=len(base[0]), nodes=list(nodes)), _TELLING)
    return run_submitted_function(code + behind, rows, limits=LIMITS)


def balanced_match(predictions: Sequence[int | None], triples: Sequence[Patched]) -> float:
    """The primary metric, see the module. If a stratum has only changed or only unchanged labels, these alone count.

    Raises:
        ValueError: Without triples, or when there is not one prediction per triple.
    """
    rows = list(zip(predictions, triples, strict=True))
    strata = dict.fromkeys(triple.stratum for triple in triples)
    if not strata:
        raise ValueError("a mechanism is judged on triples, and there are none")
    return fmean(_balanced([row for row in rows if row[1].stratum == stratum]) for stratum in strata)


def blind_score(triples: Sequence[Patched]) -> float:
    """The best of three answers without a mechanism: the unpatched label, the source's label, the most frequent one."""
    commonest = Counter(triple.label for triple in triples).most_common(1)[0][0]
    answers: Sequence[Callable[[Patched], int]] = (
        lambda triple: triple.clean,
        lambda triple: triple.source,
        lambda _: commonest,
    )
    return max(balanced_match([answer(triple) for triple in triples], triples) for answer in answers)


def score_mechanism(result: FunctionResult, triples: Sequence[Patched], ceiling: float) -> Score:
    """Score what a submitted function predicted.

    Args:
        result: The function's result, with one prediction per triple.
        triples: The truth.
        ceiling: The primary metric of the program that was planted.

    Returns:
        A score with `MECHANISM_METRICS`: ``changed`` and ``unchanged`` are the exact match over all labels that patches
        change and over all others, ``novel`` that over labels that are neither prompt's own: copying gets none of them.
        A function that had a problem is flagged ``function_<fault>``, and a note says which.
    """
    rows: Sequence[tuple[int, ...] | None] = result.predictions or [None] * len(triples)
    predictions = [None if row is None else row[0] for row in rows]
    score, chance = balanced_match(predictions, triples), blind_score(triples)
    pairs = list(zip(predictions, triples, strict=True))
    metrics = {
        "score": score,
        "changed": _match([pair for pair in pairs if pair[1].is_changed]),
        "unchanged": _match([pair for pair in pairs if not pair[1].is_changed]),
        "novel": _match([pair for pair in pairs if pair[1].is_novel]),
    }
    return Score(
        metrics=metrics,
        primary="score",
        skill=normalised_skill(score, chance, ceiling),
        chance=chance,
        reference=ceiling,
        flags=() if result.fault is None else (f"function_{result.fault}",),
        notes=() if result.problem is None else (shortened(result.problem, LONGEST_PROBLEM),),
    )


def _balanced(rows: Sequence[tuple[int | None, Patched]]) -> float:
    halves = ([row for row in rows if row[1].is_changed == changed] for changed in (True, False))
    return fmean(_match(half) for half in halves if half)


def _match(rows: Sequence[tuple[int | None, Patched]]) -> float:
    """Exact match; 0 where there is nothing to match."""
    return fmean(predicted == triple.label for predicted, triple in rows) if rows else 0.0
