"""A run judged against an earlier one."""

import pytest

from scribe_suite.analysis.baseline import judge, smallest_p
from scribe_suite.errors import ConfigurationError
from scribe_suite.ledger.run_names import find_run
from scribe_suite.ledger.sources import Source
from tests.ledger.factories import NOW, attempt, failed, write_ledger

TASKS = [f"circuits/t{number}" for number in range(7)]
LATER = NOW.replace(year=2027)


def run(path, skills, providers=("a",), **changes):
    """A ledger with one attempt per task and provider; `skills` are by task, or one for all."""
    skills = skills if isinstance(skills, list) else [skills] * len(TASKS)
    records = [
        attempt(task, provider, 0, skill, **changes)
        for provider in providers
        for task, skill in zip(TASKS, skills, strict=False)
    ]
    return write_ledger(path, records)


@pytest.fixture
def verdict(tmp_path):
    def judged(new, old, tolerance=0.05, **sides):
        first = run(tmp_path / "old.jsonl", old, **sides.get("old_run", {}))
        second = run(tmp_path / "new.jsonl", new, **sides.get("new_run", {}))
        return judge(Source(second), Source(first), tolerance)

    return judged


def test_no_drop_is_not_worse(verdict):
    result = verdict(0.9, 0.9)
    assert result.judgement == "not worse"
    assert result.lines() == [
        "a#1 against a#2: skill +0.000 (7 pairs, 7 tasks, p 1.0000): not worse by more than 0.05."
    ]


def test_a_significant_drop_is_worse_and_names_what_moved(verdict):
    result = verdict([0.5, 0.6, 0.7, 0.6, 0.5, 0.6, 0.89], 0.9)
    assert result.judgement == "worse"
    (pair,) = result.fallen
    assert [entry.task for entry in pair.moved(0.05)] == [TASKS[n] for n in (0, 4, 1, 3, 5, 2)]
    assert "WORSE by more than 0.05, and significantly" in result.lines()[0]


@pytest.mark.parametrize("tolerance", [0.5, None])
def test_a_drop_within_the_tolerance_or_without_one_is_not_worse(verdict, tolerance):
    result = verdict(0.6, 0.9, tolerance)
    assert result.judgement == ("not asked" if tolerance is None else "not worse")
    assert not result.fallen


def test_a_drop_that_is_not_significant_tells_what_could_have_been_seen(verdict):
    result = verdict([0.0, 1.0, 0.9, 0.8, 1.0, 0.9, 0.9], 0.9)
    assert result.judgement == "not worse"
    (line,) = result.lines()
    assert "worse by more than 0.05, but not significantly (these pairs could have shown a true difference of" in line


def test_so_few_pairs_that_nothing_can_be_significant_are_told(verdict):
    result = verdict([0.0], 1.0)
    assert result.judgement == "not worse"
    assert "so few pairs can never be significant: run more tasks or --trials" in result.lines()[0]
    (pair,) = result.comparison.pairs
    assert smallest_p(pair, 1) == 1


def test_the_direction_is_new_minus_old_whatever_was_started_first(tmp_path):
    old = write_ledger(tmp_path / "old.jsonl", [attempt(task, "a", 0, 1.0) for task in TASKS], started=LATER)
    new = run(tmp_path / "new.jsonl", 0.5)
    (pair,) = judge(Source(new), Source(old), 0.05).comparison.pairs
    assert pair.difference == -0.5
    (back,) = judge(Source(old), Source(new), 0.05).comparison.pairs
    assert back.difference == 0.5


def test_a_provider_meets_itself_and_the_correction_is_for_those_pairs_only(verdict):
    sides = {"old_run": {"providers": ("a", "b")}, "new_run": {"providers": ("a", "b", "c")}}
    result = verdict(0.5, 0.9, **sides)
    assert [(pair.left, pair.right) for pair in result.comparison.pairs] == [("a#1", "a#2"), ("b#1", "b#2")]
    assert result.not_compared == ("c",)
    assert "c: not compared, the earlier run has other providers only." in result.lines()
    assert all(pair.p_corrected == pytest.approx(2 * pair.p) for pair in result.comparison.pairs)


def test_providers_that_have_no_namesake_meet_all(verdict):
    result = verdict(0.5, 0.9, new_run={"providers": ("a:new",)}, old_run={"providers": ("a:old", "b")})
    assert [(pair.left, pair.right) for pair in result.comparison.pairs] == [("a:new", "a:old"), ("a:new", "b")]
    assert result.judgement == "worse"


def test_other_instances_are_paired_by_task_and_trial(verdict):
    result = verdict(0.5, 0.9, new_run={"instance_seed": 5})
    assert result.comparison.pairs[0].paired_by == "task and trial"
    assert result.judgement == "worse"


def test_without_a_pair_nothing_is_judged(tmp_path):
    old = run(tmp_path / "old.jsonl", 0.9)
    for number, records in enumerate(([attempt("probes/x", "a")], [failed(task=task, provider="a") for task in TASKS])):
        new = write_ledger(tmp_path / f"new{number}.jsonl", records)
        result = judge(Source(new), Source(old), 0.05)
        assert result.judgement == "not comparable"
        assert result.lines()[0].endswith("no pair of attempts that count.")
        assert result.lines()[-1].startswith("NOT COMPARABLE: ")


def test_other_versions_are_refused(verdict):
    with pytest.raises(
        ConfigurationError,
        match=r"different versions of circuits/t0 \(1 in new.jsonl, 2 in old.jsonl\).*: nothing is compared",
    ):
        verdict(0.5, 0.9, old_run={"task_version": 2})


def test_a_run_is_found_by_path_and_by_id(tmp_path, monkeypatch):
    path = run(tmp_path / "r1.jsonl", 0.5)
    assert find_run(str(path), tmp_path / "nowhere") == path
    assert find_run("r1", tmp_path) == find_run("r1.jsonl", tmp_path) == path
    for name in ("r2", "", str(tmp_path)):
        with pytest.raises(ConfigurationError, match="There is no run"):
            find_run(name, tmp_path)
