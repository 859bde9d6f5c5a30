"""All checks of one answer: their counts, and that nobody can make them slow."""

import time

import pytest

from scribe_suite.claims.grounding import check_answer, claims_of
from scribe_suite.ledger.records import Grounding
from tests.claims.journals import Journal, journal

CLAIM = {"statement": "test accuracy", "value": 0.95, "cell": 1}


def test_the_counts_of_an_answer():
    made = journal(("f(1)", "test accuracy: 0.9512\nloss: 0.31"), ("f(2)", "test accuracy: 0.72\nminimal FAIL"))
    answer = {
        "summary": "Accuracy 0.95, loss 0.31, with n = 0.44; f(25).",
        "claims": [CLAIM, {**CLAIM, "value": 0.99}, {**CLAIM, "cell": 9}],
    }
    assert check_answer(answer, made.evidence).counts == Grounding(
        claims=3, supported=1, numbers=4, traced=2, contradicted=1, untold=1, failed_checks=1
    )


def test_a_replay_counts_what_has_provenance():
    made, replay = journal(("f(1)", "0.9512 0.31")), journal(("f(1)", "0.9512 0.32"))
    answer = {"summary": "0.9512, 0.31 and 0.77", "claims": [CLAIM]}
    counts = check_answer(answer, made.evidence, replay.evidence).counts
    assert (counts.replayed, counts.reproduced, counts.contradicted) == (3, 2, 1)


@pytest.mark.parametrize("claims", [None, "x", 7, [7], [{}], [{"statement": "x"}], {"a": CLAIM}, [{**CLAIM, "why": 1}]])
def test_what_is_no_claim_is_passed_over(claims):
    assert claims_of({"claims": claims}) == []


def test_an_answer_without_words_has_nothing_to_check():
    assert check_answer({}, journal(("f()", "0.5")).evidence).counts == Grounding()


HOSTILE_OUTPUTS = (
    "0.5 " * 100_000,
    "a: 0.5\n" * 60_000,
    "9" * 400_000,
    "x" * 400_000,
    ":" * 400_000,
    "[" * 200_000 + "0.5",
    "1,111" * 80_000,
    "FAIL " * 80_000,
    "1 of 1 pass\n" * 30_000,
    "\n" * 400_000,
    "a0.h0 " * 60_000,
    "((((0.5" * 50_000,
)


@pytest.mark.slow
@pytest.mark.parametrize("output", HOSTILE_OUTPUTS, ids=range(len(HOSTILE_OUTPUTS)))
def test_no_output_makes_the_checks_slow(output):
    made = Journal()
    for number in range(3):
        made.run(f"f({number}, 0.7, other=[g(x) for x in y])", output)
    claims = [{"statement": "a " * 200, "value": 0.25 + number / 1000, "cell": 1 + number % 3} for number in range(50)]
    summary = " ".join(f"0.{number:04d}" for number in range(2500))
    begin = time.process_time()
    check_answer({"summary": summary, "claims": claims}, made.evidence)
    assert time.process_time() - begin < 30


@pytest.mark.slow
def test_no_number_of_cells_makes_the_checks_slow():
    made = Journal()
    for number in range(5000):
        made.run("probe = Probe(C=0.01).fit(train); print(probe.score(test), len(test))", f"accuracy: 0.{number:04d}1")
    summary = " ".join(f"0.{number:04d}1" for number in range(2000))
    begin = time.process_time()
    counts = check_answer({"summary": summary}, made.evidence).counts
    assert counts.traced == 200
    assert time.process_time() - begin < 60
