"""Attempts that submit more than once, in real notebooks: every submission is scored, the last one counts."""

from __future__ import annotations

import json

import pytest

from scribe_suite.ledger.attempt_folder import SUBMISSIONS
from scribe_suite.ledger.ledger import read_ledger
from scribe_suite.plugin.worker.course import NOT_SCORED
from scribe_suite.sandbox.probing import probe_isolation

pytestmark = pytest.mark.slow

TRUTH = "[name for name, value in values.items() if value > 10]"


def code(components, confidence="0.5"):
    return f"answer = dict(components={components}, confidence={confidence}, summary='s')"


def submitting(monkeypatch, *codes):
    monkeypatch.setenv("TOY_CODES", json.dumps(codes))


def test_every_submission_is_a_point_of_the_course_and_the_last_one_counts(suite, monkeypatch):
    submitting(
        monkeypatch, code(f"{TRUTH}[:1]"), code(TRUTH), "answer['components'] = ['no such']", code(f"{TRUTH}[:2]")
    )
    (record,) = suite.run("--provider", "submits").ledger.attempts
    assert record.submissions == 4
    assert [point.number for point in record.submitted] == [1, 2, 3], "of the valid ones"
    # three of eight: f1 of the best fixed answer is 2/9; f1 of one of three 1/2, of two of three 4/5
    expected = [(f1 - 2 / 9) / (1 - 2 / 9) for f1 in (1 / 2, 1.0, 4 / 5)]
    assert [point.skill for point in record.submitted] == pytest.approx(expected)
    assert record.outcome == "unsolved"
    assert record.skill == record.submitted[-1].skill
    assert [(point.tokens, point.cost_usd) for point in record.submitted] == [(1000, 0.25), (2000, 0.5), (4000, 1.0)]
    assert [(point.experiments, point.spent) for point in record.submitted] == [(None, None)] * 3
    seconds = [point.seconds for point in record.submitted]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] < record.times.agent_s
    folder = suite.folder / "runs" / record.folder
    lines = [json.loads(line) for line in (folder / SUBMISSIONS).read_text().splitlines()]
    assert [len(line["answer"]["components"]) for line in lines] == [1, 3, 2]
    assert [line["seconds"] for line in lines] == seconds
    assert (
        json.loads((folder / "outputs" / "answer.json").read_text())["components"] == lines[-1]["answer"]["components"]
    )
    assert SUBMISSIONS in record.artifacts


def test_an_earlier_answer_that_breaks_the_scorer_costs_its_own_point_only(suite, monkeypatch):
    suite.add_task("toy", before_score="assert answer.components != ['m0'], 'a bug'")
    submitting(monkeypatch, code("['m0']"), code(TRUTH))
    (record,) = suite.run("--provider", "submits").ledger.attempts
    assert (record.outcome, record.flags) == ("solved", (NOT_SCORED,))
    assert [(point.number, point.skill) for point in record.submitted] == [(2, 1.0)]


def test_without_a_valid_answer_there_is_no_course(suite, monkeypatch):
    submitting(monkeypatch, code("['no such']"))
    run = suite.run("--provider", "submits,null,oracle")
    by_provider = {record.provider: record for record in run.ledger.attempts}
    assert by_provider["submits"].outcome == "invalid_answer"
    assert by_provider["submits"].submitted == by_provider["null"].submitted == ()
    assert [point.skill for point in by_provider["oracle"].submitted] == [1.0]


@pytest.mark.skipif(not probe_isolation("auto").confined, reason="kernels can't be isolated here")
def test_nothing_of_the_submissions_can_be_seen_from_a_kernel(suite, monkeypatch):
    place = str(suite.folder / "runs" / "*" / SUBMISSIONS)
    look = f"import glob\nassert not glob.glob({place!r})\n"
    submitting(monkeypatch, code("['m1']"), look + code(TRUTH))
    (record,) = suite.run("--provider", "submits").ledger.attempts
    assert [point.skill for point in record.submitted][-1] == 1.0
    assert len(list(suite.folder.glob(f"runs/*/{SUBMISSIONS}"))) == 1, "it was there"


def test_a_replay_submits_all_of_it_again(suite, monkeypatch):
    submitting(monkeypatch, code("['m0']"), code(f"{TRUTH}[:1]"), code(TRUTH))
    first = suite.run("--provider", "submits").ledger
    (recorded,) = first.attempts
    suite.run("--provider", f"replay:{first.header.run}")
    (path,) = [path for path in suite.folder.glob("runs/*.jsonl") if path.stem != first.header.run]
    (replayed,) = read_ledger(path).attempts
    assert replayed.reproduced
    assert [(point.number, point.skill) for point in replayed.submitted] == [
        (point.number, point.skill) for point in recorded.submitted
    ]
    assert len(replayed.submitted) == 3


def test_many_submissions_are_thinned(suite, monkeypatch):
    submitting(monkeypatch, *[code(f"['m{number % 8}']", number / 100) for number in range(40)])
    (record,) = suite.run("--provider", "submits").ledger.attempts
    assert record.submissions == 40
    assert [point.number for point in record.submitted] == [*range(1, 40, 2), 40]
    assert record.flags == ()
