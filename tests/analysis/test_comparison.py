import itertools
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from scribe_suite.analysis.columns import attempts_of
from scribe_suite.analysis.comparison import compare, compare_runs
from scribe_suite.analysis.presentation.formats import as_json
from scribe_suite.analysis.presentation.result_table import text_of
from scribe_suite.analysis.presentation.tables import notes_of, tables_of
from scribe_suite.analysis.summary import coverage
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.sources import RecordedRun, RunInfo, Source
from tests.ledger.factories import attempt, failed, write_ledger, write_report

TASKS = tuple(f"circuits/t{number}" for number in range(7))


def side(comparison, label):
    return next(side for side in comparison.sides if side.label == label)


def some_attempts(provider, trials=2, seed=0, tasks=TASKS):
    drawn = random.Random(f"{provider}{seed}")
    return [
        attempt(task, provider, trial, round(drawn.uniform(-0.5, 1), 3)) for task in tasks for trial in range(trials)
    ]


def test_two_providers_by_hand(tmp_path):
    """Six tasks: a solves all of them, b the last three; they differ by 0.5 at each of the others."""
    records = [attempt(task, "a", 0, 1.0) for task in TASKS[:6]]
    records += [attempt(task, "b", 0, 0.5 if number < 3 else 1.0) for number, task in enumerate(TASKS[:6])]
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    (pair,) = comparison.pairs
    assert (pair.left, pair.right, pair.paired_by, pair.pairs, pair.tasks) == ("a", "b", "instance", 6, 6)
    assert pair.difference == pytest.approx(0.25)
    assert (pair.both, pair.left_only, pair.right_only, pair.neither) == (3, 3, 0, 0)
    assert pair.solved_p == pair.solved_p_corrected == 0.25
    assert pair.p == 0.25  # three differences, all of one sign: 2 of 8 patterns
    assert pair.solved_difference == 0.5
    assert pair.interval[0] < 0.25 < pair.interval[1]
    assert [entry.difference for entry in pair.by_task] == [0.5] * 3 + [0.0] * 3
    assert (side(comparison, "a").solved_rate, side(comparison, "b").solved_rate) == (1.0, 0.5)
    assert side(comparison, "b").skill == 0.75


def test_infrastructure_takes_both_sides_of_a_pair_out(tmp_path):
    records = [attempt(task, "a", 0, 1.0) for task in TASKS] + [attempt(task, "b", 0, 0.0) for task in TASKS[1:]]
    records.append(failed(task=TASKS[0], provider="b"))
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    (pair,) = comparison.pairs
    assert (pair.pairs, pair.infrastructure, pair.alone) == (6, 1, 0)
    assert TASKS[0] not in [entry.task for entry in pair.by_task]
    b = side(comparison, "b")
    assert (b.planned, b.counted, b.infrastructure, b.tasks) == (7, 6, 1, 6)
    assert "a - b: pairs left out because infrastructure failed on a side: 1." in notes_of(comparison)


def test_no_answer_is_a_skill_of_zero_in_a_pair(tmp_path):
    records = [attempt(trial=0, provider="a", skill=0.5), failed("no_answer", provider="b")]
    (pair,) = compare_runs([write_ledger(tmp_path / "r.jsonl", records)]).pairs
    assert pair.difference == 0.5
    assert pair.interval is None
    assert pair.detectable is None


def test_identical_runs_differ_by_nothing(tmp_path):
    records = [*some_attempts("a"), failed("agent_timeout", task="circuits/t0", provider="a", trial=2)]
    paths = [write_ledger(tmp_path / name, records, run="same") for name in ("one.jsonl", "two.jsonl")]
    (pair,) = compare_runs(paths).pairs
    assert (pair.left, pair.right) == ("a#2", "a#1")
    assert pair.difference == pair.solved_difference == 0
    assert pair.interval == (0, 0)
    assert pair.p == pair.solved_p == pair.p_corrected == pair.solved_p_corrected == 1
    assert not pair.falls_below(0)
    assert not pair.moved(0)


def test_the_order_of_runs_and_of_attempts_makes_no_difference(tmp_path):
    groups = [some_attempts("a"), some_attempts("b"), [*some_attempts("a", seed=1), *some_attempts("c")]]
    paths = [write_ledger(tmp_path / f"{number}.jsonl", group) for number, group in enumerate(groups)]
    expected = as_json(compare_runs(paths))
    for order in itertools.permutations(paths):
        assert as_json(compare_runs(order)) == expected
    for number, group in enumerate(groups):
        paths[number].unlink()
        shuffled = random.Random(4).sample(group, len(group))
        write_ledger(paths[number], shuffled)
    assert as_json(compare_runs(paths)) == expected


