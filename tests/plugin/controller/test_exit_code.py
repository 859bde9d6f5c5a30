"""With what a run exits, by how its session ended and what its ledger has."""

from dataclasses import replace

import pytest

from scribe_suite.plugin.controller.exit_code import Ending, exit_code_of
from tests.ledger.factories import attempt, failed

SOLVED, UNSOLVED = attempt(), attempt(trial=1, skill=0.1)
BROKEN = failed(trial=2)
LOST = failed("infrastructure:lost", trial=3)

#: One session without anything unusual; an attempt is unsolved.
USUAL = Ending(
    pytest_code=1,
    stopped=False,
    broken=False,
    uncollected=False,
    records=(SOLVED, UNSOLVED),
    record_only=False,
    resumed=False,
    left=False,
    missing=False,
)
RESUMED = replace(USUAL, resumed=True, left=True)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (USUAL, None),
        (replace(USUAL, records=()), None),
        (replace(USUAL, broken=True), 3),
        # what could not be collected says nothing about agents, whatever xdist makes of it
        (replace(USUAL, uncollected=True), 2),
        (replace(USUAL, uncollected=True, records=()), 2),
        (replace(USUAL, uncollected=True, broken=True), 3),
        (replace(USUAL, uncollected=True, pytest_code=2), None),
        (replace(USUAL, records=(SOLVED, UNSOLVED, LOST)), 3),
        (replace(USUAL, records=(failed("infrastructure:worker_crashed"), UNSOLVED)), 3),
        # nothing failed but infrastructure
        (replace(USUAL, records=(SOLVED, BROKEN)), 3),
        (replace(USUAL, records=(UNSOLVED, BROKEN)), None),
        (replace(USUAL, records=(UNSOLVED, BROKEN), record_only=True), 3),
        (replace(USUAL, records=(SOLVED, UNSOLVED), record_only=True), None),
        # a resumed run speaks of the whole run, whatever this session's tests did
        (RESUMED, 1),
        (replace(RESUMED, pytest_code=0), 1),
        (replace(RESUMED, records=(SOLVED,)), 0),
        (replace(RESUMED, record_only=True), 0),
        (replace(RESUMED, missing=True), 3),
        (replace(RESUMED, records=(UNSOLVED, BROKEN)), 1),
        (replace(RESUMED, left=False), 0),
        (replace(RESUMED, left=False, pytest_code=5), 0),
        # but not where pytest has more to say
        (replace(RESUMED, stopped=True), None),
        (replace(RESUMED, pytest_code=2), None),
        (replace(RESUMED, pytest_code=4), None),
    ],
)
def test_the_exit_code_follows_from_the_end_of_a_session(ending, code):
    assert exit_code_of(ending) == code
