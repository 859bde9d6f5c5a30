"""The built-in providers against a real notebook server: real pump, real MCP client, real kernel."""

import json
import re
import sys
from pathlib import Path

import pytest

from scribe_suite.errors import InfrastructureError
from scribe_suite.notebook.config import NotebookConfig, SubmitVerdict
from scribe_suite.notebook.endpoint import NotebookEndpoint
from scribe_suite.notebook.server import NotebookServer
from scribe_suite.paths import suite_root
from scribe_suite.providers.base import AttemptContext, EndReason, Limits
from scribe_suite.providers.builtin.answering import NullProvider, OracleProvider
from scribe_suite.providers.builtin.reference import ReferenceProvider
from scribe_suite.tasks.registry import default_registry
from scribe_suite.tasks.solutions import parse_percent, solution_text


class Box:
    def __init__(self, accepted=True):
        self.raw = []
        self.accepted = accepted

    def submit(self, raw):
        self.raw.append(raw)
        return SubmitVerdict(self.accepted, "fine" if self.accepted else "wrong shape")


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def server(tmp_path, box):
    config = NotebookConfig(folder=tmp_path, setup_code="numbers = [1, 2, 3]", isolation="none")
    with NotebookServer(config, on_submit=box.submit) as running:
        yield running


def context(endpoint, tmp_path, material=None, wall_s=60.0):
    return AttemptContext("?", endpoint, Limits(wall_s, 30.0), None, tmp_path, material or {})


def test_the_reference_runs_its_cells_and_submits(server, box, tmp_path):
    cells = parse_percent("# %% [markdown]\n# Add.\n# %%\ntotal = sum(numbers)\n# %%\nanswer = {'total': total}\n")
    transcript = ReferenceProvider().attempt(context(server.endpoint, tmp_path, {"solution": cells}))
    assert transcript.end_reason is EndReason.FINISHED
    assert transcript.tool_calls == 6
    assert [json.loads(raw) for raw in box.raw] == [{"total": 6}]


def test_a_reference_notebook_ends_by_showing_the_answer(box, tmp_path):
    cells = parse_percent("# %%\nanswer = {'weight': [0.125] * 999, 'code': 'def f():\\n    pass', 'sure': 0.9}\n")
    config = NotebookConfig(folder=tmp_path, setup_code="numbers = [1, 2, 3]", isolation="none")
    with NotebookServer(config, on_submit=box.submit) as server:  # which has written the notebook at its end
        ReferenceProvider().attempt(context(server.endpoint, tmp_path, {"solution": cells}))
    (path,) = tmp_path.rglob("*.ipynb")
    *_, last = json.loads(path.read_text())["cells"]
    (output,) = last["outputs"]
    shown = "".join(output["text"]).splitlines()
    assert shown[0].startswith("weight: [0.125, 0.125, ")
    assert shown[0].endswith("0.125] (6,993 characters)")
    assert len(shown[0]) < 600
    assert shown[1:] == ["code: def f():", "    pass", "sure: 0.9"]


def test_every_reference_solution_leaves_an_answer_whose_fields_can_be_shown():
    texts = {
        one.id: solution_text(suite_root(), one) for one in default_registry().facts.values() if one.access != "outputs"
    }
    assert len(texts) > 100
    assert [name for name, text in texts.items() if not re.search(r"^ *answer = \{", text, re.MULTILINE)] == []
    # it would be shown twice, and the first time in full
    shows = re.compile(r"^(print|display)\(answer\b", re.MULTILINE)
    assert [name for name, text in texts.items() if shows.search(text)] == []


def test_a_reference_whose_cell_fails_is_the_suites_fault(server, tmp_path):
    cells = parse_percent("# %%\nundefined_name\n")
    with pytest.raises(InfrastructureError, match=r"Cell 1 of the reference solution failed.*NameError") as caught:
        ReferenceProvider().attempt(context(server.endpoint, tmp_path, {"solution": cells}))
    assert caught.value.cause == "reference_failed"


def test_every_float_of_an_answer_arrives_as_it_left(server, box, tmp_path):
    weight = [0.1 + 0.2, 1e-300, -1.7976931348623157e308, 2**53 + 1.0]
    OracleProvider().attempt(context(server.endpoint, tmp_path, {"oracle_answer": {"weight": weight}}))
    assert json.loads(box.raw[0])["weight"] == weight


def test_a_refused_submission_is_told_in_the_transcript(server, box, tmp_path):
    box.accepted = False
    transcript = OracleProvider().attempt(context(server.endpoint, tmp_path, {"oracle_answer": {}}))
    assert "wrong shape" in transcript.detail


def test_null_works_and_submits_nothing(server, box, tmp_path):
    transcript = NullProvider().attempt(context(server.endpoint, tmp_path))
    assert transcript.tool_calls == 2
    assert box.raw == []


@pytest.mark.slow
def test_the_wall_clock_limit_ends_an_attempt(server, tmp_path):
    cells = parse_percent("# %%\nimport time\ntime.sleep(60)\n")
    transcript = ReferenceProvider().attempt(context(server.endpoint, tmp_path, {"solution": cells}, wall_s=5.0))
    assert transcript.end_reason is EndReason.TIMEOUT
    assert "5 s" in transcript.detail


@pytest.mark.parametrize(
    "argv", [(sys.executable, "-c", "raise SystemExit(1)"), ("/nonexistent/pump",)], ids=["ends", "missing"]
)
def test_a_notebook_that_can_not_be_reached_is_infrastructure(tmp_path, argv):
    endpoint = NotebookEndpoint(Path("/nonexistent"), argv)
    with pytest.raises(InfrastructureError) as caught:
        NullProvider().attempt(context(endpoint, tmp_path, wall_s=30.0))
    assert caught.value.cause == "mcp_connection"
