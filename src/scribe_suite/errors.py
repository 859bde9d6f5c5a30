"""The errors this package raises, by what a caller can do about them.

Every message is one sentence or two: what is wrong, with its name, and what to do next. Three kinds matter to the
harness: `AnswerError` is the agent's fault and counts against it, `InfrastructureError` is not about an answer and
never counts, `ConfigurationError` is the user's mistake and stops a run before anything starts.
"""

from __future__ import annotations

from scribe_suite.causes import EXCEPTION, PROVIDER_ERROR, infrastructure_cause


class SuiteError(Exception):
    """Base of all errors whose message is meant for people."""


class ConfigurationError(SuiteError):
    """The user's request is impossible: an unknown task, a missing prompt, a bad option."""


class FrozenModelError(SuiteError):
    """A frozen base model is missing, corrupt, does not match its key, or its certificate does not hold."""


class AnswerError(SuiteError):
    """An answer that can't be scored; the message says what to change and is safe to show to the agent."""


class InfrastructureError(SuiteError):
    """Something other than the agent failed, so the attempt has no score.

    Args:
        cause: A row of `causes.CAUSES`, such as ``kernel_start`` or ``scoring_exception``; it becomes the outcome
            ``infrastructure:<cause>`` in the ledger.
        message: What happened and what to do, for people.

    Raises:
        UnknownCauseError: When the cause is in no row, or counts against the agent.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        try:
            infrastructure_cause(cause)
        except ValueError as error:
            raise UnknownCauseError(f"{message} ({error})") from None
        self.cause = cause


class UnknownCauseError(InfrastructureError):
    """Third-party code has raised an infrastructure failure with a cause that is not in the table.

    It still is an infrastructure failure: the attempt is recorded with `causes.PROVIDER_ERROR`. The message includes
    the failure's.

    Args:
        message: Describes the failure, and what is wrong with its cause.

    Attributes:
        result: What a provider had done by then, or None; see `providers.base.AttemptFailedError`.
    """

    result: object = None

    def __init__(self, message: str) -> None:
        super().__init__(PROVIDER_ERROR, message)


def cause_of(error: BaseException) -> str:
    """The cause under which an exception that is not the agent's fault is recorded; always a row of the table."""
    if isinstance(error, InfrastructureError):
        try:
            # the class is public: a subclass may have set the cause to anything, or not at all
            return infrastructure_cause(getattr(error, "cause", None)).name
        except ValueError:
            return PROVIDER_ERROR
    return next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), EXCEPTION)


#: The cause of all other exceptions.
_CAUSES: dict[type[BaseException], str] = {
    FrozenModelError: "frozen_model",
    ConfigurationError: "configuration",
}
