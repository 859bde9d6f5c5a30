"""The errors this package raises, by what a caller can do about them.

Every message is one sentence or two: what is wrong, with its name, and what to do next. Three kinds matter to the
harness: `AnswerError` is the agent's doing and counts against it, `InfrastructureError` is nobody's answer and never
counts, `ConfigurationError` is the user's and stops a run before anything starts.
"""

from __future__ import annotations


class SuiteError(Exception):
    """Base of all errors with a message meant for a person."""


class ConfigurationError(SuiteError):
    """What the user asked for can't be done: an unknown task, a missing prompt, a bad option."""


class FrozenModelError(SuiteError):
    """A frozen base model is missing, corrupt, does not match its key, or its certificate does not hold."""


class AnswerError(SuiteError):
    """An answer that can't be scored; the message says what to change and is safe to show to the agent."""


class InfrastructureError(SuiteError):
    """Something other than the agent failed, so the attempt has no score.

    Args:
        cause: A short stable identifier such as ``kernel_start`` or ``scoring_exception``; it becomes the outcome
            ``infrastructure:<cause>`` in the ledger.
        message: What happened and what to do, for a person.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
