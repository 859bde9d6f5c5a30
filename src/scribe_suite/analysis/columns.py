"""The attempts of several runs as columns, with only what a comparison needs.

A hundred thousand attempts take a few megabytes here; as pydantic models they would take half a gigabyte.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from scribe_suite.analysis.courses import CourseBuilder, Courses
from scribe_suite.analysis.grounding import COUNTS
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.ledger.records import Amount, Finite
from scribe_suite.ledger.sources import Results, RunInfo, Source
from scribe_suite.tasks.access import Access
from scribe_suite.text import by_last_number

if TYPE_CHECKING:
    from scribe_suite.analysis.statistics import Codes, Floats

#: The numbers of an attempt's laboratory that are compared; fields of `ledger.records.LaboratoryUse`.
USES = ("experiments", "spent", "budget", "repeated", "unread", "refused", "failed")
#: The spend again, by unit, since prompts (planted models) and tokens (language models) can't be averaged together.
SPENT_IN = ("spent_prompts", "spent_tokens")
Bools = NDArray[np.bool_]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Times(TypedDict):
    agent_s: NotRequired[Finite | None]


class _Grounding(TypedDict):
    claims: int
    supported: int
    numbers: int
    traced: int
    contradicted: int
    replayed: int
    reproduced: int
    untold: int
    failed_checks: int


class _Laboratory(TypedDict):
    experiments: NotRequired[Amount]
    spent: NotRequired[Amount]
    budget: NotRequired[Amount]
    repeated: NotRequired[Amount]
    unread: NotRequired[Amount]
    refused: NotRequired[Amount]
    failed: NotRequired[Amount]
    bound: NotRequired[Amount | None]
    unit: NotRequired[str]


class _Point(TypedDict):
    seconds: Amount
    skill: Finite
    tokens: NotRequired[Amount | None]
    cost_usd: NotRequired[Amount | None]
    spent: NotRequired[Amount | None]


class _LeanAttempt(TypedDict):
    """The fields of `AttemptRecord` that are compared; the others are not parsed."""

    line: Literal["attempt"]
    task: str
    task_version: int
    level: NotRequired[int | None]
    access: NotRequired[Access | None]
    provider: str
    trial: int
    outcome: str
    metrics: NotRequired[dict[str, Finite]]
    skill: NotRequired[Finite | None]
    pass_mark: NotRequired[Finite | None]
    submitted: NotRequired[list[_Point]]
    laboratory: NotRequired[_Laboratory | None]
    confidence: NotRequired[Finite | None]
    confidence_of: NotRequired[str | None]
    nothing_found: NotRequired[bool | None]
    actions: NotRequired[dict[str, int]]
    flags: NotRequired[list[str]]
    tokens: NotRequired[dict[str, int]]
    cost_usd: NotRequired[Finite | None]
    times: NotRequired[_Times]
    instance_seed: NotRequired[Seed | None]
    folder: NotRequired[str | None]
    grounding: NotRequired[_Grounding | None]


_LEAN: TypeAdapter[_LeanAttempt] = TypeAdapter(_LeanAttempt)


@dataclass(frozen=True)
class AttemptColumns:
    """Attempts of all runs, sorted by run, task, provider and trial; each once.

    Attributes:
        runs: The runs, in the order in which they were started.
        tasks: Sorted ids, levels of one task by number; `task` holds positions in it, and `provider` and `outcome` hold
            positions in `providers` and `outcomes`.
        levels: Task -> its level.
        accesses: Task -> its arm.
        seed: The instance's seed. Where a file does not give it, a negative number, the same for the whole run, because
            in a run all trials of a task use the same instance.
        skill: NaN unless scored.
        pass_mark: NaN where none is given.
        budget: The laboratory's budget, NaN without one; `bound` likewise is the least spend that can be enough, where
            the task states it.
        courses: Their submissions.
        confidence: NaN where none was stated; `older_confidence` marks those that are the probability that the answer
            is right, not that the attempt is solved.
        nothing_found: 1 or 0, NaN without a valid answer.
        laboratory: Number -> value per attempt, NaN where there was no laboratory; see `USES`
            and `SPENT_IN`.
        actions: Tool -> number of calls, NaN where the attempt has no record of its calls.
        metrics: Metric -> value per attempt, NaN where it has none.
        metric_order: Task -> its metrics in its own order.
        tokens: Kind -> number per attempt, NaN if the attempt does not report it.
        cost_usd: NaN if unknown; `agent_s` likewise.
        grounding: Count -> number per attempt, NaN where the claims were not checked; see `grounding.COUNTS`.
        flags: (run, provider, flag) -> number of attempts.
        repeated: How many lines were left out because a later one concerns the same attempt.
    """

    runs: tuple[RunInfo, ...]
    tasks: tuple[str, ...]
    providers: tuple[str, ...]
    outcomes: tuple[str, ...]
    levels: dict[str, int]
    accesses: dict[str, Access]
    run: Codes
    task: Codes
    provider: Codes
    outcome: Codes
    version: Codes
    trial: Codes
    seed: Codes
    skill: Floats
    pass_mark: Floats
    budget: Floats
    bound: Floats
    courses: Courses
    confidence: Floats
    older_confidence: Bools
    nothing_found: Floats
    cost_usd: Floats
    agent_s: Floats
    metrics: dict[str, Floats]
    laboratory: dict[str, Floats]
    actions: dict[str, Floats]
    tokens: dict[str, Floats]
    grounding: dict[str, Floats]
    metric_order: dict[str, tuple[str, ...]]
    flags: Counter[tuple[int, str, str]]
    repeated: int

    @property
    def versions(self) -> dict[str, tuple[int, ...]]:
        """Task -> the versions of it that were attempted, in order."""
        return {
            name: tuple(np.unique(self.version[self.task == code]).tolist()) for code, name in enumerate(self.tasks)
        }

    @property
    def counts(self) -> Bools:
        """Which attempts count for or against the agent."""
        return np.array([rule_of(outcome).counts for outcome in self.outcomes], bool)[self.outcome]

    @property
    def solved(self) -> Bools:
        """Which attempts are solved."""
        return np.array([outcome == Outcome.SOLVED for outcome in self.outcomes], bool)[self.outcome]


class _Names:
    """Numbers strings in the order in which they appear."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        return self.codes.setdefault(name, len(self.codes))

    def sorted(self, key: Callable[[str], Any] | None = None) -> tuple[tuple[str, ...], Codes]:
        """The names in order, and the new number for each old one."""
        names = tuple(sorted(self.codes, key=key))
        ranks = np.zeros(len(names), np.int64)
        for rank, name in enumerate(names):
            ranks[self.codes[name]] = rank
        return names, ranks


