"""All ways in which an attempt can end, as one table: whether it counts, and how pytest shows it.

``infrastructure:<cause>``, with a cause from `causes.CAUSES`, covers everything that is not the agent's fault. Such an
attempt has no score, enters no mean, and is shown in the coverage ("scored 41/44").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from scribe_suite.causes import CAUSES, infrastructure_cause

Test = Literal["passed", "failed", "error"]
#: The prefix of an infrastructure failure's outcome; its cause follows.
INFRASTRUCTURE = "infrastructure:"


class Outcome(StrEnum):
    """The outcomes that count, for or against the agent."""

    SOLVED = "solved"
    UNSOLVED = "unsolved"
    INVALID_ANSWER = "invalid_answer"
    NO_ANSWER = "no_answer"
    AGENT_TIMEOUT = "agent_timeout"
    LIMIT_REACHED = "limit_reached"


@dataclass(frozen=True)
class OutcomeRule:
    """How one outcome is treated.

    Attributes:
        counts: Whether the attempt counts for or against the agent.
        scored: Whether it has metrics and a skill.
        test: The result of the pytest test.
        meaning: One sentence for reports.
    """

    counts: bool
    scored: bool
    test: Test
    meaning: str


#: The outcomes that count.
OUTCOMES: dict[Outcome, OutcomeRule] = {
    Outcome.SOLVED: OutcomeRule(True, True, "passed", "The answer's skill reached the pass mark."),
    Outcome.UNSOLVED: OutcomeRule(True, True, "failed", "The answer was scored below the pass mark."),
    Outcome.INVALID_ANSWER: OutcomeRule(True, False, "failed", "No submitted answer fitted the schema."),
    Outcome.NO_ANSWER: OutcomeRule(True, False, "failed", "The agent finished without submitting an answer."),
    Outcome.AGENT_TIMEOUT: OutcomeRule(True, False, "failed", "The time ran out before a valid answer was submitted."),
    Outcome.LIMIT_REACHED: OutcomeRule(
        True, False, "failed", "A limit was reached before a valid answer was submitted."
    ),
}

#: The rule for infrastructure failures of any cause.
INFRASTRUCTURE_RULE = OutcomeRule(False, False, "error", "Something other than the agent failed; nothing is scored.")

_INFRASTRUCTURE_RULES: dict[str, OutcomeRule] = {
    INFRASTRUCTURE + cause.name: replace(INFRASTRUCTURE_RULE, meaning=f"{cause.meaning} Nothing is scored.")
    for cause in CAUSES.values()
    if not cause.counts
}


def infrastructure(cause: str) -> str:
    """The outcome for a failure with this cause.

    Raises:
        ValueError: When it is not in `causes.CAUSES`, or counts against the agent.
    """
    return INFRASTRUCTURE + infrastructure_cause(cause).name


def rule_of(outcome: str) -> OutcomeRule:
    """The rule for an outcome string; a ledger from another version may have causes that are not in the table.

    Raises:
        ValueError: For a string that is not an outcome.
    """
    if outcome.startswith(INFRASTRUCTURE) and len(outcome) > len(INFRASTRUCTURE):
        return _INFRASTRUCTURE_RULES.get(outcome, INFRASTRUCTURE_RULE)
    return OUTCOMES[Outcome(outcome)]
