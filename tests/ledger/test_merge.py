import os
import subprocess
import sys
from datetime import UTC, timedelta, timezone
from random import Random

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.ledger.merge import merge_ledgers
from scribe_suite.ledger.records import RunEnd
from tests.ledger.factories import NOW, attempt, failed, resume_ledger, write_ledger

A = [attempt("circuits/x", "a", trial) for trial in range(2)]
B = [attempt("circuits/x", "b", trial, 0.25) for trial in range(2)]
LOCK = {
    "git": {"commit": "c" * 40},
    "machine": {"platform": "Linux-1", "cores": 4},
    "tasks": {"circuits/x": {"version": 1}},
}
OTHER = {"platform": "L2", "cores": 4}


def test_a_merged_ledger_reads_like_any_other(tmp_path):
    parts = [
        write_ledger(tmp_path / "a.jsonl", A, providers=("a",), lock=LOCK, trials=2),
        write_ledger(
            tmp_path / "b.jsonl", B, providers=("b",), lock=LOCK | {"machine": {"platform": "L2", "cores": 4}}
        ),
    ]
    merged = merge_ledgers(parts, tmp_path / "all.jsonl")
    assert (merged.attempts, merged.planned, merged.complete) == (4, 4, True)
    ledger = read_ledger(tmp_path / "all.jsonl")
    assert sorted(record.nodeid for record in ledger.attempts) == sorted(record.nodeid for record in [*A, *B])
    assert (ledger.header.run, ledger.header.providers) == ("all", ("a", "b"))
    assert ledger.header.lock == LOCK | {"machine": {"platform": "L2; Linux-1", "cores": 4}}
    assert ledger.end == RunEnd(finished=NOW, exit_code=0)
    whole = write_ledger(tmp_path / "whole.jsonl", [*A, *B], providers=("a", "b"), lock=LOCK)
    assert compare_runs([tmp_path / "all.jsonl"]).pairs == compare_runs([whole]).pairs


def test_the_order_of_parts_makes_no_difference_to_the_attempts(tmp_path):
    parts = [write_ledger(tmp_path / "a.jsonl", A), write_ledger(tmp_path / "b.jsonl", B)]
    merge_ledgers(parts, tmp_path / "ab.jsonl")
    merge_ledgers(parts[::-1], tmp_path / "ba.jsonl")
    assert read_ledger(tmp_path / "ab.jsonl").attempts == read_ledger(tmp_path / "ba.jsonl").attempts


def _loaded_and_sorted(parts, output):
    """A merged ledger's bytes, made in the plain way: with all records in memory."""
    ledgers = [(path, read_ledger(path)) for path in parts]
    merged = read_ledger(output)
    records = [
        record
        if record.folder is None
        else record.model_copy(update={"folder": os.path.relpath(path.parent / record.folder, output.parent)})
        for path, ledger in ledgers
        for record in ledger.records
    ]
    records.sort(key=lambda record: (record.started is not None, record.started, record.nodeid))
    resumes = sorted((line for _, ledger in ledgers for line in ledger.resumes), key=lambda line: line.resumed)
    lines = [merged.header, *resumes, *records, *([merged.end] if merged.end else [])]
    return b"".join(line.model_dump_json().encode() + b"\n" for line in lines)


def test_the_order_and_every_byte_are_those_of_the_records_sorted_in_memory(tmp_path):
    """Equal and missing times, other time zones, resumed parts, folders elsewhere, and lines of an old version."""
    random = Random(1)
    zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]
    parts = []
    for number in range(4):
        records = [
            attempt(
                f"circuits/é{number}",
                trial=trial,
                started=random.choice([None, *(NOW + timedelta(microseconds=random.randrange(3)),) * 4]),
                folder=random.choice([None, f"f{trial}", f"deep/f{trial}"]),
            )
            for trial in range(30)
        ]
        records = [
            record.model_copy(update={"started": record.started and record.started.astimezone(random.choice(zones))})
            for record in records
        ]
        lost = [
            record.model_copy(update={"outcome": "infrastructure:lost", "skill": None, "metrics": {}})
            for record in records[20:]
        ]
        folder = tmp_path / f"part{number % 3}"
        path = write_ledger(folder / f"{number}.jsonl", [*records[:20], *lost])
        resume_ledger(path, records[20:])
        parts.append(path)
    old = parts[0].read_text().replace('"reproduced":null,', "").replace('"actions":{},', "")
    assert old != parts[0].read_text()
    parts[0].write_text(old)
    output = tmp_path / "part1" / "all.jsonl"
    merged = merge_ledgers(parts, output)
    assert (merged.attempts, merged.complete) == (120, True)
    assert output.read_bytes() == _loaded_and_sorted(parts, output)
    assert sorted(path.name for path in output.parent.iterdir()) == ["1.jsonl", "all.jsonl"]