class _Sparse:
    """Columns that not every attempt has; gaps are filled with NaN."""

    def __init__(self) -> None:
        self.columns: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def put(self, row: int, values: dict[str, float] | dict[str, int]) -> None:
        for name, value in values.items():
            column = self.columns[name]
            if len(column) < row:
                column.extend([float("nan")] * (row - len(column)))
            try:
                column.append(value)
            except OverflowError:  # a ledger may come from anywhere
                column.append(float("nan"))

    def arrays(self, rows: Codes, length: int) -> dict[str, Floats]:
        filled = {}
        for name in sorted(self.columns):
            column = np.full(length, np.nan)
            column[: len(self.columns[name])] = self.columns[name]
            filled[name] = column[rows]
        return filled


class _Builder:
    def __init__(self) -> None:
        self.tasks, self.providers, self.outcomes = _Names(), _Names(), _Names()
        self.levels: dict[str, int] = {}
        self.accesses: dict[str, Access] = {}
        self.whole = {name: array("q") for name in ("run", "task", "provider", "outcome", "version", "trial", "seed")}
        self.real = {
            name: array("d")
            for name in (
                "skill", "pass_mark", "budget", "bound", "confidence", "nothing_found", "cost_usd", "agent_s",
            )
        }  # fmt: skip
        self.courses = CourseBuilder()
        self.metrics, self.tokens, self.actions, self.grounding = _Sparse(), _Sparse(), _Sparse(), _Sparse()
        self.laboratory = _Sparse()
        self.older = array("b")
        self.orders: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self.flags: dict[int, list[str]] = {}
        self.rows = 0

    def read(self, run: int, source: Results) -> None:
        """Append the attempts of one run."""
        append_whole = [column.append for column in self.whole.values()]
        append_real = [column.append for column in self.real.values()]
        nan = float("nan")
        for attempt in source.attempts(_LEAN):
            outcome = attempt["outcome"]
            if outcome not in self.outcomes.codes:
                _require_outcome(outcome, source.info.path)
            task, provider, seed = attempt["task"], attempt["provider"], attempt.get("instance_seed")
            row = (
                run, self.tasks.code(task), self.providers.code(provider), self.outcomes.code(outcome),
                attempt["task_version"], attempt["trial"], -1 - run if seed is None else seed,
            )  # fmt: skip
            for put, number in zip(append_whole, row, strict=True):
                put(number)
            if level := attempt.get("level"):
                self.levels[task] = level
            if access := attempt.get("access"):
                self.accesses[task] = access
            laboratory = attempt.get("laboratory") or {}
            reals = (
                attempt.get("skill"), attempt.get("pass_mark"), laboratory.get("budget"), laboratory.get("bound"),
                attempt.get("confidence"), attempt.get("nothing_found"), attempt.get("cost_usd"),
                attempt.get("times", {}).get("agent_s"),
            )  # fmt: skip
            for append, value in zip(append_real, reals, strict=True):
                append(nan if value is None else value)
            self.older.append(attempt.get("confidence_of") is None)
            if laboratory:
                uses = {name: float(laboratory.get(name) or 0) for name in USES}  # type: ignore[arg-type]
                self.laboratory.put(self.rows, {**uses, SPENT_IN[laboratory.get("unit") == "token"]: uses["spent"]})
            if points := attempt.get("submitted"):
                self.courses.put(self.rows, points)
            if metrics := attempt.get("metrics"):
                self.metrics.put(self.rows, metrics)
                self.orders[task].add(tuple(metrics))
            if tokens := attempt.get("tokens"):
                self.tokens.put(self.rows, tokens)
            if actions := attempt.get("actions"):
                self.actions.put(self.rows, actions)
            if grounding := attempt.get("grounding"):
                self.grounding.put(self.rows, {name: grounding[name] for name in COUNTS})  # type: ignore[literal-required]
            if flags := attempt.get("flags"):
                self.flags[self.rows] = flags
            self.rows += 1

    def build(self, runs: Sequence[RunInfo]) -> AttemptColumns:
        """Sort everything in a way that does not depend on the order of files."""
        order = sorted(range(len(runs)), key=lambda number: _run_key(runs[number]))
        place = np.empty(len(runs), np.int64)
        place[order] = np.arange(len(runs))
        whole = {name: np.frombuffer(column, np.int64) for name, column in self.whole.items() if self.rows} or {
            name: np.zeros(0, np.int64) for name in self.whole
        }
        whole["run"] = place[whole["run"]]
        # the number in place of an unknown seed follows the run to its new place
        whole["seed"] = np.where(whole["seed"] < 0, -1 - whole["run"], whole["seed"])
        names = {}
        for column, interned, key in (
            ("task", self.tasks, by_last_number),
            ("provider", self.providers, None),
            ("outcome", self.outcomes, None),
        ):
            names[column], ranks = interned.sorted(key)
            whole[column] = ranks[whole[column]] if self.rows else whole[column]
        keys = [whole[name] for name in ("trial", "provider", "task", "run")]
        counts = np.array([rule_of(outcome).counts for outcome in names["outcome"]], bool)[whole["outcome"]]
        rows = np.lexsort([np.arange(self.rows), counts, *keys])
        # `records.in_effect` decides which line of an attempt is valid: the last that counts, else the last
        last = np.ones(self.rows, bool)
        if self.rows:
            last[:-1] = np.any([column[rows][1:] != column[rows][:-1] for column in keys], axis=0)
        rows = rows[last]
        return AttemptColumns(
            runs=tuple(runs[number] for number in order),
            tasks=names["task"],
            providers=names["provider"],
            outcomes=names["outcome"],
            # in ledgers from before there were levels, every task had one
            levels={task: self.levels.get(task, 1) for task in names["task"]},
            accesses={task: self.accesses.get(task, "weights") for task in names["task"]},
            run=whole["run"][rows],
            task=whole["task"][rows],
            provider=whole["provider"][rows],
            outcome=whole["outcome"][rows],
            version=whole["version"][rows],
            trial=whole["trial"][rows],
            seed=whole["seed"][rows],
            older_confidence=np.array(self.older, bool)[rows],
            **{name: np.array(column)[rows] for name, column in self.real.items()},
            courses=self.courses.build(rows, self.rows),
            metrics=self.metrics.arrays(rows, self.rows),
            tokens=self.tokens.arrays(rows, self.rows),
            laboratory=self.laboratory.arrays(rows, self.rows),
            actions=self.actions.arrays(rows, self.rows),
            grounding=self.grounding.arrays(rows, self.rows),
            metric_order={task: _joined(orders) for task, orders in sorted(self.orders.items())},
            flags=Counter(
                (int(whole["run"][row]), names["provider"][whole["provider"][row]], flag)
                for row in rows[np.isin(rows, list(self.flags))].tolist()
                for flag in self.flags[row]
            ),
            repeated=self.rows - len(rows),
        )


