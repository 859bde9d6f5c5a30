"""What an agent sees of a cell's outputs: plain text without terminal codes, bounded, and downscaled PNG images.

The shapes are Goodfire Scribe's: ``{"type": "text" | "result" | "display", "content": ...}`` and ``{"type": "error",
"name", "message", "traceback"}``. Images follow the text as blocks of their own; where one stood, the text says so.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from scribe_suite.notebook.bare_images import bare_image
from scribe_suite.notebook.outputs import Output
from scribe_suite.text import strip_terminal

#: Longest side of an image, in pixels.
IMAGE_SIDE = 1024
#: Bytes of a PNG that is passed on as it is; a larger one is encoded again, without whatever else it carries.
MAX_PNG_BYTES = 1 << 20
#: Images of one tool result, those that can't be shown included; the notebook has all of them.
MAX_IMAGES = 8
#: Entries shown of one cell; the middle is left out beyond that.
MAX_ENTRIES = 60
#: Pixels an image may have; more are not decoded, since a small file can unpack to any size.
MAX_PIXELS = 40_000_000

_IMAGE_TYPES = ("image/png", "image/jpeg")
# what Pillow raises for broken files is anything of these
_UNREADABLE = (ValueError, OSError, SyntaxError, struct.error, EOFError, MemoryError, Image.DecompressionBombError)
_SHOWN = f"one result carries at most {MAX_IMAGES}"
_TYPES = {"execute_result": "result", "display_data": "display"}


@dataclass(frozen=True)
class AgentView:
    """Outputs of a cell, ready for a tool result.

    Attributes:
        entries: JSON-safe entries in order.
        images: PNG files in order.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)


def view_outputs(outputs: Sequence[Output], max_images: int = MAX_IMAGES) -> AgentView:
    """Turn notebook outputs into what an agent sees; text is not shortened yet (see `fit_text`).

    Args:
        outputs: Of one cell.
        max_images: Images that are looked at; of the others a note says that they are there.
    """
    view = AgentView()
    unseen = max_images
    for output in outputs:
        data = output.get("data", {})
        mime = next((mime for mime in _IMAGE_TYPES if mime in data), None)
        entry = _entry(output) if mime is None else None
        if mime is not None:
            content = _add_image(data[mime], view.images) if unseen > 0 else f"[image left out: {_SHOWN}]"
            entry = {"type": "image", "content": content}
            unseen -= 1
        if entry is not None:
            view.entries.append(entry)
    if len(view.entries) > MAX_ENTRIES:
        half = MAX_ENTRIES // 2
        note = {"type": "text", "content": f"[... {len(view.entries) - 2 * half} outputs left out ...]"}
        view.entries[half:-half] = [note]
    return view


def fit_text(payload: dict[str, Any], limit: int) -> str:
    """A tool result as JSON text of fewer than ``limit`` characters.

    Strings that are too long keep head and tail, with a note how much was left out between. Every string gets the same
    budget, which shrinks until the whole text fits: JSON escapes (a newline is two characters) are counted as sent.

    Args:
        payload: JSON-safe dict.
        limit: Characters.

    Returns:
        Valid JSON.
    """
    budget = limit
    text = json.dumps(payload, ensure_ascii=False)
    while len(text) >= limit and budget > 40:
        budget = budget * 3 // 4
        text = json.dumps(_shorten(payload, budget), ensure_ascii=False)
    return text


def _entry(output: Output) -> dict[str, Any] | None:
    kind = output["output_type"]
    if kind == "stream":
        text = strip_terminal("".join(output["text"])).strip("\n")
        return {"type": "text", "content": text} if text.strip() else None
    if kind == "error":
        return {
            "type": "error",
            "name": strip_terminal(output["ename"]),
            "message": strip_terminal(output["evalue"]),
            "traceback": [strip_terminal(line) for line in output["traceback"]],
        }
    data = output["data"]
    for mime in ("text/plain", "text/markdown", "text/latex", "text/html", "image/svg+xml"):
        if mime in data:
            return {"type": _TYPES[kind], "content": strip_terminal(data[mime])}
    return None


def _add_image(encoded: str, images: list[bytes]) -> str:
    try:
        images.append(scale_image(base64.b64decode(encoded)))
    except _UNREADABLE as error:
        return f"[image that can't be shown: {type(error).__name__}]"
    return f"[image {len(images)}, below]"


def scale_image(data: bytes) -> bytes:
    """An image file as PNG with no side above `IMAGE_SIDE`; the pixels of a PNG that is small enough stay as they are.

    Raises:
        ValueError: When it has too many pixels, or is no PNG or JPEG (see `bare_images`).
        OSError: When it is broken.
    """
    data = bare_image(data)
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(f"{width}x{height} pixels")
        image.load()
        if image.format == "PNG" and max(width, height) <= IMAGE_SIDE and len(data) <= MAX_PNG_BYTES:
            return data
        scaled = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA")
        scaled.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
        buffer = io.BytesIO()
        scaled.save(buffer, format="PNG")
        return buffer.getvalue()


def _shorten(value: Any, budget: int) -> Any:
    if isinstance(value, str):
        if len(value) <= budget:
            return value
        half = budget // 2
        return f"{value[:half]}\n[... {len(value) - 2 * half:,} characters left out ...]\n{value[-half:]}"
    if isinstance(value, dict):
        return {key: _shorten(item, budget) for key, item in value.items()}
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value) and sum(map(len, value)) > budget:
            return _shorten("\n".join(value), budget).split("\n") if value else value
        return [_shorten(item, budget) for item in value]
    return value
