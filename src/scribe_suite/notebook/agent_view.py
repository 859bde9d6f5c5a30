"""What an agent sees of a cell's outputs: text without terminal codes, and downscaled PNG images.

The shapes are Goodfire Scribe's: ``{"type": "text" | "result" | "display", "content": ...}`` and ``{"type": "error",
"name", "message", "traceback"}``. Images follow the text as separate blocks; the text marks their places. If an output
has several forms, the plain text is shown, unless it only names the kind of object.
"""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from scribe_suite.notebook.bare_images import bare_image
from scribe_suite.notebook.html_text import html_text
from scribe_suite.notebook.outputs import Output
from scribe_suite.text import strip_terminal

#: Longest side of an image, in pixels.
IMAGE_SIDE = 1024
#: Largest PNG that is passed on unchanged, in bytes; a larger one is re-encoded, without its other data.
MAX_PNG_BYTES = 1 << 20
#: Most images of one tool result, including those that can't be shown; the notebook has all of them.
MAX_IMAGES = 8
#: Most entries shown of one cell; of more, the middle is left out.
MAX_ENTRIES = 60
#: Most pixels of an image; larger ones are not decoded, since a small file can unpack to any size.
MAX_PIXELS = 40_000_000

#: Most characters of outputs that are converted in the event loop; it takes a fraction of a millisecond.
QUICK_CHARACTERS = 20_000

_IMAGE_TYPES = ("image/png", "image/jpeg")
# Pillow raises any of these for broken files
_UNREADABLE = (ValueError, OSError, SyntaxError, struct.error, EOFError, MemoryError, Image.DecompressionBombError)
_SHOWN = f"one result carries at most {MAX_IMAGES}"
_TYPES = {"execute_result": "result", "display_data": "display"}
#: The suffix that IPython adds to the message of a SyntaxError.
_WHERE = re.compile(r" \([^()]*, line [0-9]+\)$")
#: Python's default representation of an object, such as ``<pandas.io.formats.style.Styler at 0x7f12>``.
_BARE_REPR = re.compile(r"<[\w.]+(?:<locals>[\w.]+)*(?: object)?(?: at 0x[0-9a-fA-F]+)?>")


@dataclass
class AgentView:
    """Outputs of a cell, ready for a tool result.

    Attributes:
        entries: JSON-safe entries in order.
        images: PNG files in order.
        left_out: Whether some outputs or images are missing.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    left_out: bool = False


def view_outputs(outputs: Sequence[Output], before: int = 0, *, quick: bool = False) -> AgentView:
    """Convert notebook outputs to the agent's view; text is not shortened yet (see `reply_text`).

    Args:
        outputs: The outputs of one cell.
        before: The number of images that the reply has already.
        quick: Whether to skip slow conversions: images become notes, and HTML is unchanged.
    """
    view = AgentView()
    unseen = 0 if quick else MAX_IMAGES - before
    for output in outputs:
        entry = text_entry(output, quick)
        if (encoded := image_of(output)) is not None:
            content = add_image(encoded, view.images, before) if unseen > 0 else f"[image left out: {_SHOWN}]"
            view.left_out |= unseen <= 0
            entry = {"type": "image", "content": content}
            unseen -= 1
        if entry is not None:
            view.entries.append(entry)
    if len(view.entries) > MAX_ENTRIES:
        half = MAX_ENTRIES // 2
        note = {"type": "text", "content": f"[... {len(view.entries) - 2 * half} outputs left out ...]"}
        view.entries[half:-half] = [note]
        view.left_out = True
    return view


def is_quick(outputs: Sequence[Output]) -> bool:
    """Whether outputs are short plain text, which is converted faster than a thread is started."""
    size = 0
    for output in outputs:
        data = output.get("data", {})
        if data.keys() - {"text/plain"}:
            return False
        texts = (*data.values(), *output.get("text", ()), *output.get("traceback", ()), output.get("evalue", ""))
        size += sum(map(len, texts))
    return size <= QUICK_CHARACTERS


def entry_text(entry: dict[str, Any]) -> str:
    """An entry of a view as text, as Jupyter displays it."""
    if entry["type"] != "error":
        return str(entry["content"])
    traceback, name, message = "\n".join(entry["traceback"]), str(entry["name"]), str(entry["message"])
    said = _WHERE.sub("", message) or name
    return traceback if said in traceback else f"{traceback}\n{name}: {message}".strip("\n")


def frozen_copy(outputs: Sequence[Output]) -> list[Output]:
    """A snapshot of outputs for use in another thread."""
    return [
        {**output, "text": list(output["text"])} if output["output_type"] == "stream" else dict(output)
        for output in outputs
    ]


def image_of(output: Output) -> str | None:
    """The image that represents an output, as base64; None when its text does."""
    data = output.get("data", {})
    return next((data[mime] for mime in _IMAGE_TYPES if mime in data), None)


def text_entry(output: Output, quick: bool = False) -> dict[str, Any] | None:
    """The entry for an output that is not an image; None for an image, and where there is nothing to show.

    Args:
        output: One output of a cell.
        quick: As in `view_outputs`.
    """
    if image_of(output) is not None:
        return None
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
    return {"type": _TYPES[kind], "content": _shown(output["data"], quick)}


def _shown(data: dict[str, str], quick: bool) -> str:
    """The most informative form of an output for a reader of text."""
    plain = strip_terminal(data.get("text/plain", ""))
    if plain and not _BARE_REPR.fullmatch(plain.strip()):
        return plain
    for mime in ("text/markdown", "text/latex"):
        if data.get(mime):
            return strip_terminal(data[mime])
    if "text/html" in data:
        text = strip_terminal(data["text/html"] if quick else html_text(data["text/html"]))
        return text or plain or "[HTML without text]"
    if "image/svg+xml" in data:
        text = "" if quick else strip_terminal(html_text(data["image/svg+xml"]))
        return f"[SVG image, which can't be shown{'; its text: ' if text else ''}{text}]"
    return plain


def add_image(encoded: str, images: list[bytes], before: int = 0) -> str:
    """Add an image to those of a reply, after the earlier ones; returns the text that marks its place."""
    try:
        images.append(scale_image(base64.b64decode(encoded)))
    except _UNREADABLE as error:
        return f"[image that can't be shown: {type(error).__name__}]"
    return f"[image {before + len(images)}, below]"


def scale_image(data: bytes) -> bytes:
    """An image file as PNG with no side above `IMAGE_SIDE`; the pixels of a small enough PNG are unchanged.

    Raises:
        ValueError: When it has too many pixels, or is not a PNG or JPEG (see `bare_images`).
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
