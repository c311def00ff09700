"""The figure groups_vs_epoch: its points by hand, which panels are one, and what is left out."""

import json

import pytest

from analysis.figures.groups_vs_epoch import data, draw
from analysis.frame import load
from analysis.merging import titled
from analysis.plot.style import KNOWN, drawn
from results.errors import InputError, Skip

NAN = float("nan")


@pytest.fixture
def of(folder, make):
    """Return a function that makes the data of (row, left) pairs, left: the groups after each sparsify epoch."""

    def made(pairs, before=(), trials=()):
        folder([*(row for row, _ in pairs), *trials])
        lines = [line for row, left in pairs for line in make.epochs(row, left)]
        (frame,) = load(folder([*before, *lines], columns=make.EPOCHS, name="epochs.csv")).settings()
        return data(frame)

    return made


def trained(make, left, **cells):
    """A trial from scratch of families of 20 and 50 groups, down to 10 and 25, and what it has left in each epoch."""
    cells = {"start": "scratch", "sparsify_epochs": len(left)} | cells
    return make.trial(**cells), left


def drawing(found):
    with drawn():
        figure = draw(found)
        figure.draw_without_rendering()
    return figure


def test_one_seed_by_hand(of, make):
    # 35 of 70 groups have to go: 70, 56, 42 and 35 are 100, 60, 20 and 0 % of them above k; families of 10 and 25
    found = of([trained(make, [[20, 36], [12, 30], [10, 25]])])
    assert (list(found["x"]), list(found["y"])) == ([0, 1, 2, 3], pytest.approx([100, 60, 20, 0]))
    assert list(found["low"]) == pytest.approx([100, 44, 20, 0])
    assert list(found["high"]) == pytest.approx([100, 100, 20, 0])
    assert set(found["filled"]) == {"full"}
    assert found["panel"].unique() == ["keep 0.5"]
    assert found.attrs["caption"].startswith("1 seed, hence no intervals. ")
    assert "Band: range over the families." in found.attrs["caption"]
    figure = drawing(found)
    low, high = figure.axes[0].get_ylim()
    assert low < 0 < 100 < high
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["WGSEF", "target k", "exactly k before projection"]


def test_seeds_by_hand(of, make):
    # left 35 and 49: 0 and 40 %; deviation 40 / sqrt(2), t(0.975; 1) = 12.7062: half-width 254.124
    found = of([trained(make, [[10, 25]], seed=0), trained(make, [[14, 35]], seed=1)])
    last = found.iloc[-1]
    assert (last["y"], last["y_half"], last["filled"]) == (
        pytest.approx(20),
        pytest.approx(254.124, abs=1e-3),
        "bottom",
    )
    assert "n = 2 seeds" in found.attrs["caption"]
    assert "Cut by the axis: the interval of WGSEF at epoch 1." in found.attrs["caption"]
    assert max(found.attrs["held"]) < 150


@pytest.mark.parametrize(
    ("left", "cells", "filled"),
    [
        ([12, 23], {}, "none"),  # the sum alone is not the target of a layer
        ([12, 23], {"scope": "network", "groups_target": "[35]"}, "full"),
        ([12, 24], {"scope": "network", "groups_target": "[35]"}, "none"),
        ([0, 35], {"scope": "network", "groups_target": "[35]"}, "none"),
        ([0, 0], {}, "none"),
    ],
)
def test_the_mark_tells_the_target(of, make, left, cells, filled):
    found = of([trained(make, [left], **cells)])
    assert list(found["y"]) == pytest.approx([100, 100 * (sum(left) - 35) / 35])
    assert found["filled"].iloc[0] == filled
    assert ("Band" in found.attrs["caption"]) == ("scope" not in cells)
    drawing(found)


