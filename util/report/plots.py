"""Small plots as SVG text, and what the chart of a result page shares with them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dominate import svg

WIDTH, HEIGHT = 480, 300  # of the area between the axes and its surroundings, without the legend
LEFT, RIGHT, TOP, BOTTOM = 74, 18, 14, 46
LEGEND_LINE = 18
COLOURS = ("#2458a6", "#c2570c", "#16805f", "#9b3f92", "#8a6a00", "#5d6570", "#b03a62", "#3a8fb7")
INK, GRID, PAPER = "#1c1f24", "#dfdcd4", "#ffffff"
# positive values at least so many times apart get an axis in powers of ten
LOGARITHMIC_FROM = 8.0


@dataclass(frozen=True)
class Point:
    """One method in a plot of two quantities.

    Attributes:
        label: its name in the legend.
        x, y: the two quantities.
        interval: lower and upper end of an uncertain ``y``.
        series: points of one series are joined and share a colour; empty: of none.
    """

    label: str
    x: float
    y: float
    interval: tuple[float, float] | None = None
    series: str = ""


class Axis:
    """From values to places on the drawing, with round numbers as ticks."""

    def __init__(self, values: Sequence[float], *, start: float, end: float, may_be_logarithmic: bool = False) -> None:
        """Fit the axis to its values.

        Args:
            values: what has to fit.
            start, end: the places of its lower and upper end.
            may_be_logarithmic: positive values far apart are spread by their logarithm.
        """
        low, high = min(values), max(values)
        self.start, self.end = start, end
        self.is_logarithmic = may_be_logarithmic and low > 0 and high / low >= LOGARITHMIC_FROM
        if self.is_logarithmic:
            low, high = math.log10(low), math.log10(high)
        margin = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
        self.low, self.high = low - margin, high + margin

    def place(self, value: float) -> float:
        """The place of a value."""
        position = math.log10(value) if self.is_logarithmic else value
        return self.start + (self.end - self.start) * (position - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round numbers within the axis."""
        if self.is_logarithmic:
            exponents = range(math.floor(self.low), math.ceil(self.high) + 1)
            found = [factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5)]
            return [one for one in found if self.low <= math.log10(one) <= self.high]
        step = _round_step((self.high - self.low) / 5)
        return [number * step for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _round_step(step: float) -> float:
    """The next number of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def scatter(points: Sequence[Point], *, x_label: str, y_label: str) -> str:
    """Methods by two quantities, each with its interval; x becomes logarithmic where values are far apart.

    Args:
        points: at least one.
        x_label, y_label: what the axes say.

    Returns:
        An SVG document.

    Raises:
        ValueError: there is no point.
    """
    if not points:
        raise ValueError("expected at least one point")
    heights = [value for point in points for value in (point.y, *(point.interval or ()))]
    x = Axis([point.x for point in points], start=LEFT, end=WIDTH - RIGHT, may_be_logarithmic=True)
    y = Axis(heights, start=HEIGHT - BOTTOM, end=TOP)
    drawing = _frame(x, y, x_label=x_label, y_label=y_label, num_lines=len(points))
    # a point of no series is one of its own
    series = [point.series or f"{number}" for number, point in enumerate(points)]
    styles = [list(dict.fromkeys(series)).index(one) for one in series]
    with drawing:
        for style in dict.fromkeys(styles):
            members = [point for point, one in zip(points, styles, strict=True) if one == style]
            if len(members) > 1:
                _line(sorted((x.place(point.x), y.place(point.y)) for point in members), _pen(style))
        for number, (point, style) in enumerate(zip(points, styles, strict=True)):
            colour, across = _colour(style), x.place(point.x)
            if point.interval is not None:
                low, high = (f"{y.place(value):.1f}" for value in point.interval)
                svg.line(x1=f"{across:.1f}", x2=f"{across:.1f}", y1=low, y2=high, stroke=colour, stroke_opacity="0.5")
            svg.circle(cx=f"{across:.1f}", cy=f"{y.place(point.y):.1f}", r="4.5", fill=colour)
            _text(str(number + 1), x=across + 7, y=y.place(point.y) - 6, colour=colour)
        _legend([f"{number + 1}  {point.label}" for number, point in enumerate(points)], styles)
    return str(drawing.render(pretty=False)) + "\n"


def curves(
    lines: Mapping[str, Sequence[float | None]],
    *,
    x_label: str,
    y_label: str,
    x_values: Sequence[float] | None = None,
    may_be_logarithmic: bool = False,
) -> str:
    """The curve of every method over the frames; it is broken where a frame has no value.

    Args:
        lines: by label; entry i belongs to frame i. A single one that is called like the axis has no legend.
        x_label, y_label: what the axes say.
        x_values: in place of the frames' numbers.
        may_be_logarithmic: y becomes logarithmic where values are far apart.

    Returns:
        An SVG document.

    Raises:
        ValueError: there is no value at all.
    """
    values = [value for line in lines.values() for value in line if value is not None]
    if not values:
        raise ValueError("expected at least one value")
    places = range(max(map(len, lines.values()))) if x_values is None else x_values
    x = Axis([places[0], places[-1]], start=LEFT, end=WIDTH - RIGHT)
    y = Axis(values, start=HEIGHT - BOTTOM, end=TOP, may_be_logarithmic=may_be_logarithmic)
    named = [] if list(lines) == [y_label] else list(lines)
    drawing = _frame(x, y, x_label=x_label, y_label=y_label, num_lines=len(named))
    with drawing:
        for number, line in enumerate(lines.values()):
            draw_curve(line, x=lambda frame: x.place(places[int(frame)]), y=y.place, look=_pen(number))
        _legend(named, range(len(named)))
    return str(drawing.render(pretty=False)) + "\n"


def draw_curve(
    curve: Sequence[float | None],
    *,
    x: Callable[[float], float],
    y: Callable[[float], float],
    look: Mapping[str, str],
) -> None:
    """Add a curve to the open SVG element; it is broken where a frame has no value.

    Args:
        curve: entry i belongs to frame i.
        x, y: the places of a frame and of a value.
        look: SVG attributes of its lines.
    """
    for run in unbroken(curve):
        # a lone value is a line of no length: its round ends make a dot
        _line([(x(frame), y(value)) for frame, value in (run * 2 if len(run) == 1 else run)], look)


def _line(places: Sequence[tuple[float, float]], look: Mapping[str, str]) -> None:
    points = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    svg.polyline(points=points, fill="none", stroke_linecap="round", **look)


def unbroken(line: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The runs of (frame, value) without a missing value between them."""
    runs = groupby(enumerate(line), key=lambda entry: entry[1] is not None)
    return [[(frame, value) for frame, value in run if value is not None] for has_values, run in runs if has_values]


def _frame(x: Axis, y: Axis, *, x_label: str, y_label: str, num_lines: int) -> svg.svg:
    """Paper, grid, numbers and names of both axes."""
    height = HEIGHT + LEGEND_LINE * num_lines + 8
    drawing = svg.svg(
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=str(WIDTH),
        height=str(height),
        role="img",
        aria_label=f"{y_label} against {x_label}",
        font_family="sans-serif",
        font_size="12",
    )
    with drawing:
        svg.rect(width="100%", height="100%", fill=PAPER)
        for tick in x.ticks():
            across = x.place(tick)
            svg.line(x1=f"{across:.1f}", x2=f"{across:.1f}", y1=str(TOP), y2=str(HEIGHT - BOTTOM), stroke=GRID)
            _text(f"{tick:g}", x=across, y=HEIGHT - BOTTOM + 16, anchor="middle")
        for tick in y.ticks():
            up = y.place(tick)
            svg.line(x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=f"{up:.1f}", y2=f"{up:.1f}", stroke=GRID)
            _text(f"{tick:g}", x=LEFT - 8, y=up + 4, anchor="end")
        x_label, y_label = (
            label + (" (logarithmic)" if axis.is_logarithmic else "") for label, axis in ((x_label, x), (y_label, y))
        )
        _text(x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 10, anchor="middle")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        svg.text(
            y_label, x="0", y="0", fill=INK, text_anchor="middle", transform=f"translate(16 {middle:.0f}) rotate(-90)"
        )
    return drawing


def _legend(labels: Sequence[str], styles: Sequence[int]) -> None:
    for number, (label, style) in enumerate(zip(labels, styles, strict=True)):
        top = HEIGHT + LEGEND_LINE * number + 4
        svg.line(x1=str(LEFT), x2=str(LEFT + 24), y1=str(top), y2=str(top), **_pen(style, width="3"))
        _text(label, x=LEFT + 32, y=top + 4)


def _text(words: str, *, x: float, y: float, anchor: str = "start", colour: str = INK) -> None:
    svg.text(words, x=f"{x:.1f}", y=f"{y:.1f}", fill=colour, text_anchor=anchor)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _pen(style: int, *, width: str = "1.8") -> dict[str, str]:
    """SVG attributes of a line; lines that share a colour differ in their dashes."""
    dashes = ("none", "6 3", "2 3", "9 3 2 3")[style // len(COLOURS) % 4]
    return {"stroke": _colour(style), "stroke_width": width, "stroke_dasharray": dashes}
