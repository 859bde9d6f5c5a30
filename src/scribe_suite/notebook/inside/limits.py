"""Shortens a kernel's messages before they are sent, so that all can be encoded and are small enough for the harness.

A text keeps its beginning and its end; an image is scaled down, as it would be for viewing; content that can't be shown
is replaced by a note. The code in the kernel is not affected.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

#: Most characters of a text; of an error's message or one line of its traceback; of the whole traceback. A little less
#: than the harness keeps, so that it usually need not shorten again.
MAX_TEXT, MAX_MESSAGE, MAX_TRACEBACK = 740_000, 19_000, 90_000
#: Most base64 characters of an image, and the longest side of a scaled image in pixels.
MAX_IMAGE, IMAGE_SIDE = 8 << 20, 1024
#: Most characters of printed text in one message; longer texts are sent in several.
STREAM_PIECE = 4_000_000
#: Most bytes of a message; the harness drops larger ones.
MAX_BYTES = 30 << 20

#: The text of a display without content, such as ``<IPython.core.display.JSON object>``.
_OBJECT = ("<IPython.core.display.", " object>")
_SHRINKABLE = {"image/png": "PNG", "image/jpeg": "JPEG"}


def shortened(text: str, limit: int) -> str:
    """Text of about ``limit`` characters at most: three quarters from the beginning, the rest from the end."""
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = limit - head
    return f"{text[:head]}\n[... {len(text) - limit:,} characters left out ...]\n{text[-tail:]}"


def encodable(text: str) -> str:
    """Text that UTF-8 can encode: halves of surrogate pairs are joined, or replaced where the other half is missing."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def limited_text(value: object, limit: int = MAX_TEXT) -> str:
    """A value, usually a text, as a text that can be sent."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose str() raises {type(error).__name__}>"
    return encodable(shortened(text, limit))


def shrunk(encoded: str, form: str) -> str | None:
    """A smaller version of a base64-encoded image, or None where there is none."""
    try:
        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(base64.b64decode(encoded)), formats=(form,)) as image:
                image.load()
                image.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
                smaller = io.BytesIO()
                image.save(smaller, format=form)
    except Exception:  # no Pillow, too many pixels, not enough memory, broken
        return None
    result = base64.b64encode(smaller.getvalue()).decode()
    return result if len(result) <= MAX_IMAGE else None


def limited_bundle(data: Mapping[str, Any]) -> dict[str, Any]:
    """The representations of a display, each limited separately; a note says what is missing."""
    kept: dict[str, Any] = {}
    notes = []
    for kind, value in data.items():
        if kind == "text/plain" and "application/json" in data and _says_nothing(value):
            kept[kind] = limited_text(_json_text(data["application/json"]))
        elif not isinstance(value, str):
            kept[kind] = value
        elif kind.startswith("text/"):
            kept[kind] = limited_text(value)
        elif len(value) <= MAX_IMAGE:
            kept[kind] = encodable(value)
        elif kind in _SHRINKABLE and (smaller := shrunk(value, _SHRINKABLE[kind])) is not None:
            kept[kind] = smaller
        else:
            notes.append(f"[{kind} of {len(value):,} characters was left out: it is too large to be sent]")
    return _with_notes(kept, notes)


def _says_nothing(plain: object) -> bool:
    return isinstance(plain, str) and plain.startswith(_OBJECT[0]) and plain.endswith(_OBJECT[1])


def _json_text(value: object) -> str:
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except Exception as error:  # a text is needed, whatever somebody displays
        return f"<JSON that can't be written: {type(error).__name__}>"


def _with_notes(data: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    if notes:
        plain = data.get("text/plain")
        data["text/plain"] = "\n".join([*([plain] if isinstance(plain, str) else []), *notes])
    return data


def limited_traceback(lines: object) -> list[str]:
    """The lines of a traceback; joined to one text where they are too many or too long."""
    texts = [limited_text(line, MAX_MESSAGE) for line in lines] if isinstance(lines, (list, tuple)) else []
    whole = "\n".join(texts)
    return texts if len(whole) <= MAX_TRACEBACK else [shortened(whole, MAX_TRACEBACK)]


def limited_error(content: Mapping[str, Any]) -> dict[str, Any]:
    """An error, or a reply that reports one."""
    limited = dict(content)
    for key in ("ename", "evalue"):
        if key in limited:
            limited[key] = limited_text(limited[key], MAX_MESSAGE)
    if "traceback" in limited:
        limited["traceback"] = limited_traceback(limited["traceback"])
    return limited


def limited_display(content: Mapping[str, Any]) -> dict[str, Any]:
    """A display or result."""
    data = content.get("data")
    return {**content, "data": limited_bundle(data)} if isinstance(data, dict) else dict(content)


def limited_reply(content: Mapping[str, Any]) -> dict[str, Any]:
    """The reply at the end of a cell, with its pages; requested values are limited already."""
    limited = limited_error(content)
    payload = limited.get("payload")
    if isinstance(payload, list):
        limited["payload"] = [limited_page(page) for page in payload if isinstance(page, dict)]
    return limited


def limited_page(page: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a reply."""
    limited = limited_display(page)
    if "text" in limited:
        limited["text"] = limited_text(limited["text"])
    return limited