def test_the_start_is_the_last_dense_epoch_or_unknown(of, make):
    row, left = trained(make, [[10, 25]], start="dense")
    found = of([(row, left)], before=make.epochs(row, [[20, 50], [20, 36]], "dense"))
    assert (list(found["x"]), list(found["y"])) == ([0, 1], pytest.approx([60, 0]))
    assert list(of([(row, left)])["x"]) == [1]


def panels(make, falls, **cells):
    """Trials of two scopes and two keeps, each with so many percent of what has to go left after its first epoch."""
    for scope in ("layer", "network"):
        for keep in (0.5, 0.1):
            target = [round(200 * keep), round(500 * keep)]
            left = [
                k + round(falls.get((scope, keep), 50) / 100 * (m - k)) for k, m in zip(target, (200, 500), strict=True)
            ]
            budget = target if scope == "layer" else [sum(target)]
            more = {"scope": scope, "keep": keep, "groups": "[200, 500]", "groups_target": json.dumps(budget)}
            yield trained(make, [left, target], **more | cells)


def test_panels_of_the_same_lines_are_one_and_exceptions_apart(of, make):
    found = of([*panels(make, {("network", 0.1): 53})])
    assert set(found["panel"]) == {"layer scope and network scope, keep 0.5, 0.1"}
    assert list(found["y"]) == pytest.approx([100, (3 * 50 + 53) / 4, 0], abs=0.3)
    assert "Panels whose lines differ by at most 5 points are one, their mean." in found.attrs["caption"]
    found = of([*panels(make, {("network", 0.1): 70})])
    titles = list(dict.fromkeys(found["panel"]))
    assert titles == ["layer scope, keep 0.5, 0.1; network scope, keep 0.5", "network scope, keep 0.1"]
    assert list(found["y"]) == pytest.approx([100, 50, 0, 100, 70, 0], abs=0.3)
    lasso = list(panels(make, {}, method="group_lasso"))[:1]
    caption = of([*panels(make, {}), *lasso]).attrs["caption"]
    assert "Only layer scope, keep 0.5: Group lasso." in caption
    assert "Under one another: Group lasso, WGSEF." in caption


def test_panels_of_another_end_are_not_one(of, make):
    (row, left), other = list(panels(make, {}))[:2]
    found = of([(row, [left[0], [left[1][0] + 1, left[1][1]]]), other])
    assert dict(zip(found["panel"], found["filled"], strict=True)) == {"keep 0.5": "none", "keep 0.1": "full"}


def test_what_panels_are_called():
    assert titled([("a, x", 0.1), ("a, y", 0.1), ("b, x", 0.1), ("b, y", 0.1)]) == "a and b, x and y, keep 0.1"
    assert titled([("a, x",), ("b, y",)]) == "a, x / b, y"
    assert titled([("", 0.1), ("", 0.5)]) == "keep 0.5, 0.1"


def test_a_panel_for_each_keep_and_condition(of, make):
    pairs = [
        trained(make, [[20 - 5 * i, 50 - i]], method=method, scope="layer", keep=keep)
        for method in ("wgsef", "group_lasso") for i, keep in enumerate((0.1, 0.5))
    ]  # fmt: skip
    figure = drawing(of(pairs))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["keep 0.5", "keep 0.1"]
    colours = {line.get_color() for axes in figure.axes for line, _, _ in axes.containers}
    assert colours == {KNOWN["wgsef"].colour, KNOWN["group_lasso"].colour}
    for axes in figure.axes:
        assert axes.get_window_extent().height > 60
        assert not figure.legends[0].get_window_extent().overlaps(axes.get_tightbbox())


def test_methods_that_do_not_train_are_named(of, make):
    still = [make.trial(method, sparsify_epochs=0) for method in ("random", "magnitude")]
    found = of([trained(make, [[10, 25]])], trials=still)
    assert "Not training, hence not drawn: Magnitude, Random." in found.attrs["caption"]
    assert set(found["line"]) == {"wgsef"}


