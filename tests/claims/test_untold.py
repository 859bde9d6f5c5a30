"""What was tried and is not told."""

import pytest

from scribe_suite.claims.grounding import check_answer
from tests.claims.journals import Journal, journal

FIT = "probe = Probe(C={}).fit(train)\nprint(probe.score(test), len(test))"


def untold(summary, made, **answer):
    checked = check_answer({"summary": summary, **answer}, made.evidence)
    return [(result.measurement, result.told.text, result.other.text, result.worse) for result in checked.untold]


def failed(summary, made):
    checked = check_answer({"summary": summary}, made.evidence)
    return [check.check for check in checked.failed], checked.counts.failed_checks


def test_a_worse_result_of_the_same_label_is_told_to_the_reader():
    made = journal(("f(1)", "test accuracy: 0.7213"), ("f(2)", "test accuracy: 0.9512"))
    assert untold("Accuracy 0.95.", made) == [("test accuracy", "0.9512", "0.7213", True)]


def test_a_better_one_and_one_that_is_mentioned_are_not():
    made = journal(("f(1)", "test accuracy: 0.7213"), ("f(2)", "test accuracy: 0.9512"))
    assert untold("Accuracy 0.72.", made) == []
    assert untold("Accuracy 0.95, in another run 0.7.", made) == []
    claim = {"statement": "first run", "value": 0.7213, "cell": 1}
    assert untold("Accuracy 0.95.", made, claims=[claim]) == []


def test_of_a_loss_the_higher_one_is_worse():
    made = journal(("f(1)", "loss = 0.31"), ("f(2)", "loss = 0.52"))
    assert untold("Loss 0.31.", made) == [("loss", "0.31", "0.52", True)]


def test_the_same_row_and_column_of_two_tables_are_one_measurement():
    table = "       accuracy  size\nlayer_a  {}  100\nlayer_b  0.5  100\n"
    made = journal(("f(1)", table.format("0.61")), ("f(2)", table.format("0.93")))
    assert untold("Accuracy 0.93.", made) == [("layer_a, accuracy", "0.93", "0.61", True)]


def test_a_curve_within_one_cell_is_one_result():
    made = journal(("train()", "step loss: 0.9\nstep loss: 0.31\n"), ("more()", "x"))
    assert untold("Loss 0.31.", made) == []


def test_the_same_code_with_another_setting_is_the_same_measurement():
    made = journal((FIT.format(0.01), "0.7213 400"), (FIT.format(10), "0.9512 400"), ("g(1)", "0.1 400"))
    assert untold("It reaches 0.95.", made) == [("", "0.9512", "0.7213", None)]


def test_an_edited_version_of_the_cell_is_the_same_measurement():
    made = Journal()
    made.run("f(1)", "got 0.72", cell="cell-3")
    made.run("g(f)", "got 0.95", cell="cell-3", run=2)
    assert untold("It reaches 0.95.", made) == [("got", "0.95", "0.72", None)]


def test_numbers_whose_names_say_nothing_of_better_and_worse_are_left_alone():
    made = journal(("f(1)", "effect of a0.h3: 0.2"), ("f(2)", "effect of a0.h3: 0.95"))
    assert untold("The effect is 0.95.", made) == []


CHECKS = "faithful: PASS\nminimal: FAIL\ncomplete ... ok\n"


def test_checks_that_failed_are_told_unless_the_answer_owns_up():
    made = journal(("report()", CHECKS))
    assert failed("All checks support it.", made) == (["minimal: FAIL"], 1)
    for honest in ("One check fails.", "2 of 3 checks hold.", "It does not pass the minimality check."):
        assert failed(honest, made) == ([], 0)


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("8 of 10 checks passed", 2),
        ("8/10 passed", 2),
        ("10 of 10 checks passed", 0),
        ("2 failed, 8 passed", 2),
        ("0 failed", 0),
        ("minimal FAIL\nfaithful FAIL\n8 of 10 checks passed", 2),
        ("[FAIL] minimal", 1),
        ("minimal \N{BALLOT X}", 1),
        ("check minimal: False", 1),
        ("is a head: False", 0),
        ("minimal ... failed", 1),
        ("minimal (failed)", 1),
        ("'minimal': 'failed'", 1),
        ("failed: minimal", 1),
        ("[fail] minimal", 1),
        ("the check of minimality failed", 1),
        ("3 of the tests failed", 1),
        ("3 tests failed", 3),
        ("8 passed, 2 failed", 2),
    ],
)
def test_failures_are_counted(output, count):
    assert failed("It holds.", journal(("report()", output)))[1] == count


SHOWN = [
    "this failed to surprise me",
    "After two years the talks in Oslo failed",
    "Failed harvests were the cause.",
    "Failure is no option",
    "In 1907 some 30 banks failed.",
    "The coup of 1991 failed.",
    "['The', ' talks', ' in', ' Oslo', ' failed']",
    "17 ' failed'",
    "It was the last law that they violated",
]


@pytest.mark.parametrize("line", SHOWN)
def test_text_that_is_shown_is_no_check_for_the_word_it_begins_or_ends_in(line):
    assert failed("It holds.", journal(("for text in texts[:5]: print(text)", line))) == ([], 0)


@pytest.mark.parametrize(
    ("code", "output", "count"),
    [
        ("for name, ok in found.items(): print(name, 'holds' if ok else 'failed')", "minimal failed", 1),
        ("print(len(bad), 'nodes failed')", "2 nodes failed", 2),
        ("check_all()", "minimal failed\nFailed faithful", 2),
    ],
    ids=["word in the code", "number in the code", "name of checks"],
)
def test_a_word_of_failure_needs_no_mark_where_the_code_is_about_failures(code, output, count):
    assert failed("It holds.", journal((code, output)))[1] == count


@pytest.mark.parametrize(
    "code",
    [
        "for row in range(4):\n    print(statements[row], '->', labels[row])\nfits = [(train, test) for train in a]",
        "# sanity check of the labels\nfor row in range(4):\n    print(statements[row], labels[row])",
        "print('no tests', labels)",
    ],
    ids=["test set", "comment", "text"],
)
def test_statements_that_are_shown_with_their_truth_are_no_checks(code):
    shown = "one is greater than two -> False\nten is greater than six -> True\nrows for fitting and for testing: 2"
    assert failed("It holds.", journal((code, shown))) == ([], 0)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("checks = dict(minimal=f(1))\nfor name in checks: print(name, checks[name])", "minimal False\nfaithful True"),
        ("run_sanity_checks()", "minimal: False"),
        ("def check(name, holds): print(name, holds)", "minimal False"),
        ("report()", "Checks:\nminimal -> False"),
        ("report()", "test of minimality: False"),
    ],
)
def test_false_is_a_failure_where_checks_are_spoken_of(code, output):
    assert failed("It holds.", journal((code, output)))[1] == 1


def test_a_check_that_passes_later_did_not_fail():
    assert failed("It holds.", journal(("a()", CHECKS), ("b()", "minimal: PASS"))) == ([], 0)


def test_an_assertion_that_raised_counts_until_its_cell_runs_through():
    made = Journal()
    made.run("assert f() < 1", cell="cell-3", status="error", error="AssertionError")
    assert failed("It holds.", made) == (["AssertionError: no"], 1)
    made.run("assert f() < 2", cell="cell-3", run=2)
    assert failed("It holds.", made) == ([], 0)


def test_a_failure_that_was_edited_away_counts():
    made = Journal()
    made.run("report()", "minimal: FAIL", cell="cell-3")
    made.run("pass", cell="cell-3", run=2)
    assert failed("It holds.", made) == (["minimal: FAIL"], 1)
