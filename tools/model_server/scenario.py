"""Scenarios, and how they are read from their files."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).parent / "scenarios"

#: The placeholder for the id of the session that was started last.
SESSION = "${session}"
#: The placeholder, inside a text, for the beginning of the last tool result.
RESULT = "${result}"

Value = str | int | float
FailureKind = Literal[
    "status", "hang", "stall", "disconnect", "garbage", "unknown_event", "stream_error"
]  # what each does is in failures.py


class ScenarioError(Exception):
    """A scenario that does not exist or is not valid; the message says which and what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Strict):
    """One tool call.

    Attributes:
        tool: Bare name of a notebook tool; the server finds the name under which the client offers it.
        arguments: Its arguments; a value that is exactly ``${session}`` becomes the id of the session.
    """

    tool: str = Field(min_length=1)
    arguments: dict[str, Any] = {}


class Step(_Strict):
    """One reply of the model; a step without calls ends the conversation.

    Attributes:
        text: The model's text; ``${result}`` becomes the beginning of the last tool result.
        calls: Tool calls, several for parallel ones.
        builtin: Ask for a tool that the CLI itself has, by its raw name, whether it is offered or not (cli_tools.py).
        expect: Regular expression that the last tool result must contain; where it does not, the reply is a text that
            says so, which ends the conversation, and the request is logged with `mismatch`.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    builtin: Literal["shell", "read_file", "fetch", "agent"] | None = None
    expect: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.text or self.calls or self.builtin):
            raise ValueError("a step needs text, calls or builtin")
        if self.calls and self.builtin:
            raise ValueError("a step has calls or a builtin, not both")
        if self.expect is not None:
            try:
                re.compile(self.expect)
            except re.error as error:
                raise ValueError(f"expect is not a regular expression: {error}") from error
        return self

    @property
    def results(self) -> int:
        """Tool results that the client sends back for this step."""
        return len(self.calls) + (self.builtin is not None)


class Failure(_Strict):
    """A failure; without `times` it always occurs.

    Attributes:
        kind: ``status`` (an HTTP error), ``hang`` (no headers, ever), ``stall`` (nothing after half of the events),
            ``disconnect`` (closed there), ``garbage`` (200, but no JSON), ``unknown_event`` (an event
            nobody knows, then the reply), ``stream_error`` (200, then an error as an event).
        status: HTTP status of ``status``.
        message: Text of the error.
        retry_after: Seconds in the answer's ``retry-after``, or None for none.
        times: How many requests fail before the steps are played; None for all.
        after: Tool results that a request must have before it fails.
    """

    kind: FailureKind
    status: int | None = Field(None, ge=400, le=599)
    message: str = "simulated failure"
    retry_after: float | None = Field(None, ge=0)
    times: int | None = Field(None, ge=1)
    after: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _status_belongs(self) -> Self:
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("kind 'status' needs a status, and no other kind has one")
        return self


class Scenario(_Strict):
    """A script of model replies.

    Attributes:
        name: Name of its file without the ending, or what a test calls it.
        summary: One line.
        parameters: Values that a test may replace, with their defaults; ``${name}`` stands for them in all strings.
        steps_from: Name of another scenario whose steps are played; its parameters can be given too.
        steps: The replies, in order.
        repeat_last: Whether the last step is played again and again.
        delay_s: Seconds before each reply.
        failure: The failure, or None.
    """

    name: str
    summary: str = Field(min_length=1)
    parameters: dict[str, Value] = {}
    steps_from: str | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_last: bool = False
    delay_s: float = Field(default=0.0, ge=0)
    failure: Failure | None = None

    @model_validator(mode="after")
    def _is_playable(self) -> Self:
        for number, step in enumerate(self.steps[:-1], start=1):
            if not step.results:
                raise ValueError(f"step {number} only says something, which ends the conversation: it must be the last")
        if self.repeat_last and not self.steps[-1].results:
            raise ValueError("repeat_last needs a last step with calls")
        return self


def scenario_names(folder: Path = FOLDER) -> list[str]:
    """Names of all scenario files, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_scenario(name: str, folder: Path = FOLDER, **parameters: Value) -> Scenario:
    """Read the scenario file `name`, with values for its parameters.

    Raises:
        ScenarioError: When there is no such file or parameter, or the file is not valid.
    """
    raw = _read(name, folder)
    if "steps" in raw and "steps_from" in raw:
        raise ScenarioError(f"Scenario {name!r} has both steps and steps_from.")
    lent = _read(raw["steps_from"], folder).get("parameters", {}) if "steps_from" in raw else {}
    known = {**lent, **raw.get("parameters", {})}
    if unknown := sorted(set(parameters) - set(known)):
        raise ScenarioError(
            f"Scenario {name!r} has no parameter {', '.join(unknown)}; it has {sorted(known) or 'none'}."
        )
    values = {**known, **parameters}
    body = {key: _filled(value, values) for key, value in raw.items() if key != "parameters"}
    if "steps_from" in raw:
        other = load_scenario(raw["steps_from"], folder, **{name: values[name] for name in lent})
        body |= {"steps": other.steps, "repeat_last": other.repeat_last}
    try:
        return Scenario.model_validate({**body, "name": name, "parameters": values})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors(include_url=False)
        )
        raise ScenarioError(f"Scenario file {name}.toml is not valid: {problems}.") from error


def _read(name: str, folder: Path) -> dict[str, Any]:
    names = scenario_names(folder)
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ScenarioError(f"There is no scenario {name!r}; there are {', '.join(names)}.{hint}")
    try:
        return tomllib.loads((folder / f"{name}.toml").read_text())
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"Scenario file {name}.toml is not TOML: {error}.") from error


def _filled(value: Any, parameters: dict[str, Value]) -> Any:
    """`value` with ``${name}`` replaced by parameters in all strings, keys left alone."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: str(parameters.get(match[1], match[0])), value)
    if isinstance(value, dict):
        return {key: _filled(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, parameters) for item in value]
    return value
