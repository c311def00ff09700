"""Measured against theoretical speedup, read back from what matplotlib was told to draw."""

from itertools import combinations

import pytest
from matplotlib.colors import to_rgba

from analysis.figures.measured_vs_theoretical import COLOURS_OF, measured_vs_theoretical
from analysis.load import load
from analysis.style import LOOKS, PAPER, drawn
from results.errors import Skip

LATENCY = ["trial", "network", "backend", "device", "batch", "threads", "median_ms", "iqr_ms", "repeats"]


@pytest.fixture
def draw(folder, make):
    def of(rows, style="paper", latency=(), **options):
        folder(latency, columns=LATENCY, name="latency.csv")
        results = load(folder(rows, **options))
        assert measured_vs_theoretical.subjects(results) == [results]
        with drawn(style):
            return measured_vs_theoretical(results)

    return of


def points(axes):
    """Return the points of each grouping and realisation."""
    lines = [line for line in axes.lines if ", " in str(line.get_label())]
    return {line.get_label(): sorted(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in lines}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def times(trial, backend, dense, compact, batch=64):
    rows = (("dense", dense), ("compact", compact))
    return [
        {"trial": trial, "network": network, "backend": backend, "device": "cpu", "batch": batch, "median_ms": ms}
        for network, ms in rows
    ]


def test_a_point_is_the_mean_over_the_seeds(draw, make):
    rows = [make.trial(seed=i, mac_speedup=4.0, speedup_b1=1 + i, speedup_b64=2 + i) for i in range(3)]
    rows += [
        make.trial("random", grouping="element", realisation="masked", mac_speedup=1, speedup_b1=1, speedup_b64=0.5)
    ]
    rows += [make.trial("dense", mac_speedup=1, speedup_b64=1.02)]
    figure = draw(rows)
    one, other = figure.axes
    assert points(one) == {"filter, compact": [(4, 2)], "element, masked": [(1, 1)]}
    assert points(other) == {"filter, compact": [(4, 3)], "element, masked": [(1, 0.5)]}
    assert [axes.get_ylabel() for axes in figure.axes] == ["Measured speedup, batch 1", "Measured speedup, batch 64"]
    assert legend(figure) == ["speedup 1", "as promised", "filter (0.75)", "element (0.50)", "compact", "masked"]
    heading = figure.get_suptitle()
    assert "a point: a method at a keep, mean of 1 to 3 seeds" in heading
    assert "timed on cpu, 2 threads" in heading
    assert figure.get_figwidth() == PAPER.column


def test_the_diagonal_is_where_time_goes_as_multiply_adds(draw, make):
    figure = draw([make.trial(mac_speedup=4.0, speedup_b64=2.0)])
    for axes in figure.axes:
        (diagonal,) = [line for line in axes.lines if type(line).__name__ == "AxLine"]
        assert (diagonal.get_xy1(), diagonal.get_xy2()) == ((1, 1), (2, 2))
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_methods_keeps_settings_and_devices_are_points_of_their_own(draw, make):
    rows = [make.trial(method, keep, mac_speedup=1 / keep) for method in ("wgsef", "random") for keep in (0.5, 0.25)]
    rows += [
        make.trial(mac_speedup=3),
        make.trial(dataset="mnist", mac_speedup=5),
        make.trial(device="cuda", mac_speedup=6),
    ]
    rows[4]["trial"], rows[4]["hyperparameters"] = "x", '{"lam": 1}'
    figure = draw(rows)
    assert [x for x, _ in points(figure.axes[1])["filter, compact"]] == [2, 2, 3, 4, 4, 5, 6]
    assert "cpu, 2 threads; cuda, 2 threads" in figure.get_suptitle()


def test_colours_tell_groupings_and_marks_realisations(draw, make):
    kinds = ["compact", "masked", "compact+masked", "csr", "bsr+csr", ""]
    names = [*COLOURS_OF, "mine.groups:odd"]
    rows = [make.trial(grouping=g, realisation=kinds[i % 6], mac_speedup=2 + i) for i, g in enumerate(names)]
    figure = draw(rows)
    lines = [line for line in figure.axes[1].lines if ", " in str(line.get_label())]
    assert len(lines) == 11
    assert len({to_rgba(line.get_color()) for line in lines}) == 11
    marks = {line.get_label().split(", ")[1]: line.get_marker() for line in lines}
    assert set(marks) == {*kinds[:5], "unknown"}
    assert len(set(marks.values())) == 6
    for line in lines:
        colour = COLOURS_OF.get(line.get_label().split(", ")[0])
        assert colour is None or to_rgba(line.get_color()) == to_rgba(colour)


def test_another_backend_is_measured_against_its_own_dense_network(draw, make):
    rows = [
        make.trial(trial="a", mac_speedup=4, speedup_b1="", speedup_b64=2),
        make.trial(trial="b", keep=0.1, mac_speedup=9),
    ]
    latency = [*times("a", "torch", 7, 1), *times("a", "onnxruntime", 6, 4), *times("b", "onnxruntime", 5, 0)]
    latency += times("gone", "onnxruntime", 1, 1) + times("a", "onnxruntime", 9, 3, batch=1)
    figure = draw(rows, latency=latency)
    assert points(figure.axes[0])["filter, compact, onnxruntime"] == [(4, 3)]
    assert points(figure.axes[1])["filter, compact, onnxruntime"] == [(4, 1.5)]
    assert legend(figure)[-2:] == ["compact", "compact, onnxruntime"]
    hollow = figure.axes[1].lines[-2] if figure.axes[1].lines[-2].get_marker() == "o" else figure.axes[1].lines[2]
    assert hollow.get_markerfacecolor() == "none"
    assert "filter (0.69)" in legend(figure)  # the median of 2 / 4 and 8 / 9, without the other backend


def test_what_was_not_measured_or_not_done_is_not_drawn(draw, make):
    rows = [
        make.trial(trial="a", mac_speedup=4, speedup_b1="", speedup_b64=2),
        make.trial(trial="b", keep=0.4, mac_speedup=0, speedup_b64=2),
        make.trial(trial="c", keep=0.3, mac_speedup="", speedup_b64=2),
        make.trial(trial="d", keep=0.2, mac_speedup=4, speedup_b64=0),
        make.trial(trial="e", keep=0.1, mac_speedup=4, speedup_b64=3, status="failed"),
    ]
    (axes,) = draw(rows).axes
    assert points(axes) == {"filter, compact": [(4, 2)]}


def test_only_what_is_there_is_needed(draw, make):
    columns = [
        c
        for c in make.COLUMNS
        if c not in ("speedup_b1", "realisation", "device", "threads", "hyperparameters", "start")
    ]
    figure = draw([make.trial(mac_speedup=4, speedup_b64=2)], columns=columns)
    (axes,) = figure.axes
    assert list(points(axes).values()) == [[(4, 2)]]
    assert legend(figure) == ["speedup 1", "as promised", "filter (0.50)"]
    assert "timed on an unknown device" in figure.get_suptitle()


def test_dense_alone_or_nothing_in_common_is_a_reason_to_skip(draw, make):
    with pytest.raises(Skip, match="no pruned trial has both"):
        draw([make.trial("dense", mac_speedup=1)])
    with pytest.raises(Skip, match="no pruned trial has both"):
        draw([make.trial(mac_speedup=2, speedup_b64=""), make.trial(keep=0.1)])
    with pytest.raises(Skip, match="column mac_speedup"):
        draw([make.trial()])


@pytest.mark.parametrize(("low", "high"), [(1, 1.0001), (0.97, 1.8), (0.2, 300), (1e-4, 1e5), (1, 1)])
def test_axes_have_a_few_ticks(draw, make, low, high):
    rows = [
        make.trial(keep=0.5, mac_speedup=low, speedup_b64=low),
        make.trial(keep=0.1, mac_speedup=high, speedup_b64=high),
    ]
    axes = draw(rows).axes[1]
    for ticks, (start, end) in ((axes.get_xticks(), axes.get_xlim()), (axes.get_yticks(), axes.get_ylim())):
        shown = [tick for tick in ticks if start <= tick <= end]
        assert 2 <= len(shown) <= 12


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps(draw, make, style):
    kinds = ["compact", "masked", "compact+masked", "csr", "semi_structured"]
    rows = [
        make.trial(
            grouping=g, realisation=kinds[i % 5], mac_speedup=1.2 + i, speedup_b64=1 + i / 9, speedup_b1=1.1 + i / 20
        )
        for i, g in enumerate(COLOURS_OF)
    ]
    figure = draw(rows, style)
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [figure.legends[0].get_window_extent(), figure._suptitle.get_window_extent()]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            shown = [label.get_window_extent() for label in labels if label.get_text() and label.get_visible()]
            assert not any(one.overlaps(other) for one, other in combinations(shown, 2))
