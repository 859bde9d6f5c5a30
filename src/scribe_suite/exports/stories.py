"""What happened in an attempt, as messages and calls of tools in order: the common source of all formats.

An agent CLI's ``transcript.json`` has its messages, and the calls with shortened outputs; the journals have everything
that ran, with images. A story takes the messages and calls from the transcript, and the outputs of its cells from the
journals. Without a transcript, as for the reference provider, the journals alone give the calls.

Only the prompt, the transcript, the journals, the record of experiments and the scored answer are read, which agents
have written or seen: no key and no seed is among them. The answers of a provider that submits the key are the
exception, and are left out where the keys of the run are secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from scribe_suite.errors import InfrastructureError
from scribe_suite.ledger.records import AttemptRecord
from scribe_suite.notebook.agent_view import entry_text, view_outputs
from scribe_suite.notebook.document import Cell, add_output
from scribe_suite.notebook.journal import JOURNAL_SUFFIX, Event, read_journal
from scribe_suite.providers.transcript import Transcript
from scribe_suite.report.answer_views import read_answer
from scribe_suite.report.attempt_folders import part_of
from scribe_suite.report.experiments import Experiment, read_timeline
from scribe_suite.report.transcripts import MAX_BYTES, TRANSCRIPT, transcript_view
from scribe_suite.text import plain_text
from scribe_suite.untrusted_files import UntrustedFolder

PROMPT = "prompt.md"
MAX_PROMPT_BYTES = 10_000_000
#: How many experiments of an attempt are kept; the ledger's entry has the number of all of them.
MOST_EXPERIMENTS = 5_000
#: Tools that run a cell whose code is in the call.
_RUNNING = ("execute_code", "edit_cell")
#: The kinds of runs that an agent asked for; set-up and restored cells are the harness's.
_AGENTS = ("agent",)

SEALED = "This provider submits the answer key, and the run's instances are fresh: what it did is left out."
NO_FOLDER = "The attempt's folder is not where the ledger says: only what the ledger knows is here."
NO_TRANSCRIPT = "There is no transcript of this provider: the calls are those that the notebook's journal shows."


@dataclass(frozen=True)
class Said:
    """A message.

    Attributes:
        at: When.
        role: ``assistant``, ``user`` or ``system``.
        text: The text.
    """

    at: datetime
    role: str
    text: str


@dataclass(frozen=True)
class Called:
    """A call of a tool, with its result.

    Attributes:
        at: When.
        tool: Name of the tool.
        arguments: Its arguments.
        seconds: How long it took; None where that is unknown.
        text: The text of the result.
        images: PNG files of the result, in order.
        is_error: Whether the result was an error.
    """

    at: datetime
    tool: str
    arguments: Mapping[str, Any]
    seconds: float | None = None
    text: str = ""
    images: tuple[bytes, ...] = ()
    is_error: bool = False


Step = Said | Called


@dataclass(frozen=True)
class Story:
    """One attempt.

    Attributes:
        record: Its record in the ledger.
        prompt: The prompt; empty where the folder is missing.
        steps: What happened, in order.
        answer: The answer that was scored, or None.
        note: A note to the reader, or empty.
        experiments: What was run in its laboratory, in order; the first `MOST_EXPERIMENTS`.
    """

    record: AttemptRecord
    prompt: str = ""
    steps: tuple[Step, ...] = ()
    answer: Mapping[str, Any] | None = None
    note: str = ""
    experiments: tuple[Experiment, ...] = ()

    @property
    def started(self) -> datetime:
        """When it began; the epoch where the ledger does not say."""
        return _utc(self.record.started) if self.record.started else datetime.fromtimestamp(0, UTC)


def read_story(record: AttemptRecord, folder: UntrustedFolder | None, *, sealed: bool) -> Story:
    """Read what happened in an attempt.

    Args:
        record: Its record.
        folder: Its folder, or None where there is none.
        sealed: Whether its content must be left out, because it is the key.
    """
    if sealed:
        return Story(record, note=SEALED)
    if folder is None:
        return Story(record, note=NO_FOLDER if record.folder else "")
    with part_of(folder, "outputs") as outputs, part_of(folder, "notebooks") as notebooks:
        prompt = _prompt(outputs) if outputs else ""
        answer = read_answer(outputs) if outputs else None
        experiments = read_timeline(outputs) if outputs and record.laboratory else None
        story = Story(record, prompt, answer=answer, experiments=tuple((experiments or [])[:MOST_EXPERIMENTS]))
        runs, notes = _runs(notebooks) if notebooks else ([], [])
        told = _told(story, outputs, runs) if outputs else None
        if told is None:
            steps: Iterable[Step] = (run.called for run in runs)
            notes.append(NO_TRANSCRIPT)
        else:
            steps = told
    ordered = sorted(steps, key=lambda step: step.at)
    return replace(story, steps=tuple(ordered), note=" ".join(notes))


def _prompt(outputs: UntrustedFolder) -> str:
    try:
        return plain_text(outputs.read(PROMPT, MAX_PROMPT_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""


@dataclass
class _Run:
    """One thing that the journal shows an agent to have done."""

    called: Called
    used: bool = False


def _runs(notebooks: UntrustedFolder) -> tuple[list[_Run], list[str]]:
    """What agents did according to the journals, in order of time, and notes on journals that can't be read."""
    runs: list[_Run] = []
    notes: list[str] = []
    for name in notebooks.files(f"*{JOURNAL_SUFFIX}"):
        try:
            runs += map(_Run, _calls(read_journal(notebooks.path / name, notebooks)))
        except (OSError, InfrastructureError):
            notes.append(f"The journal {name} can't be read.")
    return sorted(runs, key=lambda run: run.called.at), notes


