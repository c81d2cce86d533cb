"""What stands on the time axis of a sequence: the bar of its frames, and the chart of their PSNR."""

import math

from dominate import svg, tags

from util.report.page_data import MISSING, Section
from util.report.plots import COLOURS, Axis, draw_curve

# A frame closer to the real one than this is a copy of it; the chart's axis ends below, so that curves stay readable.
PSNR_OF_A_COPY = 60.0


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def colour_of(number: int) -> str:
    """The style of curve ``number`` and of what belongs to it."""
    return f"--colour: var(--curve{number % len(COLOURS)})"


def rounded(value: float | None) -> float | None:
    """What a curve shows: two decimals; NaN is no value, and infinity (a copy) is finite, since JSON has neither."""
    if value is None or math.isnan(value):
        return None
    return round(min(max(value, 0.0), 100.0), 2)


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


def draw_chart(curves: dict[str, list[float | None]], *, num_frames: int) -> None:
    """PSNR per frame on the timeline's axis; a curve is broken where a frame has no value."""
    values = [value for curve in curves.values() for value in curve if value is not None]
    axis = Axis([value for value in values if value < PSNR_OF_A_COPY] or [20.0, 30.0], start=100, end=0)
    with tags.div(cls="curves"):
        with tags.div(cls="axis"), svg.svg(cls="chart", role="img", aria_label=_chart_in_words(curves)):
            svg.rect(cls="paper", width="100%", height="100%")
            for level in axis.ticks():
                height = f"{axis.place(level):.4g}%"
                svg.line(cls="grid", x1="0", x2="100%", y1=height, y2=height)
                svg.text(f"{level:g}", x="-8", y=height, dy="0.32em", text_anchor="end")
            with svg.svg(width="100%", height="100%", viewBox=f"0 0 {num_frames} 100", preserveAspectRatio="none"):
                for number, curve in enumerate(curves.values()):
                    draw_curve(
                        curve,
                        x=lambda frame: frame + 0.5,
                        y=lambda value: max(axis.place(value), 0.0),
                        look={"style": colour_of(number)},
                    )
            _draw_cursor(num_frames)
        with tags.ul(cls="legend"):
            tags.li("PSNR per frame, dB", cls="quiet")
            for number, label in enumerate(curves):
                with tags.li():
                    tags.span(cls="swatch", style=colour_of(number))
                    tags.span(f"{label} ")
                    tags.output(MISSING)
        if any(value > axis.high for value in values):
            tags.p(
                f"Values above {axis.high:.3g} dB, of frames that are copies of the real ones, are drawn at the upper "
                "edge.",
                cls="quiet legend",
            )


def _chart_in_words(curves: dict[str, list[float | None]]) -> str:
    means = []
    for label, curve in curves.items():
        values = [value for value in curve if value is not None]
        means.append(f"{label} {sum(values) / len(values):.2f} dB" if values else f"{label} none")
    return "PSNR per frame; mean: " + ", ".join(means)
