"""Plots show every value where it belongs, whatever the numbers."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from util.report.plots import Axis, Point, curves, scatter, unbroken

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-6)


def marks(drawing: str, tag: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(drawing).findall(f".//{{*}}{tag}")


@settings(max_examples=50, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_an_axis_holds_all_values_in_order_and_has_ticks(values: list[float]) -> None:
    axis = Axis(values, start=0, end=100, may_be_logarithmic=True)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places) and all(0 <= place <= 100 for place in places)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 40 and all(-1e-6 <= axis.place(tick) <= 100 + 1e-6 for tick in ticks)


def test_a_scatter_is_whole_svg_with_a_dot_and_a_line_a_point() -> None:
    points = [Point("a < b", 0.1, 20.0, (19.0, 21.0)), Point("c", 100.0, 22.0)]
    drawing = scatter(points, x_label="GMACs", y_label="psnr")
    dots = marks(drawing, "circle")
    assert len(dots) == 2
    assert float(dots[0].get("cx") or 0) < float(dots[1].get("cx") or 0)
    assert float(dots[0].get("cy") or 0) > float(dots[1].get("cy") or 0)  # SVG counts from the top
    assert "a &lt; b" in drawing and "GMACs (logarithmic)" in drawing
    with pytest.raises(ValueError, match="at least one"):
        scatter([], x_label="", y_label="")


def test_points_of_a_series_are_joined_in_their_order_and_share_a_colour() -> None:
    points = [Point("b", 2.0, 1.0, series="s"), Point("alone", 5.0, 5.0), Point("a", 1.0, 3.0, series="s")]
    drawing = scatter(points, x_label="", y_label="")
    (line,) = marks(drawing, "polyline")
    across = [float(place.split(",")[0]) for place in (line.get("points") or "").split()]
    assert across == sorted(across) and len(across) == 2
    first, alone, second = (dot.get("fill") for dot in marks(drawing, "circle"))
    assert first == second != alone


def test_a_curve_is_broken_where_a_frame_has_no_value() -> None:
    assert unbroken([None, 1.0, 2.0, None, 3.0]) == [[(1, 1.0), (2, 2.0)], [(4, 3.0)]]
    assert len(marks(curves({"a": [None, 1.0, 2.0, None, 3.0]}, x_label="", y_label=""), "polyline")) == 2
    with pytest.raises(ValueError, match="at least one"):
        curves({"a": [None]}, x_label="", y_label="")


def test_equal_values_still_have_an_axis() -> None:
    axis = Axis([0.0, 0.0], start=0, end=10)
    assert axis.place(0.0) == 5 and math.isfinite(axis.low)
