"""The numbers of performance profiles, read back from what matplotlib was told to draw."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

from analysis.contest import Contest
from analysis.figures.performance_profile import MARKS, performance_profile, profile
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.style import KNOWN, LOOKS, PAPER, drawn
from results.errors import Skip

HYPER = ("{}", '{"lam": 1}')


@pytest.fixture
def draw(folder):
    def of(rows, style="paper", **options):
        results = load(folder(rows, **options))
        assert performance_profile.subjects(results) == [results]
        with drawn(style):
            return performance_profile(results)

    return of


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def steps(line):
    """Return the corners of a step line, less its end."""
    return list(zip(line.get_xdata()[:-1], line.get_ydata()[:-1], strict=True))


def test_a_profile_by_hand(draw, make):
    rows = make.grid(
        seeds=2, wgsef=[0.9, 0.8, 0.7, 0.6], random=[0.5, 0.85, 0.6, 0.6], l1_filter=[0.88, 0.83, 0.5, 0.4]
    )
    figure = draw(rows)
    (axes,) = figure.axes
    found = lines(axes)
    assert list(found) == ["l1_filter", "wgsef", "random"]
    assert [steps(found[name]) for name in found] == [
        [(0, 0), (pytest.approx(2), 50), (pytest.approx(20), 100)],
        [(0, 75), (pytest.approx(5), 100)],
        [(0, 50), (pytest.approx(10), 75), (pytest.approx(40), 100)],
    ]
    assert all(line.get_drawstyle() == "steps-post" for line in found.values())
    assert axes.get_xlim()[1] == pytest.approx(1.04 * 40)
    assert all(line.get_xdata()[-1] == axes.get_xlim()[1] for line in found.values())
    assert figure.get_suptitle() == f"Performance profile\n4 problems of 1 setting, mean of 2 seeds\n{OLD_RULES}"
    assert figure.get_figwidth() == PAPER.column


def test_marks_stand_where_a_line_rises(draw, make):
    (axes,) = draw(make.grid(wgsef=[0.9, 0.8, 0.7], random=[0.5, 0.85, 0.6])).axes
    for line in lines(axes).values():
        assert len(line.get_markevery()) == len(set(line.get_ydata()) - {0})
    rows = make.grid(wgsef=[0.9] * 10, random=[0.1 + i / 50 for i in range(10)])
    marks = lines(draw(rows).axes[0])["random"].get_markevery()
    assert len(marks) == MARKS
    assert marks[0] == 1
    assert marks[-1] == 10


def test_lines_that_coincide_are_set_apart_by_little(draw, make):
    rows = make.grid(**{name: [0.5, 0.6] for name in ("wgsef", "random", "l1_filter", *(f"m{i}" for i in range(17)))})
    figure = draw(rows)
    (axes,) = figure.axes
    figure.canvas.draw()
    at = sorted(line.get_transform().transform((0, 100))[1] for line in lines(axes).values())
    assert len({round(y, 3) for y in at}) == 20
    assert (at[-1] - at[0]) / figure.dpi * 72 <= 8


def test_what_failed_never_arrives(draw, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.5, 0.7])
    rows += [make.trial("l1_filter", 0.9, test_top1=0.89), make.trial("l1_filter", 0.8, status="failed", test_top1="")]
    rows += [make.trial("magnitude", keep, status="failed", test_top1="") for keep in make.KEEPS[:2]]
    figure = draw(rows)
    found = lines(figure.axes[0])
    assert found["l1_filter"].get_ydata()[-1] == 50
    assert list(found["magnitude"].get_ydata()) == [0, 0]
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.04 * 40)
    assert "3 scores of 0: every seed failed" in figure.get_suptitle().replace("\n", " ")


def test_a_start_of_its_own_has_a_line_of_its_own(draw, make):
    rows = make.grid(wgsef=[0.9, 0.8], random=[0.5, 0.7])
    rows += [make.trial("wgsef", keep, start="scratch", test_top1=0.6) for keep in make.KEEPS[:2]]
    found = lines(draw(rows).axes[0])
    one, other = found["wgsef"], found["wgsef (from scratch)"]
    assert to_rgba(one.get_color()) == to_rgba(other.get_color()) == to_rgba(KNOWN["wgsef"].colour)
    assert one.get_marker() == other.get_marker() == KNOWN["wgsef"].mark
    assert (one.get_linestyle(), other.get_linestyle()) == ("-", "--")
    assert other.get_markerfacecolor() == "white"


def test_a_contest_with_many_more_problems_is_a_second_panel(draw, make):
    rows = make.grid(wgsef=[0.5] * 9, random=[0.4] * 9, l1_filter=[0.3] * 2)
    figure = draw(rows)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["3 methods, 2 problems", "2 methods, 9 problems"]
    assert [len(lines(axes)) for axes in figure.axes] == [3, 2]
    assert "2 problems of 1 setting, mean of 1 seed\n9 problems" in figure.get_suptitle()
    (axes,) = draw(make.grid(wgsef=[0.5] * 5, random=[0.4] * 5, l1_filter=[0.3] * 2)).axes
    assert axes.get_title(loc="left") == ""


def test_the_choice_of_hyperparameters_is_said(draw, make):
    rows = make.grid(random=[0.5, 0.7])
    rows += [
        make.trial("wgsef", k, hyperparameters=h, val_top1=0.5) for k in make.KEEPS[:2] for h in ("{}", '{"lam": 1}')
    ]
    said = "best on validation per problem (of equals the milder): random 1, wgsef 2"
    assert said in " ".join(draw(rows).get_suptitle().split())


@pytest.mark.parametrize("style", LOOKS)
def test_nothing_overlaps(draw, make, style):
    names = ["wgsef", "random", *(f"a_method_with_a_very_long_name_{i}" for i in range(6))]
    rows = make.grid(**{name: [0.5 + i / 50, 0.6 - i / 50] for i, name in enumerate(names)})
    rows += make.grid(wgsef=[0.5] * 9, random=[0.4] * 9)[2:9] + make.grid(random=[0.4] * 9)[2:]
    figure = draw(rows, style)
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    key, title = figure.legends[0].get_window_extent(), figure._suptitle.get_window_extent()
    everything = [*boxes, key, title]
    assert len(boxes) == 2
    for i, box in enumerate(everything):
        assert not any(box.overlaps(other) for other in everything[i + 1 :])
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1


def test_missing_columns_and_dense_alone(draw, make):
    with pytest.raises(Skip, match="no two methods met"):
        draw([make.trial("dense")])
    columns = [column for column in make.COLUMNS if column not in ("hyperparameters", "start", "scope", "val_top1")]
    assert lines(draw(make.grid(wgsef=[0.5, 0.6], random=[0.4, 0.3]), columns=columns).axes[0])


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 50))] * 3), min_size=2, max_size=9))
def test_a_profile_rises_and_reaches_all_but_what_failed(scores):
    rows = [
        (p, "s", f"m{c}", float("nan") if value is None else 0.0, (value or 0) / 50)
        for p, values in enumerate(scores)
        for c, value in enumerate(values)
    ]
    contest = Contest(pd.DataFrame(rows, columns=["problem", "setting", "contender", "seed", "test_top1"]))
    for c, name in enumerate(contest.contenders):
        at, share = profile(contest, name)
        done = sum(values[c] is not None for values in scores)
        assert (np.diff(at) > 0).all()
        assert (np.diff(share) > 0).all()
        assert (share[-1] if len(share) else 0) == pytest.approx(100 * done / len(scores))
        assert (at >= 0).all()
