import re
from xml.etree import ElementTree

import matplotlib
import pytest

from scribe_suite.report.pages import NOTHING, count, interval, number, seconds, size, usd
from scribe_suite.report.plots import (
    Labels,
    Point,
    _colour,
    _marker,
    _stacked,
    distribution_plot,
    dot_plot,
    scatter_plot,
)

LABELS = Labels("p", "A <title>", "What is & to see", "axis")


def drawings(markup):
    """Its elements, the one for a phone first."""
    return list(ElementTree.fromstring(f"<both>{markup}</both>"))


def texts(markup):
    return {element.text for svg in drawings(markup) for element in svg.iter("text")}


def test_a_plot_with_many_rows_is_drawn_for_a_phone_and_for_a_screen():
    markup = dot_plot({"a_task_with_a_rather_long_name": {"a": [Point(0.5)]}}, ["a"], LABELS)
    narrow, wide = drawings(markup)
    assert [svg.get("class") for svg in (narrow, wide)] == ["plot narrow", "plot wide"]
    widths = [float(svg.get("viewBox").split()[2]) for svg in (narrow, wide)]
    assert widths[1] > 2 * widths[0]
    ids = re.findall(r'\bid="([^"]*)"', markup)
    assert len(ids) == len(set(ids))
    assert any("…" in text for text in texts(str(ElementTree.tostring(narrow, encoding="unicode"))))
    assert "a_task_with_a_rather_long_name" in texts(str(ElementTree.tostring(wide, encoding="unicode")))


def test_no_two_of_many_series_look_alike():
    assert len({(_marker(place), _colour(place)) for place in range(64)}) == 64


def test_a_plot_is_named_and_described_for_those_who_do_not_see_it():
    root, _ = drawings(dot_plot({"task": {"a": [Point(0.5, (0.2, 0.7))]}}, ["a"], LABELS))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "p-title p-desc"
    assert [(child.tag, child.text) for child in list(root)[:2]] == [
        ("title", LABELS.title),
        ("desc", LABELS.description),
    ]


def test_colours_come_from_the_page():
    svg = dot_plot({"task": {"a": [Point(0.5)], "b": [Point(1.0)]}}, ["a", "b"], LABELS)
    assert "var(--series-0)" in svg
    assert "var(--series-1)" in svg
    assert "currentColor" in svg
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000", "#ffffff"}


def test_ids_begin_with_the_plots_name_and_nothing_leads_outside():
    svg = dot_plot({"task": {"a": [Point(0.5)]}}, ["a"], LABELS)
    assert all(found.startswith("p-") for found in re.findall(r'\bid="([^"]*)"', svg))
    assert all(found.startswith("#p-") for found in re.findall(r'href="([^"]*)"', svg))
    assert "http" not in svg
    assert "xmlns" not in svg


def test_names_are_text_whatever_is_in_them():
    svg = dot_plot({"$x^2$ <b>": {"a$": [Point(1)], "<script>": [Point(2)]}}, ["a$", "<script>"], LABELS)
    assert {"$x^2$ <b>", "a$", "<script>"} <= texts(svg)


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [1e-3, 1e6], [5.0, 6.0], []])
def test_scales_suit_all_values(values):
    svg = dot_plot({f"t{n}": {"a": [Point(value)]} for n, value in enumerate(values)} or {"t": {}}, ["a"], LABELS)
    assert "<svg" in svg


def test_more_providers_than_colours_can_be_shown():
    names = [f"provider {n}" for n in range(20)]
    assert set(names) <= texts(dot_plot({"t": {name: [Point(0.1)] for name in names}}, names, LABELS))


def test_large_numbers_are_short_on_the_axis():
    svg = dot_plot({"t": {"a": [Point(90_000)]}}, ["a"], LABELS)
    assert {"20k", "80k"} <= texts(svg)


def test_cost_against_skill_names_its_providers():
    points = {"a": [(0.1, 0.5), (0.2, -0.3)], "b": [(1.0, 1.0)]}
    assert {"a", "b", "Skill"} <= texts(scatter_plot(points, {"a": (0.15, 0.1), "b": (1.0, 1.0)}, LABELS))


def test_equal_values_are_stacked_so_that_each_is_seen():
    assert _stacked([0.5, 0.1, 0.5, 0.51, 0.9], 0.02) == [0, 0, 1, 2, 0]
    svg = distribution_plot({"a": [0.5] * 40, "b": []}, LABELS, (0.0, 1.0), [0.8])
    assert {"a", "b"} <= texts(svg)
    heights = {use.get("y") for use in drawings(svg)[0].iter("use") if "series-0" in use.get("style", "")}
    assert len(heights) == 40


def test_settings_of_the_user_change_nothing_and_stay():
    before = dot_plot({"t": {"a": [Point(0.5)]}}, ["a"], LABELS)
    with matplotlib.rc_context({"font.size": 40, "svg.fonttype": "path"}):
        assert dot_plot({"t": {"a": [Point(0.5)]}}, ["a"], LABELS) == before
        assert matplotlib.rcParams["font.size"] == 40


def test_numbers_are_shown_in_words_people_use():
    assert [number(None), number(0.12345), number(1)] == [NOTHING, "0.123", "1.000"]
    assert [seconds(None), seconds(1.234), seconds(75), seconds(200), seconds(9000)] == [
        NOTHING, "1.23 s", "75 s", "3 min 20 s", "2.5 h",
    ]  # fmt: skip
    assert [usd(None), usd(0), usd(0.0123), usd(1234.5)] == [NOTHING, "$0.00", "$0.0123", "$1,234.50"]
    assert [count(None), count(1234567)] == [NOTHING, "1,234,567"]
    assert [size(1), size(2500), size(3_400_000)] == ["0.1 kB", "2.5 kB", "3.4 MB"]
    assert [interval(None), interval((0.1, 0.25))] == ["", "0.10 to 0.25"]
