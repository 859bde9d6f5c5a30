"""Converts kernel messages to notebook outputs: checked, joined and bounded.

The kernel belongs to the agent and can put anything into a message, so nothing here trusts a type, a size or a
character; of oversized content, only the kept part is read. Streams arrive in many small messages and leave in few
large chunks; the output of one run of a cell is bounded, and its head and tail are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import string
from collections import deque
from collections.abc import Callable
from typing import Any

from scribe_suite.text import well_formed

#: MIME types that a notebook keeps; their data are text.
KEPT_MIME_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "image/jpeg")
#: Those of them, besides plain text, that are not images.
TWIN_MIME_TYPES = ("text/html", "text/markdown", "text/latex")
#: How many displays of one run a notebook keeps from its beginning, and from its end when there are more.
MAX_OUTPUTS, MAX_LAST_DISPLAYS = 500, 100
#: How many characters of a further kind of text are always kept, and the length of the note about omissions.
LEAST_TEXT, NOTE_CHARACTERS = 2000, 60
#: How many changes between stdout and stderr in one run are kept apart; later text joins the stream it follows.
MAX_SWITCHES = 500
#: How often a run may clear its outputs; later outputs are added to the existing ones.
MAX_CLEARS = 10_000
#: How many errors are kept beyond all other limits; a run has one, unless the kernel forges messages.
MAX_ERRORS = 3
#: How many stream characters make a chunk before the next flush.
CHUNK_CHARACTERS = 1 << 16

#: How many elements of a traceback are read, half of them from its end, and characters of each.
MAX_TRACEBACK, MAX_TRACEBACK_LINE = 1000, 20_000
#: Characters of an error's traceback, and of its name and message each.
MAX_ERROR = 100_000
#: Characters of a display's id.
MAX_DISPLAY_ID = 200

_LEFT_OUT = re.compile(r"\n\[\.\.\. ([0-9,]{1,20}) characters left out \.\.\.\]\n")
_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/=" + string.whitespace.encode()

Output = dict[str, Any]


def clean_text(value: object) -> str:
    """Any value as text that every encoder accepts: see `text.well_formed`.

    A value that is neither text nor a number becomes the name of its type: a list may be as large as a message.
    """
    if isinstance(value, str):
        return well_formed(value)
    if value is None or isinstance(value, int | float):
        with contextlib.suppress(ValueError):  # an integer of more than 4300 digits
            return str(value)
    return f"<{type(value).__name__}>"


def shortened(text: str, limit: int) -> str:
    """Text of ``limit`` characters at most: three quarters from the beginning, a note, the rest from the end.

    The omitted part is only searched for a note like this one: the kernel may have shortened the text before.
    """
    if len(text) <= limit:
        return clean_text(text)
    kept = max(limit - NOTE_CHARACTERS, 0)
    head = kept * 3 // 4
    begin = len(text) - (kept - head)
    omitted, before = begin - head, _LEFT_OUT.search(text, head, begin)
    if before is not None:
        omitted += int(before[1].replace(",", "")) - len(before[0])
    return clean_text(f"{text[:head]}\n[... {omitted:,} characters left out ...]\n{text[begin:]}")


def output_size(output: Output) -> int:
    """Characters of an output's text and data."""
    data = sum(map(len, output.get("data", {}).values()))
    return data + len(output.get("text", "")) + sum(map(len, output.get("traceback", ())))


