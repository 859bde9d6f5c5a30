"""The record of a running attempt, as far as it is known: `AttemptRecord`, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from scribe_suite.ledger.records import Grounding, LaboratoryUse, SubmissionPoint
from scribe_suite.providers.base import ProviderResult


@dataclass(frozen=True)
class ScorePart:
    """The fields that only scored attempts have; see `Score`. Flags may be added to any attempt afterwards."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    primary: str | None = None
    skill: float | None = None
    chance: float | None = None
    reference: float | None = None
    interval: tuple[float, float] | None = None
    flags: tuple[str, ...] = ()
    submitted: tuple[SubmissionPoint, ...] = ()


@dataclass(frozen=True)
class EffortPart:
    """Which program worked, and the effort it took."""

    model: str | None = None
    agent_version: str | None = None
    turns: int | None = None
    tool_calls: int | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    cost_usd: float | None = None

    @classmethod
    def of(cls, result: ProviderResult) -> EffortPart:
        """The effort that a provider reports."""
        return cls(
            model=result.model,
            agent_version=result.version,
            turns=result.turns,
            tool_calls=result.tool_calls,
            tokens=dict(result.tokens),
            cost_usd=result.cost_usd,
        )


@dataclass
class RecordDraft:
    """The fields of an attempt's record that become known while it is made, with the defaults of `AttemptRecord`.

    Attributes:
        score: Cleared when the outcome is not a scored one.
        effort: The provider's effort.
    """

    started: datetime | None = None
    worker: str | None = None
    base_model: str | None = None
    folder: str | None = None
    isolation: str | None = None
    effort: EffortPart = EffortPart()
    submissions: int = 0
    first_answer_s: float | None = None
    last_answer_s: float | None = None
    end_reason: str | None = None
    cells: int | None = None
    actions: Mapping[str, int] = field(default_factory=dict)
    reproduced: bool | None = None
    score: ScorePart = ScorePart()
    confidence: float | None = None
    confidence_of: Literal["solved"] | None = None
    nothing_found: bool | None = None
    grounding: Grounding | None = None
    laboratory: LaboratoryUse | None = None
    artifacts: tuple[str, ...] = ()

    def add_flags(self, *flags: str) -> None:
        """Add flags, which tell readers what they must know."""
        self.score = replace(self.score, flags=(*self.score.flags, *flags))

    def add_metrics(self, metrics: Mapping[str, float]) -> None:
        """Add metrics, or replace those of the same name."""
        self.score = replace(self.score, metrics={**self.score.metrics, **metrics})

    def fields(self) -> dict[str, Any]:
        """The fields of `AttemptRecord`."""
        own = {name: value for name, value in vars(self).items() if name not in ("effort", "score")}
        return {**own, **vars(self.effort), **vars(self.score)}
