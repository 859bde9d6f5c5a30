"""`--compare` and `--fail-below`: whole runs against ledgers of earlier ones."""

import json
import re
from pathlib import Path

import pytest

from scribe_suite.ledger.ledger import read_ledger
from tests.ledger.factories import attempt, failed, write_ledger, write_report

TASKS = tuple(f"toy{number}" for number in range(7))
NODE = "benchmarks/circuits/test_circuits.py::test_circuit"
SEED = ("--instance-seed", "7")
WITH_WORKERS = pytest.param(("-n", "2"), id="xdist", marks=pytest.mark.slow)
XDIST = pytest.mark.parametrize("workers", [pytest.param((), id="alone"), WITH_WORKERS])


def earlier_run(suite, skills, provider="null", name="earlier.jsonl", write=write_ledger, **changes):
    """An earlier run with one attempt at each task; its instances are not those of any run here."""
    records = [
        attempt(f"circuits/{task}", provider, 0, skill, nodeid=f"{NODE}[{task}-{provider}-t0]", **changes)
        for task, skill in skills.items()
    ]
    path = suite.folder / name
    write(path, records)
    return path


@pytest.fixture
def seven(suite):
    """A suite with seven tasks: as many as a significant difference needs, and one more."""
    for task in TASKS:
        suite.add_task(task)
    (suite.folder / "ground_truth/circuits/toy.py").unlink()
    return suite


def compared(run):
    """What stands below the heading of the comparison, spaces and line ends as single spaces."""
    assert "compared with earlier" in run.output
    return " ".join(re.split(r"=+ compared with earlier\S* =+", run.output)[1].split())


@pytest.mark.slow
@XDIST
def test_a_significant_fall_fails_the_run_and_names_the_tasks(seven, workers):
    earlier_run(seven, dict.fromkeys(TASKS, 1.0))
    run = seven.run("--provider", "null", "--compare", "earlier.jsonl", "--fail-below", "0.05", *workers)
    assert run.ret == 6
    text = compared(run)
    assert "null#2 against null#1: skill -1.000 (7 pairs, 7 tasks, p 0.0156): WORSE by more than 0.05" in text
    assert "Tasks that moved by more than 0.05" in text
    assert all(f"circuits/{task} 1 -1.000 0 1" in text for task in TASKS)
    assert "paired by task and trial" in text
    assert run.ledger.end.exit_code == 6


@XDIST
@pytest.mark.slow
def test_a_run_that_did_not_fall_passes(seven, workers):
    earlier_run(seven, dict.fromkeys(TASKS, 0.9), provider="oracle")
    run = seven.run("--provider", "oracle", "--compare", "earlier.jsonl", "--fail-below", "0.05", *workers)
    assert run.ret == 0
    assert "skill +0.100 (7 pairs, 7 tasks, p 0.0156): not worse by more than 0.05" in compared(run)


@pytest.mark.slow
def test_a_fall_that_few_pairs_show_is_told_and_fails_nothing(suite):
    earlier_run(suite, {"toy": 1.0})
    run = suite.run("--provider", "null", "--record-only", "--compare", "earlier.jsonl", "--fail-below", "0.05")
    assert run.ret == 0
    text = compared(run)
    assert "worse by more than 0.05, but not significantly; so few pairs can never be significant" in text
    assert "circuits/toy 1 -1.000 0 1" in text


@pytest.mark.slow
def test_a_run_with_the_same_seed_is_paired_by_instance_and_found_by_its_id(suite):
    first = suite.run("--provider", "random,null", "--record-only", *SEED)
    run_id = first.ledger.header.run
    second = suite.run("--provider", "random,null", "--record-only", *SEED, "--compare", run_id, "--fail-below", "0")
    assert second.ret == 0
    assert f"compared with {run_id}.jsonl" in second.output
    assert "random#2 against random#1: skill +0.000 (1 pairs, 1 tasks, p 1.0000): not worse" in second.output
    assert "paired by task and trial" not in second.output
    assert "random#2 - null" not in second.output, "providers are compared with themselves"


