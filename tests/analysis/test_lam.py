"""The strength lam: how it is read, the figure accuracy_vs_lam and the table lam_auto, by hand."""

import json

import pytest

from analysis.figures.accuracy_vs_lam import accuracy_vs_lam
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.strength import strength
from analysis.style import KNOWN, PAPER, drawn
from analysis.table import NOTHING
from analysis.tables.lam_auto import lam_auto
from results.errors import Skip

TARGET, MORE = "[10, 25]", "[11, 25]"


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


@pytest.fixture
def setting(folder):
    def only(rows, **options):
        (found,) = load(folder(rows, **options)).settings()
        return found

    return only


@pytest.fixture
def draw(setting):
    def of(rows):
        with drawn():
            figure = accuracy_vs_lam(setting(rows))
            figure.canvas.draw()
        return figure

    return of


def at(make, lam, test=0.9, val=0.9, reached=False, **cells):
    given = {"ramp": 0.5} if lam is None else {"lam": lam, "ramp": 0.5}
    cells = {"start": "scratch", "hyperparameters": json.dumps(given), "test_top1": test, "val_top1": val} | cells
    return make.trial(groups_at_convergence=TARGET if reached else MORE, **cells)


def sweep(make, **cells):
    """Three strengths of which only the last reaches the k-level."""
    return [at(make, lam, test, reached=lam == 1, **cells) for lam, test in ((0.01, 0.80), (0.1, 0.90), (1, 0.85))]


def marks(axes):
    """Return x, y and whether it is hollow, of each mark."""
    known = {style.mark for style in KNOWN.values() if style.mark}
    return [
        (float(one.get_xdata()[0]), round(float(one.get_ydata()[0]), 6), one.get_markerfacecolor() == "white")
        for one in axes.lines
        if one.get_linestyle() == "None" and one.get_marker() in known
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('{"lam": 0.1}', 0.1),
        ('{"lam": 0}', 0.0),
        ('{"lam": "auto"}', "auto"),
        ("{}", None),
        (None, None),
        ('{"lam": "strong"}', None),
        ('{"lam": true}', None),
        ('{"lam": null}', None),
        ('{"lam": [1]}', None),
        ('{"lam": -1}', None),
        ('{"lam": NaN}', None),
        ('{"lam": Infinity}', None),
        ('{"lam": 1' + "0" * 400 + "}", None),
    ],
)
def test_a_strength_is_a_number_or_auto(cell, expected):
    assert strength(cell) == expected


def test_the_curve_by_hand(draw, make):
    figure = draw([*sweep(make), at(make, "auto", 0.88, reached=True)])
    (axes,) = figure.axes
    assert figure.get_figwidth() == PAPER.column
    (container,) = axes.containers
    assert list(container[0].get_xdata()) == [0.01, 0.1, 1]
    assert list(container[0].get_ydata()) == pytest.approx([80, 90, 85])
    assert marks(axes) == [(0.01, 80, True), (0.1, 90, True), (1, 85, False), (1, 88, False)]
    assert axes.get_xscale() == "log"
    assert {0.01, 0.1, 1} <= {round(tick, 9) for tick in axes.get_xticks()}
    (line,) = [one for one in axes.lines if list(one.get_ydata()) == pytest.approx([88, 88])]
    assert line.get_color() == container[0].get_color() == KNOWN["wgsef"].colour
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["wgsef", "wgsef, lam auto", "exactly k before projection", "not exactly k"]


def test_seeds_make_intervals_and_a_bar_at_the_right_end(draw, make):
    # 0.01: accuracies 80, 84: mean 82, half-width 12.7062 * 2 = 25.4124, cut at 100
    rows = [row | {"trial": f"{row['trial']}{s}", "seed": s, "test_top1": row["test_top1"] + 0.04 * s}
            for row in [*sweep(make), at(make, "auto", 0.88)] for s in range(2)]  # fmt: skip
    (axes,) = draw(rows).axes
    line, _, (segments,) = axes.containers[0]
    assert list(line.get_ydata()) == pytest.approx([82, 92, 87])
    assert [y for _, y in segments.get_segments()[0]] == pytest.approx([82 - 25.4124, 100], abs=1e-3)
    (bar,) = (line for line in axes.lines if list(line.get_xdata()) == [1, 1])
    assert list(bar.get_ydata()) == pytest.approx([90 - 25.4124, 100], abs=1e-3)
    assert not axes.patches


