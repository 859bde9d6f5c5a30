"""What reference solutions reach in laboratories: the record, its tables, and one real measurement."""

import pytest

from scribe_suite.paths import suite_root
from scribe_suite.tasks.registry import default_registry
from scribe_suite.text import with_table
from studies.budgets import DOCUMENT, MARKERS, Curve, Reached, read_record, survey, tables, write_record


def test_the_document_shows_the_record():
    document, record = (suite_root() / DOCUMENT).read_text(), read_record(suite_root())
    assert with_table(document, MARKERS, tables(record)) == document, "run python -m studies.budgets --write"
    assert all(default_registry().facts_of(name).access == "lab" for name in record)


def test_a_table_has_means_over_instances_and_marks_the_level_s_budget():
    curve = Curve(
        1, 100, "prompt", {50: [Reached(0.5, 40), Reached(1.0, 50)], 100: [Reached(1.0, 90), Reached(0.9, 10)]}
    )
    lines = tables({"circuits/x_3": curve}).splitlines()
    assert lines[0] == "### circuits"
    assert lines[-2:] == [
        "| `circuits/x_3` | 50 | 2 | 0.75 | 1 | 45 prompts |",
        "| `circuits/x_3` | **100** | 2 | 0.95 | 2 | 50 prompts |",
    ]


def test_writing_some_levels_keeps_the_others(tmp_path):
    for folder in ("studies", "docs/reference"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("\n".join(("before", *MARKERS, "after\n")))
    one = Curve(1, 10, "token", {10: [Reached(1.0, 9)]})
    write_record(tmp_path, {"probes/b_2": one})
    write_record(tmp_path, {**read_record(tmp_path), "circuits/a_2": one})
    assert list(read_record(tmp_path)) == ["circuits/a_2", "probes/b_2"]
    text = (tmp_path / DOCUMENT).read_text()
    assert text.startswith("before\n")
    assert text.index("### circuits") < text.index("### probes")


def test_a_level_without_a_laboratory_is_refused():
    with pytest.raises(ValueError, match="circuits/ioi has no laboratory: name a level that has one"):
        survey(["circuits/ioi"], [1.0], 1, 1)


@pytest.mark.slow
def test_a_solution_is_run_at_the_budget_that_is_asked_for():
    curve = survey(["circuits/mlp_only_3"], [0.5, 1.0], 1, 1)["circuits/mlp_only_3"]
    assert (curve.budget, curve.unit, list(curve.reached)) == (200, "prompt", [100, 200])
    assert all(0 < one.spent <= budget for budget, found in curve.reached.items() for one in found)
    assert curve.reached[200][0].skill == 1.0