def test_exchanged_names_turn_the_difference(tmp_path):
    def compared(name, first, second):
        records = [
            attempt(record.task, provider, record.trial, record.skill)
            for provider, group in ((first, some_attempts("a")), (second, some_attempts("b")))
            for record in group
        ]
        return compare_runs([write_ledger(tmp_path / name, records)]).pairs[0]

    one, other = compared("1.jsonl", "x", "y"), compared("2.jsonl", "y", "x")
    assert other.difference == pytest.approx(-one.difference)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert (other.p, other.solved_p, other.detectable) == pytest.approx((one.p, one.solved_p, one.detectable))
    assert (other.left_only, other.right_only) == (one.right_only, one.left_only)


def test_all_providers_of_a_run_are_compared_and_corrected_together(tmp_path):
    records = [record for provider in "abc" for record in some_attempts(provider)]
    pairs = compare_runs([write_ledger(tmp_path / "r.jsonl", records)]).pairs
    assert [(pair.left, pair.right) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    smallest = min(pairs, key=lambda pair: pair.p)
    assert smallest.p_corrected == pytest.approx(min(1, 3 * smallest.p))


def test_providers_of_two_runs_meet_where_no_run_has_both(tmp_path):
    first = write_ledger(tmp_path / "1.jsonl", some_attempts("a") + some_attempts("b"))
    second = write_ledger(tmp_path / "2.jsonl", some_attempts("b", seed=1) + some_attempts("c"))
    pairs = compare_runs([first, second]).pairs
    # b#2 against a is left out, because a and b meet in run 1; so is b#1 against c
    assert [(pair.left, pair.right) for pair in pairs] == [("a", "b#1"), ("a", "c"), ("b#2", "b#1"), ("b#2", "c")]


def test_runs_on_other_instances_are_paired_by_task_and_trial_and_it_is_told(tmp_path):
    moved = [record.model_copy(update={"instance_seed": 5}) for record in some_attempts("a")]
    paths = [write_ledger(tmp_path / "1.jsonl", some_attempts("a")), write_ledger(tmp_path / "2.jsonl", moved)]
    comparison = compare_runs(paths)
    assert (comparison.pairs[0].paired_by, comparison.pairs[0].pairs) == ("task and trial", 14)
    assert any("paired by task and trial, because they share no instance" in note for note in notes_of(comparison))


def test_a_report_pairs_its_own_providers_by_instance(tmp_path):
    records = some_attempts("a") + some_attempts("b")
    pair = compare_runs([write_report(tmp_path / "r.json", records)]).pairs[0]
    expected = compare_runs([write_ledger(tmp_path / "r.jsonl", records)]).pairs[0]
    assert pair == expected


def test_runs_with_nothing_in_common_are_said_to_have_nothing(tmp_path):
    paths = [
        write_ledger(tmp_path / "1.jsonl", some_attempts("a", tasks=TASKS[:3])),
        write_ledger(tmp_path / "2.jsonl", some_attempts("a", tasks=TASKS[3:])),
    ]
    comparison = compare_runs(paths)
    assert comparison.pairs[0].difference is None
    assert comparison.pairs[0].p_corrected is None
    assert any("merged first" in note for note in notes_of(comparison))


def test_different_versions_of_a_task_are_refused_unless_told(tmp_path):
    first = write_ledger(tmp_path / "1.jsonl", some_attempts("a"))
    newer = [
        record.model_copy(update={"task_version": 2}) if record.task == TASKS[3] else record
        for record in some_attempts("a", seed=1)
    ]
    second = write_ledger(tmp_path / "2.jsonl", newer)
    sentence = r"different versions of circuits/t3 \(1 in 1\.jsonl, 2 in 2\.jsonl\): .*--allow-different-versions"
    with pytest.raises(ConfigurationError, match=sentence):
        compare_runs([first, second])
    comparison = compare_runs([first, second], allow_different_versions=True)
    assert comparison.pairs[0].tasks == 7
    assert any("Different versions of circuits/t3" in note for note in notes_of(comparison))


def test_locks_that_differ_are_told(tmp_path):
    locks = [{"git": {"commit": letter * 40}, "tasks": {TASKS[0]: {"version": 1}}} for letter in "ab"]
    paths = [
        write_ledger(tmp_path / f"{number}.jsonl", some_attempts("a"), lock=lock) for number, lock in enumerate(locks)
    ]
    notes = compare_runs(paths).notes
    assert notes == ("The runs differ in git commit (#1: aaaaaaaaaaaa, #2: bbbbbbbbbbbb).",)


def test_a_run_without_any_attempt_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no attempt yet in .*r\.jsonl"):
        compare_runs([write_ledger(tmp_path / "r.jsonl", [])])


def test_a_provider_that_was_planned_and_never_ran_is_in_the_table(tmp_path):
    planned = tuple(attempt(task, provider).nodeid for task in TASKS for provider in "ab")
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", some_attempts("a", 1), planned=planned, ended=False)])
    b = side(comparison, "b")
    assert (b.planned, b.counted, b.skill, b.skill_interval, b.passes) == (7, 0, None, None, ())
    assert "Run #1 (r) was cut off." in comparison.notes
    assert comparison.pairs[0].pairs == 0


def test_trials_give_pass_rates_over_the_tasks_that_have_them(tmp_path):
    skills = {"circuits/x": (1, 1, 0), "circuits/y": (1, 0, 0), "circuits/z": (1,)}
    records = [
        attempt(task, "a", trial, s) for task, all_skills in skills.items() for trial, s in enumerate(all_skills)
    ]
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    rates = {rates.k: rates for rates in side(comparison, "a").passes}
    assert rates[1].at_least_one == rates[1].all == pytest.approx((2 / 3 + 1 / 3 + 1) / 3)
    # of the three pairs of trials: x has one solved in all of them and both in 1, y one in 2 and both in none
    assert rates[2].at_least_one == pytest.approx((1 + 2 / 3) / 2)
    assert rates[2].all == pytest.approx((1 / 3 + 0) / 2)
    assert rates[3].at_least_one == 1
    assert rates[3].all == 0
    assert "a: pass@3 is of the 2 of 3 tasks that have 3 attempts." in notes_of(comparison)


def test_tokens_costs_and_times_say_how_many_tell_them(tmp_path):
    records = [
        attempt(trial=0, tokens={"input": 100, "output": 5}, cost_usd=0.5, times={"agent_s": 10.0}),
        attempt(trial=1, tokens={"input": 200}, times={"agent_s": 20.0}),
        attempt(trial=2, skill=0.0),
        failed(trial=3, cost_usd=0.25, times={"agent_s": 1000.0}),
    ]
    only = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    (result,) = only.sides
    assert result.tokens == {"input": 300, "output": 5}
    assert result.tokens_known == 2
    assert (result.cost_usd, result.cost_known) == (0.75, 2)  # what infrastructure failed was paid for as well
    assert result.agent_s == 15
    assert "reference: 2 of 4 attempts tell their cost." in notes_of(only)
    costs = next(table for table in tables_of(only) if table.key == "costs")
    assert [column.values for column in costs.columns] == [(300,), (5,), (0.75,), (0.375,), (15.0,)]


def test_family_tables_have_task_rows_and_a_column_per_metric_and_provider(tmp_path):
    records = [
        attempt("circuits/x", "a", 0, 0.5, metrics={"iou": 0.5, "recall": 1.0}),
        attempt("circuits/x", "a", 1, 0.0, metrics={"iou": 0.0, "recall": 0.0}),
        failed(task="circuits/x", provider="a", trial=2),
        attempt("circuits/x", "b", 0, -0.5, metrics={"iou": 0.1, "recall": 0.2}),
        failed("no_answer", task="circuits/x", provider="b", trial=1),
        attempt("probes/y", "a", 0, 0.25, metrics={"accuracy": 0.75}),
    ]
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    circuits, probes = (table for table in tables_of(comparison) if table.key in ("circuits", "probes"))
    assert (circuits.title, circuits.rows) == ("Circuits Tasks", ("x",))
    shown = {(column.of, column.title): text_of(column.values[0], column.kind) for column in circuits.columns}
    assert list(shown) == [(who, title) for title in ("IoU", "Recall", "Skill") for who in ("a", "b")]
    # trials are averaged, infrastructure is in no mean, and no answer counts as skill 0 without metrics
    assert list(shown.values()) == ["0.250", "0.100", "0.500", "0.200", "0.250", "-0.250"]
    assert [text_of(column.values[0], column.kind) for column in probes.columns] == ["0.750", "-", "0.250", "-"]
    counts = coverage(records, len(records))
    assert sum(s.counted for s in comparison.sides) == counts.counted
    assert sum(s.solved for s in comparison.sides) == counts.solved


def test_a_run_without_attempts_has_tables_all_the_same():
    info = RunInfo(Path("r.jsonl"), "r", planned=Counter({"a": 2}))
    comparison = compare(attempts_of([RecordedRun(info, [])]))
    (result,) = comparison.sides
    assert (result.planned, result.counted, result.skill, result.solved_interval) == (2, 0, None, None)
    assert {table.key for table in tables_of(comparison)} == {"providers", "costs", "outcomes"}


def test_attempts_in_memory_compare_as_those_of_a_ledger(tmp_path):
    records = [*some_attempts("a"), *some_attempts("b"), failed(task="probes/q", provider="a", flags=("x",))]
    path = write_ledger(tmp_path / "r.jsonl", records)
    in_memory = compare(attempts_of([RecordedRun(Source(path).info, records)]))
    assert replace(in_memory, notes=()) == replace(compare_runs([path]), notes=())


def test_a_regression_is_a_fall_that_is_large_and_significant(tmp_path):
    first = write_ledger(tmp_path / "1.jsonl", [attempt(task, "a", 0, 1.0) for task in TASKS])
    worse = [attempt(task, "a", 0, 0.7 - number / 100) for number, task in enumerate(TASKS)]
    second = write_ledger(tmp_path / "2.jsonl", worse)
    (pair,) = compare_runs([first, second]).pairs
    assert pair.falls_below(0.05)
    assert not pair.falls_below(0.5)
    assert [entry.task for entry in pair.moved(0.345)] == [TASKS[6], TASKS[5]]
    one_task = write_ledger(tmp_path / "3.jsonl", [attempt(TASKS[0], "a", 0, 0.0)])
    assert not compare_runs([first, one_task]).pairs[0].falls_below(0.05)  # one attempt is no evidence


def test_json_holds_everything_and_no_nan(tmp_path):
    records = [*some_attempts("a"), failed(task="probes/x", provider="b")]
    content = json.loads(
        as_json(compare_runs([write_ledger(tmp_path / "r.jsonl", records)])),
        parse_constant=lambda name: pytest.fail(name),
    )
    assert content["format"] == 1
    assert content["sides"][1]["skill"] is None
    assert content["pairs"][0]["pairs"] == 0


# -- levels -----------------------------------------------------------------------------------------------------------


def at_levels(provider, skills, **changes):
    """An attempt at each level of a task that has several."""
    return [
        attempt(f"circuits/mechanism_{level}", provider, 0, skill, level=level, **changes)
        for level, skill in skills.items()
    ]


def test_levels_are_rows_in_order_and_have_means_of_their_own(tmp_path):
    records = [*at_levels("a", {10: 0.0, 2: 0.5, 1: 1.0}), attempt("probes/x", "a", 0, 0.8, level=1)]
    records += at_levels("b", {1: 0.2})
    comparison = compare_runs([write_ledger(tmp_path / "r.jsonl", records)])
    assert comparison.tasks == ("circuits/mechanism_1", "circuits/mechanism_2", "circuits/mechanism_10", "probes/x")
    tables = {table.key: table for table in tables_of(comparison)}
    assert tables["circuits"].rows == ("mechanism_1", "mechanism_2", "mechanism_10")
    means = {found.level: found for found in side(comparison, "a").by_level}
    assert {level: (found.tasks, found.skill) for level, found in means.items()} == {
        1: (2, pytest.approx(0.9)),
        2: (1, 0.5),
        10: (1, 0.0),
    }
    assert (means[1].solved_rate, means[10].solved_rate) == (1.0, 0.0)
    assert tables["levels"].rows == ("1", "2", "10")
    cells = {(column.of, column.title): column.values for column in tables["levels"].columns}
    assert cells["b", "Skill"] == (0.2, None, None)
    assert cells["b", "Tasks"] == (1, 0, 0)
    (pair,) = comparison.pairs
    assert [entry.task for entry in pair.by_task] == ["circuits/mechanism_1"], "levels pair with themselves only"


def test_the_interval_of_a_level_is_that_of_its_tasks_alone(tmp_path):
    high = [replace_level(record, 2) for record in some_attempts("a", seed=1)]
    low = [attempt(f"neurons/t{number}", "a", 0, 1.0, level=1) for number in range(7)]
    both = compare_runs([write_ledger(tmp_path / "both.jsonl", high + low)])
    alone = compare_runs([write_ledger(tmp_path / "alone.jsonl", high)])
    (_, means) = side(both, "a").by_level
    assert (means.skill, means.skill_interval) == (side(alone, "a").skill, side(alone, "a").skill_interval)
    assert means.solved_interval == side(alone, "a").solved_interval
    assert side(alone, "a").by_level == ()
    assert "levels" not in [table.key for table in tables_of(alone)]


def replace_level(record, level):
    return record.model_copy(update={"level": level})


def test_ledgers_from_before_there_were_levels_are_of_the_first(tmp_path):
    old = write_ledger(tmp_path / "old.jsonl", some_attempts("a"))
    lines = [
        {key: value for key, value in json.loads(line).items() if key not in ("level", "levels", "model")}
        for line in old.read_text().splitlines()
    ]
    old.write_text("".join(json.dumps(line) + "\n" for line in lines))
    new = write_ledger(tmp_path / "new.jsonl", [replace_level(record, 1) for record in some_attempts("a")])
    comparison = compare_runs([old, new])
    assert side(comparison, "a#1").by_level == ()
    assert comparison.pairs[0].difference == 0
