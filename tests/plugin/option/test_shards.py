"""Shards: every test is in one, whatever else there is, and together they are the whole."""

import subprocess
import sys
from collections import Counter

import pytest

from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.merge import merge_ledgers
from scribe_suite.plugin.option.shards import Shard

IDS = [
    f"benchmarks/{family}/test_{family}.py::test_it[task{task}-{provider}-t{trial}]"
    for family in ("circuits", "probes")
    for task in range(6)
    for provider in ("claude", "codex:gpt-5")
    for trial in range(4)
]
#: Ends of the ids in the first of forty shards.
PINNED = ["st_it[task0-claude-t2]", "[task0-codex:gpt-5-t0]"]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 200])
def test_every_test_is_in_exactly_one_shard(count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    assert all(sum(shard.holds(nodeid) for shard in shards) == 1 for nodeid in IDS)


@pytest.mark.parametrize("count", [2, 4])
def test_trials_are_dealt_out_evenly(count):
    sizes = [sum(Shard(number, count).holds(nodeid) for nodeid in IDS) for number in range(1, count + 1)]
    assert sizes == [len(IDS) // count] * count


def test_shards_of_many_tests_are_about_equal():
    ids = [f"test_x.py::test_it[task{number}-claude-t0]" for number in range(4000)]
    sizes = Counter(number for nodeid in ids for number in range(1, 9) if Shard(number, 8).holds(nodeid))
    assert all(400 < size < 600 for size in sizes.values())


def test_the_shard_of_a_test_is_the_same_in_every_process():
    told_by = "print([Shard(2, 3).holds(nodeid) for nodeid in sys.argv[1:]])"
    code = f"import sys; from scribe_suite.plugin.option.shards import Shard; {told_by}"
    told = subprocess.run([sys.executable, "-c", code, *IDS], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str([Shard(2, 3).holds(nodeid) for nodeid in IDS])
    # pinned: jobs of another version of this suite must agree
    assert [nodeid[-22:] for nodeid in IDS if Shard(1, 40).holds(nodeid)] == PINNED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "'2' is not of the form K/N, as in 2/8"),
        ("a/b", "is not of the form K/N"),
        ("0/3", "There is no part 0/3: count from 1/3 to 3/3"),
        ("4/3", "There is no part 4/3"),
        ("1/0", "There is no part 1/0"),
        ("-1/3", "is not of the form K/N"),
    ],
)
def test_what_is_no_shard_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        Shard.parse(text)


def run_shards(suite, count, *options):
    """The ledgers of all shards, and the exit codes."""
    codes = []
    for number in range(1, count + 1):
        shard = ("--shard", f"{number}/{count}", "--results-dir", f"parts/{number}")
        codes.append(
            suite.run("--provider", "null,limited", "--trials", "2", "--instance-seed", "7", *options, *shard).ret
        )
    return sorted((suite.folder / "parts").glob("*/*.jsonl")), codes


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)], ids=["alone", "xdist"])
@pytest.mark.slow
def test_all_shards_merged_are_the_whole_run(suite, workers):
    suite.run("--provider", "null,limited", "--trials", "2", "--instance-seed", "7")
    (path,) = suite.folder.glob("runs/*.jsonl")
    whole = read_ledger(path)
    ledgers, codes = run_shards(suite, 2, *workers)
    assert codes == [1, 1]
    parts = [read_ledger(ledger) for ledger in ledgers]
    assert [part.header.shard for part in parts] == ["1/2", "2/2"]
    assert [len(part.header.planned) for part in parts] == [2, 2]
    merged = merge_ledgers(ledgers, suite.folder / "all.jsonl")
    assert (merged.attempts, merged.planned, merged.complete) == (4, 4, True)
    after = read_ledger(suite.folder / "all.jsonl")
    assert set(after.header.planned) == set(whole.header.planned)
    assert after.header.shard is None

    def told(ledger):
        return sorted((record.nodeid, record.instance_seed, record.outcome) for record in ledger.attempts)

    assert told(after) == told(whole)
    assert {name: value for name, value in after.header.lock.items() if name != "machine"} == {
        name: value for name, value in whole.header.lock.items() if name != "machine"
    }


@pytest.mark.slow
def test_a_shard_without_tests_is_no_error_and_has_no_ledger(suite):
    ledgers, codes = run_shards(suite, 6)
    assert set(codes) == {1, 5}
    assert sum(len(read_ledger(ledger).header.planned) for ledger in ledgers) == 4
    assert len(ledgers) == codes.count(1)


@pytest.mark.slow
def test_a_shard_is_resumed_by_itself(suite):
    run = suite.run("--provider", "nologin,null", "--trials", "2", "--shard", "1/2")
    path = next(suite.folder.glob("runs/*.jsonl"))
    planned = read_ledger(path).header.planned
    again = suite.run("--resume", str(path))
    assert run.ret == again.ret
    assert read_ledger(path).header.planned == planned
    assert {record.nodeid for record in read_ledger(path).records} == set(planned)
