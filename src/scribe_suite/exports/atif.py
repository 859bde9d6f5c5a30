"""ATIF trajectories (Agent Trajectory Interchange Format 1.8), built with Harbor's own models.

One JSON file for each attempt, with its images as files in a folder of the same name, to which it has relative paths.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scribe_suite.exports.facts import attempt_facts, by_kind, experiment_facts, run_facts
from scribe_suite.exports.libraries import library
from scribe_suite.exports.stories import Called, Said, Step, Story
from scribe_suite.ledger.records import AttemptRecord, RunHeader

SCHEMA = "ATIF-v1.8"
_SOURCES = {"user": "user", "system": "system"}


def write_trajectories(header: RunHeader, stories: Sequence[Story], folder: Path, *, revealed: bool) -> list[Path]:
    """Write a trajectory for every attempt in which something happened.

    Args:
        header: The run's header.
        stories: Its attempts.
        folder: Where to write; it exists.
        revealed: Whether seeds and base models may be shown.

    Returns:
        The files, without those of images.

    Raises:
        ConfigurationError: When harbor is not installed.
    """
    atif = library("harbor.models.trajectories")
    paths = []
    for story in stories:
        if not story.prompt and not story.steps:  # a trajectory has at least one step
            continue
        name = trajectory_name(story.record)
        trajectory = _trajectory(atif, header, story, folder, name, revealed)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(trajectory.to_json_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def trajectory_name(record: AttemptRecord) -> str:
    """The name of an attempt's files: task, provider and trial."""
    text = f"{record.task.replace('/', '_')}_{record.provider}_t{record.trial}"
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in text)


def _trajectory(atif: Any, header: RunHeader, story: Story, folder: Path, name: str, revealed: bool) -> Any:
    record = story.record
    begun = story.started.isoformat() if record.started else None
    steps = [atif.Step(step_id=1, timestamp=begun, source="user", message=story.prompt)] if story.prompt else []
    for step in story.steps:
        steps.append(_step(atif, len(steps) + 1, step, folder, name, deterministic=record.turns is None))
    asked = record.provider.partition(":")[2]
    return atif.Trajectory(
        schema_version=SCHEMA,
        session_id=f"{header.run}:{record.nodeid}",
        trajectory_id=record.nodeid,
        agent=atif.Agent(
            name=record.provider.partition(":")[0],
            version=record.agent_version or "unknown",
            model_name=record.model or asked or None,
        ),
        steps=steps,
        notes=story.note or None,
        final_metrics=_metrics(atif, record, len(steps)),
        extra={
            "run": run_facts(header, revealed=revealed),
            "attempt": attempt_facts(record, revealed=revealed),
            "answer": story.answer,
            **experiment_facts(story.experiments),
        },
    )


def _step(atif: Any, number: int, step: Step, folder: Path, name: str, *, deterministic: bool) -> Any:
    if isinstance(step, Said):
        source = _SOURCES.get(step.role, "agent")
        return atif.Step(step_id=number, timestamp=step.at.isoformat(), source=source, message=step.text)
    call = f"call_{number}"
    result = atif.ObservationResult(
        source_call_id=call,
        content=_content(atif, number, step, folder, name),
        extra={"is_error": True} if step.is_error else None,
    )
    return atif.Step(
        step_id=number,
        timestamp=step.at.isoformat(),
        source="agent",
        message="",
        tool_calls=[atif.ToolCall(tool_call_id=call, function_name=step.tool, arguments=dict(step.arguments))],
        observation=atif.Observation(results=[result]),
        # a provider without turns has no model: its calls are a program's
        llm_call_count=0 if deterministic else None,
        extra=None if step.seconds is None else {"seconds": round(step.seconds, 3)},
    )


def _content(atif: Any, number: int, step: Called, folder: Path, name: str) -> Any:
    if not step.images:
        return step.text
    parts = [atif.ContentPart(type="text", text=step.text)] if step.text else []
    for place, image in enumerate(step.images, start=1):
        relative = f"{name}/step{number}_{place}.png"
        (folder / name).mkdir(exist_ok=True)
        (folder / relative).write_bytes(image)
        parts.append(atif.ContentPart(type="image", source=atif.ImageSource(media_type="image/png", path=relative)))
    return parts


def _metrics(atif: Any, record: AttemptRecord, steps: int) -> Any:
    tokens = by_kind(record.tokens)
    counted = bool(record.tokens)
    scores = {"outcome": record.outcome, "skill": record.skill, **record.metrics}
    return atif.FinalMetrics(
        total_prompt_tokens=tokens["input"] + tokens["cached"] + tokens["cache_write"] if counted else None,
        total_completion_tokens=tokens["output"] + tokens["reasoning"] if counted else None,
        total_cached_tokens=tokens["cached"] if counted else None,
        total_cost_usd=record.cost_usd,
        total_steps=steps,
        extra=scores,
    )
