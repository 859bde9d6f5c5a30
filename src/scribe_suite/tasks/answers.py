"""The fields that all answers have; the kinds of answers are in `answer_kinds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scribe_suite.tasks.arrays import SubmittedArray
from scribe_suite.tasks.claims import WithClaims

#: The field by which an answer says that there is nothing to find.
NOTHING_FOUND = "nothing_found"
#: Longest part of a name from an answer that a message repeats, in characters.
SHOWN_NAME = 60


class Answer(WithClaims, BaseModel):
    """The fields of every answer besides its content; `WithClaims` adds claims.

    An answer without content is valid, and is scored as empty. Only tasks with null instances ask whether there is
    anything to find; their kinds of answers derive from `AnswerOrNothing` as well.

    Attributes:
        confidence: The agent's probability, 0 to 1, that the attempt counts as solved: that its skill is at least the
            pass mark.
        summary: How the answer was found and what supports it, in a few sentences.

    Class attributes:
        content_field: The field with the finding.
        further_content: Further fields with it.
        array_fields: Those that are a `SubmittedArray`, which a kernel hands over as an array.
        needs: Fact that the validators look up in the facts of an `AnswerSchema` -> what it is.
    """

    # strict: "0.5" and True are not numbers, and guessing what was meant would hide an agent's mistake
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, str_max_length=20_000)

    content_field: ClassVar[str]
    further_content: ClassVar[tuple[str, ...]] = ()
    array_fields: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Mapping[str, str]] = {}

    confidence: Annotated[float, Field(ge=0.0, le=1.0)]
    summary: str

    def is_empty(self) -> bool:
        """Whether the answer reports nothing."""
        return not any(getattr(self, field) for field in (self.content_field, *self.further_content))

    def says_nothing_found(self) -> bool | None:
        """Whether it states that there is nothing to find; None where that is not asked."""
        return None

    def array_files(self) -> dict[str, bytes]:
        """The files with its arrays, by the names that a record has for them."""
        arrays: list[SubmittedArray] = [getattr(self, field) for field in self.array_fields]
        return {array.file: array.npy for array in arrays}

    @model_validator(mode="before")
    @classmethod
    def _something_is_always_there(cls, value: Any) -> Any:
        """Refuse ``nothing_found`` where it is not asked; false is dropped, since older recorded answers contain it."""
        if not isinstance(value, dict) or issubclass(cls, AnswerOrNothing) or NOTHING_FOUND not in value:
            return value
        if value[NOTHING_FOUND] is not False:
            raise ValueError(f"in this task there is always something to find, so leave '{NOTHING_FOUND}' out")
        return {name: content for name, content in value.items() if name != NOTHING_FOUND}


class AnswerOrNothing(Answer):
    """The further field of answers in tasks with null instances, in which there is nothing to find.

    Attributes:
        nothing_found: True when the agent concludes that there is nothing to find; the content must then be empty.
    """

    nothing_found: bool = False

    def says_nothing_found(self) -> bool | None:
        """See `Answer.says_nothing_found`."""
        return self.nothing_found

    @model_validator(mode="after")
    def _content_agrees_with_nothing_found(self) -> Self:
        fields = (self.content_field, *self.further_content)
        empty = self.is_empty()
        names, verb = " and ".join(map(repr, fields)), "is" if len(fields) == 1 else "are"
        if self.nothing_found and not empty:
            raise ValueError(f"'nothing_found' is true, so {names} must be empty")
        if empty and not self.nothing_found:
            raise ValueError(f"{names} {verb} empty; if that is your finding, set 'nothing_found' to true")
        return self


_Submitted = TypeVar("_Submitted", bound=Answer)


def expect(answer: Answer, kind: type[_Submitted]) -> _Submitted:
    """The answer, checked to be of the type that a task scores.

    Raises:
        TypeError: When it is of another type.
    """
    if not isinstance(answer, kind):
        raise TypeError(f"a {kind.__name__} is scored here, not a {type(answer).__name__}")
    return answer
