import contextlib
import itertools
import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter

from scribe_suite.analysis.columns import read_attempts
from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.diff import diff_runs
from scribe_suite.analysis.summary import coverage, notes
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import LedgerWriter, ledger_schema, read_ledger
from scribe_suite.ledger.records import AttemptRecord, RunEnd
from scribe_suite.ledger.sources import Source, read_records
from scribe_suite.report.views import RunView
from tests.ledger.factories import NOW, attempt, failed, header, record, resume_ledger, write_ledger


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "runs" / "r1.jsonl"
    writer = LedgerWriter(path, header())
    writer.append(record())
    writer.append(record(nodeid="b", outcome="infrastructure:kernel_start", metrics={}, skill=None))
    writer.close(RunEnd(finished=NOW, exit_code=3))
    ledger = read_ledger(path)
    assert ledger.header == header()
    assert [attempt.nodeid for attempt in ledger.attempts] == ["a", "b"]
    assert [attempt.counts for attempt in ledger.attempts] == [True, False]
    assert ledger.end is not None
    assert ledger.end.exit_code == 3


def test_submissions_are_written_and_old_ledgers_have_none(tmp_path):
    points = [
        {"number": 1, "seconds": 2.5, "skill": -0.5},
        {"number": 3, "seconds": 9.0, "skill": 1.0, "tokens": 700, "cost_usd": 0.5, "experiments": 2, "spent": 64},
    ]
    path = write_ledger(tmp_path / "r1.jsonl", [record(submitted=points)])
    (read,) = read_ledger(path).attempts
    assert [point.model_dump(exclude_defaults=True) for point in read.submitted] == points
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del lines[1]["submitted"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (old,) = read_ledger(path).attempts
    assert old.submitted == ()


def test_a_torn_last_line_costs_only_that_line(tmp_path):
    path = tmp_path / "r1.jsonl"
    writer = LedgerWriter(path, header())
    writer.append(record())
    writer.append(record(nodeid="b"))
    path.write_bytes(path.read_bytes()[:-20])
    ledger = read_ledger(path)
    assert [attempt.nodeid for attempt in ledger.attempts] == ["a"]
    assert ledger.end is None


def test_a_killed_writer_loses_nothing_that_was_appended(tmp_path):
    path = tmp_path / "r1.jsonl"
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.ledger.factories import header, record
from scribe_suite.ledger.ledger import LedgerWriter
writer = LedgerWriter(Path({str(path)!r}), header())
for number in range(5):
    writer.append(record(nodeid=str(number)))
print("written", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
    assert len(read_ledger(path).attempts) == 5


def test_a_ledger_is_never_overwritten(tmp_path):
    path = tmp_path / "r1.jsonl"
    LedgerWriter(path, header())
    with pytest.raises(ConfigurationError, match="choose another --results-dir"):
        LedgerWriter(path, header())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no header"),
        (b'{"line": "header"', "cut off in its header"),
        (b"hello\n", "Line 1 of .* is not a line of a ledger"),
        (b'{"line": "other"}\n', "Line 1"),
    ],
)
def test_a_file_that_is_no_ledger_is_named(tmp_path, content, message):
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        read_ledger(path)


def test_a_missing_ledger_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing\.jsonl can't be read"):
        read_ledger(tmp_path / "nothing.jsonl")


def test_records_refuse_what_json_can_not_carry():
    with pytest.raises(ValueError, match="finite"):
        record(metrics={"f1": float("nan")})
    with pytest.raises(ValueError, match="outcome"):
        record(outcome="great")


def test_every_line_is_plain_json(tmp_path):
    path = tmp_path / "r1.jsonl"
    LedgerWriter(path, header()).append(record(reason='quotes " and \n newlines'))
    lines = path.read_text().splitlines()
    assert [json.loads(line)["line"] for line in lines] == ["header", "attempt"]


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_at_most_the_line_it_was_writing(tmp_path):
    """Fifty writers, each killed at a random moment; what it had said to be written is there."""
    context = multiprocessing.get_context("fork")
    drawn = random.Random(1)
    for number in range(50):
        path = tmp_path / f"{number}.jsonl"
        receiver, sender = context.Pipe(duplex=False)
        writer = context.Process(target=_write_for_ever, args=(path, sender))
        writer.start()
        sender.close()
        receiver.recv()
        time.sleep(drawn.uniform(0, 0.03))
        writer.kill()
        writer.join()
        told = 0
        with contextlib.suppress(EOFError):
            while True:
                told = receiver.recv()
        receiver.close()
        ledger = read_ledger(path)
        assert [attempt.trial for attempt in ledger.attempts] == list(range(len(ledger.attempts)))
        assert told <= len(ledger.attempts) <= told + 1
        assert ledger.end is None


def _write_for_ever(path, told):
    writer = LedgerWriter(path, header())
    told.send(0)
    for number in itertools.count():
        writer.append(record(nodeid=str(number), trial=number, reason="x" * 20_000))
        told.send(number + 1)


def test_a_line_that_did_not_fit_on_the_disk_is_taken_back(tmp_path):
    """A file may not grow beyond a limit here, as on a full disk; then there is room again."""
    path = tmp_path / "r1.jsonl"
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.ledger.factories import header, record
from scribe_suite.ledger.ledger import LedgerWriter
writer = LedgerWriter(Path({str(path)!r}), header())
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
writer.append(record(nodeid="first"))
try:
    writer.append(record(nodeid="second", reason="x" * 5000))
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.append(record(nodeid="third"))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert [attempt.nodeid for attempt in read_ledger(path).attempts] == ["first", "third"]


