"""The errors of a notebook, by what the caller can do about them (the taxonomy follows nbclient's).

Every `NotebookError` becomes an error result of one tool call: its message is for the agent, names what is wrong and
says what to do next. Failures that are not the agent's are `scribe_suite.errors.InfrastructureError` instead.
"""

from __future__ import annotations

from scribe_suite.errors import SuiteError


class NotebookError(SuiteError):
    """A tool call that can't be executed; the message is safe to show to the agent."""


class ToolInputError(NotebookError):
    """An invalid argument: an unknown session, a cell that does not exist, a name that is not allowed."""


class AnswerUnreadableError(NotebookError):
    """`submit_answer` found no variable of that name, or nothing that can be written as JSON within the size limit."""


class DeadKernelError(NotebookError):
    """The kernel process is gone, so the session has no variables any more.

    Args:
        detail: How it ended, as a phrase such as ``exit code 1``.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(f"The kernel died ({detail}).")
        self.detail = detail
