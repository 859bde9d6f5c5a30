import pytest

from scribe_suite.ledger.outcomes import OUTCOMES, Outcome, infrastructure, rule_of


def test_every_outcome_has_a_rule():
    assert set(OUTCOMES) == set(Outcome)


def test_infrastructure_never_counts_whatever_the_cause():
    rule = rule_of(infrastructure("anything"))
    assert not rule.counts
    assert not rule.scored
    assert rule.test == "error"


def test_all_other_outcomes_count_and_only_solved_passes():
    assert all(rule.counts for rule in OUTCOMES.values())
    assert [outcome for outcome, rule in OUTCOMES.items() if rule.test == "passed"] == [Outcome.SOLVED]


@pytest.mark.parametrize("text", ["", "infrastructure:", "Solved", "error"])
def test_other_words_are_no_outcomes(text):
    with pytest.raises(ValueError, match="is not a valid Outcome"):
        rule_of(text)
