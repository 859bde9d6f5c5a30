"""The plugin is loaded wherever the package is installed: it must not be in the way of tests that are no benchmarks."""

import pytest

from scribe_suite.paths import ROOT_VARIABLE
from scribe_suite.plugin import ONE_THREAD


@pytest.fixture
def others(pytester, monkeypatch):
    """A folder of somebody else's with a test."""
    for name in (ROOT_VARIABLE, *ONE_THREAD):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile("import os\n\ndef test_theirs():\n    assert 'OMP_NUM_THREADS' not in os.environ\n")
    return pytester


def test_tests_that_are_no_benchmarks_are_left_alone(others):
    result = others.runpytest_inprocess("-p", "scribe_suite.plugin")
    result.assert_outcomes(passed=1)
    assert "ledger" not in result.stdout.str()
    assert not (others.path / "runs").exists()


def test_a_conftest_file_that_names_the_plugin_too_loads_it_once(others):
    others.makeconftest('pytest_plugins = ["scribe_suite.plugin"]')
    result = others.runpytest_inprocess("-p", "scribe_suite.plugin", "--fixtures")
    assert result.ret == 0
    assert result.stdout.str().count("The finished, scored attempt.") == 1
