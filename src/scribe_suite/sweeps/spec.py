"""The user's specification of a sweep: ``SPEC.toml``, read and checked with one sentence for each error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scribe_suite.errors import ConfigurationError
from scribe_suite.plugin.option.arms import ArmChoice
from scribe_suite.plugin.option.levels import LevelChoice
from scribe_suite.plugin.settings import TaskSource
from scribe_suite.providers.registry import parse_specs, provider_names
from scribe_suite.providers.sweep_budget import Budget
from scribe_suite.sandbox.tiers import Isolation

#: The limit of `Shard`.
MOST_SHARDS = 9999
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AttemptLimits(_Part):
    """Limits of one attempt, named like the options without the dashes; missing ones have the options' defaults."""

    agent_timeout: Positive = 1800.0
    cell_timeout: Positive | None = None
    max_turns: Count | None = None
    max_tokens: Count | None = None
    max_cost_usd: Positive | None = None


class Expected(_Part):
    """The user's estimate of one attempt's cost, by which a plan is measured.

    Attributes:
        minutes: Minutes of agents' time; the limit by default.
        usd: US dollars; the limit by default.
    """

    minutes: Positive | None = None
    usd: Positive | None = None


class SweepSpec(_Part):
    """The specification.

    Attributes:
        name: The sweep's name; part of file names.
        families: Families whose tasks are run; empty for all.
        select: The expression for pytest's ``-k``; empty for all tasks.
        shards: Number of shards, each a job; with few tests some may be empty, and are left out.
        seed: One instance seed for all shards; drawn by default when the sweep is planned.
        workers: Number of attempts at the same time in one shard.
        resumptions: How often, at most, a shard is resumed that ended without all its attempts.
    """

    name: Name
    providers: Annotated[tuple[str, ...], Field(min_length=1)]
    families: tuple[str, ...] = ()
    select: str = ""
    levels: str = ""
    access: str = ""
    trials: Count = 1
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    shards: Annotated[int, Field(ge=1, le=MOST_SHARDS)]
    workers: Annotated[int, Field(ge=1, le=1000)] = 1
    resumptions: Annotated[int, Field(ge=0, le=100)] = 3
    pass_mark: Annotated[float, Field(ge=-1, le=1)] | None = None
    isolation: Isolation = "auto"
    model_source: TaskSource = "planted"
    model: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    limits: AttemptLimits = AttemptLimits()
    max_concurrent: dict[str, Count] = {}
    budget: Budget = Budget()
    expected: Expected = Expected()

    @field_validator("providers")
    @classmethod
    def _providers_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(map(str, parse_specs(value)))
        except ConfigurationError as error:
            raise ValueError(str(error)) from error

    @field_validator("levels")
    @classmethod
    def _levels_are_levels(cls, value: str) -> str:
        return str(LevelChoice.parse(value)) if value else value

    @field_validator("access")
    @classmethod
    def _access_is_an_arm(cls, value: str) -> str:
        return str(ArmChoice.parse(value)) if value else value

    @field_validator("max_concurrent")
    @classmethod
    def _limited_providers_are_known(cls, value: dict[str, int]) -> dict[str, int]:
        for name in value:
            if name not in provider_names():
                raise ValueError(f"{name!r} is no provider: choose from {', '.join(provider_names())}.")
        return value

    @model_validator(mode="after")
    def _dollars_can_be_kept(self) -> SweepSpec:
        if self.budget.usd is not None and self.limits.max_cost_usd is None:
            raise ValueError(
                "budget.usd can't be kept without limits.max_cost_usd: an attempt begins only if what it may cost at "
                "most still fits."
            )
        if not 0 < self.limits.agent_timeout <= 7 * 86400:
            raise ValueError("limits.agent_timeout is more than a week: give seconds.")
        return self

    def options(self) -> list[str]:
        """The pytest options that define this run, without the seed and the shard."""
        limits = self.limits
        pairs: list[tuple[str, object]] = [
            ("--provider", ",".join(self.providers)),
            ("--trials", self.trials),
            ("--level", self.levels or None),
            ("--access", self.access or None),
            ("-k", self.select or None),
            ("--pass-mark", self.pass_mark),
            ("--isolation", self.isolation),
            ("--model-source", self.model_source),
            ("--model", self.model),
            ("--device", self.device),
            ("--agent-timeout", limits.agent_timeout),
            ("--cell-timeout", limits.cell_timeout),
            ("--max-turns", limits.max_turns),
            ("--max-tokens", limits.max_tokens),
            ("--max-cost-usd", limits.max_cost_usd),
        ]
        # with an equals sign, because a value may begin with a dash
        return [
            word
            for flag, value in pairs
            if value is not None
            for word in ([f"{flag}={value}"] if flag.startswith("--") else [flag, str(value)])
        ]


def read_spec(path: Path) -> SweepSpec:
    """Read a specification.

    Raises:
        ConfigurationError: With a sentence for each error.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"The specification {path} can't be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML ({error}).") from error
    try:
        return SweepSpec.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {' '.join(map(_sentence, error.errors(include_url=False)))}") from error


def _sentence(error: object) -> str:
    """The error in one field, as a sentence for the user."""
    assert isinstance(error, dict)
    where = ".".join(map(str, error["loc"]))
    kind, message = error["type"], str(error["msg"])
    if kind == "extra_forbidden":
        return f"{where} is no field of a sweep: docs/guide/sweeps.md lists them."
    if kind == "missing":
        return f"{where} is missing."
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        return f"{where}: {message}" if where else message
    return f"{where} is {error['input']!r}: {message[0].lower()}{message[1:]}."
