"""Bodies of requests, as clients compress them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any


class BodyError(Exception):
    """A body that can't be read; the message says why."""


def _zstd(raw: bytes) -> bytes:
    import pyarrow as pa  # slow to import, and only Codex compresses in this way

    return bytes(pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read())


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda raw: raw,
    "identity": lambda raw: raw,
    "gzip": gzip.decompress,
    "zstd": _zstd,
}


def read_json(raw: bytes, encoding: str = "") -> dict[str, Any]:
    """The JSON object in `raw`, which is encoded as the header says; an empty body is an empty object.

    Raises:
        BodyError: When it is encoded in a way that the server does not know, or is not a JSON object.
    """
    decode = _DECODERS.get(encoding.strip().lower())
    if decode is None:
        raise BodyError(f"The body is encoded as {encoding!r}; the server knows {', '.join(filter(None, _DECODERS))}.")
    try:
        body = json.loads(decode(raw) or b"{}")
    except (ValueError, OSError, EOFError) as error:
        raise BodyError(f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BodyError(f"The body is a JSON {type(body).__name__}, not an object.")
    return body
