from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.journal import Journal, lock_file, read_journal


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


def test_a_full_disk_is_the_infrastructure_s_failure(path):
    journal = Journal(path, lambda _event: None)
    journal.close()
    with (
        Path("/dev/full").open("a+b", buffering=0) as journal._file,
        pytest.raises(InfrastructureError, match="No space left") as caught,
    ):
        journal.append("journal")
    assert caught.value.cause == "journal_write"


def plant_link(path: Path) -> None:
    path.symlink_to(path.with_name("secret"))


def plant_hard_link(path: Path) -> None:
    path.hardlink_to(path.with_name("secret"))


@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, os.mkfifo, Path.mkdir])
def test_what_is_no_file_of_its_own_is_neither_read_nor_written(path, plant):
    secret = path.with_name("secret")
    secret.write_bytes(b"mine")
    plant(path)
    with pytest.raises(InfrastructureError, match="can't be written: ") as caught:
        Journal(path, lambda _event: None)
    assert caught.value.cause == "journal_write"
    with pytest.raises(InfrastructureError, match="can't be read as a journal: ") as caught:
        list(read_journal(path))
    assert caught.value.cause == "journal_corrupt"
    assert secret.read_bytes() == b"mine"


def test_a_journal_that_rested_does_not_go_on_in_what_has_taken_its_name(path):
    journal = Journal(path, lambda _event: None)
    journal.append("journal")
    journal.rest()
    path.rename(path.with_name("moved"))
    os.mkfifo(path)
    with pytest.raises(InfrastructureError, match="can't be written") as caught:
        journal.append("session_started")
    assert caught.value.cause == "journal_write"


def test_a_file_of_a_terabyte_without_content_is_no_journal(path, monkeypatch):
    monkeypatch.setattr("scribe_suite.notebook.journal.MAX_EVENT_BYTES", 1 << 20)
    path.write_bytes(b'{"event": "journal"}\n')
    os.truncate(path, 1 << 40)
    with pytest.raises(InfrastructureError, match="Line 2") as caught:
        list(read_journal(path))
    assert caught.value.cause == "journal_corrupt"
    with pytest.raises(InfrastructureError, match="too long for an event") as caught:
        Journal(path, lambda _event: None)
    assert caught.value.cause == "journal_write"


def test_what_a_crash_has_left_of_a_last_line_does_not_spoil_the_next(path):
    path.write_bytes(b'{"event": "journal"}\n{"event": "cell_st' + b"x" * 200_000)
    journal = Journal(path, lambda _event: None)
    journal.append("session_started")
    journal.close()
    assert [event["event"] for event in read_journal(path)] == ["journal", "session_started"]


def test_a_last_event_that_only_lacks_its_line_end_stays(path):
    path.write_bytes(b'{"event": "journal"}')
    journal = Journal(path, lambda _event: None)
    journal.append("session_started")
    journal.close()
    assert [event["event"] for event in read_journal(path)] == ["journal", "session_started"]


def test_an_event_that_a_full_disk_cut_short_leaves_no_trace(path, monkeypatch):
    seen: list[dict[str, Any]] = []
    journal = Journal(path, seen.append)
    journal.append("journal")
    file = journal._file
    results = iter([file.write, lambda _data: (_ for _ in ()).throw(OSError(28, "No space left on device"))])

    class Full:
        """Takes ten bytes, then no more."""

        def write(self, data: bytes) -> int:
            return int(next(results)(data[:10]))

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

    monkeypatch.setattr(journal, "_file", Full())
    with pytest.raises(InfrastructureError, match="No space left"):
        journal.append("cell_started")
    monkeypatch.undo()
    journal.append("session_closed")
    assert [event["event"] for event in read_journal(path)] == ["journal", "session_closed"]
    assert len(seen) == 2
    journal.close()


def test_a_journal_has_one_writer_and_waits_a_moment_for_a_reader(path, monkeypatch):
    first = Journal(path, lambda _event: None)
    monkeypatch.setattr("scribe_suite.notebook.journal.LOCK_S", 0.05)
    with pytest.raises(InfrastructureError, match="open in another harness"):
        Journal(path, lambda _event: None)
    first.close()
    monkeypatch.setattr("scribe_suite.notebook.journal.LOCK_S", 10)
    with path.open("rb", buffering=0) as reader:
        assert lock_file(reader, fcntl.LOCK_SH)
        threading.Timer(0.1, reader.close).start()
        Journal(path, lambda _event: None).close()


def test_a_file_system_without_locks_will_do(path, monkeypatch):
    def unsupported(*_arguments: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    journal = Journal(path, lambda _event: None)
    journal.append("journal")
    journal.close()
    assert len(list(read_journal(path))) == 1


def test_a_journal_that_rests_has_no_file_open_until_the_next_event(tmp_path):
    seen: list[str] = []
    journal = Journal(tmp_path / "n.journal.jsonl", lambda event: seen.append(event["event"]))
    journal.append("first")
    journal.rest()
    journal.rest()
    with (tmp_path / "n.journal.jsonl").open("rb") as file:
        assert lock_file(file, fcntl.LOCK_SH)
    journal.append("second")
    journal.close()
    with pytest.raises(InfrastructureError, match="can't be written"):
        journal.append("third")
    journal.rest()
    assert [event["event"] for event in read_journal(tmp_path / "n.journal.jsonl")] == ["first", "second"] == seen