def read_attempts(paths: Iterable[Path], complete: Callable[[Results], Results] = lambda run: run) -> AttemptColumns:
    """Read runs, each from a ledger or a report; their order makes no difference.

    Args:
        paths: The paths of the files.
        complete: Returns each run as it should be read, so that missing information can be filled in.

    Raises:
        ConfigurationError: When a file can't be read, is damaged, or is neither.
    """
    return attempts_of(complete(Source(path)) for path in paths)


def attempts_of(runs: Iterable[Results]) -> AttemptColumns:
    """Read runs from any source; their order makes no difference.

    Raises:
        ConfigurationError: When one is damaged.
    """
    builder = _Builder()
    infos = []
    for number, run in enumerate(runs):
        builder.read(number, run)
        infos.append(run.info)
    return builder.build(infos)


def _require_outcome(outcome: str, path: Path) -> None:
    try:
        rule_of(outcome)
    except ValueError:
        raise ConfigurationError(f"{path} has an attempt with the unknown outcome {outcome[:60]!r}.") from None


def _run_key(info: RunInfo) -> tuple[datetime, str, str]:
    started = info.started or _LONG_AGO
    return started if started.tzinfo else started.replace(tzinfo=UTC), info.run, str(info.path)


def _joined(orders: set[tuple[str, ...]]) -> tuple[str, ...]:
    """One order of metrics, merged from all orders that were seen, the longest first."""
    return tuple(dict.fromkeys(name for order in sorted(orders, key=lambda o: (-len(o), o)) for name in order))
