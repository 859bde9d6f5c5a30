"""The only entrance for submitted text.

An answer arrives as JSON text made by a kernel that belongs to the agent, so nothing about it is trusted: size first,
then JSON, then the schema, then the facts of the instance (which components exist, how wide the residual stream is).
A rejected answer gets one message that says what to change; it never names anything that is not public.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scribe_suite.errors import AnswerError, ConfigurationError
from scribe_suite.tasks.answers import SHOWN_NAME, Answer, AnswerOrNothing
from scribe_suite.tasks.arrays import MAX_ARRAY_BYTES, MAX_ARRAY_TEXT
from scribe_suite.text import shortened

#: Larger answers are refused unread, apart from their arrays: the longest honest one (a probe on a wide model) has some
#: tens of kilobytes.
MAX_ANSWER_BYTES = 1_000_000
#: The same for any kind of answer, with its arrays; none has more than one.
MAX_WITH_ARRAYS = MAX_ANSWER_BYTES + MAX_ARRAY_TEXT

_SHOWN_ERRORS = 3


@dataclass(frozen=True)
class AnswerSchema:
    """An answer model bound to the public facts of one instance.

    Attributes:
        model: The pydantic class.
        facts: Public facts that validators need (see each class).
        example: A valid answer, shown in the prompt.
    """

    model: type[Answer]
    facts: Mapping[str, Any]
    example: Mapping[str, Any]

    @property
    def has_nulls(self) -> bool:
        """Whether an answer may state that there is nothing to find."""
        return issubclass(self.model, AnswerOrNothing)

    @property
    def array_fields(self) -> tuple[str, ...]:
        """The fields that a kernel may hand over as arrays."""
        return self.model.array_fields

    @property
    def array_limits(self) -> dict[str, int]:
        """Field that a kernel may hand over as an array -> most bytes of its numbers."""
        return dict.fromkeys(self.array_fields, MAX_ARRAY_BYTES)

    @property
    def max_bytes(self) -> int:
        """Most bytes of submitted JSON text."""
        return MAX_ANSWER_BYTES + MAX_ARRAY_TEXT * len(self.array_fields)

    def check(self) -> None:
        """Find mistakes of the task's author before an agent meets them.

        Raises:
            ConfigurationError: With one sentence, when a fact is missing or the example is not a valid answer.
        """
        kind = self.model.__name__
        for fact, meaning in self.model.needs.items():
            if fact not in self.facts:
                raise ConfigurationError(
                    f"A {kind} needs the fact {fact!r} ({meaning}): add it to the facts of the AnswerSchema."
                )
        try:
            self.parse(json.dumps(dict(self.example)))
        except KeyError as error:
            raise ConfigurationError(
                f"A validator of {kind} looks up the fact {error}, which the AnswerSchema does not have: add it to its "
                f"facts, and to {kind}.needs."
            ) from error
        except (AnswerError, TypeError) as error:
            raise ConfigurationError(f"The example of the AnswerSchema is not a valid {kind}: {error}") from error

    def parse(self, raw: str | bytes) -> Answer:
        """Read and validate submitted JSON text.

        Args:
            raw: JSON text of at most `max_bytes` bytes.

        Returns:
            The validated answer.

        Raises:
            AnswerError: With one message for the agent that says what to change.
        """
        data = raw.encode("utf-8", errors="surrogatepass") if isinstance(raw, str) else raw
        if len(data) > self.max_bytes:
            raise AnswerError(
                f"The answer has {len(data):,} bytes and at most {self.max_bytes:,} are allowed: submit only the "
                f"fields of the answer schema."
            )
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"The answer is not JSON ({_first_line(error)}): submit a JSON object.") from None
        if not isinstance(value, dict):
            raise AnswerError(
                f"The answer is a JSON {type(value).__name__}, not an object: submit a dict like "
                f"{json.dumps(dict(self.example))[:400]}."
            )
        try:
            return self.model.model_validate(value, context=dict(self.facts))
        except ValidationError as error:
            raise AnswerError(self._explain(error)) from None

    def _explain(self, error: ValidationError) -> str:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        shown = [
            f"{_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in found[:_SHOWN_ERRORS]
        ]
        more = f" (and {len(found) - _SHOWN_ERRORS} more)" if len(found) > _SHOWN_ERRORS else ""
        return "The answer does not fit the schema: " + "; ".join(shown)[:1500] + more + "."


def _place(location: Iterable[int | str]) -> str:
    return ".".join(shortened(str(part), SHOWN_NAME) for part in location) or "answer"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
