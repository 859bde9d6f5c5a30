from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageFile, PngImagePlugin

from scribe_suite.notebook.agent_view import scale_image
from scribe_suite.notebook.bare_images import MAX_PARTS, MAX_SCANS, bare_image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient() -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L")] * 3)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def after_header(png: bytes, extra: bytes) -> bytes:
    return png[:33] + extra + png[33:]


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_pixels_of_a_jpeg_stay(mode, options):
    data = saved(gradient().convert(mode), "JPEG", comment=b"words", icc_profile=b"p" * 100_000, **options)
    bare = bare_image(data)
    assert b"words" not in bare
    assert len(data) - len(bare) > 100_000
    assert pixels(bare) == pixels(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA", "I;16"])
def test_the_pixels_of_a_png_stay(mode):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", "words")
    image = gradient().convert("I").convert(mode) if mode == "I;16" else gradient().convert(mode)
    data = saved(image, "PNG", pnginfo=notes)
    bare = bare_image(data)
    assert b"words" not in bare
    assert pixels(bare) == pixels(data)


def test_an_animation_is_its_first_picture():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(scale_image(data))) as image:
        assert getattr(image, "n_frames", 1) == 1
        assert image.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO"])
def test_other_formats_are_refused(kind):
    with pytest.raises(ValueError, match="neither PNG nor JPEG"):
        scale_image(saved(Image.new("RGB", (16, 16)), kind))


def test_texts_and_profiles_of_a_png_that_unpack_to_much_are_not_unpacked():
    bomb = zlib.compress(bytes(50_000_000), 9)
    evil = chunk(b"zTXt", b"a\0\0" + bomb) + chunk(b"iTXt", b"a\0\1\0\0\0" + bomb) + chunk(b"iCCP", b"a\0\0" + bomb)
    png = saved(gradient(), "PNG")
    assert scale_image(after_header(png, evil * 20)) == bare_image(png)


def progressive_bomb(scans: int) -> bytes:
    """A grey JPEG of 6320 x 6320 whose every scan of 40 bytes is a pass over all blocks."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data

    table = bytes([1] + [0] * 15)
    head = segment(0xDB, b"\0" + bytes([1] * 64)) + segment(0xC2, struct.pack(">BHHB", 8, 6320, 6320, 1) + b"\1\x11\0")
    head += segment(0xC4, b"\x00" + table + b"\x00") + segment(0xC4, b"\x10" + table + b"\xe0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(6320 * 6320 // 64 // 8 + 1)
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + b"\x7f\xfe" * 40
    return b"\xff\xd8" + head + first + scan * scans + b"\xff\xd9"


@pytest.mark.parametrize(
    "data",
    [
        progressive_bomb(12_000),
        progressive_bomb(MAX_SCANS),
        after_header(saved(gradient(), "PNG"), chunk(b"aaAa", b"") * MAX_PARTS),
        b"\xff\xd8" + b"\xff\xe0\0\2" * MAX_PARTS + saved(gradient(), "JPEG")[2:],
        b"\xff\xd8" + b"\xff" * 10_000_000,
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8",
        saved(Image.new("1", (20_000, 20_000)), "PNG"),
        after_header(saved(gradient(), "PNG"), struct.pack(">I4s", 2**32 - 1, b"IDAT")),
    ],
)
def test_what_would_take_long_to_decode_is_refused_before(data, monkeypatch):
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image.size))
    with pytest.raises((ValueError, OSError, Image.DecompressionBombError)):
        scale_image(data)
    assert decoded == []
    scale_image(saved(gradient(), "PNG"))
    assert decoded == [(256, 256)]
