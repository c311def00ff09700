"""Axes and facets: round ticks, ranges, panels, files."""

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.frame import load
from analysis.options import Options
from analysis.plot.axes import crowded, robust_range, set_scale, ticks, without_fallen
from analysis.plot.facets import described, facets, save
from analysis.plot.style import LOOKS, drawn


@pytest.mark.parametrize(
    ("low", "high", "scale", "expected"),
    [
        (0.9, 18, "powers", [1, 2, 4, 8, 16]),
        (0.9, 400, "powers", [1, 4, 16, 64, 256]),
        (1.8, 4.2, "powers", [2, 3, 4]),
        (0.95, 1.7, "powers", [1, 1.2, 1.4, 1.6]),
        (0.009, 30, "log", [0.01, 0.1, 1, 10]),
        (0.9, 25, "log", [1, 3, 10]),
        (-0.5, 60, "symlog", [0, 1, 3, 10, 30]),
        (84.7, 86.9, "linear", [85, 85.5, 86, 86.5]),
        (0, 100, "linear", [0, 20, 40, 60, 80, 100]),
    ],
)
def test_ticks_are_round(low, high, scale, expected):
    assert ticks(low, high, scale) == expected


@pytest.mark.parametrize("scale", ["powers", "log", "linear"])
@pytest.mark.parametrize(("low", "high"), [(41.5, 52.1), (1.01, 1.02), (0.1, 1000), (3, 4), (1e-6, 1e6)])
def test_there_are_two_ticks_or_more_but_not_many(low, high, scale):
    assert 2 <= len(ticks(low, high, scale)) <= 8


def test_a_scale_holds_its_values_and_ends_where_nothing_can_be():
    axes = Figure().subplots()
    set_scale([axes], "y", [40, 99.9, math.nan], ends=(0, 100))
    low, high = axes.get_ylim()
    assert low < 40
    assert 99.9 < high <= 100
    set_scale([axes], "x", [50, 5], "kept", at=[50, 5])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["95", "50"][::-1]
    set_scale([axes], "x", [math.nan])


def test_what_has_fallen_out_is_no_end_of_a_range():
    assert without_fallen([90, 91, 92, 93, 10]) == 90
    assert without_fallen([90, 80, 70, 60]) == 60, "a slope is no fall"
    assert without_fallen([90, 10]) == 10, "two tell nothing"
    assert math.isnan(without_fallen([math.nan]))
    assert crowded([5, 10, 50])
    assert not crowded([25, 50, 75])


def test_a_robust_range_says_all_that_lies_outside():
    rows = [("a", k, 90 + k, 0.5) for k in range(5)] + [("b", 9, 12.34, 1.0), ("c", 9, 91, 60.0)]
    held, notes = robust_range(pd.DataFrame(rows, columns=["line", "keep", "y", "y_half"]), str.upper)
    assert (min(held), max(held)) == (89.5, 94.5)
    assert notes == ["Below the axis (arrows): B at keep 9: 12.3 %", "Cut by the axis: the interval of C at keep 9"]


@pytest.fixture
def frame(folder, make):
    return lambda options: load(folder(make.suite()), options=options)


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_a_figure_is_the_same_bytes_each_time_with_its_caption_beside(frame, tmp_path, look):
    points = pd.DataFrame({"panel": ["one", "two"], "x": [1.0, 2.0], "y": [1.0, 2.0], "line": "wgsef"})
    seen = []
    for name in ("a", "b"):
        with drawn(look):
            plot = facets(described(points.copy(), frame(Options()), ["A caption", ""]))
            for panel in plot.panels():
                panel.axes.plot(panel.rows["x"], panel.rows["y"])
            files = save(plot.finish(), tmp_path / name, ["png", "pdf", "svg"])
        seen.append([path.read_bytes() for path in files])
    assert seen[0] == seen[1]
    text = (tmp_path / "a.txt").read_text()
    assert text.startswith("A caption. Protocol 1")
    assert plot.figure.axes[0].get_title(loc="left") == "one"


def test_labels_and_titles_are_as_the_user_says(frame):
    rows = pd.DataFrame({"panel": [""], "x": [1.0], "y": [1.0], "line": "wgsef"})
    options = Options(labels={"wgsef": "WGSEF (ours)"}, title=False)
    with drawn():
        plot = facets(described(rows, frame(options), []))
        assert plot.name("wgsef (element)") == "WGSEF (ours) (single-weight)"
        assert plot.finish().get_suptitle() == ""