class OutputRecorder:
    """Collects the outputs of one run of one cell and passes them on as notebook outputs.

    Beyond a limit, the end of text and displays is held back and passed on last.

    Args:
        emit: Called with each output, in order, when it is final.
        text_limit: Characters of text kept: three quarters from the start, the rest from the end. Of each kind of text
            that a display has besides the plain one, as many again.
        image_limit: Base64 characters of images kept.
    """

    def __init__(self, emit: Callable[[Output], None], text_limit: int, image_limit: int) -> None:
        self._emit = emit
        self._head_left = text_limit * 3 // 4
        self._end = _End(text_limit - self._head_left)
        self._twins_left = dict.fromkeys(TWIN_MIME_TYPES, text_limit)
        self._images_left = image_limit
        self._outputs_left = MAX_OUTPUTS
        self._errors_left = MAX_ERRORS
        self._switches_left = MAX_SWITCHES
        self._clears_left = MAX_CLEARS
        self._stream = ""
        self._pending: list[str] = []
        self._pending_characters = 0
        self._finished = False

    def message(self, kind: str, content: object) -> None:
        """Process one IOPub message; other kinds, and invalid contents, are ignored."""
        if not isinstance(content, dict):
            return
        if kind == "stream":
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            text = content.get("text", "")
            self._add_text(name, text if isinstance(text, str) else clean_text(text))
        elif kind == "clear_output":
            self._clear(bool(content.get("wait")))
        elif kind == "error":
            self._add_error(content)
        elif (convert := _DISPLAYS.get(kind)) is not None:
            data = self._bundle(content.get("data"))
            output = convert(content, data) if data else None
            if output is not None:
                self._add_display(output)

    def flush(self) -> None:
        """Pass on the collected stream text."""
        if self._pending:
            text, self._pending, self._pending_characters = "".join(self._pending), [], 0
            self._emit({"output_type": "stream", "name": self._stream, "text": text})

    def finish(self) -> None:
        """Pass on everything, including the end held back. Later output (from threads) is not kept past the limit."""
        self.flush()
        self._finished = True
        self._emit_end()

    def _emit_end(self) -> None:
        for output in self._end.take(self._stream or "stdout"):
            self._emit(output)

    def _add_text(self, name: str, text: str) -> None:
        # stdout and stderr share one end, in order of arrival
        if name != self._stream and not self._end and self._switches_left > 0:
            self._switches_left -= 1
            self.flush()
            self._stream = name
        head = clean_text(text[: max(self._head_left, 0)]) if not self._end else ""
        self._head_left -= len(head)
        if head:
            self._pending.append(head)
            self._pending_characters += len(head)
            if self._pending_characters >= CHUNK_CHARACTERS:
                self.flush()
        if len(text) > len(head) and not self._finished:
            first = max(len(head), len(text) - self._end.limit)
            self._end.add_text(clean_text(text[first:]), first - len(head))

    def _clear(self, wait: bool) -> None:
        self.flush()
        self._clears_left -= 1
        if self._clears_left >= 0:
            self._end.clear(wait=wait)
            self._emit({"output_type": "clear_output", "wait": wait})

    def _add_error(self, content: dict[str, Any]) -> None:
        """Keep the error, which says why the run ended, whatever came before."""
        self.flush()
        self._errors_left -= 1
        if self._errors_left >= 0:
            self._emit_end()
            error = _error(content)
            self._head_left -= output_size(error)
            self._emit(error)

    def _add_display(self, output: Output) -> None:
        self.flush()
        size = len(output["data"].get("text/plain", ""))
        if self._outputs_left > 0 and size <= max(self._head_left, 0) and not self._end:
            self._outputs_left -= 1
            self._head_left -= size
            self._emit(output)
        elif not self._finished:
            self._end.add_output(output)

    def _bundle(self, data: object) -> dict[str, str]:
        """The representations that a notebook keeps, each shortened separately; the omitted part is not read."""
        if not isinstance(data, dict):
            return {}
        bundle, notes = {}, []
        for kind in KEPT_MIME_TYPES:
            value = data.get(kind)
            if not isinstance(value, str):
                continue
            if not kind.startswith("image/"):
                bundle[kind] = self._fitting(kind, value)
            elif len(value) > self._images_left:
                notes.append(f"[{kind} was left out: this cell has put out too many large images]")
            elif kind == "image/svg+xml" or _is_base64(value):
                self._images_left -= len(value)
                bundle[kind] = clean_text(value)
        if notes:
            bundle["text/plain"] = "\n".join([*([bundle["text/plain"]] if "text/plain" in bundle else []), *notes])
        return bundle

    def _fitting(self, kind: str, text: str) -> str:
        if kind not in self._twins_left:
            return shortened(text, max(self._end.limit, 0 if self._end else self._head_left))
        fitting = shortened(text, max(self._twins_left[kind], LEAST_TEXT))
        self._twins_left[kind] -= len(fitting)
        return fitting


