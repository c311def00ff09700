"""The times of networks, the Pareto frontier by hand, and where its marks lie."""

import pandas as pd
import pytest

from analysis.figures.pareto import FIGURE, on_frontier
from analysis.frame import load
from analysis.plot.style import drawn
from results.errors import Skip

LATENCY = ["trial", "network", "backend", "device", "batch", "threads", "median_ms"]


def timed(trial, ms, network="compact", **cells):
    usual = {"backend": "torch", "device": "cpu", "batch": 1, "threads": 2}
    return usual | {"trial": trial, "network": network, "median_ms": ms} | cells


@pytest.fixture
def frame(folder):
    def of(rows, times, columns=LATENCY):
        folder(times, columns=columns, name="latency.csv")
        return next(load(folder(rows)).settings())

    return of


@pytest.mark.parametrize(
    ("times", "accuracies", "best"),
    [
        ([1, 2, 3], [70, 80, 90], [True, True, True]),
        ([1, 2, 3], [90, 80, 70], [True, False, False]),
        ([1, 2, 3, 2], [70, 80, 75, 60], [True, True, False, False]),
        ([1, 1], [70, 80], [False, True]),  # as fast, less accurate
        ([1, 2], [80, 80], [True, False]),  # as accurate, slower
        ([1, 1, 2], [80, 80, 70], [True, True, False]),  # equal in both: neither beats the other
        ([5], [10], [True]),
        ([], [], []),
    ],
)
def test_the_frontier_by_hand(times, accuracies, best):
    assert on_frontier(pd.Series(times, dtype=float), pd.Series(accuracies, dtype=float)).tolist() == best


def case(make):
    """Three methods at one keep, and dense: (ms, %) are a (1, 80), b (2, 75) beaten by a, c (2, 90), dense (3, 95).

    The dense network took 2, 3, 10 and 3 ms, hence 3; a and c were timed in a fast and in a slow hour.
    """
    rows = [make.trial(name, test_top1=top1, trial=name) for name, top1 in (("a", 0.8), ("b", 0.75), ("c", 0.9))]
    rows.append(make.trial("dense", test_top1=0.95, trial="dense"))
    times = [timed("a", 2 / 3), timed("b", 2), timed("c", 20 / 3)]
    times += [timed(name, ms, "dense") for name, ms in (("a", 2), ("b", 3), ("c", 10), ("dense", 3))]
    return rows, times


def test_each_network_has_its_time_and_the_best_are_on_the_frontier(frame, make):
    data = FIGURE.data(frame(*case(make))).set_index("line")
    assert data["x"].to_dict() == pytest.approx({"dense": 3, "a": 1, "b": 2, "c": 2})
    assert data["y"].to_dict() == pytest.approx({"dense": 95, "a": 80, "b": 75, "c": 90})
    assert data["frontier"].to_dict() == {"dense": True, "a": True, "b": False, "c": True}
    assert (data["x_low"]["dense"], data["x_high"]["dense"]) == pytest.approx((2.75, 4.75))  # of 2, 3, 3, 10
    for said in ("1 seed, hence no intervals", "Timed on cpu, 2 threads with torch", "n = 4"):
        assert said in data.attrs["caption"]


def test_networks_of_the_same_widths_have_one_time_and_the_most_accurate_is_the_frontier(frame, make):
    rows = [
        make.trial(name, seed=seed, groups_kept=kept, group_sparsity="", test_top1=top1, trial=f"{name}{seed}")
        for name, kept, top1 in (("a", "[10, 25]", 0.8), ("b", "[10, 25]", 0.9), ("c", "[9, 25]", 0.7))
        for seed in range(2)
    ]
    times = [timed(row["trial"], ms) for row, ms in zip(rows, (2.6, 3, 3.2, 2.8, 2, 2.2), strict=True)]
    data = FIGURE.data(frame(rows, times)).set_index("line")
    assert data["x"].to_dict() == pytest.approx({"a": 2.9, "b": 2.9, "c": 2.1})
    assert data["frontier"].to_dict() == {"a": False, "b": True, "c": True}
    assert "same widths are pooled" in data.attrs["caption"]


def test_a_masked_network_has_the_time_of_the_dense_one(frame, make):
    rows, times = case(make)
    rows[2]["realisation"] = "masked"
    data = FIGURE.data(frame(rows, times))
    assert data.set_index("line")["x"]["c"] == 3
    assert "Masked networks" in data.attrs["caption"]
    with pytest.raises(Skip, match="has the widths of the dense one"):
        FIGURE.data(frame([row | {"realisation": "masked"} for row in rows], times))


def test_means_and_intervals_over_seeds(frame, make):
    rows = [make.trial(seed=i, test_top1=0.90 + 0.02 * i, trial=str(i)) for i in range(3)]
    (row,) = FIGURE.data(frame(rows, [timed(str(i), 2 + 0.1 * i) for i in range(3)])).itertuples()
    assert (row.x, row.y, row.n) == pytest.approx((2.1, 92, 3))
    assert (row.x_low, row.x_high, row.y_half) == pytest.approx((2.1 - 0.24841, 2.1 + 0.24841, 4.96828), abs=1e-4)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ({"batch": 64}, ["batch 1", "batch 64"]),
        ({"backend": "onnx"}, ["batch 1, onnx", "batch 1, torch"]),
        ({"threads": 8}, ["batch 1, 2 threads", "batch 1, 8 threads"]),
    ],
)
def test_a_panel_for_each_condition(frame, make, cells, names):
    rows, times = case(make)
    found = FIGURE.data(frame(rows, times + [row | cells for row in times]))
    assert list(found["panel"].unique()) == names


def test_budgets_have_panels_of_their_own_and_a_frontier_each(frame, make):
    rows, times = [], []
    for scope in ("layer", "network"):
        for i in range(4):
            rows.append(make.trial(f"m{i}", scope=scope, test_top1=0.5 + i / 10, trial=f"{scope} {i}"))
            times.append(timed(f"{scope} {i}", 1 + i))
    data = FIGURE.data(frame(rows, times))
    assert data.groupby("panel")["frontier"].sum().to_dict() == {
        "layer scope, batch 1": 4,
        "network scope, batch 1": 4,
    }
    assert "No dense network was trained or timed for layer scope; network scope" in data.attrs["caption"]


def test_the_frontier_is_drawn_in_steps_over_an_axis_as_wide_as_the_times(frame, make):
    rows, times = case(make)
    with drawn():
        figure = FIGURE(frame(rows, times))
        times[0]["median_ms"] = 0.1
        wide = FIGURE(frame(rows, times))
    (axes,) = figure.axes
    (steps,) = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert list(zip(*steps.get_data(), strict=True)) == [pytest.approx(at) for at in ((1, 80), (2, 90), (3, 95))]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Dense", "a", "b", "c", "Pareto frontier"]
    assert (axes.get_xscale(), wide.axes[0].get_xscale()) == ("linear", "log")


def test_without_dense_times_or_conditions_there_is_less_to_show(frame, make):
    rows, times = case(make)
    compact = [row for row in times if row["network"] == "compact"]
    data = FIGURE.data(frame(rows, compact, columns=["trial", "network", "median_ms"]))
    assert list(data["line"]) == ["a", "b", "c"]
    assert list(data["x"]) == pytest.approx([2 / 3, 2, 20 / 3])
    with pytest.raises(Skip, match="no compact network"):
        FIGURE(frame(rows, [row for row in times if row["network"] == "dense"]))
    with pytest.raises(Skip, match=r"latency\.csv has no column median_ms"):
        FIGURE(frame(rows, times, columns=["trial", "network"]))
