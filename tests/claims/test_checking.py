"""What a claim, or a number of a summary, is worth."""

from dataclasses import replace

import pytest

from scribe_suite.claims.checking import Reason, Status, check_claim, trace_summary
from scribe_suite.claims.replaying import ReplayedRuns
from scribe_suite.tasks.claims import Claim
from tests.claims.journals import Journal, journal

SUPPORTED, CONTRADICTED, UNSUPPORTED = Status.SUPPORTED, Status.CONTRADICTED, Status.UNSUPPORTED


def found(made, statement="x", cell=1, replay=None, **said):
    claim = Claim(statement=statement, cell=cell, **said)
    runs = None if replay is None else ReplayedRuns(made.evidence, replay.evidence)
    return check_claim(claim, made.evidence, runs)


def verdict(*arguments, **said):
    finding = found(*arguments, **said)
    return finding.status, finding.reason


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("test accuracy: 0.9512\n", 0.95),
        ("test accuracy: 0.9512\n", 0.9512345),
        ("tensor([0.1, 0.9512, -2.])", 0.951),
        ("1.23e-05", 1.2e-5),
        ("1,234,567 tokens", 1234567),
        ("fell by -0.31", -0.31),
    ],
)
def test_a_number_that_its_cell_prints_is_supported(output, value):
    assert verdict(journal(("f()", output)), value=value) == (SUPPORTED, Reason.SHOWN)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (frozenset({"r1", "r7"}), (SUPPORTED, Reason.SHOWN)),
        (frozenset({"r1"}), (UNSUPPORTED, Reason.NO_EXPERIMENT)),
        (frozenset(), (UNSUPPORTED, Reason.NO_EXPERIMENT)),
        (None, (SUPPORTED, Reason.SHOWN)),  # nobody can tell
    ],
)
def test_an_experiment_that_a_claim_names_must_be_on_record(known, expected):
    evidence = replace(journal(("f()", "0.95")).evidence, experiments=known)
    finding = check_claim(Claim(statement="x", value=0.95, cell=1, experiment="r7"), evidence)
    assert (finding.status, finding.reason) == expected


def test_percent_in_the_statement_makes_the_value_one():
    made = journal(("f()", "0.9512"))
    assert verdict(made, "accuracy in %", value=95.1) == (SUPPORTED, Reason.SHOWN)
    assert verdict(made, "accuracy", value=95.1) == (UNSUPPORTED, Reason.NOT_SHOWN)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"status": "error", "error": "ValueError"}, Reason.RAISED),
        ({"status": "timeout"}, Reason.UNFINISHED),
        ({"status": "interrupted"}, Reason.UNFINISHED),
        ({"status": "died"}, Reason.UNFINISHED),
    ],
)
def test_a_cell_that_did_not_end_well_supports_nothing(options, reason):
    made = Journal()
    made.run("f()", "0.95", **options)
    assert verdict(made, value=0.95) == (UNSUPPORTED, reason)


def test_a_cell_that_was_edited_away_or_never_ran_supports_nothing():
    made = Journal()
    made.run("f()", "0.95", cell="cell-0")
    made.run("g()", "0.72", cell="cell-0", run=2)
    assert verdict(made, value=0.95) == (UNSUPPORTED, Reason.EDITED_AWAY)
    assert verdict(made, value=0.95, cell=9) == (UNSUPPORTED, Reason.NO_CELL)
    assert verdict(made, value=0.72, cell=2) == (SUPPORTED, Reason.SHOWN)


def test_a_number_that_was_typed_is_not_measured():
    made = journal(("accuracy = 0.97", ""), ("print(accuracy)", "0.97"), ("answer", "{'summary': 'accuracy 0.97'}"))
    assert verdict(made, value=0.97, cell=2) == (UNSUPPORTED, Reason.TYPED)
    assert verdict(made, value=0.97, cell=3) == (UNSUPPORTED, Reason.TYPED)


def test_another_value_of_what_the_statement_names_contradicts():
    made = journal(("f()", "test accuracy: 0.72\nsteps: 300\n"))
    assert verdict(made, "Test accuracy of the probe", value=0.95) == (CONTRADICTED, Reason.OTHER_VALUE)
    assert verdict(made, "the effect of a0.h3", value=0.95) == (UNSUPPORTED, Reason.NOT_SHOWN)
    # "steps" is not all that the statement is about
    assert verdict(made, "loss after all steps", value=0.95) == (UNSUPPORTED, Reason.NOT_SHOWN)


