"""Claims that an agent may submit with its answer: statements, each with the cell whose output shows it.

Claims never change a score. `scribe_suite.claims` checks them against the record of the notebook.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

#: Limits: claims of one answer; characters of a statement; characters of a verdict or of a cell's name.
MAX_CLAIMS = 50
MAX_STATEMENT = 500
MAX_NAME = 200
#: The largest absolute value of a claimed number; a Python float can hold it.
_LARGEST = 1e300


class Claim(BaseModel):
    """One statement and where it was measured.

    Attributes:
        statement: What is claimed, in words.
        value: The claimed number, or None when the claim is a `verdict`.
        verdict: True, False, or words from the cell's output.
        cell: The ``execution_count`` of the run whose output shows it, or ``"notebook.ipynb:7"`` where several
            notebooks have that number. A run that does not exist is not an error: the claim is then unsupported.
        experiment: The id of the laboratory run in which it was measured, such as ``"r7"``, or None. An id that does
            not exist is not an error either.
        probability: The agent's probability that the statement is true, or None.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    statement: Annotated[str, Field(min_length=1, max_length=MAX_STATEMENT)]
    value: int | float | None = None
    verdict: bool | str | None = None
    cell: int | str
    experiment: str | None = None
    probability: Annotated[float, Field(ge=0.0, le=1.0)] | None = None

    # checked here, because a union of types would be refused with a message for each of them
    @field_validator("value", mode="before")
    @classmethod
    def _value_is_a_number(cls, value: Any) -> Any:
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST):
            return value
        raise ValueError("must be a finite number: anything else goes into 'verdict'")

    @field_validator("verdict", mode="before")
    @classmethod
    def _verdict_is_a_word(cls, value: Any) -> Any:
        if value is None or isinstance(value, bool) or (isinstance(value, str) and 0 < len(value) <= MAX_NAME):
            return value
        raise ValueError(f"must be true, false or a text of at most {MAX_NAME} characters")

    @field_validator("cell", mode="before")
    @classmethod
    def _cell_is_named(cls, value: Any) -> Any:
        if isinstance(value, str) and 0 < len(value) <= MAX_NAME:
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return value
        raise ValueError('must be an execution_count, such as 7, or "notebook.ipynb:7"')

    @field_validator("experiment", mode="before")
    @classmethod
    def _experiment_is_named(cls, value: Any) -> Any:
        if value is None or (isinstance(value, str) and 0 < len(value) <= MAX_NAME):
            return value
        raise ValueError('must be the id of a run in the laboratory, such as "r7"')

    @model_serializer(mode="wrap")
    def _without_no_experiment(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the field out where no experiment is named, as in claims from before there were laboratories."""
        content: dict[str, Any] = serialize(self)
        if self.experiment is None:
            content.pop("experiment", None)
        return content

    @model_validator(mode="after")
    def _has_a_value_or_a_verdict(self) -> Self:
        if (self.value is None) == (self.verdict is None):
            raise ValueError("a claim has either a 'value' or a 'verdict'")
        return self


class WithClaims(BaseModel):
    """Answers that may carry claims.

    Attributes:
        claims: What the agent says it measured, and where; no score depends on it.
    """

    claims: Annotated[list[Claim], Field(max_length=MAX_CLAIMS)] = []

    @model_serializer(mode="wrap")
    def _without_empty_claims(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the field out of an answer without claims, so that it stays comparable with older answers."""
        content: dict[str, Any] = serialize(self)
        if not self.claims:
            content.pop("claims", None)
        return content
