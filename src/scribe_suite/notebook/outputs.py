"""From kernel messages to notebook outputs: checked, joined and bounded.

The kernel belongs to the agent and can put anything into a message, so nothing here trusts a type, a size or a
character; of what is too large to be kept, only as much is looked at as is kept. Streams arrive in many small messages
and leave in few large chunks; what one run of a cell may put out is bounded, with its head and tail kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import string
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

#: MIME types that a notebook keeps; their data are text.
KEPT_MIME_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "image/jpeg")
#: Outputs of one run that a notebook keeps, beside streams that join.
MAX_OUTPUTS = 500
#: Changes between stdout and stderr in one run that are kept apart; what comes later joins the stream it follows.
MAX_SWITCHES = 500
#: Times a run may clear its outputs; what comes later is added to what is there.
MAX_CLEARS = 10_000
#: Errors kept beyond all other limits; a run has one, unless the kernel makes messages up.
MAX_ERRORS = 3
#: Stream characters that make a chunk of their own before the next flush.
CHUNK_CHARACTERS = 1 << 16

#: Elements of a traceback that are looked at, half of them from its end, and characters of each.
MAX_TRACEBACK, MAX_TRACEBACK_LINE = 1000, 20_000
#: Characters of an error's traceback, and of its name and message each.
MAX_ERROR = 100_000
#: Characters of a display's id.
MAX_DISPLAY_ID = 200

_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/=" + string.whitespace.encode()

Output = dict[str, Any]


def clean_text(value: object) -> str:
    """Any value as text that every encoder takes: lone surrogates become question marks.

    Of what is neither text nor a number only the type is told: a list may be as large as a message.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, int | float):
        with contextlib.suppress(ValueError):  # an integer of more than 4300 digits
            return str(value)
    return f"<{type(value).__name__}>"


def output_size(output: Output) -> int:
    """Characters of an output's text and data."""
    data = sum(map(len, output.get("data", {}).values()))
    return data + len(output.get("text", "")) + sum(map(len, output.get("traceback", ())))


class OutputRecorder:
    """Collects the outputs of one run of one cell and passes them on as notebook outputs.

    Args:
        emit: Called with each output, in order, when it is final.
        text_limit: Characters of text kept: three quarters from the start, the rest from the end.
        image_limit: Base64 characters of images kept.
    """

    def __init__(self, emit: Callable[[Output], None], text_limit: int, image_limit: int) -> None:
        self._emit = emit
        self._head_left = text_limit * 3 // 4
        self._tail_limit = text_limit - self._head_left
        self._images_left = image_limit
        self._outputs_left = MAX_OUTPUTS
        self._errors_left = MAX_ERRORS
        self._switches_left = MAX_SWITCHES
        self._clears_left = MAX_CLEARS
        self._stream = ""
        self._pending: list[str] = []
        self._pending_characters = 0
        self._tail: deque[str] = deque()
        self._tail_characters = 0
        self._omitted = 0
        self._finished = False

    def message(self, kind: str, content: object) -> None:
        """Take one IOPub message; kinds that are no output, and contents that make no sense, are ignored."""
        if not isinstance(content, dict):
            return
        if kind == "stream":
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            text = content.get("text", "")
            self._add_text(name, text if isinstance(text, str) else clean_text(text))
            return
        convert = _CONVERTERS.get(kind)
        if convert in _WITH_DATA and self._too_large(content.get("data")):
            self.flush()
            self._outputs_left -= 1
            self._note_dropped(kind, content["data"])
            return
        output = convert(content) if convert else None
        if output is not None:
            self._add_output(output)

    def flush(self) -> None:
        """Pass on the stream text that has gathered."""
        if self._pending:
            text, self._pending, self._pending_characters = "".join(self._pending), [], 0
            self._emit({"output_type": "stream", "name": self._stream, "text": text})

    def finish(self) -> None:
        """Pass on everything, the kept tail included. What comes later (from threads) is not kept past the limit."""
        self.flush()
        self._finished = True
        self._emit_tail()

    def _emit_tail(self) -> None:
        if not self._tail:
            return
        tail = "".join(self._tail)
        if self._omitted:
            tail = f"\n[... {self._omitted:,} characters left out ...]\n{tail}"
        self._tail.clear()
        self._tail_characters = self._omitted = 0
        self._emit({"output_type": "stream", "name": self._stream, "text": tail})

    def _add_text(self, name: str, text: str) -> None:
        # stdout and stderr share one tail, in the order they came
        if name != self._stream and not self._tail and self._switches_left > 0:
            self._switches_left -= 1
            self.flush()
            self._stream = name
        head = clean_text(text[: max(self._head_left, 0)])
        self._head_left -= len(head)
        if head:
            self._pending.append(head)
            self._pending_characters += len(head)
            if self._pending_characters >= CHUNK_CHARACTERS:
                self.flush()
        if len(text) > len(head) and not self._finished:
            first = max(len(head), len(text) - self._tail_limit)
            self._omitted += first - len(head)
            self._add_tail(clean_text(text[first:]))

    def _add_tail(self, text: str) -> None:
        self._tail.append(text)
        self._tail_characters += len(text)
        while self._tail_characters > self._tail_limit:
            surplus = self._tail_characters - self._tail_limit
            first = self._tail.popleft()
            dropped = min(surplus, len(first))
            if dropped < len(first):
                self._tail.appendleft(first[dropped:])
            self._omitted += dropped
            self._tail_characters -= dropped

    def _add_output(self, output: Output) -> None:
        self.flush()
        if output["output_type"] == "clear_output":
            self._clears_left -= 1
            if self._clears_left >= 0:
                self._emit(output)
            return
        images = sum(len(data) for kind, data in output.get("data", {}).items() if kind.startswith("image/"))
        text = output_size(output) - images
        self._outputs_left -= 1
        if output["output_type"] == "error" and self._errors_left > 0:
            self._errors_left -= 1
            self._emit_tail()
            _shorten_error(output)  # the error says why the run ended: it is kept whatever came before
        elif self._outputs_left < 0 or images > self._images_left or text > max(self._head_left, 0):
            self._note_dropped(output["output_type"], output.get("data", {}))
            return
        else:
            self._images_left -= images
            self._head_left -= text
        self._emit(output)

    def _too_large(self, data: object) -> bool:
        """Whether the data of a display can't be kept, whatever they are: before anything of them is looked at."""
        if not isinstance(data, dict):
            return False
        texts = (data.get(kind) for kind in KEPT_MIME_TYPES)
        size = sum(len(text) for text in texts if isinstance(text, str))
        return size > max(self._head_left, 0) + self._images_left

    def _note_dropped(self, kind: str, data: Mapping[str, object]) -> None:
        if self._outputs_left >= -1 or kind == "execute_result":
            kinds = ", ".join(mime for mime in KEPT_MIME_TYPES if mime in data) or kind
            note = f"\n[an output ({kinds}) was left out: this cell has put out too much]\n"
            self._emit({"output_type": "stream", "name": "stderr", "text": note})