@dataclass
class _Draft:
    """A run of a cell whose outputs are being collected."""

    at: datetime
    cell: Cell
    status: str = "ok"
    seconds: float | None = None

    def finished(self) -> Called:
        """The call that ran it."""
        try:
            shown = view_outputs(self.cell.outputs)
            text, images = "\n".join(map(entry_text, shown.entries)), tuple(shown.images)
        except (KeyError, TypeError, AttributeError, ValueError):  # not as the harness writes it
            text, images = "[outputs that can't be read]", ()
        return Called(
            at=self.at,
            tool="execute_code",
            arguments={"code": plain_text(self.cell.source)},
            seconds=self.seconds,
            text=plain_text(text),
            images=images,
            is_error=self.status != "ok",
        )


def _calls(events: Iterable[Event]) -> Iterator[Called]:
    """The calls that a journal shows, in no order. Events of a damaged or hostile journal are skipped."""
    drafts: dict[tuple[str, int], _Draft] = {}
    for event in events:
        at, place = _moment(event.get("time")), (str(event.get("cell")), _number(event.get("run")))
        match event["event"]:
            case "cell_started" if event.get("kind") in _AGENTS:
                drafts[place] = _Draft(at, Cell(place[0], str(event.get("code", ""))))
            case "output" if place in drafts and isinstance(event.get("output"), dict):
                _add(drafts[place].cell, event["output"])
            case "cell_finished" if place in drafts:
                drafts[place].status = str(event.get("status", ""))
                drafts[place].seconds = _seconds(event.get("seconds"))
            case "markdown_added":
                yield Called(at, "add_markdown", {"content": plain_text(str(event.get("content", "")))})
            case "submission":
                accepted, message = event.get("accepted") is True, plain_text(str(event.get("message", "")))
                arguments = {"variable": plain_text(str(event.get("variable", "")))}
                yield Called(at, "submit_answer", arguments, text=message, is_error=not accepted)
    yield from (draft.finished() for draft in drafts.values())


def _add(cell: Cell, output: dict[str, Any]) -> None:
    with suppress(KeyError, TypeError, AttributeError, ValueError):  # not as the harness writes it
        add_output(cell, output)


def _told(story: Story, outputs: UntrustedFolder, runs: Sequence[_Run]) -> list[Step] | None:
    """The messages and calls of the transcript; None where there is none."""
    if TRANSCRIPT not in outputs.files(TRANSCRIPT):
        return None
    begin = story.started
    try:
        transcript = Transcript.model_validate_json(outputs.read(TRANSCRIPT, MAX_BYTES))
    except (OSError, ValidationError, ValueError, RecursionError):
        return _foreign(begin, outputs, runs)
    steps: list[Step] = [
        Said(begin + _delay(said.at), "system" if said.role == "cli" else _role(said.role), plain_text(said.text))
        for said in transcript.messages
    ]
    for call in transcript.calls:
        arguments = _arguments(call.arguments)
        called = Called(
            at=begin + _delay(call.started),
            tool=plain_text(call.tool),
            arguments=arguments,
            seconds=None if call.ended is None else max(0.0, call.ended - call.started),
            text=plain_text(call.output),
            is_error=call.is_error,
        )
        images = () if call.built_in else _images(call.tool, arguments, runs)
        steps.append(replace(called, images=images))
    return steps


def _foreign(begin: datetime, outputs: UntrustedFolder, runs: Sequence[_Run]) -> list[Step] | None:
    """A transcript in a form of its own, as text; then the calls that the journals show, which it may repeat."""
    view = transcript_view(outputs)
    if view is None or not view.entries:
        return None
    said = [
        Said(begin + timedelta(milliseconds=number), _role(entry.kind), _entry_text(entry.kind, entry.name, entry.text))
        for number, entry in enumerate(view.entries)
    ]
    return [*said, *(run.called for run in runs)]


def _entry_text(kind: str, name: str, text: str) -> str:
    head = " ".join(part for part in (kind, name) if part and part not in ("assistant", "user", "system"))
    return plain_text(f"[{head}]\n{text}" if head else text)


def _images(tool: str, arguments: Mapping[str, Any], runs: Sequence[_Run]) -> tuple[bytes, ...]:
    """The images of the run that a call caused: the first with its code that no earlier call caused."""
    code = next((arguments[name] for name in ("code", "source", "new_source") if name in arguments), None)
    if tool not in _RUNNING or not isinstance(code, str):
        return ()
    for run in runs:
        if not run.used and run.called.tool == "execute_code" and run.called.arguments["code"] == plain_text(code):
            run.used = True
            return run.called.images
    return ()


def _role(name: str) -> str:
    return name if name in ("assistant", "user", "system") else "assistant"


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": plain_text(text)}


def _delay(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), 1e9))


def _moment(value: object) -> datetime:
    seconds = float(value) if isinstance(value, int | float) else 0.0
    return datetime.fromtimestamp(min(max(seconds, 0.0), 1e11), UTC)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 1


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