def test_a_full_disk_leaves_nothing_behind_and_is_named(tmp_path):
    parts = [write_ledger(tmp_path / "parts" / "a.jsonl", A), write_ledger(tmp_path / "parts" / "b.jsonl", B)]
    size = sum(path.stat().st_size for path in parts)
    code = (
        "import resource, signal, sys; from pathlib import Path; from scribe_suite.ledger.merge import merge_ledgers\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
        "merge_ledgers([Path(path) for path in sys.argv[3:]], Path(sys.argv[2]))"
    )
    for room in (size // 4, size * 3 // 4):
        output = tmp_path / "new" / "all.jsonl"
        done = subprocess.run(
            [sys.executable, "-c", code, str(room), str(output), *map(str, parts)], capture_output=True, text=True
        )
        assert "can't be written (File too large): name another file." in done.stderr
        assert list(output.parent.iterdir()) == []


def test_merged_ledgers_are_merged_again(tmp_path):
    parts = [write_ledger(tmp_path / f"{n}.jsonl", [record]) for n, record in enumerate([*A, *B])]
    merge_ledgers(parts[:2], tmp_path / "01.jsonl")
    merge_ledgers([tmp_path / "01.jsonl", *parts[2:]], tmp_path / "all.jsonl")
    assert len(read_ledger(tmp_path / "all.jsonl").attempts) == 4


def test_the_tasks_of_all_parts_are_locked(tmp_path):
    locks = [LOCK, LOCK | {"tasks": {"probes/y": {"version": 3}}}]
    parts = [
        write_ledger(tmp_path / f"{n}.jsonl", [record], lock=lock)
        for n, (lock, record) in enumerate(zip(locks, (A[0], B[0]), strict=True))
    ]
    merge_ledgers(parts, tmp_path / "all.jsonl")
    assert set(read_ledger(tmp_path / "all.jsonl").header.lock["tasks"]) == {"circuits/x", "probes/y"}


def test_providers_and_seeds_of_all_parts_are_locked(tmp_path):
    seeds = ({"0": "a", "1": "b"}, {"1": "b", "2": "c"})
    parts = [
        write_ledger(
            tmp_path / f"{n}.jsonl",
            [record],
            lock=LOCK
            | {"providers": {f"p{n}": {"program": "1"}}, "tasks": {"circuits/x": {"version": 1, "instance_seeds": s}}},
        )
        for n, (s, record) in enumerate(zip(seeds, (A[0], B[0]), strict=True))
    ]
    merge_ledgers(parts, tmp_path / "all.jsonl")
    lock = read_ledger(tmp_path / "all.jsonl").header.lock
    assert lock["tasks"]["circuits/x"]["instance_seeds"] == {"0": "a", "1": "b", "2": "c"}
    assert set(lock["providers"]) == {"p0", "p1"}


@pytest.mark.parametrize(
    ("shards", "whole"),
    [
        (("1/2", "2/2"), None),
        (("1/2", "1/2"), "1/2"),
        (("10/12", "2/12"), "2/12, 10/12"),
        (("1/2", "2/3"), "1/2, 2/3"),
        (("1/2", None), None),
    ],
)
def test_a_whole_of_some_shards_only_says_so(tmp_path, shards, whole):
    parts = [
        write_ledger(tmp_path / f"{n}.jsonl", [record], shard=shard)
        for n, (shard, record) in enumerate(zip(shards, A, strict=True))
    ]
    merge_ledgers(parts, tmp_path / "all.jsonl")
    assert read_ledger(tmp_path / "all.jsonl").header.shard == whole


def test_a_part_that_was_resumed_stays_so(tmp_path):
    broken = failed(task="circuits/x", provider="a", trial=0)
    resumed = resume_ledger(write_ledger(tmp_path / "a.jsonl", [broken, A[1]]), [A[0]], differences=("git commit (x)",))
    merged = merge_ledgers([resumed, write_ledger(tmp_path / "b.jsonl", B)], tmp_path / "all.jsonl")
    assert (merged.attempts, merged.planned, merged.complete) == (4, 4, True)
    ledger = read_ledger(tmp_path / "all.jsonl")
    assert sorted(record.nodeid for record in ledger.attempts) == sorted(record.nodeid for record in [*A, *B])
    assert all(record.counts for record in ledger.attempts)
    assert len(ledger.records) == 5
    assert ledger.resumes[0].differences == ("git commit (x)",)
    assert ledger.end is not None


def test_a_part_that_was_cut_off_makes_the_whole_cut_off(tmp_path):
    parts = [write_ledger(tmp_path / "a.jsonl", A), write_ledger(tmp_path / "b.jsonl", B, ended=False)]
    assert not merge_ledgers(parts, tmp_path / "all.jsonl").complete
    assert read_ledger(tmp_path / "all.jsonl").end is None


def test_what_is_missing_is_counted_anew(tmp_path):
    planned = tuple(record.nodeid for record in [*A, *B])
    part = write_ledger(tmp_path / "a.jsonl", A, planned=planned)
    merge_ledgers([part], tmp_path / "all.jsonl")
    assert read_ledger(tmp_path / "all.jsonl").end.missing == planned[2:]


@pytest.mark.parametrize(
    ("codes", "expected"), [((0, 0), 0), ((0, 1), 1), ((1, 3), 3), ((3, 2), 3), ((0, 5), 0), ((5, 5), 5), ((1, 2), 2)]
)
def test_the_exit_code_is_the_most_telling_one(tmp_path, codes, expected):
    parts = []
    for number, (code, record) in enumerate(zip(codes, A, strict=True)):
        path = write_ledger(tmp_path / f"{number}.jsonl", [record])
        path.write_text(path.read_text().replace('"exit_code":0', f'"exit_code":{code}'))
        parts.append(path)
    merge_ledgers(parts, tmp_path / "all.jsonl")
    assert read_ledger(tmp_path / "all.jsonl").end.exit_code == expected


def test_folders_are_found_from_where_the_new_ledger_lies(tmp_path):
    for name in ("one", "two", "all"):
        (tmp_path / name).mkdir()
    parts = [
        write_ledger(tmp_path / "one" / "a.jsonl", [A[0].model_copy(update={"folder": "x_a"})]),
        write_ledger(
            tmp_path / "two" / "b.jsonl", [B[0].model_copy(update={"folder": "x_b"}), failed(task="probes/y")]
        ),
    ]
    merge_ledgers(parts, tmp_path / "all" / "all.jsonl")
    folders = {record.folder for record in read_ledger(tmp_path / "all" / "all.jsonl").attempts}
    assert folders == {"../one/x_a", "../two/x_b", None}


def test_attempts_that_are_in_two_ledgers_are_named(tmp_path):
    parts = [write_ledger(tmp_path / "a.jsonl", A), write_ledger(tmp_path / "b.jsonl", [*B, A[1]])]
    with pytest.raises(ConfigurationError, match=r"more than one ledger: .*\[x-a-t1\] \(in a\.jsonl and b\.jsonl\)\."):
        merge_ledgers(parts, tmp_path / "all.jsonl")
    assert not (tmp_path / "all.jsonl").exists()


def test_a_long_list_of_duplicates_is_cut(tmp_path):
    path = write_ledger(tmp_path / "a.jsonl", [attempt(trial=trial) for trial in range(15)])
    with pytest.raises(ConfigurationError, match="and 5 more"):
        merge_ledgers([path, path], tmp_path / "all.jsonl")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"lock": LOCK | {"git": {"commit": "d" * 40}}},
            r"git commit \(a\.jsonl: cccccccccccc, b\.jsonl: dddddddddddd\)",
        ),
        (
            {"lock": LOCK | {"tasks": {"circuits/x": {"version": 2}}}},
            r"circuits/x: version \(a\.jsonl: 1, b\.jsonl: 2\)",
        ),
        ({"lock": {}}, None),
        ({"run_seed": 6}, r"run_seed \(a\.jsonl: 5, b\.jsonl: 6\); give all parts one --instance-seed"),
        ({"isolation": "none"}, r"isolation \(a\.jsonl: namespaces, b\.jsonl: none\)"),
        ({"limits": {"agent_timeout_s": 2.0}}, "limits"),
        ({"pass_mark": 0.5}, "pass_mark"),
    ],
)
def test_parts_of_different_runs_are_refused_by_what_differs(tmp_path, changes, sentence):
    parts = [
        write_ledger(tmp_path / "a.jsonl", A, lock=LOCK),
        write_ledger(tmp_path / "b.jsonl", B, **{"lock": LOCK, **changes}),
    ]
    with pytest.raises(ConfigurationError, match=sentence or "not parts of one run"):
        merge_ledgers(parts, tmp_path / "all.jsonl")


