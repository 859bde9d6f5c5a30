"""Receives an agent's submissions and validates them at once. The last valid one counts; earlier ones are kept as well.

Kept submissions give the attempt's course: each is an answer with the effort up to it. If there are many, some are
dropped by their numbers alone, so that an agent can't influence which.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scribe_suite.errors import AnswerError
from scribe_suite.ledger.attempt_folder import AttemptFolder
from scribe_suite.notebook.config import SubmitVerdict
from scribe_suite.providers.base import Activity
from scribe_suite.providers.clock import AttemptClock
from scribe_suite.providers.result_check import MOST
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer
from scribe_suite.tasks.arrays import detach

logger = logging.getLogger(__name__)

#: How many valid submissions are kept.
MOST_KEPT = 30


@dataclass(frozen=True)
class Spend:
    """What an attempt has used of its laboratory.

    Attributes:
        experiments: Runs that were charged.
        spent: Their cost, in the unit of the budget.
    """

    experiments: int
    spent: int


@dataclass(frozen=True)
class Submission:
    """A valid submission, and the effort up to it.

    Attributes:
        number: Its number among the valid ones, from 1.
        seconds: Seconds since the agent began, without pauses.
        raw: The answer as submitted: JSON text that fits the schema.
        tokens: The total over all requests to the model so far, if the provider reports it; else None.
        cost_usd: The cost of these requests, or None where it is not known.
        spend: What the laboratory had charged, or None without a laboratory.
        arrays: The fields of the answer that may be arrays.
    """

    number: int
    seconds: float
    raw: str
    tokens: int | None = None
    cost_usd: float | None = None
    spend: Spend | None = None
    arrays: tuple[str, ...] = ()

    def recorded(self) -> tuple[bytes, dict[str, bytes]]:
        """A line of JSON with all fields, and the arrays by the names that it has for them.

        An answer without arrays is spliced in unchanged, so it becomes no longer.
        """
        answer, files = detach(self.raw, self.arrays)
        # valid JSON has line ends only between tokens
        plain = answer.replace("\r", " ").replace("\n", " ")
        return f'{json.dumps(self.used)[:-1]}, "answer": {plain}}}\n'.encode(), files

    @property
    def line(self) -> bytes:
        """The line of `recorded`."""
        return self.recorded()[0]

    @property
    def files(self) -> dict[str, bytes]:
        """The arrays of `recorded`."""
        return self.recorded()[1]

    @property
    def used(self) -> dict[str, Any]:
        """Everything but the answer, as fields of `ledger.records.SubmissionPoint`."""
        return {
            "number": self.number,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "cost_usd": self.cost_usd,
            "experiments": None if self.spend is None else self.spend.experiments,
            "spent": None if self.spend is None else self.spend.spent,
        }


#: Called with every valid submission, and with all that are kept now, including this one.
OnKeep = Callable[[Submission, Sequence[Submission]], None]


def keep_in(folder: AttemptFolder) -> OnKeep:
    """What writes submissions to an attempt's folder, each different array once."""
    names: dict[int, frozenset[str]] = {}

    def keep(one: Submission, kept: Sequence[Submission]) -> None:
        line, files = one.recorded()
        names[one.number] = frozenset(files)
        folder.add_submission(
            line,
            lambda: (other.line for other in kept),
            files,
            lambda: frozenset().union(*(names[other.number] for other in kept)),
        )

    return keep


def _nobody(_submission: Submission, _kept: Sequence[Submission]) -> None:
    pass


class SubmissionBox:
    """Receives JSON text from the notebook server's thread.

    Args:
        schema: The schema of answers.
        on_accept: Called with every valid answer.
        on_keep: Stores every valid submission; if that fails, the submission is scored anyway.
        activity: The provider's report on its tokens while it works.
        spend: Returns what has been used of the laboratory so far.

    Attributes:
        answer: The last valid answer, or None.
        rejection: Why the last invalid one was refused, or None.
        count: The number of all submissions, valid or not.
        first_s: Seconds until the first valid answer, or None.
        last_s: Seconds until the last valid answer, or None.
    """

    def __init__(
        self,
        schema: AnswerSchema,
        on_accept: Callable[[Answer], None],
        on_keep: OnKeep = _nobody,
        activity: Activity | None = None,
        spend: Callable[[], Spend | None] = lambda: None,
    ) -> None:
        self._schema = schema
        self._on_accept = on_accept
        self._on_keep = on_keep
        self._activity = activity or Activity()
        self._spend = spend
        self._lock = threading.Lock()
        self._kept: dict[int, Submission] = {}
        self._accepted = 0
        self.answer: Answer | None = None
        self.rejection: str | None = None
        self.count = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        self._clock = AttemptClock()
        self._limit_s = math.inf

    @property
    def kept(self) -> tuple[Submission, ...]:
        """The valid submissions that are kept, in order; the last one is `answer`."""
        with self._lock:
            return tuple(self._kept.values())

    def begin(self, limit_s: float, clock: AttemptClock | None = None) -> None:
        """Start the agent's time; no answer is accepted after `limit_s` seconds.

        Args:
            limit_s: Seconds.
            clock: A clock that has just begun; one that is never stopped by default.
        """
        self._clock = AttemptClock() if clock is None else clock
        self._limit_s = limit_s

    def submit(self, raw: str) -> SubmitVerdict:
        """Take one submission and say whether it is valid; its score is not revealed."""
        with self._lock:
            now = self._clock.worked_s
            self.count += 1
            if now > self._limit_s:
                return SubmitVerdict(accepted=False, message="The time is over: this answer was not recorded.")
            try:
                answer = self._schema.parse(raw)
            except AnswerError as error:
                self.rejection = str(error)
                return SubmitVerdict(accepted=False, message=str(error))
            self.answer = answer
            self._on_accept(answer)
            self._keep(raw, now)
            return SubmitVerdict(
                accepted=True, message="The answer is valid and was recorded. Submit again to replace it, or stop here."
            )

    def _keep(self, raw: str, now: float) -> None:
        self._accepted += 1
        seconds = round(now, 3)
        self.first_s = seconds if self.first_s is None else self.first_s
        self.last_s = seconds
        submission = Submission(
            number=self._accepted,
            seconds=seconds,
            raw=raw,
            tokens=_count(self._activity.tokens),
            cost_usd=_dollars(self._activity.cost_usd),
            spend=self._spend(),
            arrays=self._schema.array_fields,
        )
        numbers = kept_numbers(self._accepted)
        self._kept = {number: self._kept[number] for number in numbers if number in self._kept}
        self._kept[submission.number] = submission
        try:
            self._on_keep(submission, tuple(self._kept.values()))
        except OSError:
            logger.exception("a submission is kept in memory only")


def kept_numbers(accepted: int) -> list[int]:
    """Which of this many valid submissions are kept: the first, the last, and every k-th after the first.

    k is the smallest power of two for which at most `MOST_KEPT` are kept. A dropped submission is never needed later.
    """
    step = 1
    while len(spread := range(1, accepted + 1, step)) + (accepted not in spread) > MOST_KEPT:
        step *= 2
    return sorted({*spread, accepted})


def _count(value: object) -> int | None:
    """A number of tokens, if a ledger can hold it: providers are third-party code."""
    return value if isinstance(value, int) and 0 <= value <= MOST else None


def _dollars(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= MOST else None
