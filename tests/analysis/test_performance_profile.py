"""The numbers of performance profiles, and how their lines are drawn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

from analysis.figures.performance_profile import FEWEST, MARKS, PERFORMANCE_PROFILE, _corners, data
from analysis.frame import load
from analysis.plot.style import KNOWN, PAPER, drawn
from analysis.ranking import Ranking
from analysis.wording import OLD_RULES
from results.errors import Skip


@pytest.fixture
def frame(folder):
    def of(rows, **options):
        found = load(folder(rows, **options))
        assert PERFORMANCE_PROFILE.subjects(found) == [found]
        return found

    return of


def figure_of(frame):
    with drawn():
        return PERFORMANCE_PROFILE(frame)


def steps(rows, line):
    """Return the corners of a step line, less its end."""
    mine = rows[rows["line"] == line]
    return list(zip(mine["x"], mine["y"], strict=True))[:-1]


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_a_profile_by_hand(frame, make):
    found = frame(make.grid(
        seeds=2, wgsef=[0.9, 0.8, 0.7, 0.6], random=[0.5, 0.85, 0.6, 0.6], l1_filter=[0.88, 0.83, 0.5, 0.4]
    ))  # fmt: skip
    rows = data(found)
    assert list(rows["line"].unique()) == ["l1_filter", "wgsef", "random"]
    assert steps(rows, "l1_filter") == [(0, 0), (pytest.approx(2), 50), (pytest.approx(20), 100)]
    assert steps(rows, "wgsef") == [(0, 75), (pytest.approx(5), 100)]
    assert steps(rows, "random") == [(0, 50), (pytest.approx(10), 75), (pytest.approx(40), 100)]
    assert list(rows.groupby("line")["x"].max()) == pytest.approx([1.04 * 40] * 3)
    assert rows.attrs["caption"].endswith(f"4 problems of 1 network, mean of 2 seeds. {OLD_RULES}.")
    figure = figure_of(found)
    (axes,) = figure.axes
    assert all(line.get_drawstyle() == "steps-post" for line in lines(axes).values())
    assert axes.get_xlim()[1] == pytest.approx(1.04 * 40)
    assert figure.get_suptitle() == "Performance profile"
    assert figure.get_figwidth() == PAPER.column


def test_marks_stand_at_rises_and_lines_are_set_a_little_apart(frame, make):
    names = ("wgsef", "random", *(f"m{i}" for i in range(18)))
    figure = figure_of(frame(make.grid(**{name: [0.1 + i / 50 for i in range(10)] for name in names}, a=[0.9] * 10)))
    found = lines(figure.axes[0])
    marks = found["random"].get_markevery()
    assert (len(marks), marks[0], marks[-1]) == (MARKS, 1, 10)
    at = sorted(line.get_transform().transform((0, 100))[1] for line in found.values())
    assert len({round(y, 3) for y in at}) == 21
    assert (at[-1] - at[0]) / figure.dpi * 72 <= 8
    # of too many lines the rest is grey
    assert len(figure.legends[0].get_texts()) == 8 + 1


def test_a_failure_never_arrives(frame, make):
    rows = make.grid(wgsef=[0.9, 0.8, 0.7, 0.6], random=[0.5, 0.7, 0.7, 0.6], l1_filter=[0.89, 0.8])
    rows += [make.trial("l1_filter", keep, status="failed", test_top1="") for keep in make.KEEPS[2:4]]
    rows += [make.trial("magnitude", keep, status="failed", test_top1="") for keep in make.KEEPS[:4]]
    found = data(frame(rows))
    assert found[found["line"] == "l1_filter"]["y"].max() == 50
    assert set(found[found["line"] == "magnitude"]["y"]) == {0}
    assert found["x"].max() == pytest.approx(1.04 * 40)
    assert "6 scores of 0: every seed failed" in found.attrs["caption"]


def test_a_start_of_its_own_has_a_line_of_its_own(frame, make):
    rows = make.grid(wgsef=[0.9, 0.8, 0.7, 0.6], random=[0.5, 0.7, 0.6, 0.5])
    rows += [make.trial("wgsef", keep, start="scratch", test_top1=0.6) for keep in make.KEEPS[:4]]
    found = lines(figure_of(frame(rows)).axes[0])
    one, other = found["wgsef"], found["wgsef (from scratch)"]
    assert to_rgba(one.get_color()) == to_rgba(other.get_color()) == to_rgba(KNOWN["wgsef"].colour)
    assert one.get_marker() == other.get_marker() == KNOWN["wgsef"].mark
    assert (one.get_linestyle(), other.get_linestyle()) == ("-", "--")


def test_a_ranking_with_many_more_problems_is_a_second_panel(frame, make):
    rows = data(frame(make.grid(wgsef=[0.5] * 10, random=[0.4] * 10, l1_filter=[0.3] * 3)))
    assert list(rows["panel"].unique()) == [""]  # the first has too few problems
    found = frame(make.grid(wgsef=[0.5] * 10, random=[0.4] * 10, l1_filter=[0.3] * 3) + [
        make.trial(method, 0.5, dataset=f"d{i}", test_top1=0.5)
        for i in range(9) for method in ("wgsef", "random", *["l1_filter"] * (i < 1))
    ])  # fmt: skip
    assert list(data(found)["panel"].unique()) == ["3 methods, 4 problems", "2 methods, 19 problems"]
    assert [len(lines(axes)) for axes in figure_of(found).axes] == [3, 2]


def test_too_few_problems_are_a_reason_to_skip(frame, make):
    with pytest.raises(Skip, match="no two methods met"):
        data(frame([make.trial("dense")]))
    with pytest.raises(Skip, match=f"takes {FEWEST} problems of the same methods, and there are 3"):
        data(frame(make.grid(wgsef=[0.5] * 3, random=[0.4] * 3)))


@pytest.mark.slow
@given(st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 50))] * 3), min_size=2, max_size=9))
def test_a_profile_rises_and_reaches_all_but_what_failed(scores):
    rows = [
        (p, "s", f"m{c}", float("nan") if value is None else 0.0, (value or 0) / 50)
        for p, values in enumerate(scores)
        for c, value in enumerate(values)
    ]
    ranking = Ranking(pd.DataFrame(rows, columns=["problem", "setting", "contender", "seed", "test_top1"]))
    for c, name in enumerate(ranking.contenders):
        corners = _corners(ranking, name)
        done = sum(values[c] is not None for values in scores)
        assert (np.diff(corners["x"]) > 0).all()
        assert (np.diff(corners["y"][:-1]) > 0).all()
        assert corners["y"].iloc[-1] == pytest.approx(100 * done / len(scores))
