"""The Pareto frontier by hand, and where its marks lie."""

import pytest
from matplotlib.colors import to_rgba

from analysis.figures.pareto import pareto
from analysis.frontier import on_frontier
from analysis.load import load
from analysis.style import drawn
from analysis.timed import conditions
from results.errors import Skip

LATENCY = ["trial", "network", "backend", "device", "batch", "threads", "median_ms"]


def timed(trial, ms, network="compact", batch=1, backend="torch", device="cpu"):
    cells = {"trial": trial, "network": network, "backend": backend, "device": device}
    return cells | {"batch": batch, "threads": 2, "median_ms": ms}


@pytest.fixture
def setting(folder):
    def of(rows, times, columns=LATENCY):
        folder(times, columns=columns, name="latency.csv")
        (found,) = load(folder(rows)).settings()
        return found

    return of


def figure_of(setting):
    with drawn():
        return pareto(setting)


def marks(axes):
    """Return position and fill of each network in a panel."""
    lines = [container[0] for container in axes.containers]
    white = to_rgba("white")
    return [(line.get_xdata()[0], line.get_ydata()[0], to_rgba(line.get_markerfacecolor()) != white) for line in lines]


def steps(axes):
    (line,) = (line for line in axes.lines if line.get_drawstyle() == "steps-post")
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


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
    assert on_frontier(times, accuracies) == best


def case(make):
    """Three methods at one keep, and dense: (ms, %) are a (1, 80), b (2, 75) beaten by a, c (2, 90), dense (3, 95).

    The dense network took 2, 3, 10 and 3 ms, hence 3; a and c were timed in a fast and in a slow hour.
    """
    rows = [make.trial(name, test_top1=top1, trial=name) for name, top1 in (("a", 0.8), ("b", 0.75), ("c", 0.9))]
    rows.append(make.trial("dense", test_top1=0.95, trial="dense"))
    times = [timed("a", 2 / 3), timed("b", 2), timed("c", 20 / 3)]
    times += [timed(name, ms, "dense") for name, ms in (("a", 2), ("b", 3), ("c", 10), ("dense", 3))]
    return rows, times


def test_marks_and_steps_lie_where_they_should(setting, make):
    figure = figure_of(setting(*case(make)))
    (axes,) = figure.axes
    assert marks(axes) == [
        (3, pytest.approx(95), True),
        (pytest.approx(1), pytest.approx(80), True),
        (pytest.approx(2), pytest.approx(75), False),
        (pytest.approx(2), pytest.approx(90), True),
    ]
    assert steps(axes) == [pytest.approx(step) for step in ((1, 80), (2, 90), (3, 95))]
    assert axes.get_xlabel() == "Time (ms), batch 1"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dense", "a", "b", "c", "Pareto frontier"]
    heading = figure.get_suptitle()
    assert "1 seed, hence no intervals" in heading
    assert "timed on cpu, 2 threads with torch" in heading


def test_the_dense_bar_is_the_quartiles_over_all_trials(setting, make):
    (axes,) = figure_of(setting(*case(make))).axes
    _, _, (x_bar, _) = axes.containers[0]
    ((low, _), (high, _)) = x_bar.get_segments()[0]
    assert (low, high) == pytest.approx((2.75, 4.75))  # of 2, 3, 3, 10


def test_means_and_intervals_over_seeds(setting, make):
    rows = [make.trial(seed=i, test_top1=0.90 + 0.02 * i, trial=str(i)) for i in range(3)]
    (axes,) = figure_of(setting(rows, [timed(str(i), 2 + 0.1 * i) for i in range(3)])).axes
    assert marks(axes) == [(pytest.approx(2.1), pytest.approx(92), True)]
    _, _, (x_bar, y_bar) = axes.containers[0]
    assert [x for x, _ in x_bar.get_segments()[0]] == pytest.approx([2.1 - 0.24841, 2.1 + 0.24841], abs=1e-4)
    assert [y for _, y in y_bar.get_segments()[0]] == pytest.approx([92 - 4.96828, 92 + 4.96828], abs=1e-4)


def test_a_panel_for_each_batch_and_backend(setting, make):
    rows, times = case(make)
    more = [row | {"batch": 64, "median_ms": 100 * row["median_ms"]} for row in times]
    figure = figure_of(setting(rows, times + more))
    assert [axes.get_xlabel() for axes in figure.axes] == ["Time (ms), batch 1", "Time (ms), batch 64"]
    assert steps(figure.axes[1])[0] == pytest.approx((100, 80))
    more = [row | {"backend": "onnx"} for row in times]
    assert [one.label for one in conditions(setting(rows, times + more))] == ["batch 1, onnx", "batch 1, torch"]


def test_times_far_apart_are_on_a_logarithmic_axis(setting, make):
    rows, times = case(make)
    assert figure_of(setting(rows, times)).axes[0].get_xscale() == "linear"
    times[0]["median_ms"] = 0.1
    assert figure_of(setting(rows, times)).axes[0].get_xscale() == "log"


def test_without_dense_times_or_conditions_there_is_less_to_show(setting, make):
    rows, times = case(make)
    compact = [row for row in times if row["network"] == "compact"]
    figure = figure_of(setting(rows, compact, columns=["trial", "network", "median_ms"]))
    assert len(marks(figure.axes[0])) == 3
    assert figure.axes[0].get_xlabel() == "Time (ms)"
    with pytest.raises(Skip, match="no compact network"):
        figure_of(setting(rows, [row for row in times if row["network"] == "dense"]))
    with pytest.raises(Skip, match=r"latency\.csv has no column median_ms"):
        figure_of(setting(rows, times, columns=["trial", "network"]))


def test_experiments_have_panels_of_their_own(setting, make):
    rows, times = [], []
    for scope in ("layer", "network"):
        for i in range(4):
            name = f"{scope} {i}"
            rows.append(make.trial(f"m{i}", scope=scope, test_top1=0.5 + i / 10, trial=name))
            times.append(timed(name, 1 + i))
    figure = figure_of(setting(rows, times))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["layer scope", "network scope"]
    assert [len(marks(axes)) for axes in figure.axes] == [4, 4]
