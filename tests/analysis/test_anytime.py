"""Skill against effort of a side, on numbers that can be worked out by hand."""

import json

import numpy as np
import pytest

from scribe_suite.analysis import anytime as module
from scribe_suite.analysis.anytime import mean_curve
from scribe_suite.analysis.columns import read_attempts
from scribe_suite.analysis.comparison import compare_runs
from scribe_suite.analysis.presentation.formats import as_csv, as_json
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from tests.ledger.factories import attempt, failed, write_ledger, write_report

LIMITS = {"agent_timeout_s": 100.0}


def points(*pairs, **changes):
    """Submissions from (seconds, skill)."""
    return [
        {"number": number, "seconds": seconds, "skill": skill, **changes}
        for number, (seconds, skill) in enumerate(pairs, start=1)
    ]


def submitted(task, trial, *pairs, provider="a", pass_mark=0.8, **changes):
    return attempt(task, provider, trial, pairs[-1][1], submitted=points(*pairs), pass_mark=pass_mark, **changes)


def compared(folder, records, **changes):
    return compare_runs([write_ledger(folder / "r.jsonl", records, **{"limits": LIMITS, **changes})])


def side(comparison, label="a"):
    return next(one for one in comparison.sides if one.label == label)


def table(comparison, key="anytime"):
    return next((one for one in tables_of(comparison) if one.key == key), None)


def test_means_are_over_tasks_and_no_answer_counts_as_nothing(tmp_path):
    records = [
        submitted("circuits/x", 0, (20, 0.5), (60, 1.0)),  # area 0.6, first at 60
        submitted("circuits/x", 1, (50, 1.0)),  # 0.5, 50
        failed("no_answer", task="circuits/x", provider="a", trial=2),  # 0
        submitted("circuits/y", 0, (10, 0.9), (90, -0.5)),  # 0.72 - 0.05, first at 10, and unsolved in the end
        failed(task="circuits/y", provider="a", trial=1),  # infrastructure is in no number
    ]
    found = side(compared(tmp_path, records))
    seconds = found.anytime.efforts["seconds"]
    assert seconds.area.value == pytest.approx(((0.6 + 0.5 + 0) / 3 + 0.67) / 2)
    assert seconds.area_attempts == 4
    assert seconds.first.value == pytest.approx(((60 + 50) / 2 + 10) / 2)
    assert (seconds.reached, found.anytime.reached, found.solved) == (3, 3, 2)
    assert (found.anytime.attempts, found.anytime.submissions) == (4, 5)
    assert set(found.anytime.efforts) == {"seconds"}
    assert seconds.area.interval is None, "too few attempts for one"
    assert found.skill == pytest.approx((2 / 3 + -0.5) / 2), "skill is what it was"


def test_intervals_are_those_of_means(tmp_path):
    records = [
        submitted(f"circuits/t{number}", trial, (10 * number + trial, 1.0)) for number in range(7) for trial in range(2)
    ]
    seconds = side(compared(tmp_path, records)).anytime.efforts["seconds"]
    assert seconds.area.value == pytest.approx(1 - 0.305)
    assert seconds.first.value == pytest.approx(30.5)
    low, high = seconds.first.interval
    assert 0 < low < 30.5 < high < 70
    # one is the other, mirrored
    assert seconds.area.interval == pytest.approx((1 - high / 100, 1 - low / 100))


def test_attempts_that_are_all_alike_have_an_interval_of_no_width(tmp_path):
    records = [submitted(f"circuits/t{number}", 0, (25, 0.5), (75, 1.0)) for number in range(7)]
    seconds = side(compared(tmp_path, records)).anytime.efforts["seconds"]
    assert (seconds.area.value, seconds.area.interval) == (0.5, (0.5, 0.5))
    assert (seconds.first.value, seconds.first.interval) == (75, (75, 75))


def test_spend_is_a_share_of_the_attempts_own_budget(tmp_path):
    def lab(task, budget, spent):
        used = points((1.0, 0.0), experiments=0, spent=0)
        used += points((2.0, 1.0), experiments=3, spent=spent)
        laboratory = {"experiments": 9, "spent": budget, "budget": budget, "unit": "prompt"}
        return attempt(task, "a", 0, 1.0, submitted=used, laboratory=laboratory, pass_mark=0.8)

    records = [
        lab("circuits/x", 200, 50),
        lab("circuits/y", 1000, 900),
        failed("agent_timeout", task="circuits/z", provider="a", laboratory={"spent": 5, "budget": 10}),
        submitted("circuits/without_a_laboratory", 0, (5, 1.0)),
    ]
    spent = side(compared(tmp_path, records)).anytime.efforts["spent"]
    assert spent.area.value == pytest.approx((0.75 + 0.1 + 0) / 3)
    assert spent.first.value == pytest.approx((0.25 + 0.9) / 2)
    assert (spent.area_attempts, spent.reached) == (3, 2)


def test_tokens_and_dollars_have_an_area_only_up_to_a_limit(tmp_path):
    records = [
        attempt(
            "circuits/x", "a", 0, 1.0, pass_mark=0.8, tokens={"input": 900}, cost_usd=0.9,
            submitted=[{"number": 1, "seconds": 5, "skill": 1.0, "tokens": 600, "cost_usd": 0.5}],
        ),
        failed("no_answer", task="circuits/y", provider="a", tokens={"input": 9}),
        failed("no_answer", task="circuits/z", provider="a"),
    ]  # fmt: skip
    without = side(compared(tmp_path, records)).anytime.efforts
    assert (without["tokens"].area.value, without["tokens"].first.value) == (None, 600)
    assert (without["cost_usd"].area.value, without["cost_usd"].first.value) == (None, 0.5)
    limited = compare_runs([write_ledger(tmp_path / "l.jsonl", records, limits={**LIMITS, "max_tokens": 1000.0})])
    tokens = side(limited).anytime.efforts["tokens"]
    assert tokens.area.value == pytest.approx((0.4 + 0) / 2), "z does not tell its tokens"
    assert tokens.area_attempts == 2


