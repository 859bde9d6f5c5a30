"""The timeline of experiments on the page of an attempt."""

import json

import pytest

from scribe_suite.ledger.records import LaboratoryUse
from scribe_suite.report.experiments import MOST_ROWS, experiments_view
from scribe_suite.untrusted_files import UntrustedFolder

USE = LaboratoryUse(experiments=2, spent=6, budget=10)
RUN = {
    "event": "run", "time": 1.5, "run": "r1", "prompts": 2, "price": 2, "spent": 2, "read": ["a0.h1"], "patch": [],
    "grad": None,
}  # fmt: skip


@pytest.fixture
def shown(tmp_path):
    def show(*lines, use=USE):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (tmp_path / "experiments.jsonl").write_text(text)
        with UntrustedFolder(tmp_path) as folder:
            return experiments_view(use, folder)

    return show


def test_every_experiment_has_a_row_with_what_it_was_and_the_running_cost(shown):
    sites = [f"a{layer}.h{head}" for layer in range(2) for head in range(3)]
    patch = [{"kind": "interchange", "site": site, "run": "r1"} for site in sites] + [{"kind": "zero", "site": "m0"}]
    view = shown({"event": "laboratory"}, RUN, {**RUN, "run": "r2", "read": [], "patch": patch, "price": 4, "spent": 6})
    rows = [[column.text(row) for column in view.table.columns] for row in range(2)]
    assert view.table.rows == ("r1", "r2")
    assert rows[0] == ["1.5", "read a0.h1", "2", "2", "2"]
    assert rows[1][1:] == ["interchange a0.h0, a0.h1, a0.h2, a1.h0 and 2 more; zero m0", "2", "4", "6"]
    assert "Share of the budget" in view.plot
    assert view.left_out == 0


def test_many_experiments_are_counted(shown):
    view = shown(*[{**RUN, "run": f"r{number}"} for number in range(MOST_ROWS + 5)])
    assert (len(view.table.rows), view.left_out) == (MOST_ROWS, 5)


@pytest.mark.parametrize(
    "line",
    ["no json", "[1]", '{"event": "run"}', json.dumps({**RUN, "time": "x"}), json.dumps({**RUN, "price": [1]}),
     '{"event": "run", "time": 1e999}', "[" * 100_000],
)  # fmt: skip
def test_a_line_that_is_something_else_is_left_out(shown, line):
    view = shown(line, {**RUN, "read": {"left_out": 70, "sha256": "0"}, "run": "<b>r</b>"})
    assert view.table.rows == ("<b>r</b>",)
    assert "many sites" in [column.text(0) for column in view.table.columns][1]


def test_without_a_laboratory_there_is_no_timeline(shown, tmp_path):
    assert shown(RUN, use=None) is None
    (tmp_path / "experiments.jsonl").unlink()
    with UntrustedFolder(tmp_path) as folder:
        assert experiments_view(USE, folder) is None
    assert experiments_view(USE, None) is None
