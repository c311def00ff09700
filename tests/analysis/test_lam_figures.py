"""The figures over the strength lam: accuracy_vs_lam and exactness_vs_lam, by hand."""

import json

import pytest

from analysis.figures.lam import ACCURACY, EXACTNESS, FIGURES, data
from analysis.frame import load
from analysis.plot.style import KNOWN, drawn
from results.errors import Skip

TARGET, MORE = "[10, 25]", "[11, 25]"


@pytest.fixture
def of(folder):
    """Return a function that makes the data of a figure of the only setting of these rows."""

    def made(rows, quantities=ACCURACY):
        (frame,) = load(folder(rows)).settings()
        return data(frame, quantities)

    return made


def draw(found):
    with drawn():
        figure = FIGURES[0].draw(found)
        figure.draw_without_rendering()
    return figure


def at(make, lam, test=0.9, val=0.9, reached=False, **cells):
    """A trial with this lam, or with none in its hyperparameters."""
    given = {"ramp": 0.5} if lam is None else {"lam": lam, "ramp": 0.5}
    cells = {"start": "scratch", "hyperparameters": json.dumps(given), "test_top1": test, "val_top1": val} | cells
    return make.trial(groups_at_convergence=TARGET if reached else MORE, **cells)


def sweep(make, **cells):
    """Three strengths of which only the last reaches the k-level."""
    return [at(make, lam, test, reached=lam == 1, **cells) for lam, test in ((0.01, 0.80), (0.1, 0.90), (1, 0.85))]


def strengths(make, seeds=(0, 1), **more):
    """Exactly k from lam 1 on; 35 groups are k, and 7 and 3 too many below."""
    rows = []
    for seed in seeds:
        for lam, exact, above, drop, top1 in ((0.01, 0, 7, 0.03, 0.9), (0.1, seed, 3, 0.01, 0.88), (1, 1, 0, 0, 0.8)):
            cells = {"k_reached": exact, "groups_above": above, "projection_drop": drop, "test_top1": top1}
            rows.append(make.second(seed=seed, hyperparameters=json.dumps({"lam": lam}), **cells | more))
    return rows


def fixed(found, column="y"):
    return list(found[found["strength"] == "fixed"][column])


def test_the_curve_by_hand(of, make):
    found = of([*sweep(make), at(make, "auto", 0.88, reached=True)])
    assert (fixed(found, "lam"), fixed(found)) == ([0.01, 0.1, 1], pytest.approx([80, 90, 85]))
    assert fixed(found, "filled") == ["none", "none", "full"]
    (word,) = found[found["strength"] == "auto"].itertuples()
    assert (word.line, word.y, word.filled) == ("wgsef", pytest.approx(88), "full")
    assert found["panel"].unique() == ["keep 0.5"]
    assert found.attrs["title"] == "LeNet-5 (Caffe) on digits, filter groups"
    assert "1 seed" in found.attrs["caption"]
    figure = draw(found)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.01", "0.1", "1", "auto"]
    assert axes.containers[0][0].get_color() == KNOWN["wgsef"].colour
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["WGSEF", "exactly k before projection", "not exactly k"]


def test_seeds_make_intervals_that_end_at_100(of, make):
    # 0.01: accuracies 80, 84: mean 82, half-width 12.7062 * 2 = 25.4124
    rows = [row | {"trial": f"{row['trial']}{s}", "seed": s, "test_top1": row["test_top1"] + 0.04 * s}
            for row in [*sweep(make), at(make, "auto", 0.88)] for s in range(2)]  # fmt: skip
    found = of(rows)
    assert fixed(found) == pytest.approx([82, 92, 87])
    assert fixed(found, "y_low")[0] == pytest.approx(82 - 25.4124, abs=1e-3)
    assert (found["y_high"].max(), set(found["n"])) == (100, {2})


def test_a_trial_without_lam_is_auto_if_its_method_has_one(of, make):
    found = of([*sweep(make), at(make, None, 0.88), make.trial("random", start="scratch", test_top1=0.2)])
    assert list(found["strength"]) == ["auto", "fixed", "fixed", "fixed"]
    assert set(found["line"]) == {"wgsef"}


@pytest.mark.slow
def test_two_strengths_are_no_curve_and_conditions_set_curves_apart(of, make):
    with pytest.raises(Skip, match=r"no method of LeNet-5 \(Caffe\) on digits has 3 values of lam"):
        of([*sweep(make)[:2], at(make, "auto")])
    with pytest.raises(Skip):
        of([*sweep(make, finetune_epochs=3)[:2], *sweep(make, finetune_epochs=9)[2:]])
    with pytest.raises(Skip):  # of the same epochs in total
        of([*sweep(make, dense_epochs=1, finetune_epochs=9)[:2], *sweep(make, dense_epochs=9, finetune_epochs=1)[2:]])
    assert set(of([*sweep(make), *sweep(make, method="group_lasso")[:2]])["line"]) == {"wgsef"}
    found = of([*sweep(make), *sweep(make, keep=0.1), *sweep(make, keep=0.2)[:2]])
    assert list(dict.fromkeys(found["panel"])) == ["keep 0.5", "keep 0.1"]
    found = of([*sweep(make), *sweep(make, grouping="kernel")])
    assert list(dict.fromkeys(found["panel"])) == ["filter groups, keep 0.5", "kernel groups, keep 0.5"]
    assert found.attrs["title"] == "LeNet-5 (Caffe) on digits"


