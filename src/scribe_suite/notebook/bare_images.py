"""Reduces PNG and JPEG files to their pixel data, before any decoder reads them.

A kernel can put anything into an image: texts and colour profiles that unpack to gigabytes, a million empty chunks,
nested pictures, animations. None of that is needed to show it. Only a few kinds of chunk or segment are kept, and their
cost is bounded by the caller's limit of pixels and by `MAX_SCANS`.
"""

from __future__ import annotations

import struct

#: Most chunks of a PNG, or segments before the first scan of a JPEG; real files have one for every few kilobytes.
MAX_PARTS = 10_000
#: Most scans of a JPEG: progressive ones have about 10, and each may cost a pass over all pixels.
MAX_SCANS = 100

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_JPEG_BEGIN, _SCAN = b"\xff\xd8", 0xDA
# tables, frames, the restart interval, and the two application segments that define the colours
_JPEG_KEPT = frozenset((0xDB, 0xC4, 0xDD, 0xE0, 0xEE, *range(0xC0, 0xC4), *range(0xC5, 0xC8), 0xC9, 0xCA))


def bare_image(data: bytes) -> bytes:
    """A PNG or JPEG file with only its (first) picture.

    Raises:
        ValueError: When it is neither, is broken, or would take too long to decode.
    """
    if data.startswith(_PNG_BEGIN):
        return _bare_png(data)
    if data.startswith(_JPEG_BEGIN):
        return _bare_jpeg(data)
    raise ValueError("neither PNG nor JPEG")


def _bare_png(data: bytes) -> bytes:
    parts, position = [_PNG_BEGIN], len(_PNG_BEGIN)
    for _ in range(MAX_PARTS):
        if position + 12 > len(data):
            raise ValueError("a PNG without its end")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if kind in _PNG_KEPT:
            parts.append(data[position:end])
        if kind == b"IEND":
            return b"".join(parts)
        position = end
    raise ValueError("too many chunks")


def _bare_jpeg(data: bytes) -> bytes:
    # 0xff is escaped inside scans: at most, pictures within other segments are counted as well
    if data.count(bytes((0xFF, _SCAN))) > MAX_SCANS:
        raise ValueError("too many scans")
    parts, position = [_JPEG_BEGIN], len(_JPEG_BEGIN)
    for _ in range(MAX_PARTS):
        if position + 4 > len(data) or data[position] != 0xFF:
            break
        marker, length = struct.unpack_from(">xBH", data, position)
        if marker == _SCAN:
            return b"".join((*parts, data[position:]))
        end = position + 2 + length
        if length < 2:
            break
        if marker in _JPEG_KEPT:
            parts.append(data[position:end])
        position = end
    raise ValueError("a JPEG without a picture, or with too many segments")
