import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scribe_suite.analysis import statistics
from scribe_suite.analysis.statistics import Grouped


def grouped(*tasks):
    """One sequence of values per task."""
    values = np.array([value for task in tasks for value in task], np.float64)
    return Grouped.of(values, np.repeat(np.arange(len(tasks)), [len(task) for task in tasks]))


NOTHING = grouped()


def test_a_mean_is_the_mean_of_the_tasks_means():
    # a task that lost two of its three attempts weighs as much as the other
    assert statistics.mean(grouped([1, 1, 1], [0])) == 0.5


def test_the_order_of_values_makes_no_difference():
    values, tasks = np.array([0.1, 0.9, 0.3, 0.2]), np.array([7, 3, 7, 3])
    one, other = Grouped.of(values, tasks), Grouped.of(values[[1, 3, 0, 2]], tasks[[1, 3, 0, 2]])
    assert one.means.tolist() == other.means.tolist() == [0.55, 0.2]


def test_nothing_has_no_numbers():
    assert statistics.mean(NOTHING) is None
    assert statistics.bootstrap_interval(NOTHING) is None
    assert statistics.sign_flip_p(NOTHING) is None
    assert statistics.rate_interval(NOTHING) is None
    assert statistics.detectable_difference(NOTHING, 1) is None


def test_the_standard_error_over_tasks_by_hand():
    # means 0, 1, 0, 1, 0, 1: variance 6 * 0.25 / 5 = 0.3, error sqrt(0.3 / 6)
    error, freedom = statistics.standard_error(grouped([0], [1], [0], [1], [0, 0], [1]))
    assert error == pytest.approx(math.sqrt(0.05))
    assert freedom == 5


def test_the_standard_error_within_few_tasks_by_hand():
    # variances 1/3 and 1/3 over 4 and 4 values, divided by 2 tasks
    error, freedom = statistics.standard_error(grouped([0, 0, 1, 1], [0, 1, 0, 1]))
    assert error == pytest.approx(math.sqrt(1 / 12 + 1 / 12) / 2)
    assert freedom == 6


@pytest.mark.parametrize("tasks", [([1], [0], [1]), ([1, 0], [0, 1]), ([1, 0, 1, 0, 1, 0], [1])])
def test_too_few_attempts_have_no_interval(tasks):
    assert statistics.bootstrap_interval(grouped(*tasks)) is None
    assert statistics.detectable_difference(grouped(*tasks), 1) is None


def test_the_interval_is_as_wide_as_students_where_means_are_normal():
    generator = np.random.default_rng(1)
    values = generator.normal(0.2, 0.1, 40)
    low, high = statistics.bootstrap_interval(grouped(*values[:, None]))
    expected = stats.t.interval(0.95, 39, values.mean(), values.std(ddof=1) / math.sqrt(40))
    assert (low, high) == pytest.approx(expected, abs=0.004)


@pytest.mark.parametrize("number", [2, 50, 3000])
def test_the_interval_within_one_task_is_as_wide_as_students(number):
    values = np.random.default_rng(2).normal(0.2, 0.1, max(6, number))
    interval = statistics.bootstrap_interval(grouped(values))
    error = values.std(ddof=1) / math.sqrt(len(values))
    expected = stats.t.interval(0.95, len(values) - 1, values.mean(), error)
    assert interval == pytest.approx(expected, abs=error * (0.9 if number == 2 else 0.15))


def test_the_interval_is_the_same_every_time():
    values = grouped(*np.random.default_rng(3).normal(size=(8, 2)))
    assert statistics.bootstrap_interval(values) == statistics.bootstrap_interval(values)


@pytest.mark.parametrize("tasks", [8, 20])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(tasks, monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 2_000)
    generator = np.random.default_rng(tasks)
    runs, covered = 400, 0
    for _ in range(runs):
        # skewed differences that tasks share in part
        truth = 0.1
        shared = generator.exponential(0.2, tasks) - 0.2
        values = truth + shared[:, None] + generator.normal(0, 0.2, (tasks, 3))
        low, high = statistics.bootstrap_interval(grouped(*values))
        covered += low <= truth <= high
    assert 0.91 <= covered / runs <= 0.98


