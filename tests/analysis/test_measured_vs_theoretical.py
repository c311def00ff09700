"""Measured against theoretical speedup: its points, and how they are drawn."""

from itertools import combinations

import pytest
from matplotlib.colors import to_rgba

from analysis.figures.measured_vs_theoretical import COLOURS_OF, MEASURED_VS_THEORETICAL
from analysis.frame import load
from analysis.plot.style import LOOKS, drawn
from results.errors import Skip

LATENCY = ["trial", "network", "backend", "device", "batch", "median_ms"]
B1, B64 = "speedup_b1", "speedup_b64"
KINDS = ["compact", "masked", "compact+masked", "csr", "bsr+csr", ""]


@pytest.fixture
def data(folder):
    def of(rows, latency=(), **options):
        folder(latency, columns=LATENCY, name="latency.csv")
        frame = load(folder(rows, **options))
        assert MEASURED_VS_THEORETICAL.subjects(frame) == [frame]
        MEASURED_VS_THEORETICAL.check(frame)
        return MEASURED_VS_THEORETICAL.data(frame)

    return of


def points(data, quantity=B64):
    rows = data[data["quantity"] == quantity].sort_values(["grouping", "kind", "backend", "x"])
    return [tuple(row) for row in rows[["grouping", "kind", "backend", "x", "y"]].itertuples(index=False)]


def figure_of(data, style="paper"):
    with drawn(style):
        figure = MEASURED_VS_THEORETICAL.draw(data)
        figure.draw_without_rendering()
    return figure


def marks(axes):
    return [line for line in axes.lines if line.get_marker() not in ("", "None")]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def times(trial, backend, dense, compact, batch=64):
    cells = {"trial": trial, "backend": backend, "device": "cpu", "batch": batch}
    return [cells | {"network": name, "median_ms": ms} for name, ms in (("dense", dense), ("compact", compact))]


def test_a_point_is_the_mean_over_the_seeds(data, make):
    rows = [make.trial(seed=i, mac_speedup=4.0, speedup_b1=1 + i, speedup_b64=2 + i) for i in range(3)]
    masked = {"grouping": "element", "realisation": "masked", "mac_speedup": 1}
    rows += [make.trial("random", speedup_b1=1, speedup_b64=0.5, **masked)]
    rows += [make.trial("dense", mac_speedup=1, speedup_b64=1.02)]
    found = data(rows)
    assert points(found, B1) == [("element", "masked", "torch", 1, 1), ("filter", "compact", "torch", 4, 2)]
    assert points(found) == [("element", "masked", "torch", 1, 0.5), ("filter", "compact", "torch", 4, 3)]
    for said in ("mean of 1 to 3 seeds", "cpu, 2 threads", "single-weight 0.50 (n = 1), filter 0.75 (n = 1)"):
        assert said in found.attrs["caption"]


def test_methods_keeps_settings_and_devices_are_points_of_their_own(data, make):
    rows = [make.trial(method, keep, mac_speedup=1 / keep) for method in ("wgsef", "random") for keep in (0.5, 0.25)]
    rows += [make.trial(dataset="mnist", mac_speedup=5), make.trial(device="cuda", mac_speedup=6)]
    rows += [make.trial(mac_speedup=3, hyperparameters='{"lam": 1}')]
    found = data(rows)
    assert [x for *_, x, _ in points(found)] == [2, 2, 3, 4, 4, 5, 6]
    assert "cpu, 2 threads; cuda, 2 threads" in found.attrs["caption"]


