"""Logs of Inspect (``.eval``), written by inspect_ai itself: one for each family and provider of a run.

Attempts are samples, trials are epochs. A sample's scores are the skill, the metrics and whether it is solved. An
attempt that infrastructure failed is a sample with an error and without scores, so it is in no mean there either.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scribe_suite.exports.facts import attempt_facts, by_kind, experiment_facts, packages, run_facts
from scribe_suite.exports.libraries import library
from scribe_suite.exports.stories import Called, Said, Story
from scribe_suite.ledger.outcomes import Outcome, rule_of
from scribe_suite.ledger.records import AttemptRecord, RunHeader
from scribe_suite.seeds import derive_seed

#: The score that stands first, and that which says whether the attempt is solved.
SKILL, SOLVED = "skill", "solved"
#: Inspect's standard names for an agent's limits.
_LIMITS = {Outcome.AGENT_TIMEOUT: "time", Outcome.LIMIT_REACHED: "custom"}


def write_logs(header: RunHeader, stories: Sequence[Story], folder: Path, *, revealed: bool) -> list[Path]:
    """Write the logs of a run.

    Args:
        header: The run's header.
        stories: Its attempts.
        folder: Where to write; it exists.
        revealed: Whether seeds and base models may be shown.

    Returns:
        The files.

    Raises:
        ConfigurationError: When inspect_ai is not installed.
    """
    log = library("inspect_ai.log")
    groups: dict[tuple[str, str], list[Story]] = {}
    for story in stories:
        groups.setdefault((story.record.family, story.record.provider), []).append(story)
    paths = []
    for (family, provider), of_group in groups.items():
        path = folder / f"{header.started:%Y-%m-%dT%H-%M-%S}_{family}_{_file_name(provider)}.eval"
        log.write_eval_log(_log(log, header, family, provider, of_group, revealed), str(path))
        paths.append(path)
    return paths


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in text)


def _log(log: Any, header: RunHeader, family: str, provider: str, stories: Sequence[Story], revealed: bool) -> Any:
    samples = [_sample(log, header, story, revealed) for story in stories]
    names = [story.record.task.partition("/")[2] for story in stories]
    spec = log.EvalSpec(
        run_id=_id(header.run, "run"),
        eval_id=_id(header.run, "eval", family, provider),
        task_id=_id(header.run, "task", family, provider),
        created=_told(header.started),
        task=f"scribe_suite/{family}",
        task_version=max(story.record.task_version for story in stories),
        dataset=log.EvalDataset(name=family, samples=len(set(names)), sample_ids=sorted(set(names))),
        model=_model(stories[0].record),
        solver=provider,
        config=log.EvalConfig(epochs=header.trials, time_limit=_seconds(header.limits.get("agent_timeout_s"))),
        packages=packages(header),
        metadata=run_facts(header, revealed=revealed),
    )
    counted = [story.record for story in stories if story.record.counts]
    usage: dict[str, Any] = {}
    for sample in samples:
        for model, used in sample.model_usage.items():
            usage[model] = used if model not in usage else usage[model] + used
    done = [moment for story in stories if (moment := _end(story)) is not None]
    return log.EvalLog(
        status="success",
        eval=spec,
        results=log.EvalResults(
            total_samples=len(stories), completed_samples=len(counted), scores=_results(log, counted)
        ),
        stats=log.EvalStats(
            started_at=_told(header.started), completed_at=_told(max(done, default=header.started)), model_usage=usage
        ),
        samples=samples,
    )


def _results(log: Any, records: Sequence[AttemptRecord]) -> list[Any]:
    """Means as Inspect shows them; an attempt without a score counts as skill 0, as in our tables."""
    values: dict[str, list[float]] = {}
    for record in records:
        for name, value in _scores(record).items():
            values.setdefault(name, []).append(value)
    return [
        log.EvalScore(
            name=name,
            scorer="scribe_suite",
            scored_samples=len(found),
            unscored_samples=len(records) - len(found),
            metrics={"mean": log.EvalMetric(name="mean", value=math.fsum(found) / len(found))},
        )
        for name, found in values.items()
    ]


def _scores(record: AttemptRecord) -> dict[str, float]:
    """Name -> value of everything that is scored, skill first."""
    if not record.counts:
        return {}
    skill = 0.0 if record.skill is None else record.skill
    return {SKILL: skill, SOLVED: float(record.outcome == Outcome.SOLVED), **record.metrics}


def _sample(log: Any, header: RunHeader, story: Story, revealed: bool) -> Any:
    scorer, model = library("inspect_ai.scorer"), library("inspect_ai.model")
    record = story.record
    answer = None if story.answer is None else json.dumps(story.answer)
    messages = _messages(model, story)
    final = next((one for one in reversed(messages) if one.role == "assistant"), None)
    end = _end(story)
    told = {"answer": answer, "explanation": record.reason or rule_of(record.outcome).meaning}
    return log.EvalSample(
        id=record.task.partition("/")[2],
        epoch=record.trial + 1,
        uuid=_id(header.run, record.nodeid),
        input=story.prompt,
        target="",
        messages=messages,
        output=model.ModelOutput(
            model=_model(record),
            choices=[] if final is None else [model.ChatCompletionChoice(message=final, stop_reason="stop")],
        ),
        scores={
            name: scorer.Score(value=value, **(told if name == SKILL else {}))
            for name, value in _scores(record).items()
        }
        or None,
        metadata={
            **attempt_facts(record, revealed=revealed),
            **experiment_facts(story.experiments),
            **({"note": story.note} if story.note else {}),
        },
        model_usage=_usage(model, record),
        started_at=_told(story.started) if record.started else None,
        completed_at=None if end is None else _told(end),
        total_time=record.times.agent_s,
        working_time=record.times.agent_s,
        error=None if record.counts else _error(log, record),
        limit=_limit(log, header, record),
        turn_count=record.turns,
    )


def _error(log: Any, record: AttemptRecord) -> Any:
    return log.EvalError(message=f"{record.outcome}: {record.reason}", traceback="", traceback_ansi="")


def _limit(log: Any, header: RunHeader, record: AttemptRecord) -> Any:
    kind = next((name for outcome, name in _LIMITS.items() if record.outcome == outcome), None)
    if kind is None:
        return None
    return log.EvalSampleLimit(type=kind, limit=header.limits.get("agent_timeout_s", 0.0) if kind == "time" else 0.0)


def _messages(model: Any, story: Story) -> list[Any]:
    """The conversation: the prompt, then a message for each thing said, two for each call."""
    messages: list[Any] = [model.ChatMessageUser(content=story.prompt, id="prompt")] if story.prompt else []
    for number, step in enumerate(story.steps):
        if isinstance(step, Said):
            messages.append(_said(model, number, step))
        else:
            messages += _called(model, number, step)
    return messages


def _said(model: Any, number: int, said: Said) -> Any:
    kinds = {"user": model.ChatMessageUser, "system": model.ChatMessageSystem}
    return kinds.get(said.role, model.ChatMessageAssistant)(id=f"m{number}", content=said.text)


def _called(model: Any, number: int, call: Called) -> list[Any]:
    tool = library("inspect_ai.tool")
    name = f"c{number}"
    content: Any = call.text
    if call.images:
        shown = [model.ContentImage(image=data_url(image)) for image in call.images]
        content = [*([model.ContentText(text=call.text)] if call.text else []), *shown]
    return [
        model.ChatMessageAssistant(
            id=f"m{number}",
            content="",
            tool_calls=[tool.ToolCall(id=name, function=call.tool, arguments=dict(call.arguments))],
        ),
        model.ChatMessageTool(
            id=f"r{number}",
            tool_call_id=name,
            function=call.tool,
            content=content,
            error=tool.ToolCallError(type="unknown", message=call.text[:1000]) if call.is_error else None,
        ),
    ]


def data_url(png: bytes) -> str:
    """A PNG file as a URL that contains it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _usage(model: Any, record: AttemptRecord) -> dict[str, Any]:
    if not record.tokens:
        return {}
    tokens = by_kind(record.tokens)
    return {
        _model(record): model.ModelUsage(
            input_tokens=tokens["input"],
            output_tokens=tokens["output"] + tokens["reasoning"],
            total_tokens=sum(tokens.values()),
            input_tokens_cache_read=tokens["cached"],
            input_tokens_cache_write=tokens["cache_write"],
            reasoning_tokens=tokens["reasoning"] or None,
            total_cost=record.cost_usd,
        )
    }


def _model(record: AttemptRecord) -> str:
    """``provider/model``, as Inspect names models; the provider alone where no model is known."""
    provider, _, asked = record.provider.partition(":")
    return f"{provider}/{record.model or asked or 'none'}"


def _end(story: Story) -> datetime | None:
    spent = story.record.times.agent_s
    return None if story.record.started is None or spent is None else story.started + timedelta(seconds=spent)


def _told(moment: datetime) -> str:
    return moment.astimezone().isoformat(timespec="seconds")


def _seconds(limit: float | None) -> int | None:
    return None if limit is None else max(1, round(limit))


def _id(run: str, *names: str) -> str:
    """An id of 22 characters that is the same whenever the run is exported."""
    return f"{derive_seed(0, run, *names):x}{derive_seed(1, run, *names):x}"[:22]
