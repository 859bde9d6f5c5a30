import pytest

from scribe_suite.causes import CAUSES
from scribe_suite.ledger.outcomes import INFRASTRUCTURE_RULE, OUTCOMES, Outcome, infrastructure, rule_of


def test_every_outcome_has_a_rule():
    assert set(OUTCOMES) == set(Outcome)


CAUSES_OF_INFRASTRUCTURE = [cause for cause in CAUSES.values() if not cause.counts]


def test_every_cause_that_does_not_count_is_an_outcome_with_a_meaning_of_its_own():
    rules = [rule_of(infrastructure(cause.name)) for cause in CAUSES_OF_INFRASTRUCTURE]
    assert {(rule.counts, rule.scored, rule.test) for rule in rules} == {(False, False, "error")}
    for cause, rule in zip(CAUSES_OF_INFRASTRUCTURE, rules, strict=True):
        assert rule.meaning == f"{cause.meaning} Nothing is scored."


def test_a_ledger_with_a_cause_that_the_table_does_not_have_is_read():
    assert rule_of("infrastructure:of_an_older_version") == INFRASTRUCTURE_RULE


@pytest.mark.parametrize("cause", ["anything", "", "no_tool_call"])
def test_no_outcome_is_made_of_what_is_no_cause_of_infrastructure(cause):
    with pytest.raises(ValueError, match="cause"):
        infrastructure(cause)


def test_all_other_outcomes_count_and_only_solved_passes():
    assert all(rule.counts for rule in OUTCOMES.values())
    assert [outcome for outcome, rule in OUTCOMES.items() if rule.test == "passed"] == [Outcome.SOLVED]


@pytest.mark.parametrize("text", ["", "infrastructure:", "Solved", "error"])
def test_other_words_are_no_outcomes(text):
    with pytest.raises(ValueError, match="is not a valid Outcome"):
        rule_of(text)
