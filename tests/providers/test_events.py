"""What is taken of the lines that a CLI, or whoever runs in its place, writes."""

from __future__ import annotations

import json

import pytest

from scribe_suite.providers.clis import events
from scribe_suite.providers.clis.events import parse_event


def test_an_event_is_its_object():
    assert parse_event('{"type": "x", "n": [1, 2.5, null], "é": "ü"}') == {"type": "x", "n": [1, 2.5, None], "é": "ü"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "[1]",
        '"text"',
        '{"cost": Infinity}',
        '{"cost": NaN}',
        '{"cost": 1e400}',
        '{"cost": -1e99}',
        json.dumps({"tokens": 10**400}),
        '{"tokens": -9999999999999999}',
        "[" * 100_000,
        '{"a": ' * 100_000,
    ],
)
def test_what_tables_and_ledgers_could_not_hold_is_no_event(line):
    assert parse_event(line) is None


def test_half_a_character_is_replaced():
    event = parse_event('{"model": "\\ud800x", "text": "\\ud83d\\ude00"}')
    assert event == {"model": "?x", "text": "😀"}
    json.dumps(event, ensure_ascii=False).encode()


def test_a_line_that_would_become_many_times_its_size_is_not_parsed(monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    assert parse_event("x" * (events.MAX_EVENT + 1)) is None
    assert parse_event('{"a":[' + "[]," * events.MAX_MARKS + "0]}") is None