def test_an_interval_over_attempts_alone_would_cover_too_rarely():
    # why tasks are drawn: the same data, with all attempts taken for independent
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        values = generator.normal(0, 0.3, 10)[:, None] + generator.normal(0, 0.1, (10, 5))
        error = values.std(ddof=1) / math.sqrt(values.size)
        covered += abs(values.mean()) <= stats.t.ppf(0.975, values.size - 1) * error
    assert covered / 300 < 0.7


def test_flipped_signs_by_hand():
    # 6 tasks, all of one sign: 2 of the 64 patterns are as extreme
    assert statistics.sign_flip_p(grouped(*[[0.1]] * 6)) == 2 / 64
    # units 3, 1, 1 (and three that are 0): |sum| >= 5 for 2 of 8; two smaller ones flipped: |sum| >= 3 for 4 of 8
    assert statistics.sign_flip_p(grouped([3], [1], [1], [0], [0], [0])) == 2 / 8
    assert statistics.sign_flip_p(grouped([3], [1], [-1], [0], [0], [0])) == 6 / 8


def test_flipped_signs_agree_with_scipy():
    values = np.random.default_rng(6).normal(0.3, 1, 10)
    theirs = stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert statistics.sign_flip_p(grouped(*values[:, None])) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("number", [30, 2500])
def test_many_signs_are_drawn_or_normal(number):
    values = np.random.default_rng(7).normal(0, 1, number)
    values += 2 / math.sqrt(number) - values.mean()
    exact = 2 * stats.norm.sf(2 / math.sqrt((values**2).mean()))
    assert statistics.sign_flip_p(grouped(*values[:, None])) == pytest.approx(exact, abs=0.012)


@pytest.mark.parametrize(
    ("left", "right", "p"), [(0, 0, 1), (3, 3, 1), (6, 0, 2 / 64), (0, 5, 2 / 32), (1, 5, 2 * (1 + 6) / 64)]
)
def test_mcnemar_by_hand(left, right, p):
    assert statistics.mcnemar_p(left, right) == pytest.approx(p)
    assert statistics.mcnemar_p(right, left) == pytest.approx(p)


