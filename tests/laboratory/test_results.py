"""Results of slow runs are kept, the newest of them, and never more than there is room for."""

from __future__ import annotations

from scribe_suite.laboratory import results
from scribe_suite.laboratory.frames import MAX_TENSORS_OUT
from scribe_suite.laboratory.results import SLOW_S, SlowResults


def test_only_slow_ones_are_kept():
    kept = SlowResults()
    kept.keep("quick", b"q", SLOW_S / 2)
    kept.keep("slow", b"s", SLOW_S)
    assert (kept.get("quick"), kept.get("slow"), kept.get("other")) == (None, b"s", None)


def test_the_oldest_go_when_there_is_no_room(monkeypatch):
    monkeypatch.setattr(results, "MAX_KEPT", 10)
    kept = SlowResults()
    for key in "abca":
        kept.keep(key, key.encode() * 5, SLOW_S)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (b"aaaaa", None, b"ccccc")
    kept.keep("d", b"d" * 10, SLOW_S)
    assert (kept.get("a"), kept.get("c"), kept.get("d")) == (None, None, b"d" * 10)


def test_the_largest_result_has_room():
    assert results.MAX_KEPT >= MAX_TENSORS_OUT
