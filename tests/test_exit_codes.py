"""Exit codes of a run are pytest's own and two more, and each says when it occurs."""

import pytest

from scribe_suite.exit_codes import EXIT_CODES, EXIT_LOST_OR_INFRASTRUCTURE, EXIT_NOT_COMPARABLE, EXIT_WORSE


def test_every_code_of_pytest_and_of_the_suite_has_a_row():
    assert list(EXIT_CODES) == sorted({*map(int, pytest.ExitCode), EXIT_WORSE, EXIT_NOT_COMPARABLE})


def test_a_lost_attempt_has_the_code_of_an_internal_error():
    assert EXIT_LOST_OR_INFRASTRUCTURE == pytest.ExitCode.INTERNAL_ERROR
