"""Mean ranks, the bars between them, and where the diagram puts them."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from analysis.figures.critical_difference import ALIKE, CRITICAL_DIFFERENCE, data
from analysis.frame import load
from analysis.plot.facets import save
from analysis.plot.style import KNOWN, LOOKS, drawn
from analysis.ranking import rankings
from results.errors import Skip

LONG = "a_method_with_a_very_long_name"


def spread(make, names, networks, step=0.01, seed=0, **cells):
    """Rows of methods on networks with two keeps, each method a step below the last, with noise of 0.01."""
    rng = np.random.default_rng(seed)
    return [
        make.trial(
            name, keep, architecture=f"net{n}", test_top1=round(0.9 - step * i + rng.normal(0, 0.01), 6), **cells
        )
        for i, name in enumerate(names)
        for n in range(networks)
        for keep in (0.5, 0.1)
    ]


@pytest.fixture
def frame(folder):
    return lambda rows: load(folder(rows))


def figure_of(frame, style="paper"):
    with drawn(style):
        return CRITICAL_DIFFERENCE(frame)


def names(k):
    return [*list(KNOWN)[1:], *(f"method_{i}" for i in range(20))][:k]


def parts(figure):
    """Return the bars and the leaders."""
    (axes,) = figure.axes
    bars = [line for line in axes.lines if line.get_color() == "#555555"]
    return bars, [line for line in axes.lines if line not in bars]


def test_ranks_and_bars_are_those_of_the_ranking(frame, make):
    found = frame(spread(make, names(5), 8, step=0.006))
    (ranking,) = rankings(found)
    rows = data(found)
    assert list(rows["line"]) == list(ranking.ranks.index)
    assert list(rows["rank"]) == list(ranking.ranks)
    pairs = ranking.pairs()
    alike = {frozenset(pair) for pair in pairs[["A", "B"]][~(pairs["holm"] < 0.05)].itertuples(index=False)}
    assert 0 < len(alike) < len(pairs)
    figure = figure_of(found)
    bars, leaders = parts(figure)
    at = dict(zip(ranking.ranks, ranking.ranks.index, strict=True))
    joined = [[at[x] for x in bar.get_xdata()] for bar in bars]
    assert {frozenset(pair) for bar in joined for pair in combinations(bar, 2)} == alike
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [ALIKE]
    best = next(line for line in leaders if line.get_xdata()[-1] == ranking.ranks.iloc[0])
    style = KNOWN[ranking.ranks.index[0]]
    assert (to_rgba(best.get_color()), best.get_marker()) == (to_rgba(style.colour), style.mark)
    assert f"WGSEF {ranking.ranks['wgsef']:.2f}" in [text.get_text() for text in figure.axes[0].texts]
    assert "5 methods on 16 problems of 8 networks, mean of 1 seed" in figure.get_label()
    assert "Holm's correction over 10 pairs" in figure.get_label()


def test_all_different_has_no_bar_and_all_equal_has_one(frame, make):
    rows = spread(make, ["wgsef", "random"], 10, step=0.2)
    bars, leaders = parts(figure_of(frame(rows)))
    assert (len(bars), len(leaders)) == (0, 2)
    (bar,) = parts(figure_of(frame([row | {"test_top1": 0.5} for row in rows])))[0]
    assert list(bar.get_xdata()) == [1.5, 1.5]


@pytest.mark.parametrize(("networks", "said"), [(4, "8 of 4"), (2, "4 of 2")])
def test_too_few_networks_are_a_reason_to_skip(frame, make, networks, said):
    with pytest.raises(Skip, match=f"tested on 10 problems of 5 networks or more, and there are at most {said}"):
        data(frame(spread(make, names(3), networks)))


def test_of_several_rankings_one_that_can_be_tested_is_drawn(frame, make):
    rows = data(frame(spread(make, names(2), 6) + spread(make, names(3)[2:], 3)))
    assert len(rows) == 2
    assert "2 methods on 12 problems of 6 networks" in rows.attrs["caption"]


@pytest.mark.parametrize(
    ("who", "style"),
    [(names(2), "paper"), (names(7), "paper"), (names(16), "web"), *(([*names(3), LONG], look) for look in LOOKS)],
)
def test_names_overlap_nothing_and_stay_inside(frame, make, who, style):
    rows = spread(make, who, 6, step=0.002, seed=len(who))
    figure = figure_of(frame(rows + spread(make, who[:1], 6, start="scratch")), style)
    figure.canvas.draw()
    boxes = [artist.get_window_extent() for artist in (*figure.axes[0].texts, figure._suptitle, *figure.legends)]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 for box in boxes)


def test_the_same_bytes_each_time(frame, make, tmp_path):
    found = frame(spread(make, names(5), 8))
    paths = [save(figure_of(found), tmp_path / name, ["png"])[0] for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
