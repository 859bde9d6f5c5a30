"""A provider's transcript as a list of entries, shown as plain text only.

It is read from ``outputs/transcript.json``. The suite's own providers write ``messages`` and ``calls``, which are
sorted by time. Other providers may write anything: a list of events, or an object that contains one, is shown as far as
it is understood, and the rest as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scribe_suite.text import shortened
from scribe_suite.untrusted_files import UntrustedFolder

TRANSCRIPT = "transcript.json"
MAX_BYTES = 50_000_000
MAX_ENTRIES = 2_000
MAX_TEXT = 20_000

_LISTS = ("messages", "calls", "events", "entries", "turns", "items", "transcript")
_KINDS = ("role", "kind", "type", "event")
_NAMES = ("tool", "tool_name", "name")
_TIMES = ("at", "started", "time", "time_s", "timestamp")
_TEXTS = ("text", "content", "message", "output", "result", "reasoning", "thinking")
_ARGUMENTS = ("arguments", "args", "input", "parameters", "tool_input")
_CODE_ARGUMENTS = ("code", "source", "content")


@dataclass(frozen=True)
class Entry:
    """One entry of a transcript.

    Attributes:
        kind: Its source, as named in the transcript.
        name: The name of a tool, or empty.
        time: Its time in the transcript, or empty.
        text: The message or result.
    """

    kind: str
    name: str
    time: str
    text: str


@dataclass(frozen=True)
class TranscriptView:
    """A transcript on a page.

    Attributes:
        entries: In order.
        facts: Further fields of the transcript, such as tokens: name -> value.
        note: A note to the reader, or empty.
    """

    entries: tuple[Entry, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def transcript_view(outputs: UntrustedFolder) -> TranscriptView | None:
    """The transcript in an attempt's ``outputs`` folder, or None when there is none."""
    if TRANSCRIPT not in outputs.files(TRANSCRIPT):
        return None
    try:
        if outputs.stat(TRANSCRIPT).st_size > MAX_BYTES:
            return TranscriptView(note="It is too large for a page; the raw file has it.")
        content = json.loads(outputs.read(TRANSCRIPT, MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        return TranscriptView(note=f"It can't be read ({type(error).__name__}).")
    events = _events(content)
    note = "" if len(events) <= MAX_ENTRIES else f"The first {MAX_ENTRIES:,} of {len(events):,} entries are shown."
    return TranscriptView(tuple(_entry(event) for event in events[:MAX_ENTRIES]), _facts(content), note)


def _events(content: object) -> list[Any]:
    if isinstance(content, list):
        return content
    lists = (
        [content[name] for name in _LISTS if isinstance(content.get(name), list)] if isinstance(content, dict) else []
    )
    if not lists:
        return [content]
    events = [event for events in lists for event in events]
    times = [_time(event) for event in events]
    if len(lists) > 1 and None not in times:
        events = [events[place] for place in sorted(range(len(events)), key=lambda place: times[place] or 0.0)]
    return events


def _time(event: object) -> float | None:
    values = [event.get(name) for name in _TIMES] if isinstance(event, dict) else []
    return next((float(value) for value in values if isinstance(value, int | float)), None)


def _facts(content: object) -> dict[str, str]:
    if not isinstance(content, dict):
        return {}
    return {
        shortened(str(name), 60): shortened(value if isinstance(value, str) else _json(value), 300)
        for name, value in content.items()
        if not (name in _LISTS and isinstance(value, list)) and value not in (None, "", {}, [])
    }


def _entry(event: object) -> Entry:
    if not isinstance(event, dict):
        return Entry("", "", "", _limited(event if isinstance(event, str) else _json(event)))
    kind, name, time = _first(event, _KINDS), _first(event, _NAMES), _time(event)
    if not kind and name:
        kind = "tool call"
    if event.get("is_error") is True:
        kind += ", error"
    return Entry(kind, name, _first(event, _TIMES) if time is None else f"{time:.1f} s", _limited(_content(event)))


def _first(event: dict[str, Any], names: tuple[str, ...]) -> str:
    found = next((event[name] for name in names if isinstance(event.get(name), str | int | float)), "")
    return shortened(str(found), 80)


def _content(event: dict[str, Any]) -> str:
    parts = [_arguments(event[name]) for name in _ARGUMENTS if event.get(name) not in (None, "", [], {})]
    parts += [_plain(event[name]) for name in _TEXTS if event.get(name) not in (None, "", [], {})]
    calls = event.get("tool_calls")
    if isinstance(calls, list):
        parts += [_plain(call) for call in calls]
    return "\n\n".join(parts) if parts else _json(event)


def _plain(value: object) -> str:
    """Text unchanged, a list of parts as their texts, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n\n".join(_plain(part) for part in value)
    if isinstance(value, dict):
        text = value.get("text")
        if isinstance(text, str):
            return text
        arguments = next((value[name] for name in _ARGUMENTS if value.get(name)), None)
        if arguments is not None:
            return f"{_first(value, _NAMES)}\n{_arguments(arguments)}".strip()
    return _json(value)


def _arguments(value: object) -> str:
    """Arguments of a tool, given as an object or as JSON text: code as code, the rest as JSON."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    if not isinstance(value, dict):
        return _plain(value)
    code = [str(value[name]) for name in _CODE_ARGUMENTS if isinstance(value.get(name), str)]
    rest = {name: part for name, part in value.items() if not (name in _CODE_ARGUMENTS and isinstance(part, str))}
    return "\n\n".join([*([_json(rest)] if rest else []), *code])


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def _limited(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}\n[... {len(text) - MAX_TEXT:,} characters more are in the raw file]"
