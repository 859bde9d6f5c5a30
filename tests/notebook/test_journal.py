from __future__ import annotations

import json
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.journal import Journal, read_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.journal.jsonl"


def test_each_event_is_on_the_disk_when_append_returns_and_the_observer_sees_it(path):
    seen = []
    journal = Journal(path, seen.append)
    journal.append("cell_started", cell="cell-0", code="λ\n\ud800")
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == seen[0]
    assert seen[0]["event"] == "cell_started"
    journal.close()


def test_a_journal_is_appended_to_never_rewritten(path):
    for number in range(2):
        journal = Journal(path, lambda _event: None)
        journal.append("session_started", number=number)
        journal.close()
        journal.close()
    assert [event["number"] for event in read_journal(path)] == [0, 1]


def test_a_last_line_that_a_crash_cut_short_is_left_out(path):
    path.write_bytes(b'{"event": "journal"}\n{"event": "cell_st')
    assert [event["event"] for event in read_journal(path)] == ["journal"]


@pytest.mark.parametrize("line", [b"garbage", b'"text"', b'{"no": "event"}'])
def test_a_broken_line_in_the_middle_is_named(path, line):
    path.write_bytes(b'{"event": "journal"}\n' + line + b'\n{"event": "journal"}\n')
    with pytest.raises(InfrastructureError, match="Line 2") as caught:
        list(read_journal(path))
    assert caught.value.cause == "journal_corrupt"


def test_a_full_disk_is_the_infrastructure_s_failure():
    journal = Journal(Path("/dev/full"), lambda _event: None)
    with pytest.raises(InfrastructureError, match="No space left") as caught:
        journal.append("journal")
    assert caught.value.cause == "journal_write"
