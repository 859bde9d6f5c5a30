"""Validates a provider's result before it enters a ledger: providers are third-party code."""

from __future__ import annotations

from dataclasses import asdict, replace

from pydantic import ConfigDict, TypeAdapter, ValidationError

from scribe_suite.causes import CAUSES
from scribe_suite.errors import InfrastructureError
from scribe_suite.providers.base import ProviderResult
from scribe_suite.text import plain_text as plain_text  # others find it here

_LONGEST_DETAIL = 2_000
#: Limit of all counts: tables store floats.
MOST = 2**53


class _Checked(ProviderResult):
    """The same fields with validation; a dataclass gets its pydantic configuration from its class."""

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)


_RESULT = TypeAdapter(_Checked)


def checked_result(result: object) -> ProviderResult:
    """`result`, if a ledger can store it.

    Raises:
        InfrastructureError: With cause ``bad_transcript`` and the problem.
    """
    if not isinstance(result, ProviderResult):
        raise InfrastructureError(
            "bad_transcript", f"The provider returned a {type(result).__name__}, not a ProviderResult."
        )
    try:
        checked = _RESULT.validate_python(asdict(result))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InfrastructureError(
            "bad_transcript", f"The provider's result is not valid ({where}: {first['msg']})."
        ) from error
    numbers = [checked.turns or 0, checked.tool_calls, *checked.tokens.values()]
    if not all(0 <= number <= MOST for number in numbers):
        raise InfrastructureError("bad_transcript", "The provider's result has a count that can't be.")
    if checked.failure is not None and not (checked.failure in CAUSES and CAUSES[checked.failure].counts):
        raise InfrastructureError(
            "bad_transcript",
            f"The provider's result has the failure {checked.failure!r}, which is not a cause that counts.",
        )
    return replace(
        checked,
        detail=plain_text(checked.detail)[:_LONGEST_DETAIL],
        model=None if checked.model is None else plain_text(checked.model),
        version=None if checked.version is None else plain_text(checked.version),
    )
