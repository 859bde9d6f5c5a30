"""The report's plots. Each fits a phone, and each has its numbers in a table next to it.

Plots with a row for each of many things are drawn twice, for a phone and for a screen, and the style sheet shows one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from scribe_suite.analysis.statistics import Interval
from scribe_suite.report.svg import GRID, INK, PAPER, SERIES, drawing, inline_svg

#: The width of a phone, where text keeps the size in which it is drawn.
_WIDTH_IN = 4.6
#: The same for a screen.
_WIDE_IN = 10.5

#: Height of a row for each of its series; with many series, they are closer together.
_ROW_IN = 0.17
_CROWDED_IN, _CROWDED_ROW_IN = 0.5, 0.075
_STACK_IN = 0.5
_TICKS = 5
#: Marks closer together than this share of the axis are stacked.
_BINS = 50
#: A marker for each series besides its colour, for readers and printers without colours.
_MARKERS = "osD^vPX*"

_LARGEST_LABEL = 20
#: Ratio of the largest to the smallest value above which a scale is logarithmic.
_LOG_FROM = 30.0


@dataclass(frozen=True)
class _Size:
    """One of the sizes in which plots are drawn.

    Attributes:
        kind: The class of its element.
        suffix: The suffix of its ids, which makes them unique on a page.
        width_in: The width in inches.
        legend_columns: The number of columns of its legend.
        longest_label: Longest name of a row, in characters.
        longest_series: Longest name of a series, in characters.
    """

    kind: str
    suffix: str
    width_in: float
    legend_columns: int
    longest_label: int
    longest_series: int

    def legend_in(self, n_series: int) -> float:
        """Height of the legend."""
        return 0.2 * math.ceil(n_series / self.legend_columns) if n_series > 1 else 0.0


_NARROW = _Size("narrow", "", _WIDTH_IN, 2, _LARGEST_LABEL, _LARGEST_LABEL)
_WIDE = _Size("wide", "-wide", _WIDE_IN, 4, 2 * _LARGEST_LABEL, 26)


@dataclass(frozen=True)
class Point:
    """One mark of a plot: a value, with an interval where there is one."""

    value: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Labels:
    """The words around a plot.

    Attributes:
        name: Unique on the page, for ids.
        title: The title for screen readers.
        description: What the plot shows.
        axis: The title of the horizontal axis.
    """

    name: str
    title: str
    description: str
    axis: str


def dot_plot(
    rows: Mapping[str, Mapping[str, Sequence[Point]]],
    series: Sequence[str],
    labels: Labels,
    *,
    limits: Interval | None = None,
    lines: Sequence[float] = (),
) -> Markup:
    """Rows of marks, with the marks of each series one below the other.

    Args:
        rows: Row label -> series -> its points; the first row is at the top.
        series: All series in the order of the legend.
        labels: The words around it.
        limits: Ends of the axis, or None to choose them, logarithmically when values differ much.
        lines: Positions of dashed vertical lines.
    """
    return _twice(labels, lambda size: _dot_figure(size, rows, series, labels, limits, lines))


def _dot_figure(
    size: _Size,
    rows: Mapping[str, Mapping[str, Sequence[Point]]],
    series: Sequence[str],
    labels: Labels,
    limits: Interval | None,
    lines: Sequence[float],
) -> Figure:
    row_in = min(max(1, len(series)) * _ROW_IN, _CROWDED_IN + len(series) * _CROWDED_ROW_IN) + 0.12
    with drawing():
        height_in = len(rows) * row_in + 0.5 + size.legend_in(len(series))
        figure = Figure(figsize=(size.width_in, height_in), layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            axes.axvline(line, color=INK, linewidth=0.8, dashes=(4, 3), zorder=1)
        for number, points_of in enumerate(rows.values()):
            for place, name in enumerate(series):
                height = number + (place - (len(series) - 1) / 2) * 0.8 / max(1, len(series))
                _draw_points(axes, points_of.get(name, ()), height, place, _short(name, size.longest_series))
        _set_rows(axes, list(rows), size.longest_label)
        values = [point.value for points_of in rows.values() for points in points_of.values() for point in points]
        _set_scale(axes, values, limits)
        axes.set_xlabel(labels.axis)
        _legend(figure, axes, len(series), size.legend_columns)
    return figure


def distribution_plot(
    rows: Mapping[str, Sequence[float]], labels: Labels, limits: Interval, lines: Sequence[float] = ()
) -> Markup:
    """A row for each series with a mark for each value; marks that would overlap are stacked.

    Args:
        rows: Series -> its values; the first row is at the top.
        labels: The words around it.
        limits: Ends of the axis.
        lines: Positions of dashed vertical lines.
    """
    return _twice(labels, lambda size: _distribution_figure(size, rows, labels, limits, lines))


def _distribution_figure(
    size: _Size, rows: Mapping[str, Sequence[float]], labels: Labels, limits: Interval, lines: Sequence[float]
) -> Figure:
    with drawing():
        figure = Figure(figsize=(size.width_in, len(rows) * _STACK_IN + 0.5), layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            axes.axvline(line, color=INK, linewidth=0.8, dashes=(4, 3), zorder=1)
        for number, values in enumerate(rows.values()):
            places = _stacked(values, (limits[1] - limits[0]) / _BINS)
            step = min(0.16, 0.8 / max([1, *places]))
            pairs = [(value, number + 0.3 - place * step) for value, place in zip(sorted(values), places, strict=True)]
            _draw_marks(axes, pairs, number, 5)
        _set_rows(axes, list(rows), size.longest_label)
        _set_scale(axes, [], limits)
        axes.set_xlabel(labels.axis)
    return figure


def _twice(labels: Labels, draw: Callable[[_Size], Figure]) -> Markup:
    """A plot for a phone and the same for a screen."""
    return Markup("").join(
        inline_svg(draw(size), f"{labels.name}{size.suffix}", labels.title, labels.description, size.kind)
        for size in (_NARROW, _WIDE)
    )


def _stacked(values: Sequence[float], width: float) -> list[int]:
    """For each value in increasing order, how many are below it in its stack."""
    places: list[int] = []
    begin = -math.inf
    for value in sorted(values):
        if value - begin < width:
            places.append(places[-1] + 1)
        else:
            begin = value
            places.append(0)
    return places


def _set_rows(axes: Axes, names: Sequence[str], longest: int) -> None:
    axes.set_yticks(range(len(names)), [_short(name, longest) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for number in range(1, len(names)):
        axes.axhline(number - 0.5, color=GRID, linewidth=0.8, zorder=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)


def _draw_points(axes: Axes, points: Sequence[Point], height: float, place: int, name: str) -> None:
    for point in points:
        if point.interval is not None:
            axes.plot(point.interval, (height, height), color=_colour(place), linewidth=1.6, zorder=2)
    _draw_marks(axes, [(point.value, height) for point in points], place, 6, name)


def _draw_marks(
    axes: Axes, pairs: Sequence[tuple[float, float]], place: int, size: float, name: str | None = None
) -> None:
    """Draw marks of one series at (x, y); with a name they are in the legend."""
    axes.plot(
        [x for x, _ in pairs],
        [y for _, y in pairs],
        linestyle="none",
        marker=_marker(place),
        color=_colour(place),
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        markersize=size,
        zorder=3,
        label=name,
    )


def scatter_plot(
    points: Mapping[str, Sequence[tuple[float, float]]], means: Mapping[str, tuple[float, float]], labels: Labels
) -> Markup:
    """Skill (upwards) against something else; a small mark per task, a large one for a series' mean.

    Args:
        points: Series -> (value, skill) of its tasks.
        means: Series -> the same over all tasks.
        labels: The words around it.
    """
    with drawing():
        figure = Figure(figsize=(_WIDTH_IN, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, pairs) in enumerate(points.items()):
            _draw_marks(axes, pairs, place, 5)
            _draw_marks(axes, [means[name]], place, 10, _short(name))
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        _set_scale(axes, [x for pairs in points.values() for x, _ in pairs], None)
        axes.set_ylim(min(-0.05, *(y - 0.05 for pairs in points.values() for _, y in pairs)), 1.05)
        axes.set_xlabel(labels.axis)
        axes.set_ylabel("Skill")
        _legend(figure, axes, len(points))
    return inline_svg(figure, labels.name, labels.title, labels.description)


@dataclass(frozen=True)
class Line:
    """Points of one series, joined in order; `marks` lists those that get a mark."""

    points: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, float]] = ()


def line_plot(
    lines: Mapping[str, Line],
    labels: Labels,
    y_axis: str,
    *,
    reference: Mapping[str, Sequence[tuple[float, float]]],
) -> Markup:
    """Lines between 0 and 1 in both directions.

    Args:
        lines: Series -> its line; includes series without points, so that each has the same colour everywhere.
        labels: The words around it.
        y_axis: What the vertical axis shows.
        reference: Series -> what its line is seen against, dashed in its colour; in that of the text where there is no
            such series.
    """
    with drawing():
        legend_in = 0.2 * ((len(lines) + 1) // 2) if len(lines) > 1 else 0
        figure = Figure(figsize=(_WIDTH_IN, 3.6 + legend_in), layout="constrained")
        axes = figure.add_subplot()
        colours = {name: _colour(place) for place, name in enumerate(lines)}
        for name, points in reference.items():
            axes.plot(*_columns(points), color=colours.get(name, INK), linewidth=0.8, dashes=(4, 3), zorder=1)
        for place, (name, line) in enumerate(lines.items()):
            axes.plot(*_columns(line.points), color=colours[name], linewidth=1.6, zorder=2)
            _draw_marks(axes, line.marks, place, 6, _short(name))
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(labels.axis)
        axes.set_ylabel(y_axis)
        _legend(figure, axes, len(lines))
    return inline_svg(figure, labels.name, labels.title, labels.description)


def step_plot(lines: Mapping[str, Line], labels: Labels, marks: Sequence[float] = (), y_axis: str = "Skill") -> Markup:
    """Skill (upwards) against what was used up: 0 at first, then at each point what holds from there on.

    Args:
        lines: Series -> its line; includes series without points, so that each has the same colour everywhere.
        labels: The words around it.
        marks: Skills at which dashed lines are drawn.
        y_axis: What is drawn upwards, where it is another share.
    """
    drawn = [point for line in lines.values() for point in line.points]
    with drawing():
        legend_in = 0.2 * ((len(lines) + 1) // 2) if len(lines) > 1 else 0
        figure = Figure(figsize=(_WIDTH_IN, 2.8 + legend_in), layout="constrained")
        axes = figure.add_subplot()
        _set_scale(axes, [x for x, _ in drawn], None)
        if axes.get_xscale() == "log":
            axes.set_xlim(min(x for x, _ in drawn) / 1.5, max(x for x, _ in drawn) * 1.5)
        begin, end = axes.get_xlim()
        for mark in marks:
            axes.axhline(mark, color=INK, linewidth=0.8, dashes=(4, 3), zorder=1)
        for place, (name, line) in enumerate(lines.items()):
            if line.points:
                xs, ys = _columns(line.points)
                steps = ([begin, *xs, end], [0.0, *ys, ys[-1]])
                axes.plot(*steps, drawstyle="steps-post", color=_colour(place), linewidth=1.6, zorder=2)
            _draw_marks(axes, line.marks, place, 6, _short(name))
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.set_ylim(min([-0.05, *(y - 0.05 for _, y in drawn)]), 1.05)
        axes.set_xlabel(labels.axis)
        axes.set_ylabel(y_axis)
        _legend(figure, axes, len(lines))
    return inline_svg(figure, labels.name, labels.title, labels.description)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _set_scale(axes: Axes, values: Sequence[float], limits: Interval | None) -> None:
    if limits is not None:
        axes.set_xlim(*limits)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
        return
    if values and min(values) > 0 and max(values) / min(values) > _LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, max(values, default=1.0) * 1.08 or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def _tick(value: float) -> str:
    for least, unit in ((1e6, "M"), (1e4, "k")):
        if value >= least:
            return f"{value / (1e3 if unit == 'k' else 1e6):g}{unit}"
    return f"{value:g}"


def _legend(figure: Figure, axes: Axes, n_series: int, columns: int = 2) -> None:
    if n_series < 2:
        return
    handles: dict[str, Artist] = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=columns, handletextpad=0.2)


def _marker(place: int) -> str:
    """The marker of a series; it changes where colours repeat, so that no two series look alike."""
    return _MARKERS[(place + place // len(SERIES)) % len(_MARKERS)]


def _colour(place: int) -> str:
    return SERIES[place % len(SERIES)]


def _short(label: str, longest: int = _LARGEST_LABEL) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
