import json

import numpy as np
import pytest

from scribe_suite.analysis.columns import _Grounding, _Laboratory, _LeanAttempt, _Point, _Times, read_attempts
from scribe_suite.analysis.courses import EFFORTS
from scribe_suite.analysis.grounding import COUNTS
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.records import AttemptRecord, Grounding, LaboratoryUse, SubmissionPoint, Times
from scribe_suite.ledger.sources import planned_by_provider, read_records
from tests.ledger.factories import attempt, failed, header, write_ledger, write_report

RECORDS = (
    attempt(
        "probes/b",
        "codex",
        1,
        0.5,
        tokens={"input": 7},
        cost_usd=0.25,
        times={"agent_s": 3.0},
        confidence=0.75,
        confidence_of="solved",
        nothing_found=True,
        actions={"execute_code": 4},
        pass_mark=0.7,
        laboratory={"budget": 800, "bound": 24},
        submitted=[
            {"number": 1, "seconds": 1.5, "skill": 0.25, "tokens": 3},
            {"number": 2, "seconds": 2.5, "skill": 0.5, "tokens": 7, "cost_usd": 0.25, "spent": 96},
        ],
    ),
    attempt("circuits/a", "claude", 0, -0.25, flags=("below_chance",), confidence=0.5, nothing_found=False),
    failed(task="circuits/a", provider="codex"),
    failed("no_answer", task="circuits/a", provider="claude", trial=1),
)