@pytest.mark.slow
def test_another_provider_is_compared_when_there_is_no_other(suite):
    earlier_run(suite, {"toy": 1.0}, provider="claude:old", name="earlier.report.json", write=write_report)
    run = suite.run("--provider", "null", "--record-only", "--compare", "earlier.report.json")
    assert run.ret == 0
    assert "null against claude:old: skill -1.000" in compared(run)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([attempt("circuits/other", "null")], "no pair of attempts that count. NOT COMPARABLE: no attempt of this run"),
        pytest.param(
            [failed(task="circuits/toy", provider="null")],
            "pairs left out because infrastructure failed on a side: 1",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_could_not_be_judged_is_no_silent_pass(suite, records, said):
    write_ledger(suite.folder / "earlier.jsonl", records)
    run = suite.run("--provider", "null", "--record-only", "--compare", "earlier.jsonl", "--fail-below", "0.05")
    assert run.ret == 7
    assert said in compared(run)


@pytest.mark.slow
def test_ordinary_tests_are_not_judged_either(suite):
    earlier_run(suite, {"toy": 1.0})
    suite.write("test_plain.py", "def test_plain():\n    assert True\n")
    run = suite.run("--compare", "earlier.jsonl", "--fail-below", "0.05", path="test_plain.py")
    assert run.ret == 7
    assert "NOT COMPARABLE: no attempt was made" in run.output


@XDIST
@pytest.mark.slow
def test_infrastructure_has_the_last_word(suite, workers):
    earlier_run(suite, {"toy": 1.0}, provider="nologin")
    run = suite.run("--provider", "nologin", "--compare", "earlier.jsonl", "--fail-below", "0.05", *workers)
    assert run.ret == 3
    assert "NOT COMPARABLE" in compared(run)
    assert run.ledger.end.exit_code == 3


@pytest.mark.slow
def test_a_lost_attempt_has_the_last_word_too(suite):
    earlier_run(suite, {"toy": 1.0}, provider="dies")
    run = suite.run("--provider", "dies", "--compare", "earlier.jsonl", "--fail-below", "0.05", "-n", "1")
    assert run.ret == 3
    assert "pairs left out because infrastructure failed on a side: 1" in compared(run)


@pytest.mark.slow
def test_failing_tests_alone_keep_pytests_own_exit_code(suite):
    earlier_run(suite, {"toy": 0.0})
    assert suite.run("--provider", "null", "--compare", "earlier.jsonl", "--fail-below", "0.05").ret == 1


REFUSED = [
    ((), ("--compare", "missing"), "--compare: There is no run 'missing'"),
    ((), ("--compare", "older.jsonl"), "older.jsonl has version 3 of circuits/toy, and here it is 1"),
]
REFUSED += [
    pytest.param(*case, marks=pytest.mark.slow)
    for case in (
        (("-n", "2"), *REFUSED[0][1:]),
        (("-n", "2"), *REFUSED[1][1:]),
        ((), ("--compare", "text"), "--compare: text is neither a ledger nor a report"),
        ((), ("--compare", "damaged.jsonl"), "--compare: Line 2 of damaged.jsonl is not an attempt"),
        ((), ("--compare", "empty.jsonl"), "--compare: there is no attempt in empty.jsonl"),
        ((), ("--fail-below", "0.05"), "--fail-below needs the run to compare with: add --compare RUN."),
        ((), ("--compare", "older.jsonl", "--fail-below", "-1"), "'-1' is not a tolerance: give a number from 0"),
    )
]


@pytest.mark.parametrize(("workers", "options", "sentence"), REFUSED)
def test_what_can_not_be_compared_is_refused_before_anything_starts(suite, workers, options, sentence):
    (suite.folder / "text").write_text("hello\n")
    damaged = earlier_run(suite, {"toy": 1.0}, name="damaged.jsonl")
    damaged.write_text(damaged.read_text().replace('"trial":0', '"trial":"x"'))
    write_ledger(suite.folder / "empty.jsonl", [])
    earlier_run(suite, {"toy": 1.0}, name="older.jsonl", task_version=3)
    run = suite.run("--provider", "null", *options, *workers)
    assert run.ret == 4
    assert sentence in " ".join(run.output.split())
    assert "Traceback" not in run.output
    assert not list(suite.folder.glob("runs/*_null_*"))


@pytest.mark.slow
def test_other_versions_of_tasks_that_are_not_run_do_not_matter(suite):
    suite.add_task("second")
    earlier_run(suite, {"toy": 1.0, "second": 1.0})
    path = suite.folder / "earlier.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line.get("task") == "circuits/toy":
            line["task_version"] = 3
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = suite.run("--provider", "null", "--record-only", "--compare", "earlier.jsonl", "-k", "second")
    assert run.ret == 0
    assert "skill -1.000 (1 pairs, 1 tasks" in compared(run)


@pytest.mark.slow
def test_an_earlier_run_that_vanishes_meanwhile_costs_the_verdict_and_nothing_else(suite, monkeypatch):
    path = earlier_run(suite, {"toy": 1.0})
    suite.write(
        "benchmarks/conftest.py",
        "from pathlib import Path\n\ndef pytest_runtest_teardown():\n"
        f"    Path({str(path)!r}).unlink(missing_ok=True)\n",
    )
    run = suite.run("--provider", "oracle", "--compare", "earlier.jsonl", "--fail-below", "0.05")
    assert run.ret == 7
    assert "NOT COMPARABLE: " in run.output
    assert run.outcomes == {"toy-oracle-t0": "solved"}


@pytest.mark.slow
def test_collecting_compares_nothing(suite):
    earlier_run(suite, {"toy": 1.0})
    run = suite.run("--collect-only", "-q", "--compare", "earlier.jsonl", "--fail-below", "0.05")
    assert run.ret == 0
    assert "compared with" not in run.output


@pytest.mark.slow
def test_the_summary_is_what_compare_prints(suite, capsys):
    from scribe_suite.cli import main

    run = suite.run("--provider", "reference,random", "--trials", "2", "--record-only")
    (path,) = Path(suite.folder, "runs").glob("*.jsonl")
    capsys.readouterr()
    assert main(["compare", str(path)]) == 0
    expected = capsys.readouterr().out
    printed = [line.strip() for line in run.output.splitlines()]
    for line in expected.splitlines():
        assert line.strip() in printed, line
    for title in ("Providers (means over tasks)", "Solved by one of k attempts", "Tokens, cost and time", "Outcomes"):
        assert title in run.output
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(expected)
    assert shown.rstrip().endswith("scored 4/4, solved 2/4")
    assert read_ledger(path).end is not None