class _End:
    """The last outputs of a run, when there are more than are kept from its beginning.

    Args:
        limit: How many characters are kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._items: deque[str | Output] = deque()
        self._characters = self._displays = self._omitted_characters = self._omitted_displays = 0
        self._stale = False

    def __bool__(self) -> bool:
        return bool(self._items)

    def add_text(self, text: str, omitted: int) -> None:
        """Add stream text that follows omitted text."""
        self._renew()
        self._omitted_characters += omitted
        self._items.append(text)
        self._characters += len(text)
        self._trim()

    def add_output(self, output: Output) -> None:
        """Add a display; an update replaces the one before it."""
        self._renew()
        if output["output_type"] == "update_display_data":
            for item in self._items:
                if not isinstance(item, str) and item.get("display_id") == output["display_id"]:
                    self._characters += _plain_size(output) - _plain_size(item)
                    item["data"] = output["data"]
                    self._trim()
                    return
        self._items.append(output)
        self._characters += _plain_size(output)
        self._displays += 1
        self._trim()

    def clear(self, *, wait: bool) -> None:
        """Drop everything; on request, only when something else arrives."""
        self._stale = True
        if not wait:
            self._renew()

    def take(self, stream: str) -> list[Output]:
        """Return and clear everything, with a note on what is missing."""
        note = self._note()
        outputs: list[Output] = []
        for item in [note, *self._items] if note else self._items:
            if not isinstance(item, str):
                outputs.append(item)
            elif outputs and outputs[-1]["output_type"] == "stream":
                outputs[-1]["text"].append(item)
            else:
                outputs.append({"output_type": "stream", "name": stream, "text": [item]})
        self._forget()
        return [{**output, "text": "".join(output["text"])} if "text" in output else output for output in outputs]

    def _note(self) -> str:
        missing = []
        if self._omitted_characters:
            missing.append(f"{self._omitted_characters:,} characters")
        if self._omitted_displays:
            missing.append(f"{self._omitted_displays:,} outputs")
        return f"\n[... {' and '.join(missing)} left out ...]\n" if missing else ""

    def _renew(self) -> None:
        if self._stale:
            self._forget()

    def _forget(self) -> None:
        self._items.clear()
        self._characters = self._displays = self._omitted_characters = self._omitted_displays = 0
        self._stale = False

    def _trim(self) -> None:
        while self._characters > self.limit or self._displays > MAX_LAST_DISPLAYS:
            first = self._items.popleft()
            if not isinstance(first, str):
                self._displays -= 1
                self._omitted_displays += 1
                self._characters -= _plain_size(first)
                continue
            dropped = min(max(self._characters - self.limit, 0), len(first)) or len(first)
            if dropped < len(first):
                self._items.appendleft(first[dropped:])
            self._omitted_characters += dropped
            self._characters -= dropped


def _plain_size(output: Output) -> int:
    return len(output["data"].get("text/plain", ""))


class PromptRecorder:
    """A recorder that passes on stream text at once after a quiet time, and then a few times a second.

    So a cell's output is in the journal a moment later, even if the harness is killed, and a verbose cell does not fill
    it with a line for every few characters.

    Args:
        recorder: The recorder that collects.
        interval_s: Least seconds between two flushes of stream text.
        after_flush: Called after each flush.
    """

    def __init__(self, recorder: OutputRecorder, interval_s: float, after_flush: Callable[[], None]) -> None:
        self._recorder = recorder
        self._interval_s = interval_s
        self._after_flush = after_flush
        self._loop = asyncio.get_running_loop()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def message(self, kind: str, content: object) -> None:
        """Process one IOPub message."""
        self._recorder.message(kind, content)
        if self._timer is None:
            wait = self._next - self._loop.time()
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._flush)
            else:
                self._flush()

    def finish(self) -> None:
        """Pass on everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._recorder.finish()

    def _flush(self) -> None:
        self._timer = None
        self._recorder.flush()
        self._next = self._loop.time() + self._interval_s
        self._after_flush()


def _is_base64(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _BASE64)


def _display_id(content: dict[str, Any]) -> str | None:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return clean_text(display_id[:MAX_DISPLAY_ID]) if isinstance(display_id, str) else None


def _display_data(content: dict[str, Any], data: dict[str, str]) -> Output | None:
    output: Output = {"output_type": "display_data", "data": data, "metadata": {}}
    if (display_id := _display_id(content)) is not None:
        output["display_id"] = display_id
    return output


def _update_display_data(content: dict[str, Any], data: dict[str, str]) -> Output | None:
    output = _display_data(content, data)
    if output is None or "display_id" not in output:
        return None
    return {**output, "output_type": "update_display_data"}


def _execute_result(_content: dict[str, Any], data: dict[str, str]) -> Output | None:
    return {"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}}


_DISPLAYS: dict[str, Callable[[dict[str, Any], dict[str, str]], Output | None]] = {
    "display_data": _display_data,
    "update_display_data": _update_display_data,
    "execute_result": _execute_result,
}


def _error(content: dict[str, Any]) -> Output:
    traceback = content.get("traceback")
    lines = _traceback(traceback) if isinstance(traceback, list) else []
    whole = "\n".join(lines)
    return {
        "output_type": "error",
        "ename": _limited(content.get("ename", "Error"), MAX_ERROR),
        "evalue": _limited(content.get("evalue", ""), MAX_ERROR),
        "traceback": lines if len(whole) <= MAX_ERROR else shortened(whole, MAX_ERROR).split("\n"),
    }


def _traceback(lines: list[object]) -> list[str]:
    kept: list[object] = lines
    if len(lines) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        kept = [*lines[:half], f"[... {len(lines) - 2 * half:,} lines left out ...]", *lines[-half:]]
    return [_limited(line, MAX_TRACEBACK_LINE) for line in kept]


def _limited(value: object, limit: int) -> str:
    return shortened(value, limit) if isinstance(value, str) else clean_text(value)