def test_what_is_read_in_columns_is_what_records_have(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", RECORDS)
    read = read_attempts([path])
    rows = [
        (read.tasks[task], read.providers[provider], trial, read.outcomes[outcome], seed)
        for task, provider, trial, outcome, seed in zip(
            read.task, read.provider, read.trial, read.outcome, read.seed, strict=True
        )
    ]
    assert rows == [
        ("circuits/a", "claude", 0, "unsolved", 1000),
        ("circuits/a", "claude", 1, "no_answer", 1001),
        ("circuits/a", "codex", 0, "infrastructure:kernel_start", 1000),
        ("probes/b", "codex", 1, "unsolved", 1001),
    ]
    np.testing.assert_array_equal(read.skill, [-0.25, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(read.metrics["f1"], [0.25, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(read.tokens["input"], [np.nan, np.nan, np.nan, 7])
    np.testing.assert_array_equal(read.cost_usd, [np.nan, np.nan, np.nan, 0.25])
    np.testing.assert_array_equal(read.agent_s, [np.nan, np.nan, np.nan, 3])
    np.testing.assert_array_equal(read.confidence, [0.5, np.nan, np.nan, 0.75])
    np.testing.assert_array_equal(read.nothing_found, [0, np.nan, np.nan, 1])
    np.testing.assert_array_equal(read.actions["execute_code"], [np.nan, np.nan, np.nan, 4])
    np.testing.assert_array_equal(read.pass_mark, [np.nan, np.nan, np.nan, 0.7])
    np.testing.assert_array_equal(read.budget, [np.nan, np.nan, np.nan, 800])
    np.testing.assert_array_equal(read.bound, [np.nan, np.nan, np.nan, 24])
    assert (read.courses.attempt.tolist(), read.courses.skill.tolist()) == ([3, 3], [0.25, 0.5])
    assert read.courses.used["seconds"].tolist() == [1.5, 2.5]
    assert read.courses.used["tokens"].tolist() == [3, 7]
    np.testing.assert_array_equal(read.courses.used["cost_usd"], [np.nan, np.nan])
    assert read.runs[0].limits == {"agent_timeout_s": 1.0}
    assert read.older_confidence.tolist() == [True, True, True, False]
    assert read.counts.tolist() == [True, True, False, True]
    assert read.metric_order == {"circuits/a": ("iou", "f1"), "probes/b": ("iou", "f1")}
    assert read.flags == {(0, "claude", "below_chance"): 1}


def test_the_lean_fields_are_fields_of_records():
    assert set(_LeanAttempt.__annotations__) <= set(AttemptRecord.model_fields)
    assert set(_Times.__annotations__) <= set(Times.model_fields)
    assert set(_Point.__annotations__) == {"skill", *EFFORTS}
    assert set(_Point.__annotations__) <= set(SubmissionPoint.model_fields)
    assert set(_Laboratory.__annotations__) <= set(LaboratoryUse.model_fields)
    assert set(_Grounding.__annotations__) == set(COUNTS)
    assert set(COUNTS) <= set(Grounding.model_fields)


def test_a_ledger_and_a_report_say_the_same_but_for_the_seeds(tmp_path):
    ledger = read_attempts([write_ledger(tmp_path / "r.jsonl", RECORDS)])
    report = read_attempts([write_report(tmp_path / "r.report.json", RECORDS)])
    for name in ("task", "provider", "trial", "outcome", "skill"):
        np.testing.assert_array_equal(getattr(ledger, name), getattr(report, name))
    assert set(report.seed.tolist()) == {-1}
    assert report.runs[0].planned == ledger.runs[0].planned == {"codex": 2, "claude": 2}


def test_a_report_that_was_indented_is_read_too(tmp_path):
    path = write_report(tmp_path / "r.json", RECORDS)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    assert len(read_attempts([path]).run) == 4


def test_a_torn_last_line_is_left_out_and_the_run_is_cut_off(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", RECORDS, ended=False)
    path.write_bytes(path.read_bytes()[:-30])
    read = read_attempts([path])
    assert len(read.run) == 3
    assert not read.runs[0].complete
    info, records = read_records(path)
    assert (len(records), info.complete) == (3, False)


def test_of_an_attempt_that_was_made_again_the_last_line_stands(tmp_path):
    path = write_ledger(tmp_path / "r.jsonl", [failed(), attempt(trial=1), attempt(skill=0.5)])
    read = read_attempts([path])
    assert read.skill.tolist() == [0.5, 1.0]
    assert read.repeated == 1


def test_runs_are_in_the_order_they_were_started(tmp_path):
    late = write_ledger(tmp_path / "a.jsonl", [attempt()], started="2026-02-01T00:00:00Z")
    early = write_ledger(tmp_path / "b.jsonl", [attempt(skill=0.25)], started="2026-01-01T00:00:00Z")
    for paths in ([late, early], [early, late]):
        read = read_attempts(paths)
        assert [info.run for info in read.runs] == ["b", "a"]
        assert read.skill.tolist() == [0.25, 1.0]


@pytest.mark.parametrize("number", ["1e400", "1" + "0" * 400, "-1", "NaN"])
def test_a_submission_with_a_number_that_can_not_be_is_refused(tmp_path, number):
    path = write_ledger(tmp_path / "r.jsonl", RECORDS)
    path.write_text(path.read_text().replace('"seconds":2.5', f'"seconds":{number}'))
    with pytest.raises(ConfigurationError, match=r"is not an attempt \(submitted\.1\.seconds"):
        read_attempts([path])


def test_a_run_without_attempts_is_read(tmp_path):
    read = read_attempts([write_ledger(tmp_path / "r.jsonl", [], planned=(attempt().nodeid,))])
    assert len(read.run) == 0
    assert read.runs[0].planned == {"reference": 1}


def test_planned_attempts_are_counted_by_provider_and_ordinary_tests_are_not():
    ids = ["a.py::t[x-codex:gpt-5-t0]", "a.py::t[x-codex:gpt-5-t11]", "a.py::t[x_y-null-t0]", "a.py::t", "a.py::t[3]"]
    assert planned_by_provider(ids) == {"codex:gpt-5": 2, "null": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is neither a ledger nor a report"),
        (b"hello\n", "is neither a ledger nor a report"),
        (b"\xff\xfe\x00", "is neither a ledger nor a report"),
        (b"[" * 100_000, "is neither a ledger nor a report"),
        (b'{"tests": 1}', "is neither a ledger nor a report"),
        (b'{"tests": [{"nodeid": "a"}]}', "do not belong to this suite"),
        (b'{"line":"header","run', "is cut off in its header"),
        (b'{"line":"header"}\n', "has no header"),
        (b'{"line":"attempt"}\n', "has no header"),
        (b'{"tests": [{"metadata": {"scribe_suite": {"task": 1}}}]}', r"Attempt 1 of .* is not an attempt \(line: "),
    ],
)
def test_a_file_that_holds_no_results_is_named(tmp_path, content, sentence):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence):
        read_attempts([path])
    with pytest.raises(ConfigurationError):
        read_records(path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", r"Line 2 of .*r\.jsonl is not an attempt \(Invalid JSON"),
        (header().model_dump_json(), r"Line 2 of .* is not an attempt \(line: Input should be 'attempt'\)"),
        (attempt().model_dump_json().replace('"trial":0', '"trial":"x"'), r"\(trial: "),
        (attempt().model_dump_json().replace('"skill":1.0', '"skill":NaN'), r"\(skill: "),
        (
            attempt().model_dump_json().replace('"outcome":"solved"', '"outcome":"great"'),
            "an attempt with the unknown outcome 'great'",
        ),
        ('{"line":"end"}', r"Line 2 of .* \(finished: Field required\)"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, sentence):
    path = tmp_path / "r.jsonl"
    path.write_text(f"{header().model_dump_json()}\n{line}\n")
    with pytest.raises(ConfigurationError, match=sentence):
        read_attempts([path])


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"can't be read .*Is a directory"):
        read_attempts([tmp_path])
    with pytest.raises(ConfigurationError, match=r"can't be read .*No such file"):
        read_attempts([tmp_path / "none.jsonl"])


def test_flags_are_those_of_the_records_that_stand(tmp_path):
    records = [failed(flags=("x",)), attempt(flags=("y", "z")), attempt(trial=1, flags=("y",))]
    attempts = read_attempts([write_ledger(tmp_path / "r.jsonl", records)])
    assert attempts.flags == {(0, "reference", "y"): 2, (0, "reference", "z"): 1}


def test_a_count_that_no_table_can_hold_costs_its_place_and_not_the_ledger(tmp_path):
    record = attempt("probes/b", "codex", 1, 0.5, tokens={"input": 10**400})
    read = read_attempts([write_ledger(tmp_path / "r.jsonl", (record,))])
    np.testing.assert_array_equal(read.tokens["input"], [np.nan])
    np.testing.assert_array_equal(read.skill, [0.5])