def limited_stream(content: Mapping[str, Any]) -> dict[str, Any]:
    """A piece of printed text."""
    text = content.get("text")
    return {**content, "text": encodable(text)} if isinstance(text, str) else dict(content)


#: Type of a message -> the function that limits its content.
LIMITS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "stream": limited_stream,
    "display_data": limited_display,
    "update_display_data": limited_display,
    "execute_result": limited_display,
    "error": limited_error,
    "execute_reply": limited_reply,
}


def _note(kind: str, size: int) -> dict[str, str]:
    text = f"[a message of type {kind} was left out: it has {size / 2**20:.0f} MiB, which is too large to be sent]\n"
    return {"name": "stderr", "text": text}


class LimitedSession:
    """Wraps the sending methods of a Jupyter session and limits their arguments.

    Args:
        session: The session of the kernel; its methods are replaced.
    """

    def __init__(self, session: Any) -> None:
        self._send = session.send
        self._serialize = session.serialize
        session.send = self.send
        session.serialize = self.serialize

    def send(
        self,
        stream: Any,
        msg_or_type: Any,
        content: Any = None,
        parent: Any = None,
        ident: Any = None,
        buffers: Any = None,
        **options: Any,
    ) -> Any:
        """Send a message like the session's own method, but long printed text in pieces."""
        built = isinstance(msg_or_type, dict)
        kind = msg_or_type.get("header", {}).get("msg_type", "") if built else msg_or_type
        whole = msg_or_type.get("content") if built else content
        buffers = buffers or (msg_or_type.get("buffers") if built else None)
        size = sum(memoryview(buffer).nbytes for buffer in buffers or ())
        limit = LIMITS.get(kind) if isinstance(kind, str) else None
        if size > MAX_BYTES:
            return self._send(stream, "stream", _note(kind, size), parent or msg_or_type.get("parent_header"), ident)
        if limit is None or not isinstance(whole, dict):
            return self._send(stream, msg_or_type, content, parent, ident, buffers, **options)
        sent = None
        for piece in _pieces(kind, whole):
            limited = limit(piece)
            given = {**msg_or_type, "content": limited} if built else msg_or_type
            sent = self._send(stream, given, None if built else limited, parent, ident, buffers, **options)
        return sent

    def serialize(self, msg: dict[str, Any], ident: Any = None) -> list[bytes]:
        """The parts of a message, or of a smaller replacement."""
        kind, content = msg["header"]["msg_type"], msg.get("content")
        try:
            parts: list[bytes] = self._serialize(msg, ident)
        except Exception:
            if kind != "execute_reply":
                raise
            # without it, the end of the cell would never be noticed
            return list(self._serialize({**msg, "content": _bare_reply(content)}, ident))
        size = sum(map(len, parts))
        if size <= MAX_BYTES:
            return parts
        if kind == "execute_reply":
            less = {**msg, "content": _bare_reply(content)}
        elif isinstance(content, dict) and isinstance(content.get("data"), dict) and "text/plain" in content["data"]:
            plain = {"text/plain": limited_text(content["data"]["text/plain"])}
            notes = [f"[{', '.join(set(content['data']) - set(plain))} left out: too large to be sent]"]
            less = {**msg, "content": {**content, "data": _with_notes(plain, notes), "metadata": {}}}
        else:
            header = {**msg["header"], "msg_type": "stream"}
            less = {**msg, "header": header, "metadata": {}, "content": _note(kind, size)}
        return list(self._serialize(less, ident))


def _pieces(kind: str, content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    text = content.get("text")
    if kind != "stream" or not isinstance(text, str) or len(text) <= STREAM_PIECE:
        return [content]
    return [{**content, "text": text[start : start + STREAM_PIECE]} for start in range(0, len(text), STREAM_PIECE)]


def _bare_reply(content: Any) -> dict[str, Any]:
    said = content if isinstance(content, dict) else {}
    kept = {key: value for key, value in said.items() if isinstance(value, (int, str)) or key == "traceback"}
    return {**limited_error(kept), "user_expressions": {}, "payload": []}


def install(kernel: Any, _given: object) -> None:
    """Limit a kernel's messages, and make it answer every request.

    Args:
        kernel: The IPython kernel.
    """
    LimitedSession(kernel.session)
    shell, execute, show = kernel.shell, kernel.do_execute, kernel.shell._showtraceback

    def show_traceback(kind: Any, value: Any, lines: Any) -> None:
        show(kind, limited_text(value, MAX_MESSAGE), lines)  # whose str() may raise

    async def do_execute(*arguments: Any, **options: Any) -> dict[str, Any]:
        try:
            return dict(await execute(*arguments, **options))
        except Exception as error:  # what is wrong with an exception may be the exception
            kind, value, _trace = sys.exc_info()
            lines = getattr(shell, "_last_traceback", None)
            if not lines:
                lines = [limited_text(error, MAX_MESSAGE)]
                show_traceback(kind, value, lines)
            return {
                "status": "error",
                "execution_count": shell.execution_count - 1,
                "ename": type(error).__name__,
                "evalue": limited_text(error, MAX_MESSAGE),
                "traceback": lines,
                "user_expressions": {},
                "payload": [],
            }

    shell._showtraceback = show_traceback
    kernel.do_execute = do_execute
