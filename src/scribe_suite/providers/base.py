"""The protocol between the harness and an agent provider.

A provider gets a prompt and the address of a notebook, works until it is done or a limit is reached, and returns a
`ProviderResult`. It never sees the task, the key or the scorer. Some built-in providers need more than an agent gets
(the reference its solution, oracle and random an answer, a person a clock that can be stopped); they declare it in
`Provider.needs`, and only classes of this package receive it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

from scribe_suite.errors import InfrastructureError, UnknownCauseError
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.providers.slots import Slots
from scribe_suite.sandbox.programs import HiddenPaths
from scribe_suite.sandbox.tiers import IsolationTier

#: The isolation of programs unless another one is chosen.
NOT_ISOLATED = IsolationTier("none", ("the attempt does not say how programs are to be isolated",))
Need = Literal["solution", "oracle_answer", "random_answer", "replay", "clock"]


class EndReason(StrEnum):
    """Why an attempt ended; the outcome table decides whether it counts."""

    FINISHED = "finished"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LIMIT = "limit"


@dataclass(frozen=True)
class Limits:
    """What an attempt may use.

    Attributes:
        wall_s: Seconds for the whole attempt.
        cell_s: Seconds for one cell; enforced by the notebook, known to the provider.
        turns: Model turns, or None where there is no limit.
        tokens: The total over all requests, or None.
        cost_usd: US dollars, or None; effective only where the cost is known.
    """

    wall_s: float
    cell_s: float
    turns: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None


@dataclass
class Activity:
    """What a provider reports while it works, for viewers of the run; no score depends on it.

    Attributes:
        turn: Turns of the model so far, or None where they are not known.
        tokens: The total over all requests so far, of all kinds, or None where it is not known. Every submission is
            kept with these tokens and their cost.
        cost_usd: Their cost, or None where it is not known.
        own_tool: The tool called last, if it is not one of the notebook's; the notebook reports its own.
    """

    turn: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    own_tool: str | None = None


@dataclass(frozen=True)
class AttemptContext:
    """Everything a provider gets for one attempt.

    Attributes:
        prompt: The rendered prompt.
        endpoint: The notebook's address; see `NotebookEndpoint`.
        limits: The limits of the attempt.
        model: The text after the colon of ``--provider NAME:MODEL``, or None.
        outputs: An existing folder for files that the provider wants to keep (raw events, logs).
        material: The values for `Provider.needs`; empty for every other provider.
        slots: The slots of this provider; one that is asked to slow down calls `Slots.pause`.
        activity: Updated by a provider that knows about turns.
        isolation: How programs that the provider starts are isolated.
        hidden: Folders and files that they must not see.
        tools_seen: Whether the notebook was asked for its tools, or one was called: an agent that never saw them can't
            fail, and one that did can't undo its attempt by quitting.
    """

    prompt: str
    endpoint: NotebookEndpoint
    limits: Limits
    model: str | None
    outputs: Path
    material: Mapping[Need, Any] = field(default_factory=dict, repr=False)
    slots: Slots | None = field(default=None, repr=False)
    activity: Activity = field(default_factory=Activity, repr=False)
    isolation: IsolationTier = field(default=NOT_ISOLATED, repr=False)
    hidden: HiddenPaths = field(default_factory=HiddenPaths, repr=False)
    tools_seen: Callable[[], bool] = field(default=lambda: True, repr=False)


@dataclass(frozen=True)
class ProviderResult:
    """The course of an attempt, as far as the provider knows it.

    Attributes:
        end_reason: Why it ended.
        detail: One sentence about the end, or empty.
        model: Id of the model that did the work, or None.
        turns: Model turns, or None without a model.
        tool_calls: Calls of notebook tools.
        tokens: Counted tokens by kind (``input``, ``cached``, ``output``, ``reasoning``); empty when there are none.
        cost_usd: Cost, or None when unknown. Never a guess.
        version: Version of the program that drove the model, as the program reports it, or None.
        failure: With `EndReason.FAILED`, the failure of the agent: a cause from `causes.CAUSES` that counts against it.
            Failures that do not count are exceptions.
    """

    end_reason: EndReason = EndReason.FINISHED
    detail: str = ""
    model: str | None = None
    turns: int | None = None
    tool_calls: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = None
    version: str | None = None
    failure: str | None = None


class AttemptFailedError(InfrastructureError):
    """An infrastructure failure in an attempt that had begun.

    Args:
        cause: See `InfrastructureError`.
        message: See `InfrastructureError`.
        result: The result so far: tokens cost money however the attempt ends.
    """

    def __init__(self, cause: str, message: str, result: ProviderResult) -> None:
        try:
            super().__init__(cause, message)
        except UnknownCauseError as error:
            error.result = result
            raise
        self.result = result


class Provider(ABC):
    """One way to produce an attempt; subclass it and name the class in the ``scribe_suite.providers`` entry points.

    Class attributes:
        name: Its name for ``--provider``.
        summary: One line for ``scribe-suite providers``.
        needs: Material beyond prompt and notebook. Granted only to this package's own providers.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    needs: ClassVar[frozenset[Need]] = frozenset()

    @abstractmethod
    def attempt(self, context: AttemptContext) -> ProviderResult:
        """Work on the prompt until done or out of limits.

        Returns:
            The result. A limit that was reached is an `EndReason`, not an exception.

        Raises:
            InfrastructureError: When something other than the agent failed (no login, CLI crash, tools missing); the
                attempt then does not count.
        """

    def program(self, model: str | None) -> str | None:  # noqa: ARG002
        """Identifies the program that makes the attempts, for the run's lock, if that takes only a moment.

        Args:
            model: See `AttemptContext.model`.

        Returns:
            The version of a program or the hash of a file; None if there is no program or it is not found.
        """
        return None

    def refusal(self, model: str | None) -> str | None:  # noqa: ARG002
        """Why no attempt is possible, if that can be determined in a moment; the run is then refused at once.

        What is not detected here becomes an `InfrastructureError` of every attempt.

        Args:
            model: See `AttemptContext.model`.

        Returns:
            A sentence that says what to do, or None.
        """
        return None
