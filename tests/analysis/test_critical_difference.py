"""Mean ranks, the tests between them, and where the diagram puts them: read back from what was drawn."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from scipy import stats

from analysis.contest import contests
from analysis.figures.critical_difference import critical_difference
from analysis.load import load
from analysis.ranking import apart, cliques, nemenyi, stacked, verdict
from analysis.significance import holm
from analysis.style import KNOWN, LOOKS, PAPER, drawn
from results.errors import Skip

LONG = "a_method_with_a_very_long_name_that_has_no_end"


def grid(make, **accuracies):
    """Rows of methods, each with its accuracies on as many networks."""
    return [
        make.trial(method, architecture=f"net{i}", test_top1=round(value, 6))
        for method, values in accuracies.items()
        for i, value in enumerate(values)
    ]


def spread(make, k, n, step=0.01, seed=0):
    """Rows of k methods on n networks, each a step below the last, with noise of 0.01."""
    rng = np.random.default_rng(seed)
    names = [*list(KNOWN)[1:], *(f"method_{i}" for i in range(20))][:k]
    return grid(make, **{name: 0.9 - step * i + rng.normal(0, 0.01, n) for i, name in enumerate(names)})


@pytest.fixture
def draw(folder):
    def of(rows, style="paper", **options):
        results = load(folder(rows, **options))
        assert critical_difference.subjects(results) == [results]
        with drawn(style):
            return critical_difference(results)

    return of


def artists(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


def leaders(axes):
    other = {None, "axis", "bar", "CD"}
    return {line.get_gid(): line for line in axes.lines if line.get_gid() not in other}


def words(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("k", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_nemenyi_has_the_published_quantiles(k, q):
    # table 5a of Demsar (2006); with 6 N = k (k + 1) the critical difference is q itself
    n = k * (k + 1) / 6
    assert nemenyi(k, n) == pytest.approx(q, abs=1.1e-3)


def test_nemenyi_by_hand():
    # the example of Demsar (2006): 4 classifiers on 14 data sets, CD = 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25
    assert nemenyi(4, 14) == pytest.approx(1.25, abs=5e-3)


def test_mean_ranks_by_hand(draw, make):
    rows = grid(make, wgsef=[0.9, 0.8, 0.7, 0.6], random=[0.5, 0.5, 0.8, 0.4], l1_filter=[0.7, 0.5, 0.6, 0.5])
    figure = draw(rows)
    (axes,) = figure.axes
    found = leaders(axes)
    # wgsef 1, 1, 2, 1; random 3, 2.5, 1, 3; l1_filter 2, 2.5, 3, 2
    assert {name: line.get_xdata()[0] for name, line in found.items()} == {
        "wgsef": 1.25,
        "l1_filter": 2.375,
        "random": 2.375,
    }
    assert {"wgsef 1.25", "random 2.38", "l1_filter 2.38"} <= set(words(axes))
    assert list(artists(axes, "axis")[0].get_xdata()) == [1, 3]
    assert figure.get_figwidth() == PAPER.column
    assert to_rgba(found["wgsef"].get_color()) == to_rgba(KNOWN["wgsef"].colour)
    assert found["wgsef"].get_marker() == KNOWN["wgsef"].mark


def test_too_few_problems_are_joined_by_one_bar_and_said(draw, make):
    figure = draw(spread(make, 3, 5, step=0.2))
    (axes,) = figure.axes
    (bar,) = artists(axes, "bar")
    assert len(bar.get_xdata()) == 3
    heading = figure.get_suptitle()
    assert "5 problems of 5 settings, mean of 1 seed\nFriedman p = 0.007; too few problems for rank tests" in heading
    assert math.exp(-5) == pytest.approx(0.007, abs=5e-4)  # chi2 = 10 with two degrees of freedom
    assert not artists(axes, "CD")
    assert figure.legends[0].get_texts()[0].get_text() == "not told apart at 5 %"


def test_bars_join_what_the_tests_cannot_tell_apart(draw, make):
    rng = np.random.default_rng(3)
    base = rng.normal(0.8, 0.02, 20)
    rows = grid(
        make, wgsef=base + 0.05, l1_filter=base + rng.normal(0, 0.002, 20), random=base + rng.normal(0, 0.002, 20)
    )
    figure = draw(rows)
    (axes,) = figure.axes
    (bar,) = artists(axes, "bar")
    found = leaders(axes)
    assert sorted(bar.get_xdata()) == sorted(found[name].get_xdata()[1] for name in ("l1_filter", "random"))
    (ruler,) = artists(axes, "CD")
    assert max(ruler.get_xdata()) - min(ruler.get_xdata()) == pytest.approx(nemenyi(3, 20))
    assert f"  CD {nemenyi(3, 20):.2f} (Nemenyi)" in words(axes)
    assert "Friedman p < 0.001" in figure.get_suptitle()
    assert "related" not in figure.get_suptitle()
    assert figure.legends[0].get_texts()[0].get_text() == "not told apart at 5 % (Wilcoxon, Holm)"


def test_the_verdict_is_that_of_scipy(folder, make):
    (contest,) = contests(load(folder(spread(make, 5, 30, step=0.005))))
    pairs = list(combinations(contest.contenders, 2))
    p = holm([stats.wilcoxon(contest.scores[a], contest.scores[b], method="exact").pvalue for a, b in pairs])
    alike = {frozenset(pair) for pair, value in zip(pairs, p, strict=True) if value >= 0.05}
    found = verdict(contest)
    assert 0 < len(alike) < 10
    assert {frozenset(pair) for one in found.sets for pair in combinations(one, 2)} == alike
    assert found.tested


def test_all_different_has_no_bar(draw, make):
    figure = draw(grid(make, wgsef=[0.9 + i / 1000 for i in range(20)], random=[0.5 + i / 500 for i in range(20)]))
    (axes,) = figure.axes
    assert not artists(axes, "bar")
    assert "Wilcoxon p < 0.001" in figure.get_suptitle()
    assert not artists(axes, "CD")
    assert figure.legends[0].get_texts() == []


def test_equal_ranks_are_one_set(draw, make):
    figure = draw(grid(make, **{name: [0.5] * 20 for name in ("wgsef", "random", "l1_filter", "magnitude")}))
    (axes,) = figure.axes
    assert len(artists(axes, "bar")[0].get_xdata()) == 4
    assert "all ranks are equal: no method is told apart" in figure.get_suptitle()
    assert {line.get_xdata()[0] for line in leaders(axes).values()} == {2.5}
    assert len({line.get_xdata()[1] for line in leaders(axes).values()}) == 4


def test_friedman_comes_first(folder, make):
    (contest,) = contests(load(folder(spread(make, 4, 12, step=0))))
    found = verdict(contest)
    assert len(found.sets) == 1
    assert found.said.startswith("Friedman p = 0.")
    assert not found.tested


def test_problems_of_one_setting_are_said_to_be_related(draw, make):
    rows = [
        make.trial(m, k, test_top1=v) for k in (0.5, 0.3, 0.1) for m, v in (("wgsef", 0.9), ("random", 0.8), ("a", 0.7))
    ]
    assert "problems of one setting are related: p is optimistic" in draw(rows).get_suptitle()


def crosses(one, other):
    """Return whether two paths of vertical and horizontal lines, in pixels, come closer than a pixel."""
    for (a, b), (c, d) in ((s, t) for s in pairwise(one) for t in pairwise(other)):
        apart_x = max(min(a[0], b[0]), min(c[0], d[0])) - min(max(a[0], b[0]), max(c[0], d[0]))
        apart_y = max(min(a[1], b[1]), min(c[1], d[1])) - min(max(a[1], b[1]), max(c[1], d[1]))
        if max(apart_x, apart_y) < 1:
            return True
    return False


@pytest.mark.parametrize("style", LOOKS)
@pytest.mark.parametrize("k", [2, 3, 7, 12, 20])
def test_nothing_overlaps(draw, make, style, k):
    figure = draw(spread(make, k, 25, step=0.004, seed=k), style)
    check_layout(figure)


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps_where_all_are_equal_or_long(draw, make, style):
    names = ["wgsef", "wgsef_dc", "random", LONG, f"{LONG}_indeed"]
    check_layout(draw(grid(make, **{name: [0.5] * 3 for name in names}), style))
    rows = grid(make, **{name: [0.5 + i / 10, 0.6 - i / 20, 0.5] for i, name in enumerate(names)})
    rows += [make.trial("wgsef", architecture=f"net{i}", start="scratch", test_top1=0.3) for i in range(3)]
    figure = draw(rows, style)
    check_layout(figure)
    assert leaders(figure.axes[0])["wgsef (from scratch)"].get_linestyle() == "--"


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps_in_two_panels(draw, make, style):
    rows = spread(make, 6, 4) + [
        make.trial(method, architecture=f"other{i}", test_top1=0.5) for i in range(20) for method in ("wgsef", "random")
    ]
    figure = draw(rows, style)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["6 methods, 4 problems", "2 methods, 24 problems"]
    check_layout(figure)


def check_layout(figure):
    figure.canvas.draw()
    texts = [text for axes in figure.axes for text in axes.texts]
    artists_ = [
        *texts,
        figure._suptitle,
        *figure.legends,
        *(a._left_title for a in figure.axes if a.get_title(loc="left")),
    ]
    boxes = [artist.get_window_extent() for artist in artists_ if artist not in figure.legends or artist.get_texts()]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= -1
    for axes in figure.axes:
        paths = {name: axes.transData.transform(line.get_xydata()[1:]) for name, line in leaders(axes).items()}
        for one, other in combinations(paths.values(), 2):
            assert not crosses(one, other)
        labels = [text.get_window_extent() for text in axes.texts]
        for path in paths.values():
            assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in path for box in labels)
        bars = [axes.transData.transform(line.get_xydata()) for line in artists(axes, "bar")]
        for one, other in combinations(bars, 2):
            assert not crosses(one, other)


def test_sets_by_hand():
    pairs = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "e")]
    alike = {frozenset(pair) for pair in pairs}
    assert cliques("abcdef", alike) == [["a", "b", "c"], ["a", "e"], ["c", "d"]]
    assert cliques("abc", set()) == []


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1])))
def test_sets_are_all_maximal_ones(pairs):
    names = list("abcdefg")
    alike = {frozenset((names[i], names[j])) for i, j in pairs}
    whole = [
        set(some)
        for size in range(2, 8)
        for some in combinations(names, size)
        if all(frozenset(pair) in alike for pair in combinations(some, 2))
    ]
    expected = [one for one in whole if not any(one < other for other in whole)]
    found = cliques(names, alike)
    assert sorted(map(sorted, expected)) == sorted(found)


@given(st.lists(st.floats(1, 9), min_size=1, max_size=12), st.floats(0.01, 1))
def test_places_are_moved_apart_and_no_further(values, gap):
    places = sorted(values)
    moved = apart(places, gap)
    assert all(b - a >= gap * (1 - 1e-6) for a, b in pairwise(moved))
    if all(b - a >= gap for a, b in pairwise(places)):
        assert moved == pytest.approx(places)
    assert sum(moved) == pytest.approx(sum(places))


def test_spans_are_stacked():
    assert stacked([(0, 2), (1, 3), (3, 4), (3.5, 5), (6, 7)]) == [0, 1, 0, 1, 0]
    assert stacked([]) == []


def test_dense_alone_and_missing_columns(draw, make):
    with pytest.raises(Skip, match="no two methods met"):
        draw([make.trial("dense")])
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "scope", "suite")]
    assert leaders(draw(spread(make, 3, 8), columns=columns).axes[0])


def test_the_same_bytes_each_time(draw, make, tmp_path):
    from analysis.plotting import save

    paths = [save(draw(spread(make, 5, 20)), tmp_path / name, ["png"])[0] for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
