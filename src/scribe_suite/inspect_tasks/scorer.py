"""The scorer: the task's own score of the last valid answer, on held-out data, after the notebook is closed.

It needs only the sample and its store, so that ``inspect score`` can be used on a log again.
"""

from __future__ import annotations

import math

import anyio.to_thread
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from scribe_suite.analysis.summary import UNSCORED_SKILL
from scribe_suite.errors import ConfigurationError
from scribe_suite.inspect_tasks.bench import Verdict, in_thread, judge
from scribe_suite.inspect_tasks.solver import ANSWER, FOLDER, UNANSWERED
from scribe_suite.ledger.outcomes import Outcome

#: Beside the metrics of the tasks: normalised score, and 1 or 0 for solved or not.
SKILL, SOLVED = "skill", "solved"


@scorer(metrics={"*": [mean(), stderr()]})  # type: ignore[untyped-decorator]
def scribe_score(metrics: list[str]) -> Scorer:
    """Skill, solved or not, and metrics.

    Args:
        metrics: Names of metrics that all tasks of the dataset have; others are in the metadata of the score.
    """

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 -- the key is not in the sample
        answer = state.store.get(ANSWER)
        if state.store.get(FOLDER) is None:
            raise ConfigurationError(
                "The sample has no notebook: the task's own solver was replaced. Use -T agent=... instead of --solver."
            )
        outcome, reason = state.store.get(UNANSWERED) or (Outcome.LIMIT_REACHED, "A limit of Inspect was reached.")
        task, seed = state.metadata["task"], state.metadata["instance_seed"]

        def judged() -> Verdict:
            return judge(task, seed, answer, (Outcome(outcome), reason))

        verdict = await anyio.to_thread.run_sync(lambda: in_thread(judged))
        value = {
            SKILL: UNSCORED_SKILL if verdict.skill is None else verdict.skill,
            SOLVED: float(verdict.outcome is Outcome.SOLVED),
            **{name: verdict.metrics.get(name, math.nan) for name in metrics},
        }
        return Score(
            value=value,
            answer=answer,
            explanation=f"{verdict.outcome}{': ' if verdict.reason else ''}{verdict.reason}",
            metadata={
                "outcome": str(verdict.outcome),
                "metrics": dict(verdict.metrics),
                "folder": state.store.get(FOLDER),
                **verdict.facts,
            },
        )

    return score
