"""SIGKILL at any moment costs at most the attempts that were running; a resumed run makes them again."""

import os
import random
import signal
import time

import psutil
import pytest

from scribe_suite.ledger.ledger import read_ledger

#: Told by the controller of every report that it has passed on, after the ledger had it.
TELLS = """
import os
import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.when == "teardown" and "PYTEST_XDIST_WORKER" not in os.environ:
        told = os.open("told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(told, report.nodeid.encode() + b"\\n")
        os.close(told)
"""
PROVIDERS = "null,limited,oracle"
TRIALS = 4
PLANNED = 12
#: Seconds that an attempt takes, about.
ATTEMPT_S = 1.0


@pytest.fixture
def told(suite):
    suite.write("benchmarks/conftest.py", TELLS)
    return suite


def start(suite, workers, seed):
    options = ("--provider", PROVIDERS, "--trials", str(TRIALS), "--instance-seed", str(seed), "--isolation", "none")
    return suite.start(*options, "--results-dir", f"runs{seed}", "--record-only", *workers)


def wait_for_attempts(suite, process, seed, count):
    """Wait until the ledger has so many attempts, or the run is over; returns its path."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        over = process.poll() is not None
        for path in (suite.folder / f"runs{seed}").glob("*.jsonl"):
            content = path.read_bytes()
            if content and (over or content.count(b'{"line":"attempt"') >= count):
                return path
        assert not over, "the run has no ledger"
        time.sleep(0.02)
    raise AssertionError(f"the run has not made {count} attempts")


def moment(drawn):
    """Attempts and seconds after them, so that the moments are spread over the run on any machine."""
    return drawn.randint(0, PLANNED - 2), drawn.uniform(0, ATTEMPT_S)


def reported(suite):
    path = suite.folder / "told"
    lines = path.read_bytes().decode().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return set(lines)


def end_of(process):
    """Wait for a run whose controller was killed, and end what it left behind."""
    process.wait(120)
    for member in psutil.process_iter(["pid"]):
        try:
            if os.getsid(member.pid) == process.pid:
                member.kill()
        except (OSError, psutil.Error):
            pass


def kill_controller(suite, seed, workers, count, later_s):
    """Returns the ledger after the kill, which holds all that had been reported."""
    process = start(suite, workers, seed)
    try:
        path = wait_for_attempts(suite, process, seed, count)
        time.sleep(later_s)
        process.kill()
    finally:
        end_of(process)
    ledger = read_ledger(path)
    recorded = {record.nodeid for record in ledger.attempts}
    assert reported(suite) <= recorded
    assert len(recorded) == len(ledger.records), "each attempt is written once"
    assert len(ledger.header.planned) == PLANNED
    return path


def resume(suite, path, *workers):
    before = read_ledger(path)
    run = suite.run("--resume", str(path), *workers)
    after = read_ledger(path)
    assert run.ret == 0, run.output
    assert {record.nodeid for record in after.attempts} == set(after.header.planned)
    assert len(after.attempts) == PLANNED
    assert all(record.counts for record in after.attempts)
    assert all(record in after.attempts for record in before.attempts if record.counts), "none is made twice"
    assert after.end is not None
    assert f"scored {PLANNED}/{PLANNED}" in run.output
    reported(suite)


@pytest.mark.slow
def test_a_killed_controller_loses_only_what_ran_and_a_resumed_run_is_complete(told):
    path = kill_controller(told, 1, (), 3, 0.1)
    assert read_ledger(path).end is None
    resume(told, path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_controller_killed_at_random_moments(told, workers):
    """20 moments each; every fifth run is taken up again."""
    drawn = random.Random(f"controller {workers}")
    sizes = set()
    for seed in range(20):
        path = kill_controller(told, seed, workers, *moment(drawn))
        sizes.add(len(read_ledger(path).attempts))
        if seed % 5 == 0:
            resume(told, path, *workers)
    assert len(sizes) > 3, "the moments were really different ones"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_worker_killed_at_random_moments(told):
    """10 moments; the run goes on with another worker, and what was lost is named and made again."""
    drawn = random.Random("worker")
    kills_that_cost = 0
    for seed in range(10):
        process = start(told, ("-n", "2"), seed)
        try:
            count, later_s = moment(drawn)
            path = wait_for_attempts(told, process, seed, count)
            time.sleep(later_s)
            workers = [child for child in children(process) if is_worker(child)]
            assert workers or process.poll() is not None
            if workers:
                drawn.choice(workers).send_signal(signal.SIGKILL)
            process.wait(120)
        finally:
            process.kill()
            end_of(process)
        ledger = read_ledger(path)
        assert reported(told) <= {record.nodeid for record in ledger.attempts}
        assert {record.nodeid for record in ledger.attempts} == set(ledger.header.planned)
        lost = [record for record in ledger.attempts if not record.counts]
        assert len(lost) <= 1
        kills_that_cost += bool(lost)
        assert ledger.end is not None
        assert ledger.end.exit_code == (3 if lost else 0)
        if lost and seed % 3 == 0:
            resume(told, path, "-n", "2")
    assert kills_that_cost > 0, "the kills really met attempts"


def children(process):
    try:
        return psutil.Process(process.pid).children()
    except psutil.Error:  # it has ended
        return []


def is_worker(process):
    try:
        return any("sys.stdin.readline" in argument for argument in process.cmdline())  # execnet's way of starting
    except psutil.Error:
        return False
