"""The drop by the projection: its points by hand, and what its caption says."""

import pytest

from analysis.figures.projection_drop import data, draw
from analysis.frame import load
from analysis.plot.style import drawn
from results.errors import Skip


@pytest.fixture
def of(folder):
    def made(rows):
        (frame,) = load(folder(rows)).settings()
        return data(frame)

    return made


def drops(found, line):
    return list(found["y"][found["line"] == line])


def axes_of(found):
    with drawn():
        return draw(found).axes


def test_drops_and_intervals_by_hand(of, make):
    rows = [make.trial(seed=i, projection_drop=0.10 + 0.02 * i) for i in range(3)]
    found = of([*rows, *(make.trial("random", seed=i, projection_drop=0.8) for i in range(3))])
    assert (drops(found, "wgsef"), drops(found, "random")) == (pytest.approx([12]), pytest.approx([80]))
    first = found[found["line"] == "wgsef"].iloc[0]
    assert (first["y_low"], first["y_high"]) == pytest.approx((12 - 4.96828, 12 + 4.96828), abs=1e-4)
    assert "n = 3 seeds" in found.attrs["caption"]


def test_zeros_lie_side_by_side_on_the_line(of, make):
    rows = [make.trial(name, keep, projection_drop=0) for name in ("a", "b", "c") for keep in (0.5, 0.1)]
    rows += [make.trial(keep=keep, projection_drop=0.005) for keep in (0.5, 0.1)]
    found = of([*rows, make.trial("random", projection_drop=0.8)])
    assert list(found["x"][found["line"] == "a"]) == [0, 1]
    (axes,) = axes_of(found)
    places = [line.get_xdata() for line, *_ in axes.containers]
    assert [x[0] for x in places] == pytest.approx([-0.28, -0.14, 0, 0.14, 0.28])
    assert places[0][1] == pytest.approx(0.72)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.5", "0.1"]
    assert axes.get_ylim()[0] < 0 < 80 < axes.get_ylim()[1]
    assert axes.get_yscale() == "symlog"
    assert list(axes.lines[0].get_ydata()) == [0, 0]


@pytest.mark.parametrize("drop", [0, -0.02])
def test_no_drop_and_a_gain_stay_in_sight(of, make, drop):
    (axes,) = axes_of(of([make.trial(projection_drop=drop)]))
    low, high = axes.get_ylim()
    assert low < min(0, 100 * drop) < 1 < high < 2


def test_an_interval_below_all_drops_is_cut_and_said(of, make):
    rows = [make.trial(seed=i, projection_drop=drop) for i, drop in enumerate((0, 0, 0.6))]
    found = of(rows)
    assert found["y_low"].min() < -20
    assert "Cut by the axis: the interval of WGSEF at keep 0.5." in found.attrs["caption"]
    (axes,) = axes_of(found)
    assert axes.get_ylim()[0] > -20


def test_who_has_no_drop_is_named(of, make):
    found = of([make.trial(projection_drop=0), make.trial("random", projection_drop="")])
    assert set(found["line"]) == {"wgsef"}
    assert "Not measured: Random." in found.attrs["caption"]
    scratch = {"start": "scratch", "projection_drop": 0.01, "sparsify_epochs": 0, "dense_epochs": 0}
    found = of([make.trial(projection_drop=0), make.trial("random", **scratch)])
    assert set(found["line"]) == {"wgsef"}
    assert "Not trained before, hence without a drop: Random (from scratch)." in found.attrs["caption"]
    with pytest.raises(Skip, match="has projection_drop"):
        of([make.trial(projection_drop="")])


def test_one_shot_is_said_only_if_there_is_some(of, make):
    train = make.trial(projection_drop=0)
    assert "Before fine-tuning. " in of([train]).attrs["caption"]
    both = of([train, make.trial("random", sparsify_epochs=0, projection_drop=0.1)])
    assert "one-shot methods are pruned at once" in both.attrs["caption"]


def test_conditions_of_the_same_drops_share_a_panel(of, make):
    rows = [
        make.trial(keep=keep, scope=scope, projection_drop=0) for keep in (0.5, 0.1) for scope in ("layer", "network")
    ]
    rows.append(make.trial("random", scope="layer", projection_drop=0.5))
    found = of(rows)
    assert set(found["panel"]) == {"layer scope and network scope"}
    assert "Only layer scope: Random." in found.attrs["caption"]
    other = of([*rows[:-1], make.trial(scope="network", seed=1, projection_drop=0.2)])
    assert list(dict.fromkeys(other["panel"])) == ["layer scope", "network scope"]
