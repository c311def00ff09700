"""The drop by the projection, read back from its marks."""

import pytest

from analysis.figures.projection_drop import projection_drop
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.style import drawn


@pytest.fixture
def draw(folder):
    def of(rows):
        (setting,) = load(folder(rows)).settings()
        with drawn():
            return projection_drop(setting)

    return of


def series(axes):
    """Return x, y and the ends of the intervals of each series."""
    return [
        (list(line.get_xdata()), list(line.get_ydata()), [[y for _, y in ends] for ends in bars[-1].get_segments()])
        for line, _, bars in axes.containers
    ]


def test_drops_and_intervals_by_hand(draw, make):
    rows = [make.trial(seed=i, projection_drop=0.10 + 0.02 * i) for i in range(3)]
    rows += [make.trial("random", seed=i, projection_drop=0.8) for i in range(3)]
    figure = draw(rows)
    (_, y, ends), (_, control, _) = series(figure.axes[0])
    assert (y, control) == (pytest.approx([12]), pytest.approx([80]))
    assert ends == [pytest.approx([12 - 4.96828, 12 + 4.96828], abs=1e-4)]
    assert "3 seeds, mean and 95 % t-interval" in figure.get_suptitle()


def test_zeros_lie_side_by_side_on_the_line(draw, make):
    names = ("a", "b", "c")
    rows = [make.trial(name, keep, projection_drop=0) for name in names for keep in (0.5, 0.1)]
    figure = draw([*rows, make.trial("random", projection_drop=0.8)])
    (axes,) = figure.axes
    found = series(axes)
    assert [y for _, y, _ in found] == [[0, 0], [0, 0], [0, 0], pytest.approx([80])]
    assert [x[0] for x, *_ in found] == pytest.approx([-0.21, -0.07, 0.07, 0.21])
    assert [x[1] for x, *_ in found[:3]] == pytest.approx([0.79, 0.93, 1.07])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.5", "0.1"]
    low, high = axes.get_ylim()
    assert low < 0
    assert high > 80
    assert axes.get_yscale() == "symlog"
    assert list(axes.lines[0].get_ydata()) == [0, 0]


def test_a_gain_stays_in_sight(draw, make):
    (axes,) = draw([make.trial(projection_drop=-0.02)]).axes
    assert axes.get_ylim()[0] < -2
    assert -1 in axes.get_yticks()


def test_who_has_no_value_is_named(draw, make):
    figure = draw([make.trial(projection_drop=0), make.trial("random", projection_drop="")])
    assert figure.get_suptitle().endswith(f"not measured: random\n{OLD_RULES}")
    assert len(series(figure.axes[0])) == 1


def test_one_shot_is_said_only_where_there_is_some(draw, make):
    train = draw([make.trial(projection_drop=0)]).get_suptitle()
    assert train.endswith(f"before fine-tuning\n{OLD_RULES}")
    both = draw([make.trial(projection_drop=0), make.trial("random", sparsify_epochs=0, projection_drop=0.1)])
    assert "one-shot methods are pruned at once" in both.get_suptitle()