def test_a_trial_without_lam_is_auto_where_its_method_has_one(draw, make):
    rows = [*sweep(make), at(make, None, 0.88), make.trial("random", start="scratch", test_top1=0.2)]
    figure = draw(rows)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[:2] == ["wgsef", "wgsef, lam auto"]
    assert not any("random" in word for word in words)


def test_two_strengths_are_no_curve(draw, make):
    with pytest.raises(Skip, match="no method of lenet5_caffe on digits has 3 values of lam"):
        draw([*sweep(make)[:2], at(make, "auto")])
    figure = draw([*sweep(make), *sweep(make, method="group_lasso")[:2]])
    assert len(figure.axes[0].containers) == 1


def test_strengths_under_other_conditions_are_other_curves(draw, make):
    with pytest.raises(Skip):
        draw([*sweep(make, finetune_epochs=3)[:2], *sweep(make, finetune_epochs=9)[2:]])
    figure = draw([*sweep(make), *sweep(make, keep=0.1), *sweep(make, keep=0.2)[:2]])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["keep 0.5", "keep 0.1"]


def test_zero_and_nonsense_are_not_on_the_axis(draw, make):
    figure = draw([*sweep(make), at(make, 0), at(make, "strong")])
    assert len(figure.axes[0].containers[0][0].get_xdata()) == 3
    assert figure.get_suptitle().endswith(f"lam 0 has no place on this axis: wgsef\n{OLD_RULES}")


def test_a_narrow_sweep_has_ticks_at_its_strengths(draw, make):
    (axes,) = draw([at(make, lam) for lam in (0.2, 0.3, 0.5)]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.2", "0.3", "0.5"]


def test_what_is_not_told_has_no_mark(draw, make):
    rows = [row | {"groups_at_convergence": ""} for row in sweep(make)]
    assert marks(draw([*rows, at(make, "auto", 0.8, method="wgsef_dc", reached=True)]).axes[0]) == [(1, 80, False)]


def test_the_table_by_hand(setting, make):
    rows = []
    for seed, (best, auto) in enumerate(((0.90, 0.91), (0.92, 0.92), (0.94, 0.96))):
        rows += [
            at(make, 0.1, best, val=0.8, seed=seed, reached=True),
            at(make, 0.3, 0.5, val=0.8, seed=seed, reached=seed > 0),
            at(make, 1.0, 0.99, val=0.7, seed=seed),
            at(make, "auto", auto, val=0.1, seed=seed, reached=seed > 0),
        ]
    found = lam_auto(setting(rows))
    # differences 1, 0, 2 points: mean 1, deviation 1, half-width 4.302653 / sqrt(3)
    head = ["keep", "method", "best lam", "its top-1", "auto top-1", "difference", "seeds", "lams at k", "auto at k"]
    assert found.headings == head
    assert texts(found) == [
        ["0.5", "wgsef", "0.1", "92.00 ± 4.97", "93.00 ± 6.57", "+1.00 ± 2.48", "3", "1/3", "2/3"],
    ]
    assert "filter groups, layer scope, 8 sparsify epochs, from scratch." in found.caption


def test_one_seed_and_unpaired_seeds(setting, make):
    one = lam_auto(setting([at(make, 0.1, 0.9), at(make, "auto", 0.85)]))
    assert texts(one)[0][2:] == ["0.1", "90.00", "85.00", "-5.00", "1", "0/1", "0/1"]
    other = lam_auto(setting([at(make, 0.1, 0.9), at(make, "auto", 0.9, seed=1)]))
    assert texts(other)[0][2:] == ["0.1", "90.00", "90.00", "0.00", NOTHING, "0/1", "0/1"]


def test_only_experiments_with_both_are_in_the_table(setting, make):
    rows = [at(make, 0.1), at(make, "auto"), at(make, 0.1, keep=0.9), at(make, "auto", keep=0.1, scope="network")]
    rows += [at(make, 0.1, method="group_lasso"), at(make, "auto", method="wgsef_dc")]
    found = lam_auto(setting(rows))
    assert [row[:3] for row in texts(found)] == [["0.5", "wgsef", "layer"]]
    with pytest.raises(Skip, match="both a fixed lam and auto"):
        lam_auto(setting(rows[2:]))
    with pytest.raises(Skip, match="both a fixed lam and auto"):
        lam_auto(setting([make.trial("random", val_top1=0.5)]))


def test_failed_trials_are_counted_in_the_caption(setting, make):
    failed = at(make, 1.0, "", status="failed")
    found = lam_auto(setting([at(make, 0.1), at(make, "auto"), failed]))
    assert found.caption.endswith(f"1 of 3 trials failed and is left out. {OLD_RULES}.")