class PromptRecorder:
    """A recorder whose stream text is passed on at once after a quiet time, and then a few times a second.

    So what a cell has printed is in the journal a moment later, whatever ends the harness, and a chatty cell does not
    fill it with a line for every few characters.

    Args:
        recorder: What collects.
        interval_s: Least seconds between two flushes of stream text.
        after_flush: Called after each.
    """

    def __init__(self, recorder: OutputRecorder, interval_s: float, after_flush: Callable[[], None]) -> None:
        self._recorder = recorder
        self._interval_s = interval_s
        self._after_flush = after_flush
        self._loop = asyncio.get_running_loop()
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def message(self, kind: str, content: object) -> None:
        """Take one IOPub message."""
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


def _shorten_error(output: Output, limit: int = MAX_ERROR) -> None:
    traceback = "\n".join(output["traceback"])
    if len(traceback) > limit:
        half = limit // 2
        note = f"[... {len(traceback) - limit:,} characters left out ...]"
        output["traceback"] = [traceback[:half], note, traceback[-half:]]
    for key in ("ename", "evalue"):
        output[key] = output[key][:limit]


def _mime_bundle(content: dict[str, Any]) -> dict[str, str] | None:
    data = content.get("data")
    if not isinstance(data, dict):
        return None
    bundle = {kind: clean_text(data[kind]) for kind in KEPT_MIME_TYPES if isinstance(data.get(kind), str)}
    for kind in ("image/png", "image/jpeg"):
        if kind in bundle and not _is_base64(bundle[kind]):
            del bundle[kind]
    return bundle or None


def _is_base64(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _BASE64)


def _display_id(content: dict[str, Any]) -> str | None:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return clean_text(display_id[:MAX_DISPLAY_ID]) if isinstance(display_id, str) else None


def _display_data(content: dict[str, Any]) -> Output | None:
    data = _mime_bundle(content)
    if data is None:
        return None
    output: Output = {"output_type": "display_data", "data": data, "metadata": {}}
    if (display_id := _display_id(content)) is not None:
        output["display_id"] = display_id
    return output


def _update_display_data(content: dict[str, Any]) -> Output | None:
    output = _display_data(content)
    if output is None or "display_id" not in output:
        return None
    return {**output, "output_type": "update_display_data"}


def _execute_result(content: dict[str, Any]) -> Output | None:
    data = _mime_bundle(content)
    if data is None:
        return None
    return {"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}}


def _error(content: dict[str, Any]) -> Output:
    traceback = content.get("traceback")
    return {
        "output_type": "error",
        "ename": _beginning(content.get("ename", "Error"), MAX_ERROR),
        "evalue": _beginning(content.get("evalue", ""), MAX_ERROR),
        "traceback": _traceback(traceback) if isinstance(traceback, list) else [],
    }


def _traceback(lines: list[object]) -> list[str]:
    kept: list[object] = lines
    if len(lines) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        kept = [*lines[:half], f"[... {len(lines) - 2 * half:,} lines left out ...]", *lines[-half:]]
    return [_beginning(line, MAX_TRACEBACK_LINE) for line in kept]


def _beginning(value: object, limit: int) -> str:
    return clean_text(value[:limit] if isinstance(value, str) else value)


def _clear_output(content: dict[str, Any]) -> Output:
    return {"output_type": "clear_output", "wait": bool(content.get("wait"))}


_CONVERTERS: dict[str, Callable[[dict[str, Any]], Output | None]] = {
    "display_data": _display_data,
    "update_display_data": _update_display_data,
    "execute_result": _execute_result,
    "error": _error,
    "clear_output": _clear_output,
}
_WITH_DATA = (_display_data, _update_display_data, _execute_result)