def test_of_many_strengths_the_best_on_validation_is_drawn(of, make):
    def lam(value, accuracy):
        return trained(make, [[10, 25]], hyperparameters=json.dumps({"lam": value}), val_top1=accuracy)

    fixed = [lam(0.1 * i, 0.9 - 0.01 * abs(i - 3)) for i in range(1, 7)]
    found = of([*fixed, lam("auto", 0.1)])
    assert set(found["line"]) == {"wgsef (lam=auto)", "wgsef (lam=tuned)"}
    assert "Configurations tried, best on validation per keep (of equals the milder): WGSEF" in found.attrs["caption"]


@pytest.mark.parametrize(
    ("left", "cells", "reason"),
    [
        ([[10]], {}, "lists of another length than that of the groups"),
        ([[10, 25, 3]], {}, "lists of another length than that of the groups"),
        ([[20, 50], []], {}, "lists of another length than that of the groups"),
        ([[10, 25]], {"groups": "[70]"}, "lists of another length than that of the groups"),
        ([[10, 25]], {"groups_target": "[35]"}, "lists of another length than that of the groups"),
        ([[10, 25]], {"groups": "[10, 25]"}, "no number of groups of the dense network above the target"),
        ([[10, 25]], {"groups_target": ""}, "no target"),
        ([[10, 25]], {"sparsify_epochs": 2}, "epochs.csv does not end with the last of sparsify_epochs"),
        ([], {"sparsify_epochs": 2}, "no epochs of the sparsify phase"),
    ],
)
def test_what_does_not_fit_is_left_out_and_said(of, make, left, cells, reason):
    odd, counts = trained(make, left, seed=1, **cells)
    good = trained(make, [[10, 25]] * odd["sparsify_epochs"])
    found = of([good, (odd, counts)])
    assert f"Left out, {reason}: WGSEF (1)" in found.attrs["caption"]
    assert set(found["n"]) == {1}
    other = make.trial("random", sparsify_epochs=0)  # so that no column is empty
    with pytest.raises(Skip, match=rf"no groups over epochs for LeNet-5 \(Caffe\) on digits: Left out, {reason}"):
        of([(odd, counts)], before=make.epochs(other, [[1]]), trials=[other])


@pytest.mark.parametrize("cell", ["[1, 2", "[1.5]", "[-1, 2]", '{"a": 1}', "[1e999]", "[" + "9" * 400 + "]", "7"])
def test_nonsense_in_a_cell_is_one_clear_line(folder, make, cell):
    folder([make.trial(trial="a")])
    rows = [{"trial": "a", "phase": "sparsify", "epoch": 1, "nonzero_groups": cell}]
    frame = load(folder(rows, columns=make.EPOCHS, name="epochs.csv"))
    with pytest.raises(InputError, match=r"row 1, nonzero_groups: .*expected a JSON list of whole numbers"):
        frame.epochs  # noqa: B018


@pytest.mark.parametrize(("cell", "good"), [("", True), ("0.5", True), ("-1", False), ("inf", False), ("x", False)])
def test_the_value_of_the_regulariser_is_read(folder, make, cell, good):
    folder([make.trial(trial="a")])
    frame = load(folder([{"trial": "a", "regulariser": cell}], columns=make.EPOCHS, name="epochs.csv"))
    if good:
        assert list(frame.epochs["regulariser"]) == pytest.approx([float(cell or NAN)], nan_ok=True)
    else:
        with pytest.raises(InputError, match=r"row 1, regulariser: .*expected a number of at least 0"):
            frame.epochs  # noqa: B018


def test_without_training_or_trials_that_did_not_fail_there_is_nothing(of, make):
    with pytest.raises(Skip, match="has a sparsify phase"):
        of([trained(make, [[20, 50]], sparsify_epochs=0)])
    failed = trained(make, [[1, 1]], seed=1, status="failed", test_top1="")
    assert list(of([trained(make, [[10, 25]]), failed])["y"]) == pytest.approx([100, 0])