def test_ledgers_from_before_submissions_were_kept_say_nothing(tmp_path):
    records = [attempt(f"circuits/t{number}", "a", 0, 1.0, pass_mark=0.8) for number in range(3)]
    records.append(failed("no_answer", task="circuits/t9", provider="a"))
    path = write_ledger(tmp_path / "1.jsonl", records, limits=LIMITS)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "submitted"}) + "\n" for line in lines))
    old = compare_runs([path])
    assert side(old).anytime is None
    assert table(old) is None
    new = write_ledger(tmp_path / "2.jsonl", [submitted("circuits/t0", 0, (50, 1.0))], limits=LIMITS)
    both = compare_runs([path, new])
    assert side(both, "a#1").anytime is None
    assert table(both).rows == ("a#2",)
    assert side(both, "a#2").anytime.efforts["seconds"].area.value == 0.5


def test_a_report_says_what_its_ledger_says_but_for_limits_that_it_does_not_have(tmp_path):
    records = [submitted("circuits/x", 0, (20, 0.5), (60, 1.0))]
    path = write_report(tmp_path / "r.json", records)
    seconds = side(compare_runs([path])).anytime.efforts["seconds"]
    assert (seconds.area.value, seconds.first.value) == (None, 60)
    content = json.loads(path.read_text())
    content["environment"] = {"limits": {**LIMITS, "max_tokens": "many", "max_turns": 0}}
    path.write_text(json.dumps(content))
    assert side(compare_runs([path])).anytime == side(compared(tmp_path, records)).anytime


def test_all_formats_have_the_table(tmp_path):
    records = [
        submitted("circuits/x", 0, (20, 0.5), (60, 1.0)),
        failed(provider="b"),
        submitted("circuits/y", 0, (1, 0.1)),
    ]
    comparison = compared(tmp_path, records)
    shown = table(comparison)
    assert shown.rows == ("a",)
    cells = {column.title: column.text(0) for column in shown.columns}
    assert cells == {
        "Attempts": "2",
        "Submissions": "3",
        "Reached": "1",
        "Area: time": "0.350",
        "Area: time: 95 %": "-",
        "First, s": "60.0",
        "First, s: 95 %": "-",
    }
    assert "anytime,a,,Area: time,0.3495" in as_csv(comparison)
    content = json.loads(as_json(comparison))["sides"][0]["anytime"]
    assert content["efforts"]["seconds"]["first"] == {"value": 60.0, "interval": None}


def test_what_is_not_known_of_all_is_told(tmp_path):
    known = points((5, 1.0), tokens=70)
    records = [
        attempt("circuits/x", "a", 0, 1.0, submitted=known, pass_mark=0.8),
        submitted("circuits/y", 0, (5, 1.0)),
        attempt("circuits/z", "a", 0, 1.0, pass_mark=0.8),
    ]
    notes = notes_of(compared(tmp_path, records))
    assert "a: submissions are known of 2 of 3 attempts." in notes
    assert "a: of the 2 attempts that reached the pass mark, 1 tell their tokens." in notes


def curve(folder, records, effort="seconds"):
    read = read_attempts([write_ledger(folder / f"{effort}.jsonl", records, limits=LIMITS)])
    return mean_curve(read, np.flatnonzero(read.counts), effort)


def test_the_mean_curve_gives_tasks_the_same_weight(tmp_path):
    records = [
        submitted("circuits/x", 0, (20, 0.5), (60, 1.0)),
        submitted("circuits/x", 1, (60, 1.0)),
        submitted("circuits/y", 0, (10, 1.0), (90, 0.0)),
        failed("no_answer", task="circuits/z", provider="a"),
        failed(task="circuits/z", provider="a", trial=1),
    ]
    expected = [(10, 1 / 3), (20, (0.25 + 1) / 3), (60, 2 / 3), (90, 1 / 3)]
    found = curve(tmp_path, records)
    assert found == [(x, pytest.approx(y)) for x, y in expected]
    assert found[-1][1] == pytest.approx(side(compared(tmp_path, records)).skill), "it ends at the mean skill"


def test_the_mean_curve_of_the_spend_is_over_shares_of_the_budget(tmp_path):
    def lab(task, budget, spent):
        return attempt(
            task, "a", 0, 1.0, submitted=points((2.0, 1.0), spent=spent), laboratory={"budget": budget}, pass_mark=0.8
        )

    records = [lab("circuits/x", 200, 50), lab("circuits/y", 1000, 900), submitted("circuits/z", 0, (5, 1.0))]
    assert curve(tmp_path, records, "spent") == [(0.25, 0.5), (0.9, 1.0)]
    assert curve(tmp_path, records, "tokens") == []


def test_a_mean_curve_has_no_more_steps_than_a_plot_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 5)
    records = [submitted("circuits/x", trial, (trial + 1, 1.0)) for trial in range(40)]
    found = curve(tmp_path, records)
    assert [x for x, _ in found] == [1, 10.75, 20.5, 30.25, 40]
    assert [y for _, y in found] == pytest.approx([1 / 40, 10 / 40, 20 / 40, 30 / 40, 1])
