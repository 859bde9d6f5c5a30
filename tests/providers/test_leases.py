"""Leases: one holder at a time, whoever dies."""

import multiprocessing
import os
import signal
import time

from scribe_suite.providers.leases import KEPT, Leases

FORK = multiprocessing.get_context("fork")
FAST = {"beat_s": 0.1, "expire_s": 0.6}


def waited_for(leases, names, limit_s=10):
    """The lease, asked for again and again, and how long that took."""
    begin = time.monotonic()
    while (lease := leases.take(names)) is None:
        assert time.monotonic() - begin < limit_s
        time.sleep(0.05)
    return lease, time.monotonic() - begin


def test_a_name_has_one_holder_and_is_free_when_given_back(tmp_path):
    first, second = Leases(tmp_path, **FAST), Leases(tmp_path, **FAST)
    lease = first.take(["a"])
    assert lease is not None
    assert second.take(["a"]) is None
    lease.close()
    assert second.take(["a"]) is not None


def test_the_next_name_is_taken_when_the_first_is_held(tmp_path):
    leases = Leases(tmp_path, **FAST)
    held = [leases.take(["a", "b"]) for _ in range(3)]
    assert [lease and lease.name for lease in held] == ["a", "b", None]


def test_a_holder_who_lives_is_not_replaced(tmp_path):
    lease = Leases(tmp_path, **FAST).take(["a"])
    other, end = Leases(tmp_path, **FAST), time.monotonic() + 3 * FAST["expire_s"]
    while time.monotonic() < end:
        assert other.take(["a"]) is None
        time.sleep(0.05)
    assert not lease.lost
    lease.close()


def test_who_lives_can_be_seen_without_taking_anything(tmp_path):
    assert Leases(tmp_path / "none", **FAST).held(["a"]) == set()
    lease, other = Leases(tmp_path, **FAST).take(["a"]), Leases(tmp_path, **FAST)
    end = time.monotonic() + 2 * FAST["expire_s"]
    while time.monotonic() < end:
        assert other.held(["a", "b"]) == {"a"}
        time.sleep(0.05)
    lease.close()
    assert other.held(["a", "b"]) == set()
    (tmp_path / "a.g7").write_text("a machine that is gone 3\n")
    assert other.held(["a"]) == {"a"}
    time.sleep(1.5 * FAST["expire_s"])
    assert other.held(["a"]) == set()


def hold(folder, ready):
    Leases(folder, **FAST).take(["a"])
    ready.put(True)
    time.sleep(60)


def test_what_a_killed_process_held_is_taken_over_after_a_while(tmp_path):
    ready = FORK.Queue()
    process = FORK.Process(target=hold, args=(tmp_path, ready))
    process.start()
    ready.get(timeout=10)
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    lease, took_s = waited_for(Leases(tmp_path, **FAST), ["a"])
    assert took_s >= FAST["expire_s"]
    lease.close()


def test_who_was_replaced_knows_it_and_does_not_free_what_is_not_his(tmp_path):
    ready = FORK.Queue()
    process = FORK.Process(target=hold, args=(tmp_path, ready))
    process.start()
    ready.get(timeout=10)
    os.kill(process.pid, signal.SIGSTOP)
    lease, _ = waited_for(Leases(tmp_path, **FAST), ["a"])
    os.kill(process.pid, signal.SIGCONT)
    time.sleep(5 * FAST["beat_s"])
    assert not lease.lost
    assert Leases(tmp_path, **FAST).take(["a"]) is None
    process.kill()
    process.join(10)
    lease.close()


def test_a_holder_learns_that_a_later_generation_exists(tmp_path):
    lease = Leases(tmp_path, **FAST).take(["a"])
    (tmp_path / "a.g2").write_text("another machine 0\n")
    end = time.monotonic() + 5
    while not lease.lost and time.monotonic() < end:
        time.sleep(0.05)
    assert lease.lost
    lease.close()
    assert (tmp_path / "a.g2").read_text() == "another machine 0\n"


def contend(folder, number, log):
    leases = Leases(folder, **FAST)
    for _ in range(5):
        lease, _ = waited_for(leases, ["a"], 60)
        log.put((time.monotonic(), 1))
        time.sleep(0.01)
        log.put((time.monotonic(), -1))
        lease.close()


def test_no_two_of_many_hold_it_at_once(tmp_path):
    log = FORK.Queue()
    processes = [FORK.Process(target=contend, args=(tmp_path, number, log)) for number in range(4)]
    for process in processes:
        process.start()
    events = sorted(log.get(timeout=60) for _ in range(40))
    inside = most = 0
    for _, change in events:
        inside += change
        most = max(most, inside)
    assert most == 1
    for process in processes:
        process.join(10)


def test_few_files_are_left(tmp_path):
    leases = Leases(tmp_path, **FAST)
    for _ in range(KEPT + 20):
        leases.take(["a"]).close()
    assert len(list(tmp_path.iterdir())) <= KEPT + 1


def test_an_old_listing_leads_to_no_generation_that_was_there(tmp_path):
    leases = Leases(tmp_path, **FAST)
    for _ in range(5):
        leases.take(["a"]).close()
    assert not leases._made("a", 3)
    assert not Leases(tmp_path, **FAST)._made("a", 5)