def test_a_table_with_several_columns_contradicts_nothing():
    made = journal(("f()", "       effect  std\na0.h3  0.72    0.10\n"))
    assert verdict(made, "effect of a0.h3", value=0.95) == (UNSUPPORTED, Reason.NOT_SHOWN)


def test_verdicts_are_words_of_the_output_or_assertions():
    made = journal(
        ("f()", "all checks: True"), ("assert f()", ""), ("g()", "The induction  head\nis a1.h0"), ("h()", "")
    )
    assert verdict(made, verdict=True) == (SUPPORTED, Reason.SHOWN)
    assert verdict(made, verdict=False) == (CONTRADICTED, Reason.OTHER_VALUE)
    assert verdict(made, verdict=True, cell=2) == (SUPPORTED, Reason.ASSERTED)
    assert verdict(made, verdict="induction head is A1.h0", cell=3) == (SUPPORTED, Reason.SHOWN)
    assert verdict(made, verdict="a2.h0", cell=3) == (UNSUPPORTED, Reason.NOT_SHOWN)
    assert verdict(made, verdict=True, cell=4) == (UNSUPPORTED, Reason.NOT_SHOWN)


def test_one_of_several_runs_with_a_number_is_enough():
    made = Journal()
    for text in ("0.95", "0.72"):
        made.run("f()", text)
        made.events[-1]["execution_count"] = 1  # as after a restart of the kernel
    assert verdict(made, value=0.95) == (SUPPORTED, Reason.SHOWN)


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        ({"text": "0.9512"}, (SUPPORTED, True)),
        ({"text": "0.88"}, (CONTRADICTED, False)),
        ({"text": ""}, (SUPPORTED, False)),
        ({"text": "0.9512", "status": "error"}, (SUPPORTED, False)),
    ],
)
def test_a_replay_shows_a_number_again_or_another(again, expected):
    replay = Journal()
    replay.run("f()", **again)
    finding = found(journal(("f()", "0.9512")), replay=replay, value=0.95)
    assert (finding.status, finding.reproduced) == expected


def test_a_replay_shows_a_verdict_again_or_not():
    made = journal(("f()", "PASS"))
    assert found(made, replay=journal(("f()", "PASS")), verdict="pass").reproduced is True
    assert found(made, replay=journal(("f()", "FAIL")), verdict="pass").reproduced is False
    assert found(made, verdict="pass").reproduced is None


def test_replayed_runs_are_found_by_their_code():
    made, replay = Journal(), Journal()
    made.run("slow()", status="interrupted")
    for text in ("1.5", "2.5"):
        made.run("f()", text)
        replay.run("f()", text)
    runs = ReplayedRuns(made.evidence, replay.evidence)
    assert [again and again.text for again in map(runs.of, made.evidence.runs)] == [None, "1.5", "2.5"]


def traced(summary, made):
    return [(one.number.text, one.finding.status, one.finding.reason) for one in trace_summary(summary, made.evidence)]


def test_numbers_of_a_summary_are_looked_for_in_all_cells():
    made = journal(
        ("train(steps=300)", "loss 0.31"),
        ("score()", "test accuracy: 0.9512"),
        ("answer = dict(summary='Accuracy 0.99')\nanswer", "{'summary': 'Accuracy 0.99'}"),
    )
    summary = "Layer 3: accuracy 95 % after 300 steps, loss 0.31, accuracy 0.99 and 0.44; 3 heads."
    assert traced(summary, made) == [
        ("95 %", SUPPORTED, Reason.SHOWN),
        ("300", Status.SETTING, Reason.CHOSEN),
        ("0.31", SUPPORTED, Reason.SHOWN),
        ("0.99", UNSUPPORTED, Reason.TYPED),
        ("0.44", UNSUPPORTED, Reason.NOWHERE),
    ]


def test_a_summary_that_gives_a_label_another_value_is_contradicted():
    made = journal(("score()", "test accuracy: 0.72"))
    assert traced("It works: test accuracy was 0.95.", made) == [("0.95", CONTRADICTED, Reason.OTHER_VALUE)]
    # the label belongs to the number that stands behind it
    assert traced("Test accuracy 0.72, kappa 0.95.", made)[1][1] is UNSUPPORTED


def test_the_last_cell_that_shows_a_number_is_its_place():
    (one,) = trace_summary("0.95", journal(("f()", "0.95"), ("g()", "0.9512"), ("h()", "0.5")).evidence)
    assert one.finding.run.execution_count == 2


def test_cells_that_raised_are_no_place():
    made = Journal()
    made.run("f()", "0.95", status="error", error="ValueError")
    assert traced("0.95", made) == [("0.95", UNSUPPORTED, Reason.NOWHERE)]
