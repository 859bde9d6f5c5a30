import pytest

from scribe_suite.report.site import write_report
from tests.report.synthetic import troubled_attempts, usual_attempts, write_run


def ignored(done, total, what):
    """Progress that nobody looks at."""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The report of a run with usual and troubled attempts, of fresh instances, without keys."""
    folder = tmp_path_factory.mktemp("site")
    runs = folder / "runs"
    runs.mkdir()
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.txt").write_text("secret")
    records = [*usual_attempts(runs), *troubled_attempts(runs)]
    ledger = write_run(
        runs, records=records, planned=("benchmarks/circuits/test_circuits.py::test_circuit[toy-codex-t9]",)
    )
    write_report(ledger, folder / "report", with_keys=False, progress=ignored)
    return folder / "report"


class ToyTask:
    """As much of a task as keys need."""

    id = "circuits/toy"
    version = 1

    def __init__(self):
        self.drawn = []

    def truth_facts(self):
        return {}

    def base_models_sha256(self, root):
        return {}

    def instance(self, seed):
        self.drawn.append(seed)
        return seed

    def oracle_answer(self, instance):
        return {"components": ["a0.h1", "m7"], "confidence": 1.0, "summary": "the key"}


@pytest.fixture
def toy_registry(monkeypatch):
    """A registry with one task, whose key has m7; the value is that task."""
    task = ToyTask()
    monkeypatch.setattr("scribe_suite.tasks.registry.default_registry", lambda: {"circuits/toy": task})
    return task
