"""The ledger's schema: a header line that describes the run, then one record per attempt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from scribe_suite.ledger.outcomes import rule_of
from scribe_suite.tasks.access import Access

#: The values of ``--level`` for all levels, and for those at which capable agents were measured to fail.
ALL_LEVELS, HEADROOM_LEVELS = "all", "headroom"
#: The value of ``--access`` for all arms.
ALL_ARMS = "all"
Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Times(_Line):
    """Seconds that an attempt spent, by phase; a phase that was not reached is None.

    Attributes:
        queue_s: Waiting for a slot among the attempts of the same provider, and for the end of the provider's pauses.
        setup_s: Drawing the instance, rendering the prompt, starting the notebook server.
        kernel_s: Starting kernels and running the set-up cell; part of `agent_s`, because the agent starts sessions.
        agent_s: From handing over the prompt to the provider's return, without pauses.
        paused_s: In which a person had stopped the clock; no part of `agent_s`. None where that was not possible.
        scoring_s: Scoring the answer, and after it the submissions before it.
        teardown_s: Ending kernels and writing notebooks.
    """

    queue_s: Finite | None = None
    setup_s: Finite | None = None
    kernel_s: Finite | None = None
    agent_s: Finite | None = None
    paused_s: Finite | None = None
    scoring_s: Finite | None = None
    teardown_s: Finite | None = None


Count = Annotated[int, Field(ge=0)]


class Grounding(_Line):
    """How far the notebook supports an answer's claims and the numbers in its summary; see docs/reference/claims.md.

    Attributes:
        claims: Claims of the answer, `supported` of them by the cell that they name.
        numbers: Numbers in the summary, without settings; `traced` of them are in some cell's output.
        settings: Numbers in the summary that the agent chose: they are in its code.
        contradicted: Claims and numbers for whose name the notebook or a replay shows another value.
        replayed: Claims and numbers with provenance that were compared with a replay; it reproduced `reproduced` of
            them.
        untold: Other results of cited measurements that the answer does not mention.
        failed_checks: Checks that failed while the answer does not mention failures.
    """

    claims: Count = 0
    supported: Count = 0
    numbers: Count = 0
    traced: Count = 0
    settings: Count = 0
    contradicted: Count = 0
    replayed: Count = 0
    reproduced: Count = 0
    untold: Count = 0
    failed_checks: Count = 0


class LaboratoryUse(_Line):
    """How an attempt used its laboratory; see docs/guide/laboratory.md.

    Attributes:
        experiments: Runs that were charged.
        spent: How much of the budget was used.
        budget: The whole budget.
        bound: A lower bound on the spend of a solution, by an argument that the task states; None where it states none.
        unit: The unit of both: ``prompt`` or ``token``.
        repeated: Runs that had been done before, and were free.
        refused: Requests that were refused.
        failed: Runs in which the laboratory failed, and which cost nothing.
        unread: Experiments of which no kernel received any result, and from which no other one patches.
    """

    experiments: Count = 0
    spent: Count = 0
    budget: Count = 0
    bound: Count | None = None
    unit: Literal["prompt", "token"] = "prompt"
    repeated: Count = 0
    refused: Count = 0
    failed: Count = 0
    unread: Count = 0


class SubmissionPoint(_Line):
    """One submission of an attempt: its skill, and the effort up to it.

    Attributes:
        number: Its number among the valid submissions, from 1; missing numbers were not kept, or not scored.
        seconds: Seconds since the agent began, without pauses.
        skill: The attempt's skill if this had been the last submission.
        tokens: The total over all requests to the model until then, if the provider reports it; else None.
        cost_usd: Cost of these requests; None where it is not known.
        experiments: Laboratory runs until then; None where there is no laboratory.
        spent: Their cost, in the unit of the budget.
    """

    number: Annotated[int, Field(ge=1)]
    seconds: Amount
    skill: Finite
    tokens: Count | None = None
    cost_usd: Amount | None = None
    experiments: Count | None = None
    spent: Count | None = None


class AttemptRecord(_Line):
    """One provider on one instance, once.

    Attributes:
        line: Distinguishes records from headers.
        nodeid: The pytest id; diffs and resumes key on it.
        task: Task id, ``family/name``, with the level behind the name where the task has several.
        level: The task's level; None in ledgers from before tasks had levels.
        access: The arm; None in ledgers from before there were arms, where it was ``weights``.
        outcome: A key of `outcomes.OUTCOMES` or ``infrastructure:<cause>``.
        reason: One sentence about the outcome; empty where none is needed.
        metrics: Metric -> value; empty unless the outcome is scored.
        skill: Normalised score, or None unless scored.
        confidence: The confidence that the agent stated, 0 to 1; None without a valid answer.
        confidence_of: The event that `confidence` is the probability of: the attempt is solved. None in older ledgers,
            whose prompts asked for the probability that the answer is right.
        agent_version: Version of the program that drove the model, or None.
        submitted: The submissions that were kept and scored, in order; the other fields are about the last one. Empty
            unless scored, and in older ledgers.
        first_answer_s: Seconds of the agent's time until its first valid answer; None without one, and in older
            ledgers.
        last_answer_s: The same until its last valid answer.
        actions: Tool of the notebook -> number of calls, errors included; empty in older ledgers.
        laboratory: How the laboratory was used; None where there was none.
        reproduced: For a replay, whether it gave the same answer.
        grounding: How far the notebook supports the answer's claims; None without an answer, and in older ledgers.
        instance_seed: Filled in by the controller; nothing else records it.
        folder: The attempt's folder, relative to the results folder.
        artifacts: Paths of its files, relative to it.
    """

    line: Literal["attempt"] = "attempt"
    nodeid: str
    task: str
    task_version: int
    level: int | None = None
    access: Access | None = None
    provider: str
    trial: int
    outcome: str
    reason: str = ""
    metrics: dict[str, Finite] = {}
    primary: str | None = None
    skill: Finite | None = None
    chance: Finite | None = None
    reference: Finite | None = None
    interval: tuple[Finite, Finite] | None = None
    flags: tuple[str, ...] = ()
    pass_mark: Finite | None = None
    confidence: Finite | None = None
    confidence_of: Literal["solved"] | None = None
    nothing_found: bool | None = None
    reproduced: bool | None = None
    grounding: Grounding | None = None
    laboratory: LaboratoryUse | None = None
    submissions: int = 0
    first_answer_s: Amount | None = None
    last_answer_s: Amount | None = None
    submitted: tuple[SubmissionPoint, ...] = ()
    model: str | None = None
    agent_version: str | None = None
    end_reason: str | None = None
    turns: int | None = None
    tool_calls: int | None = None
    actions: dict[str, int] = {}
    cells: int | None = None
    tokens: dict[str, int] = {}
    cost_usd: Finite | None = None
    times: Times = Times()
    isolation: str | None = None
    base_model: str | None = None
    instance_seed: int | None = None
    folder: str | None = None
    artifacts: tuple[str, ...] = ()
    started: datetime | None = None
    worker: str | None = None

    @field_validator("outcome")
    @classmethod
    def _outcome_is_known(cls, value: str) -> str:
        rule_of(value)
        return value

    @property
    def family(self) -> str:
        """First part of the task id."""
        return self.task.partition("/")[0]

    @property
    def counts(self) -> bool:
        """Whether the attempt counts for or against the agent."""
        return rule_of(self.outcome).counts


class RunHeader(_Line):
    """The first line of a ledger: everything that defines the run.

    Attributes:
        run: Run id; the ledger is ``<run>.jsonl``.
        planned: Node ids of the planned attempts.
        run_seed: The seed from which all instance seeds are derived.
        levels: The value of ``--level``; None where it was not given.
        arms: The value of ``--access``; None where it was not given.
        model: Specification of the real language model that was requested or used; None if none was.
        shard: Which part of a run this is, such as ``2/8``; None for a whole run.
        isolation: The tier in force.
        isolation_asked: The value of ``--isolation``; None where merged parts have different values.
        isolation_gaps: Escapes that were tried from a kernel and succeeded; see `scribe_suite.sandbox.escape_table`.
        agent_isolation: The tier of agents' programs; None in older ledgers.
        agent_isolation_gaps: What they can reach nevertheless; see `scribe_suite.sandbox.program_gaps`.
        device: Where real language models ran; None if none did, or if merged parts differ.
        limits: The limits of an attempt, in seconds, turns, tokens and US dollars, without those that were not set.
        lock: What the run's numbers depend on; see `ledger.lock`.
    """

    line: Literal["header"] = "header"
    format: Literal[1] = 1
    run: str
    started: datetime
    planned: tuple[str, ...]
    providers: tuple[str, ...]
    trials: int
    run_seed: int
    seed_mode: Literal["fresh", "fixed"]
    levels: str | None = None
    arms: str | None = None
    model: str | None = None
    shard: str | None = None
    isolation: str
    isolation_asked: Literal["auto", "strict", "none"] | None = None
    isolation_reasons: tuple[str, ...] = ()
    isolation_gaps: tuple[str, ...] = ()
    agent_isolation: str | None = None
    agent_isolation_gaps: tuple[str, ...] = ()
    device: Literal["cpu", "cuda"] | None = None
    limits: dict[str, Finite]
    pass_mark: Finite | None = None
    record_only: bool = False
    lock: dict[str, Any]


class RunResume(_Line):
    """Records that the run was resumed; attempts follow, and an end if the run finishes.

    Attributes:
        resumed: The time.
        planned: Node ids of the attempts that are made now: those that were missing or had an infrastructure failure.
        differences: Differences between the lock and the header's that should not exist; empty unless
            ``--resume-anyway`` was given.
        machine_differences: Differences between the machines.
    """

    line: Literal["resume"] = "resume"
    resumed: datetime
    planned: tuple[str, ...]
    differences: tuple[str, ...] = ()
    machine_differences: tuple[str, ...] = ()


class RunEnd(_Line):
    """The last line of a ledger whose run finished; another one follows when the run is resumed.

    Attributes:
        exit_code: The run's exit code.
        missing: Node ids of planned attempts without a record, because the run was stopped.
    """

    line: Literal["end"] = "end"
    finished: datetime
    exit_code: int
    missing: tuple[str, ...] = ()


def in_effect(records: Iterable[AttemptRecord]) -> list[AttemptRecord]:
    """The one valid record of each attempt: the last that counts, or the last of all where none does.

    A resumed run repeats attempts with an infrastructure failure. It never repeats one that counts, so that nobody can
    try again for a better score.

    Args:
        records: In the order in which they were written, which the result keeps.
    """
    standing: dict[str, AttemptRecord] = {}
    for record in records:
        before = standing.get(record.nodeid)
        if before is None or record.counts or not before.counts:
            standing.pop(record.nodeid, None)
            standing[record.nodeid] = record
    return list(standing.values())
