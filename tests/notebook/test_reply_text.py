from __future__ import annotations

import json

import pytest

from scribe_suite.notebook.reply_text import fit_parts, fit_payload, shorten


def test_parts_that_fit_stand_under_one_another_as_they_are():
    assert fit_parts(["head", "", "λ\n\tsecond"], 100) == ("head\nλ\n\tsecond", False)
    assert fit_parts([], 100) == ("", False)


@pytest.mark.parametrize("sizes", [(100_000, 20, 100_000), (38_900, 200), (3_000,) * 60])
def test_long_parts_share_the_room_and_short_ones_stay_whole(sizes):
    text, shortened = fit_parts([f"<{'x' * size}>" for size in sizes], 39_000)
    assert shortened
    assert 38_000 < len(text) < 39_000
    assert text.count("<") == text.count(">") == len(sizes)
    assert "characters left out" in text
    assert all(f"<{'x' * size}>" in text for size in sizes if size < 400)


def test_what_is_left_out_is_counted():
    assert shorten("a" * 50 + "b" * 51, 10) == "aaaaa\n[... 91 characters left out ...]\nbbbbb"


def test_a_payload_is_shortened_as_it_is_sent_and_a_traceback_as_a_whole():
    payload = {
        "outputs": [{"content": "\n" * 100_000}, {"traceback": [f"line {n}" for n in range(20_000)]}],
        "status": "ok",
    }
    fitted = fit_payload(payload, 39_000)
    assert len(json.dumps(fitted)) < 39_000
    lines = fitted["outputs"][1]["traceback"]
    assert (lines[0], lines[-1], fitted["status"]) == ("line 0", "line 19999", "ok")
    assert fit_payload({"a": "λ"}, 100) == {"a": "λ"}
