"""Differences to the best mean rank on each problem, their intervals over networks, and who may be the best."""

import pytest
from scipy import stats

from analysis.figures.differences import DIFFERENCES, MOST, data
from analysis.frame import load
from analysis.plot.style import drawn
from results.errors import Skip


@pytest.fixture
def frame(folder):
    def of(rows):
        found = load(folder(rows))
        assert DIFFERENCES.subjects(found) == [found]
        return found

    return of


def networks(make, **accuracies):
    """Rows of methods at two keeps, each with its accuracies on as many networks, a point less at the second."""
    return [
        make.trial(name, keep, seed, architecture=f"net{i}", test_top1=round(value - 0.01 * (keep < 0.5), 6))
        for name, values in accuracies.items()
        for i, value in enumerate(values)
        for keep in (0.5, 0.1)
        for seed in (0, 1)
    ]


def of(rows, line, kind):
    return rows[(rows["line"] == line) & (rows["kind"] == kind)]


def test_problems_means_and_intervals_by_hand(frame, make):
    found = frame(networks(make, wgsef=[0.9, 0.8, 0.7], random=[0.5, 0.5, 0.5], l1_filter=[0.89, 0.81, 0.68]))
    rows = data(found)
    assert list(rows[rows["kind"] == "mean"]["line"]) == ["wgsef", "l1_filter", "random"]
    assert sorted(of(rows, "random", "problem")["x"]) == pytest.approx([-40, -40, -30, -30, -20, -20])
    assert of(rows, "wgsef", "problem").empty
    assert list(of(rows, "wgsef", "mean")["x"]) == [0]
    mean = of(rows, "random", "mean").iloc[0]
    interval = stats.ttest_1samp([-40, -30, -20], 0).confidence_interval()
    assert (mean["x"], mean["x_half"]) == pytest.approx((-30, (interval.high - interval.low) / 2))
    assert list(rows[rows["kind"] == "mean"]["best"]) == [True, True, False]
    caption = rows.attrs["caption"]
    assert "6 problems of 3 networks, mean of 2 seeds" in caption
    assert "May be the best by Hsu's 95 % intervals over 3 networks: WGSEF, L1 filters." in caption
    with drawn():
        figure = DIFFERENCES(found)
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["WGSEF", "L1 filters", "Random"]
    low, high = axes.get_xlim()
    assert low < interval.low
    assert high > 0
    assert figure.legends[0].get_texts()[0].get_text() == "one problem"


def test_one_network_has_no_interval_and_no_verdict(frame, make):
    rows = data(frame(networks(make, wgsef=[0.9], random=[0.5])))
    assert rows["x_half"].isna().all()
    assert "From one network there is no interval, and nothing tells who is the best" in rows.attrs["caption"]


def test_the_lowest_of_many_are_not_shown_and_named(frame, make):
    names = [f"m{i:02}" for i in range(MOST + 2)]
    rows = data(frame(networks(make, **{name: [0.9 - i / 100] * 2 for i, name in enumerate(names)})))
    assert list(rows["line"].unique()) == names[:MOST]
    assert "Not shown, of lower ranks: m12, m13." in rows.attrs["caption"]


def test_a_ranking_with_many_more_problems_is_a_second_panel(frame, make):
    found = frame(networks(make, wgsef=[0.5] * 6, random=[0.4] * 6, l1_filter=[0.3]))
    assert list(data(found)["panel"].unique()) == ["3 methods, 2 problems", "2 methods, 12 problems"]
    assert "2 methods on 12 problems of 6 networks" in data(found).attrs["caption"]
    with drawn():
        assert len(DIFFERENCES(found).axes) == 2


def test_far_differences_are_on_a_logarithmic_axis(frame, make):
    rows = data(frame(networks(make, wgsef=[0.9] * 9, random=[0.899] * 8 + [0.1])))
    assert rows.attrs["scale"] == "symlog"
    assert "logarithmic beyond 1 point" in rows.attrs["caption"]


def test_dense_alone_is_a_reason_to_skip(frame, make):
    with pytest.raises(Skip, match="no two methods met"):
        data(frame([make.trial("dense")]))
