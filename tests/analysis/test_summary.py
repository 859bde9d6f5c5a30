from scribe_suite.analysis.summary import coverage, notes
from tests.ledger.factories import attempt, failed


def test_coverage_tells_what_failed_by_infrastructure_and_what_was_not_run():
    records = [attempt(), attempt(trial=1, skill=0.0), failed(trial=2), failed("no_answer", trial=3)]
    assert str(coverage(records, planned=6)) == "scored 3/6, solved 1/3, 1 failed by infrastructure, 2 not run"
    assert str(coverage([], planned=0)) == "scored 0/0, solved 0/0"


def test_notes_tell_attempts_without_a_score_and_flags():
    records = [
        attempt(),
        attempt(trial=1, flags=("below_chance", "noisy")),
        failed(trial=2, reason="no kernel"),
        failed("no_answer", trial=3),
    ]
    assert notes(records) == [
        "circuits/toy reference t1: below_chance",
        "circuits/toy reference t1: noisy",
        "circuits/toy reference t2: infrastructure:kernel_start (no kernel)",
        "circuits/toy reference t3: no_answer",
    ]


def test_of_an_attempt_that_was_made_again_the_last_record_stands():
    records = [failed(), attempt(trial=1, flags=("x",)), attempt()]
    assert str(coverage(records, planned=2)) == "scored 2/2, solved 2/2"
    assert notes(records) == ["circuits/toy reference t1: x"]