def test_another_backend_is_measured_against_its_own_dense_network(data, make):
    rows = [
        make.trial(trial="a", mac_speedup=4, speedup_b1="", speedup_b64=2),
        make.trial(trial="b", keep=0.1, mac_speedup=9),
    ]
    latency = [*times("a", "torch", 7, 1), *times("a", "onnxruntime", 6, 4), *times("b", "onnxruntime", 5, 0)]
    latency += times("gone", "onnxruntime", 1, 1) + times("a", "onnxruntime", 9, 3, batch=1)
    found = data(rows, latency)
    assert ("filter", "compact", "onnxruntime", 4, 3) in points(found, B1)
    assert ("filter", "compact", "onnxruntime", 4, 1.5) in points(found)
    assert "filter 0.69 (n = 2)" in found.attrs["caption"]  # of 2 / 4 and 8 / 9, without the other backend
    figure = figure_of(found)
    assert legend(figure)[-2:] == ["filter, compact", "filter, compact, onnxruntime"]
    assert marks(figure.axes[1])[-1].get_markerfacecolor() == "none"


def test_what_was_not_measured_or_not_done_is_left_out(data, make):
    rows = [
        make.trial(trial="a", mac_speedup=4, speedup_b1="", speedup_b64=2),
        make.trial(trial="b", keep=0.4, mac_speedup=0, speedup_b64=2),
        make.trial(trial="c", keep=0.3, mac_speedup="", speedup_b64=2),
        make.trial(trial="d", keep=0.2, mac_speedup=4, speedup_b64=0),
        make.trial(trial="e", keep=0.1, mac_speedup=4, speedup_b64=3, status="failed"),
    ]
    found = data(rows)
    assert points(found) == [("filter", "compact", "torch", 4, 2)]
    assert len(found) == 1


def test_only_what_is_there_is_needed(data, make):
    absent = {"speedup_b1", "realisation", "device", "threads", "hyperparameters", "start"}
    found = data([make.trial(mac_speedup=4, speedup_b64=2)], columns=[c for c in make.COLUMNS if c not in absent])
    assert points(found) == [("filter", "unknown", "torch", 4, 2)]
    assert legend(figure_of(found)) == ["speedup 1", "as promised", "filter"]
    assert "an unknown device" in found.attrs["caption"]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([{"method": "dense", "mac_speedup": 1}], "no pruned trial has both"),
        ([{"mac_speedup": 2, B64: ""}, {"keep": 0.1}], "no pruned trial has both"),
        ([{}], "column mac_speedup"),
    ],
)
def test_dense_alone_or_nothing_in_common_is_a_reason_to_skip(data, make, cells, why):
    with pytest.raises(Skip, match=why):
        data([make.trial(**one) for one in cells])


def test_colours_tell_groupings_and_marks_realisations_in_the_legend_as_in_the_plot(data, make):
    names = [*COLOURS_OF, "mine.groups:odd"]
    found = data([make.trial(grouping=g, realisation=KINDS[i % 6], mac_speedup=2 + i) for i, g in enumerate(names)])
    figure = figure_of(found)
    lines = marks(figure.axes[1])
    assert len({to_rgba(line.get_color()) for line in lines}) == len(lines) == 11
    assert len({line.get_marker() for line in lines}) == 6
    handles = [line for line in figure.legends[0].get_lines() if line.get_marker() not in ("", "None")]
    looks = [
        [(x.get_color(), x.get_marker(), x.get_markersize(), x.get_markerfacecolor(), x.get_alpha()) for x in some]
        for some in (lines, handles)
    ]
    assert looks[0] == looks[1]
    for axes in figure.axes:
        (diagonal,) = [line for line in axes.lines if type(line).__name__ == "AxLine"]
        assert (diagonal.get_xy1(), diagonal.get_xy2()) == ((1, 1), (2, 2))
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps(data, make, style):
    rows = [
        make.trial(grouping=g, realisation=KINDS[i % 5], mac_speedup=1.2 + i, speedup_b64=1 + i / 9, speedup_b1=1.1)
        for i, g in enumerate(COLOURS_OF)
    ]
    figure = figure_of(data(rows), style)
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    boxes += [figure.legends[0].get_window_extent(), figure._suptitle.get_window_extent()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            shown = [label.get_window_extent() for label in labels if label.get_text() and label.get_visible()]
            assert not any(one.overlaps(other) for one, other in combinations(shown, 2))
