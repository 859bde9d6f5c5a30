"""Which experiments a record has, whoever wrote it."""

import json

import pytest

from scribe_suite.claims import experiments
from scribe_suite.claims.experiments import FILE_NAME, read_experiments
from scribe_suite.untrusted_files import UntrustedFolder


@pytest.fixture
def found(tmp_path):
    def read(content=None):
        if content is not None:
            (tmp_path / FILE_NAME).write_text(content)
        with UntrustedFolder(tmp_path) as folder:
            return read_experiments(folder)

    return read


def test_runs_that_were_charged_are_found_and_nothing_else(found):
    lines = [
        {"event": "laboratory"}, {"event": "run", "run": "r1"}, {"event": "repeated", "run": "r9"},
        {"event": "run", "run": ["r2"]}, ["run"], {"event": "run"}, {"event": "run", "run": "r3"},
    ]  # fmt: skip
    content = "\n".join(map(json.dumps, lines)) + "\nno json\n" + "[" * 100_000
    assert found(content) == {"r1", "r3"}


def test_without_a_laboratory_there_are_none_and_of_what_is_too_large_nobody_knows(found, monkeypatch):
    assert found() == frozenset()
    assert read_experiments(None) is None
    monkeypatch.setattr(experiments, "MAX_BYTES", 3)
    assert found('{"event": "run", "run": "r1"}') is None
