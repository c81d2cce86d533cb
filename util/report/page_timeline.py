"""What stands on the time axis of a sequence: the bar of its frames, and charts of their PSNR and their time."""

import math

from dominate import svg, tags

from util.report.page_data import MISSING, Chart, Section
from util.report.plots import COLOURS, Axis, draw_curve

MOST_TICKS = 8


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def colour_of(number: int) -> str:
    """The style of curve ``number`` and of what belongs to it."""
    return f"--colour: var(--curve{number % len(COLOURS)})"


def draw_timeline(section: Section) -> None:
    """A bar of frames: given ones, key-frames, and the rest between them."""
    total = section.num_frames
    with svg.svg(cls="timeline", role="img", aria_label=_timeline_in_words(section)):
        svg.rect(cls="track", width="100%", height="100%", rx="4")
        if section.given_frames:
            svg.rect(cls="given", width=_share(section.given_frames, total), height="100%")
        for frame in section.sorted_keys:
            # a given frame that is also a key-frame shows both
            top, height = ("60%", "40%") if frame < section.given_frames else ("0", "100%")
            svg.rect(cls="key", x=_share(frame, total), y=top, width=_share(1, total), height=height)
        # seams between frames help to count, while there is room for them
        for frame in range(1, total) if total <= 120 else ():
            svg.line(cls="seam", x1=_share(frame, total), x2=_share(frame, total), y1="0", y2="100%")
        _draw_cursor(total)


def _timeline_in_words(section: Section) -> str:
    words = f"Timeline of {count(section.num_frames, 'frame')}; {section.given_frames} given at the start"
    return f"{words}; key-frames {', '.join(map(str, section.sorted_keys))}" if section.key_frames else words


def _share(position: float, num_frames: int) -> str:
    return f"{position / num_frames * 100:.4g}%"


def _draw_cursor(num_frames: int) -> None:
    middle = _share(0.5, num_frames)
    svg.line(cls="cursor", x1=middle, x2=middle, y1="0", y2="100%")


def draw_timeline_legend(section: Section) -> None:
    """The kinds of frames that the bar shows."""
    kinds = [("var(--given)", "given")] if section.given_frames else []
    if section.key_frames:
        kinds += [("var(--key)", "key-frame"), ("var(--between)", "between key-frames")]
    if kinds:
        with tags.ul(cls="legend quiet"):
            for colour, label in kinds:
                with tags.li():
                    tags.span(cls="block", style=f"background: {colour}")
                    tags.span(label)


def draw_charts(section: Section) -> None:
    """PSNR and time of each frame on the timeline's axis; a curve is broken where a frame has no value."""
    colours = {label: colour_of(number) for number, label in enumerate(section.labels)}
    for chart in section.charts:
        _draw_chart(chart, colours, num_frames=section.num_frames)


def _draw_chart(chart: Chart, colours: dict[str, str], *, num_frames: int) -> None:
    values = [value for curve in chart.curves.values() for value in curve if value is not None]
    axis = _axis_of(chart, values)
    with tags.div(cls="curves"):
        with tags.div(cls="axis"), svg.svg(cls="chart", role="img", aria_label=_chart_in_words(chart)):
            svg.rect(cls="paper", width="100%", height="100%")
            for level in _few_ticks(axis):
                height = f"{axis.place(level):.4g}%"
                svg.line(cls="grid", x1="0", x2="100%", y1=height, y2=height)
                svg.text(f"{level:g}", x="-8", y=height, dy="0.32em", text_anchor="end")
            with svg.svg(width="100%", height="100%", viewBox=f"0 0 {num_frames} 100", preserveAspectRatio="none"):
                for label, curve in chart.curves.items():
                    draw_curve(
                        curve,
                        x=lambda frame: frame + 0.5,
                        y=lambda value: min(max(axis.place(value), 0.0), 100.0) if value > 0 else 100.0,
                        look={"style": colours[label]},
                    )
            _draw_cursor(num_frames)
        with tags.ul(cls="legend"):
            scale = ", logarithmic" if axis.is_logarithmic else ""
            tags.li(f"{chart.title}, {chart.unit}{scale}", cls="quiet")
            for label in chart.curves:
                with tags.li():
                    tags.span(cls="swatch", style=colours[label])
                    tags.span(f"{label} ")
                    tags.output(MISSING)
        if any(value > axis.high for value in values) and not axis.is_logarithmic:
            tags.p(
                f"Values above {axis.high:.3g} {chart.unit}, of {chart.why_above}, are drawn at the upper edge.",
                cls="quiet legend",
            )


def _axis_of(chart: Chart, values: list[float]) -> Axis:
    """Quality begins where its values do; time at 0, or it is logarithmic."""
    shown = [value for value in values if value < chart.ceiling] or [20.0, 30.0]
    if chart.unit == "dB":
        return Axis(shown, start=100, end=0)
    axis = Axis(shown, start=100, end=0, may_be_logarithmic=True)
    return axis if axis.is_logarithmic else Axis([0.0, *shown], start=100, end=0)


def _few_ticks(axis: Axis) -> list[float]:
    ticks = axis.ticks()
    powers = [tick for tick in ticks if math.log10(tick).is_integer()] if axis.is_logarithmic else ticks
    return ticks if len(ticks) <= MOST_TICKS else powers


def _chart_in_words(chart: Chart) -> str:
    means = []
    for label, curve in chart.curves.items():
        values = [value for value in curve if value is not None]
        means.append(f"{label} {sum(values) / len(values):.2f} {chart.unit}" if values else f"{label} none")
    return f"{chart.title}; mean: " + ", ".join(means)
