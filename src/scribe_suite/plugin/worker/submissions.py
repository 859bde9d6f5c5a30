"""Where an agent's submissions arrive: validated at once, the last valid one is kept."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from scribe_suite.errors import AnswerError
from scribe_suite.notebook.config import SubmitVerdict
from scribe_suite.tasks.answer_schema import AnswerSchema
from scribe_suite.tasks.answers import Answer


class SubmissionBox:
    """Receives JSON text from the notebook server's thread.

    Attributes:
        answer: The last valid answer, or None.
        rejection: Why the last invalid one was refused, or None.
        count: All submissions, valid or not.
    """

    def __init__(self, schema: AnswerSchema, on_accept: Callable[[Answer], None]) -> None:
        self._schema = schema
        self._on_accept = on_accept
        self._lock = threading.Lock()
        self.answer: Answer | None = None
        self.rejection: str | None = None
        self.count = 0
        self._closes = math.inf

    def close_after(self, seconds: float) -> None:
        """Take no answers once `seconds` from now are over."""
        self._closes = time.monotonic() + seconds

    def submit(self, raw: str) -> SubmitVerdict:
        """Take one submission and say whether it is valid."""
        with self._lock:
            self.count += 1
            if time.monotonic() > self._closes:
                return SubmitVerdict(accepted=False, message="The time is over: this answer was not recorded.")
            try:
                answer = self._schema.parse(raw)
            except AnswerError as error:
                self.rejection = str(error)
                return SubmitVerdict(accepted=False, message=str(error))
            self.answer = answer
            self._on_accept(answer)
            return SubmitVerdict(
                accepted=True, message="The answer is valid and was recorded. Submit again to replace it, or stop here."
            )
