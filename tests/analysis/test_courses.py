"""The mathematics of courses, on numbers that can be worked out by hand."""

import numpy as np
import pytest

from scribe_suite.analysis.courses import CourseBuilder, areas, first_reached, weighted_curve

NAN = float("nan")


def courses(*attempts):
    """The courses of attempts, each a list of (seconds, skill)."""
    builder = CourseBuilder()
    for row, points in enumerate(attempts):
        builder.put(row, [{"seconds": seconds, "skill": skill} for seconds, skill in points])
    return builder.build(np.arange(len(attempts)), len(attempts))


def area(points, limit):
    (found,) = areas(courses(points), "seconds", np.array([limit]))
    return found


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 1.0)], 1.0),
        ([(50, 1.0)], 0.5),
        ([(100, 1.0)], 0.0),
        # 20 s of nothing, 40 of 0.5, 40 of 1
        ([(20, 0.5), (60, 1.0)], 0.2 + 0.4),
        # what is worse counts as soon as it is there: 10 of nothing, 30 of 1, 60 of -0.5
        ([(10, 1.0), (40, -0.5)], 0.3 - 0.3),
        # three at one moment: the last of them
        ([(50, 0.1), (50, 0.9), (50, 0.4)], 0.2),
        # beyond the limit nothing counts
        ([(50, 0.4), (200, 1.0)], 0.2),
    ],
)
def test_the_area_is_the_mean_skill_up_to_the_limit(points, expected):
    assert area(points, 100.0) == pytest.approx(expected)


def test_the_area_of_one_answer_that_stays_is_its_skill_times_the_time_it_was_there():
    for skill in (-1.0, -0.25, 0.0, 0.5, 1.0):
        assert area([(30, skill)], 120.0) == pytest.approx(skill * 0.75)


def test_the_area_is_that_of_a_fine_sum():
    drawn = np.random.default_rng(0)
    times, skills = np.sort(drawn.uniform(0, 110, 12)), drawn.uniform(-1, 1, 12)
    grid = (np.arange(200_000) + 0.5) / 2000
    places = np.searchsorted(times, grid, side="right")
    expected = np.concatenate([[0.0], skills])[places].mean()
    assert area(list(zip(times, skills, strict=True)), 100.0) == pytest.approx(expected, abs=1e-4)


def test_without_submissions_or_a_limit_there_is_no_area():
    found = areas(courses([], [(1, 1.0)], [], [(1, 0.5)]), "seconds", np.array([10.0, 10.0, NAN, NAN]))
    np.testing.assert_allclose(found, [NAN, 0.9, NAN, NAN])
    assert len(areas(courses(), "seconds", np.zeros(0))) == 0


def test_an_effort_that_one_submission_does_not_tell_is_not_known_of_the_attempt():
    builder = CourseBuilder()
    builder.put(0, [{"skill": 0.0, "seconds": 1, "tokens": None}, {"skill": 1.0, "seconds": 2, "tokens": 50}])
    builder.put(1, [{"skill": 1.0, "seconds": 4, "tokens": 50, "spent": 3}])
    built = builder.build(np.arange(2), 2)
    limits = np.array([100.0, 100.0])
    np.testing.assert_allclose(areas(built, "tokens", limits), [NAN, 0.5])
    np.testing.assert_allclose(areas(built, "spent", limits), [NAN, 0.97])
    np.testing.assert_allclose(areas(built, "seconds", limits), [0.98, 0.96])
    np.testing.assert_allclose(first_reached(built, "tokens", np.array([0.8, 0.8])), [NAN, 50])


def test_what_a_failed_run_gave_back_had_been_used_all_the_same():
    builder = CourseBuilder()
    builder.put(0, [{"skill": 0.5, "spent": 40}, {"skill": 1.0, "spent": 10}])
    built = builder.build(np.arange(1), 1)
    assert built.used["spent"].tolist() == [40, 40]
    assert areas(built, "spent", np.array([100.0])) == pytest.approx([0.6])


def test_the_first_moment_is_that_of_the_first_submission_at_the_mark():
    found = first_reached(
        courses([(1, 0.5), (2, 0.8), (3, 0.2), (4, 0.9)], [(1, 0.79)], [], [(7, 1.0)], [(0, 1.0)]),
        "seconds",
        np.array([0.8, 0.8, 0.8, NAN, 1.0]),
    )
    np.testing.assert_array_equal(found, [2, NAN, NAN, NAN, 0])


def test_rows_are_put_in_order_and_those_that_do_not_stand_are_left_out():
    builder = CourseBuilder()
    for row, seconds in ((0, [9.0]), (2, [1.0, 2.0]), (3, [5.0])):
        builder.put(row, [{"seconds": second, "skill": row / 10} for second in seconds])
    built = builder.build(np.array([3, 1, 2]), 4)
    assert built.attempt.tolist() == [0, 2, 2]
    assert built.skill.tolist() == [0.3, 0.2, 0.2]
    assert built.used["seconds"].tolist() == [5.0, 1.0, 2.0]
    assert built.known.tolist() == [True, False, True]


def test_the_mean_curve_weighs_attempts():
    built = courses([(10, 0.5), (30, 1.0)], [(20, -1.0)], [])
    curve = weighted_curve(built, "seconds", np.array([0.5, 0.25, 0.25]), np.array([0.0, 10.0, 19.0, 20.0, 30.0, 99.0]))
    # (0.5 * 0.5 + ...): 0, then 0.25, then -0.25 more, then 0.25 more
    np.testing.assert_allclose(curve, [0, 0.25, 0.25, 0.0, 0.25, 0.25])
