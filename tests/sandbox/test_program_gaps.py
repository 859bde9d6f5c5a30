"""What agents' programs can reach all the same, told by tier."""

from __future__ import annotations

from scribe_suite.sandbox.program_gaps import GAPS, agent_gaps, as_markdown, limits_of
from scribe_suite.sandbox.tiers import IsolationTier

NAMESPACES, LANDLOCK, NONE = (IsolationTier(name) for name in ("namespaces", "landlock", "none"))


def test_a_view_leaves_the_network_alone():
    assert agent_gaps(NAMESPACES, 6) == ("network",)
    assert agent_gaps(NAMESPACES, 0) == ("abstract_socket", "network")


def test_landlock_leaves_more_and_an_old_one_still_more():
    assert agent_gaps(LANDLOCK, 6) == ("look_at_file", "fill_disk", "unix_socket", "network")
    assert set(agent_gaps(LANDLOCK, 4)) - set(agent_gaps(LANDLOCK, 6)) == {"signal", "abstract_socket"}
    assert "signal" not in agent_gaps(IsolationTier("landlock", own_uid=True), 4)


def test_without_isolation_everything_is_open():
    assert agent_gaps(NONE, 6) == tuple(GAPS)


def test_the_table_of_the_documentation_says_what_each_tier_prevents_with_which_landlock():
    rows = {line.split(" | ")[0].strip("| "): line for line in as_markdown().splitlines()}
    assert rows["end your processes"].endswith("| prevented | prevented from Landlock 6 on | possible |")
    assert rows["connect to abstract unix sockets"].count("from Landlock 6 on") == 2
    assert rows["use this machine's network, loopback included"].count("possible") == 3


def test_limits_are_told_with_how_they_are_held():
    assert "1 GiB of files" in limits_of(NAMESPACES)
    assert "by control groups" in limits_of(IsolationTier("namespaces", limits=("memory", "pids")))
    assert limits_of(NONE) == "4 GiB of memory, 512 processes (watched from outside, twice a second)"
