"""What the settings of a run say of themselves."""

from scribe_suite.plugin.settings import limit_facts
from scribe_suite.providers.base import Limits


def test_limits_that_are_not_set_are_left_out():
    assert limit_facts(Limits(5.0, 2.0)) == {"agent_timeout_s": 5.0, "cell_timeout_s": 2.0}
    assert limit_facts(Limits(5.0, 2.0, 7, 8, 0.5)) == {
        "agent_timeout_s": 5.0,
        "cell_timeout_s": 2.0,
        "max_turns": 7,
        "max_tokens": 8,
        "max_cost_usd": 0.5,
    }