def test_nothing_is_overwritten(tmp_path):
    part = write_ledger(tmp_path / "a.jsonl", A)
    with pytest.raises(ConfigurationError, match="exists: name a new file"):
        merge_ledgers([part], part)


def test_an_output_that_can_not_be_written_is_named(tmp_path):
    part = write_ledger(tmp_path / "a.jsonl", A)
    with pytest.raises(ConfigurationError, match="can't be written"):
        merge_ledgers([part], part / "all.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]


def merged_header(tmp_path, *headers):
    parts = [
        write_ledger(tmp_path / f"{number}.jsonl", [record], **header)
        for number, (record, header) in enumerate(zip([*A, *B], headers, strict=False))
    ]
    merge_ledgers(parts, tmp_path / "all.jsonl")
    return read_ledger(tmp_path / "all.jsonl").header


def test_parts_of_other_levels_are_merged_into_a_run_of_all(tmp_path):
    assert merged_header(tmp_path, {"levels": "2"}, {"levels": "2"}).levels == "2"
    (tmp_path / "other").mkdir()
    assert merged_header(tmp_path / "other", {"levels": "2"}, {"levels": None}).levels == "all"


def test_parts_about_other_real_models_are_refused_and_a_part_about_none_is_not(tmp_path):
    assert merged_header(tmp_path, {}, {"model": "package:smollm2"}).model == "package:smollm2"
    (tmp_path / "other").mkdir()
    with pytest.raises(ConfigurationError, match=r"model \(1\.jsonl: hub:gpt2, 2\.jsonl: package:smollm2\)"):
        merged_header(tmp_path / "other", {}, {"model": "hub:gpt2"}, {"model": "package:smollm2"})