@given(st.integers(0, 500), st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_mcnemar_is_scipys_binomial_test(left, right):
    expected = stats.binomtest(left, left + right).pvalue if left + right else 1
    assert statistics.mcnemar_p(left, right) == pytest.approx(expected, rel=1e-9)


def test_holm_by_hand():
    # sorted 0.01, 0.03, 0.04 times 3, 2, 1; a corrected p is never below that of a smaller one
    assert statistics.holm([0.03, None, 0.01, 0.04]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert statistics.holm([0.6, 0.9]) == [1.0, 1.0]
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(deadline=None)
def test_holm_keeps_the_order_and_is_between_the_raw_p_and_bonferroni(values):
    corrected = statistics.holm(values)
    assert all(p <= c <= min(1, len(values) * p) + 1e-12 for p, c in zip(values, corrected, strict=True))
    for (p, c), (q, d) in combinations(zip(values, corrected, strict=True), 2):
        assert (p < q) <= (c <= d)


def test_pass_rates_by_hand():
    n, c = np.array([4, 4, 4]), np.array([0, 2, 4])
    # of 6 pairs of 4 attempts with 2 solved, 5 have a solved one and 1 has two
    assert statistics.pass_at_k(n, c, 2).tolist() == pytest.approx([0, 5 / 6, 1])
    assert statistics.pass_hat_k(n, c, 2).tolist() == pytest.approx([0, 1 / 6, 1])
    assert statistics.pass_at_k(n, c, 1).tolist() == statistics.pass_hat_k(n, c, 1).tolist() == [0, 0.5, 1]


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
@settings(deadline=None)
def test_pass_rates_are_those_of_all_subsets(case):
    n, c, k = case
    subsets = list(combinations([True] * c + [False] * (n - c), k))
    at_least_one = sum(map(any, subsets)) / len(subsets)
    every = sum(map(all, subsets)) / len(subsets)
    assert statistics.pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(at_least_one)
    assert statistics.pass_hat_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(every)


def test_the_detectable_difference_by_hand():
    # error sqrt(0.05), 5 degrees of freedom: t 2.571 for 95 %, 0.920 for a power of 80 %
    values = grouped([0], [1], [0], [1], [0], [1])
    assert statistics.detectable_difference(values, 1) == pytest.approx(math.sqrt(0.05) * (2.5706 + 0.9195), rel=1e-4)
    # with ten comparisons the first must reach 0.005
    assert statistics.detectable_difference(values, 10) == pytest.approx(math.sqrt(0.05) * (4.7733 + 0.9195), rel=1e-4)


def test_no_difference_at_all_shows_no_spread_to_judge_by():
    assert statistics.detectable_difference(grouped(*[[0.0]] * 8), 1) is None


def test_a_true_difference_of_that_size_is_found_four_times_out_of_five():
    generator = np.random.default_rng(8)
    needed = 0.1 / math.sqrt(20) * (stats.t.ppf(0.975, 19) + stats.t.ppf(0.8, 19))
    samples = generator.normal(needed, 0.1, (2000, 20))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("pairs", "discordant", "comparisons", "expected"),
    [
        (5, 0, 1, None),  # 2 / 32 is not below 5 %
        (6, 0, 1, 1.0),
        (60, 0, 1, 6 / 60),
        (60, 0, 10, 9 / 60),  # 2 / 512 is the first below 0.5 %
        (400, 100, 1, (1.95996 + 0.84162) * 10 / 400),
        (0, 0, 1, None),
    ],
)
def test_the_detectable_difference_of_rates_by_hand(pairs, discordant, comparisons, expected):
    assert statistics.detectable_solved(pairs, discordant, comparisons) == (
        None if expected is None else pytest.approx(expected, rel=1e-4)
    )


def test_the_interval_of_a_rate_is_wilsons_within_one_task():
    solved = grouped([1] * 7 + [0] * 3)
    low, high = statistics.rate_interval(solved)
    # 9 effective attempts (n - 1, as the variance is estimated) and Student's quantile for 9
    z2, n, p = stats.t.ppf(0.975, 9) ** 2, 9, 0.7
    half = math.sqrt(z2 * p * (1 - p) / n + z2**2 / (4 * n**2)) / (1 + z2 / n)
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    assert (low, high) == pytest.approx((centre - half, centre + half))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_or_nothing_solved_is_no_certainty(value):
    low, high = statistics.rate_interval(grouped(*[[value] * 3] * 10))
    assert high - low > 0.25
    assert low <= value <= high


def test_attempts_at_one_task_that_go_the_same_way_count_once():
    alike = statistics.rate_interval(grouped(*[[1] * 5] * 5, *[[0] * 5] * 5))
    mixed = statistics.rate_interval(grouped(*[[1, 0, 1, 0, 1], [0, 1, 0, 1, 0]] * 5))
    assert alike[1] - alike[0] > 1.8 * (mixed[1] - mixed[0])


@given(st.lists(st.lists(st.floats(-2, 2), min_size=2, max_size=5), min_size=3, max_size=9))
@settings(max_examples=30, deadline=None)
def test_turning_the_sign_turns_everything(tasks):
    values, turned = grouped(*tasks), grouped(*[[-value for value in task] for task in tasks])
    assert statistics.mean(turned) == pytest.approx(-statistics.mean(values))
    assert statistics.sign_flip_p(turned) == pytest.approx(statistics.sign_flip_p(values))
    one, other = statistics.bootstrap_interval(values), statistics.bootstrap_interval(turned)
    if one is not None:
        assert (other[0], other[1]) == pytest.approx((-one[1], -one[0]), abs=1e-9)
        assert one[0] - 1e-9 <= statistics.mean(values) <= one[1] + 1e-9


def test_students_interval_of_attempts_at_one_task():
    low, high = statistics.student_interval(np.array([0.0, 1.0]))
    assert (low + high) / 2 == pytest.approx(0.5)
    assert (high - low) / 2 == pytest.approx(12.706 * math.sqrt(0.5) / math.sqrt(2), rel=1e-3)
    assert statistics.student_interval(np.array([1.0])) is None
    assert statistics.student_interval(np.array([0.5, 0.5, 0.5])) is None, "no spread shows"