def test_zero_and_nonsense_are_not_on_the_axis(of, make):
    found = of([*sweep(make), at(make, 0), at(make, "strong")])
    assert len(found) == 3
    assert "lam 0 has no place on this axis: WGSEF." in found.attrs["caption"]


def test_a_narrow_sweep_has_ticks_at_its_strengths(of, make):
    (axes,) = draw(of([at(make, lam) for lam in (0.2, 0.3, 0.5)])).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.2", "0.3", "0.5"]


def test_what_is_not_told_has_no_mark(of, make):
    rows = [row | {"groups_at_convergence": ""} for row in sweep(make)]
    found = of([*rows, at(make, "auto", 0.8, method="wgsef_dc", reached=True)])
    assert dict(zip(found["line"], found["filled"], strict=True)) == {"wgsef": "", "wgsef_dc": "full"}
    (axes,) = draw(found).axes
    assert sum(line.get_marker() in ("o", "P") for line in axes.lines) == 1


def test_what_has_collapsed_does_not_set_the_range_but_is_named(of, make):
    rows = [at(make, lam, 0.9 - 0.001 * i) for i, lam in enumerate((0.001, 0.01, 0.1, 1))]
    found = of([*rows, at(make, 10, 0.1)])
    assert min(found.attrs["held"]["top1"]) > 89
    assert "Below the axis (arrows): WGSEF at lam 10: 10.0 %." in found.attrs["caption"]
    assert draw(found).axes[0].get_ylim()[0] > 89


def test_bound_has_a_place_beside_the_numbers(of, make):
    rows = [make.second(hyperparameters=json.dumps({"lam": lam}), test_top1=0.8) for lam in (0.01, 0.1, 1)]
    found = of([*rows, make.second(hyperparameters='{"lam": "bound"}', test_top1=0.85)])
    assert list(found["strength"]) == ["bound", "fixed", "fixed", "fixed"]
    assert "Lines across: lam bound, set by the data without tuning." in found.attrs["caption"]
    assert draw(found).axes[0].get_xticklabels()[-1].get_text() == "bound"


def test_of_several_configurations_of_a_word_the_best_on_validation_stands_for_its_method(of, make):
    splits = [
        make.second("wgsef_dc", split=(0, 11 - tuning, tuning), val_top1=val, test_top1=test,
                    hyperparameters=json.dumps({"lam": "auto", "finetune_epochs": tuning}))
        for tuning, val, test in ((3, 0.8, 0.99), (6, 0.9, 0.7), (9, 0.7, 0.99))
    ]  # fmt: skip
    found = of([*strengths(make), *splits])
    assert found[found["line"] == "wgsef_dc"]["y"].tolist() == pytest.approx([70])
    assert "Of several configurations the best on validation: WGSEF-DC." in found.attrs["caption"]


def test_exactness_by_hand(of, make):
    word = {"hyperparameters": '{"lam": "bound"}', "k_reached": 1, "groups_above": 0, "projection_drop": 0}
    found = of([*strengths(make), make.second(**word, test_top1=0.85)], EXACTNESS)
    values = {name: (fixed(part), part["y"][part["strength"] == "bound"].item())
              for name, part in found.groupby("quantity", sort=False)}  # fmt: skip
    assert list(values) == ["exact", "above", "drop", "top1"]
    assert values["exact"] == ([0, 50, 100], 100)
    assert values["above"] == (pytest.approx([20, 100 * 3 / 35, 0]), 0)
    assert values["drop"] == (pytest.approx([3, 1, 0]), 0)
    assert values["top1"] == (pytest.approx([90, 88, 80]), 85)
    assert (found["y_low"] == found["y_high"])[found["quantity"] == "exact"].all()
    assert "n = 1 to 2 seeds" in found.attrs["caption"]
    figure = draw(found)
    assert len(figure.axes) == 4
    assert figure.axes[1].get_yscale() == "symlog"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["WGSEF"]


def test_exactness_is_read_off_the_groups_of_old_rows(of, make):
    left = ("[20, 50]", "[12, 25]", "[10, 25]")
    rows = [
        make.trial(hyperparameters=json.dumps({"lam": lam}), groups_at_convergence=groups, projection_drop=0.01)
        for lam, groups in zip((0.01, 0.1, 1), left, strict=True)
    ]
    found = of(rows, EXACTNESS)
    assert fixed(found[found["quantity"] == "exact"]) == [0, 0, 100]
    assert fixed(found[found["quantity"] == "above"]) == pytest.approx([100, 100 * 2 / 35, 0])
    with pytest.raises(Skip, match="and tells how many groups were left"):
        of([row | {"groups_at_convergence": ""} for row in rows], EXACTNESS)


def test_exactness_has_a_column_of_panels_for_each_keep(of, make):
    figure = draw(of([*strengths(make), *strengths(make, keep=0.25)], EXACTNESS))
    assert len(figure.axes) == 8
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["keep 0.5", "keep 0.25"]
