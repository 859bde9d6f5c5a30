"""Docent's agent runs as JSON lines, one for each attempt, as its data model ``AgentRun`` reads them.

They are written without Docent's library, which can't be installed beside this package (it needs an older ``mcp``).
Docent has no images in messages: each is named in the text. Its ids are its own, so there are none in the file. The
``.eval`` files of `inspect_log`, which Docent takes as well, have everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scribe_suite.exports.facts import attempt_facts, experiment_facts, run_facts
from scribe_suite.exports.stories import Called, Said, Story
from scribe_suite.ledger.records import RunHeader


def write_agent_runs(header: RunHeader, stories: Sequence[Story], folder: Path, *, revealed: bool) -> list[Path]:
    """Write the attempts of a run in which something happened.

    Args:
        header: The run's header.
        stories: Its attempts.
        folder: Where to write; it exists.
        revealed: Whether seeds and base models may be shown.

    Returns:
        The file.
    """
    path = folder / "agent_runs.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for story in stories:
            if story.prompt or story.steps:
                file.write(json.dumps(_agent_run(header, story, revealed), ensure_ascii=False) + "\n")
    return [path]


def _agent_run(header: RunHeader, story: Story, revealed: bool) -> dict[str, Any]:
    record = story.record
    scores = {} if not record.counts else {"skill": record.skill or 0.0, **record.metrics}
    return {
        "name": f"{record.task} {record.provider} trial {record.trial}",
        "description": story.note or None,
        "transcripts": [{"name": record.task, "messages": list(_messages(story))}],
        "metadata": {
            "scores": scores,
            "model": record.model or record.provider,
            "attempt": attempt_facts(record, revealed=revealed),
            "run": run_facts(header, revealed=revealed),
            "answer": story.answer,
            **experiment_facts(story.experiments),
        },
    }


def _messages(story: Story) -> Iterator[dict[str, Any]]:
    if story.prompt:
        yield {"role": "user", "content": story.prompt}
    for number, step in enumerate(story.steps):
        if isinstance(step, Said):
            yield {"role": step.role, "content": step.text}
        else:
            yield from _called(f"c{number}", step)


def _called(name: str, call: Called) -> Iterator[dict[str, Any]]:
    made = {"id": name, "type": "function", "function": call.tool, "arguments": dict(call.arguments)}
    yield {"role": "assistant", "content": "", "tool_calls": [made]}
    images = [f"[image {number}: {len(image):,} bytes of PNG]" for number, image in enumerate(call.images, start=1)]
    yield {
        "role": "tool",
        "content": "\n".join([*([call.text] if call.text else []), *images]),
        "tool_call_id": name,
        "function": call.tool,
        **({"error": {"type": "unknown", "message": call.text[:1000]}} if call.is_error else {}),
    }
