"""What was done in laboratories, and the gaps between arms, on numbers worked out by hand."""

import pytest

from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.tables import tables_of
from tests.ledger.factories import attempt, write_ledger


def use(experiments, spent, budget=100, **more):
    return {"experiments": experiments, "spent": spent, "budget": budget, "unit": "prompt", **more}


def side_of(tmp_path, records):
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    (side,) = comparison.sides
    return side, {table.key: table for table in tables_of(comparison)}


def test_means_of_laboratories_are_over_the_attempts_that_had_one(tmp_path):
    records = [
        attempt("circuits/x_2", "a", 0, 1.0, access="lab", laboratory=use(10, 50, repeated=4)),
        attempt("circuits/y_2", "a", 0, 0.0, access="lab", laboratory=use(30, 100, 400, refused=2, unread=3)),
        attempt("circuits/z", "a", 0, 1.0, access="weights"),
    ]
    side, tables = side_of(tmp_path, records)
    found = side.laboratory
    assert (found.attempts, found.experiments, found.repeated, found.refused, found.failed) == (2, 20, 2, 1, 0)
    assert found.share == pytest.approx((0.5 + 0.25) / 2)
    assert found.unread == 1.5
    shown = {column.title: column.text(0) for column in tables["laboratories"].columns}
    assert list(shown.values())[:3] == ["2", "20.000", "0.375"]
    assert shown["Unread"] == "1.500"
    assert (shown["Spent, prompts"], "Spent, tokens" in shown) == ("75.000", False)
    assert side.gaps == ()
    assert "gaps" not in tables


def test_prompts_and_tokens_have_no_mean_in_common(tmp_path):
    records = [
        attempt("circuits/x_2", "a", 0, 1.0, access="lab", laboratory=use(1, 10)),
        attempt("circuits/y_real_2", "a", 0, 1.0, access="lab", laboratory={**use(1, 4000, 8000), "unit": "token"}),
        attempt("circuits/z_real_2", "a", 0, 1.0, access="lab", laboratory={**use(1, 2000, 8000), "unit": "token"}),
    ]
    side, _ = side_of(tmp_path, records)
    assert (side.laboratory.prompts, side.laboratory.tokens) == (10, 3000)


def test_a_gap_is_between_arms_of_one_question_on_one_instance(tmp_path):
    def pair(task, trial, seed, more, less):
        yield attempt(task, "a", trial, more, access="weights", instance_seed=seed)
        yield attempt(f"{task}.lab", "a", trial, less, access="lab", instance_seed=seed, laboratory=use(1, 1))

    records = [
        *pair("circuits/x", 0, 5, 1.0, 0.4),
        *pair("circuits/x", 1, 6, 1.0, 0.6),
        *pair("circuits/y", 0, 7, 0.8, 0.8),
    ]
    records.append(attempt("circuits/w.lab", "a", 0, 0.0, access="lab", instance_seed=9))  # has no partner
    side, tables = side_of(tmp_path, records)
    (gap,) = side.gaps
    assert (gap.more, gap.less, gap.pairs, gap.tasks) == ("weights", "lab", 3, 2)
    # means over questions: x (0.6 + 0.4) / 2, y 0
    assert gap.gap.value == pytest.approx(0.25)
    assert (gap.skill_more, gap.skill_less) == (pytest.approx(0.9), pytest.approx(0.65))
    assert tables["gaps"].rows == ("a: weights - lab",)


def test_three_arms_have_three_gaps(tmp_path):
    records = [
        attempt(f"circuits/x{arm}", "a", 0, skill, access=access, instance_seed=1)
        for arm, access, skill in (("", "weights", 1.0), (".lab", "lab", 0.5), (".outputs", "outputs", 0.2))
    ]
    side, _ = side_of(tmp_path, records)
    assert {(gap.more, gap.less): round(gap.gap.value, 3) for gap in side.gaps} == {
        ("weights", "lab"): 0.5, ("weights", "outputs"): 0.8, ("lab", "outputs"): 0.3,
    }  # fmt: skip


def test_ledgers_from_before_there_were_arms_are_of_weights(tmp_path):
    side, tables = side_of(tmp_path, [attempt("circuits/x", "a", 0, 1.0)])
    assert (side.laboratory, side.gaps) == (None, ())
    assert not {"laboratories", "gaps"} & set(tables)