def test_a_line_is_on_the_disk_when_append_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda _: synced.append(path.stat().st_size))
    path = tmp_path / "r1.jsonl"
    writer = LedgerWriter(path, header())
    for _ in range(3):
        writer.append(record())
        assert synced[-1] == path.stat().st_size
    assert len(synced) == 5  # the folder, the header, three attempts


# -- runs that are taken up again --------------------------------------------------------------------------------------

SOLVED = attempt()
BROKEN = failed(trial=1, reason="no kernel")
AGAIN = attempt(trial=1, skill=0.3)


def test_a_torn_line_is_cut_off_before_anything_is_added(tmp_path):
    path = write_ledger(tmp_path / "r1.jsonl", [SOLVED], ended=False)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"line":"attempt","reason":"' + b"x" * 200_000)
    writer, ledger = LedgerWriter.reopen(path)
    assert ledger.attempts == (SOLVED,)
    writer.leave()
    assert len(path.read_bytes()) > 200_000, "reading changes nothing"
    resume_ledger(path, [AGAIN])
    assert path.read_bytes().startswith(whole + b'{"line":"resume"')
    after = read_ledger(path)
    assert after.attempts == (SOLVED, AGAIN)
    assert after.end is not None
    assert after.resumes[0].planned == (AGAIN.nodeid,)


def test_what_counts_stands_and_what_infrastructure_failed_is_replaced(tmp_path):
    path = write_ledger(tmp_path / "r1.jsonl", [SOLVED, BROKEN])
    resume_ledger(path, [AGAIN, failed(trial=0)])
    ledger = read_ledger(path)
    assert ledger.records == (SOLVED, BROKEN, AGAIN, failed(trial=0))
    assert ledger.attempts == (SOLVED, AGAIN)


def test_an_attempt_that_failed_twice_stands_as_it_failed_last(tmp_path):
    later = failed(trial=1, outcome="infrastructure:not_logged_in")
    path = resume_ledger(write_ledger(tmp_path / "r1.jsonl", [SOLVED, BROKEN]), [later])
    assert read_ledger(path).attempts == (SOLVED, later)


def test_all_readers_see_the_same_attempts_of_a_resumed_run(tmp_path):
    """Also where a worker died after its attempt had been recorded, so that the line that counts is not the last."""
    records = [SOLVED, BROKEN, AGAIN, failed("infrastructure:worker_crashed", trial=0)]
    path = resume_ledger(write_ledger(tmp_path / "r1.jsonl", records[:2]), records[2:])
    fresh = write_ledger(tmp_path / "fresh.jsonl", [SOLVED, AGAIN])
    assert read_records(path)[1] == [SOLVED, AGAIN]
    assert str(coverage(records, 2)) == "scored 2/2, solved 1/2"
    assert notes(records) == []
    attempts, expected = read_attempts([path]), read_attempts([fresh])
    for name in ("task", "trial", "seed", "skill", "version"):
        assert getattr(attempts, name).tolist() == getattr(expected, name).tolist()
    assert attempts.counts.tolist() == [True, True]
    assert attempts.repeated == 2
    other = write_ledger(tmp_path / "other.jsonl", [SOLVED, attempt(trial=1, skill=0.9)])
    changes = [diff_runs(run, other, 0.05).changes for run in (path, fresh)]
    assert changes[0] == changes[1]
    assert len(changes[0]) == 1
    view = RunView(read_ledger(path))
    assert [one.superseded for one in view.attempts] == [False, True, False, True]
    assert str(view.coverage) == "scored 2/2, solved 1/2"


def test_a_run_that_was_taken_up_and_cut_off_has_no_end(tmp_path):
    path = resume_ledger(write_ledger(tmp_path / "r1.jsonl", [SOLVED]), [AGAIN], ended=False, differences=("git x",))
    assert read_ledger(path).end is None
    source = Source(path)
    assert len(list(source.attempts(TypeAdapter(AttemptRecord)))) == 2
    assert not source.info.complete
    assert source.info.differences == ("git x",)
    told = [note for note in compare_runs([path]).notes if "resumed" in note]
    assert told == ["Run #1 changed when it was resumed: git x."]
    resume_ledger(path, [])
    assert read_ledger(path).end is not None


def test_a_ledger_is_locked_while_it_is_written(tmp_path):
    path = tmp_path / "r1.jsonl"
    writer = LedgerWriter(path, header())
    with pytest.raises(ConfigurationError, match="The run r1 is still in progress"):
        LedgerWriter.reopen(path)
    writer.close(RunEnd(finished=NOW, exit_code=0))
    again, _ = LedgerWriter.reopen(path)
    with pytest.raises(ConfigurationError, match="is still in progress"):
        LedgerWriter.reopen(path)
    again.leave()
    LedgerWriter.reopen(path)[0].leave()


def test_the_lock_of_a_killed_writer_is_gone(tmp_path):
    path = tmp_path / "r1.jsonl"
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    writer = context.Process(target=_write_for_ever, args=(path, sender))
    writer.start()
    receiver.recv()
    with pytest.raises(ConfigurationError, match="is still in progress"):
        LedgerWriter.reopen(path)
    writer.kill()
    writer.join()
    LedgerWriter.reopen(path)[0].leave()


def test_a_ledger_that_can_not_be_reopened_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.jsonl can't be written"):
        LedgerWriter.reopen(tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_text("hello\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="is not a line of a ledger"):
            LedgerWriter.reopen(tmp_path / "x.jsonl")


def test_the_schema_describes_every_line(tmp_path):
    path = resume_ledger(write_ledger(tmp_path / "r1.jsonl", [SOLVED, BROKEN]), [AGAIN])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["line"] for line in lines] == ["header", "attempt", "attempt", "end", "resume", "attempt", "end"]
    for line in lines:
        jsonschema.validate(line, ledger_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"line": "resume"}, ledger_schema())
