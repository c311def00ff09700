"""The numbers of the figure groups_vs_epoch, read back from its panels."""

import json

import pytest
from matplotlib.container import ErrorbarContainer

from analysis.__main__ import main
from analysis.figures.groups_vs_epoch import groups_vs_epoch
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.style import KNOWN, PAPER, drawn
from results.errors import InputError, Skip

NAN = float("nan")


@pytest.fixture
def draw(folder, make):
    """Return a function that draws (row, left) pairs, left: the groups after each epoch of the sparsify phase."""

    def of(pairs, before=(), trials=()):
        folder([*(row for row, _ in pairs), *trials])
        lines = [line for row, left in pairs for line in make.epochs(row, left)]
        (setting,) = load(folder([*before, *lines], columns=make.EPOCHS, name="epochs.csv")).settings()
        with drawn():
            figure = groups_vs_epoch(setting)
            figure.canvas.draw()
        return figure

    return of


def trained(make, left, **cells):
    """A trial from scratch of families of 20 and 50 groups, down to 10 and 25, and what it has left in each epoch."""
    cells = {"start": "scratch", "sparsify_epochs": len(left)} | cells
    return make.trial(**cells), left


def curves(axes):
    """Return the x and y of each line, with the ends of its intervals."""
    found = []
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, (segments,) = container
        ends = {segment[0][0]: [y for _, y in segment] for segment in segments.get_segments() if len(segment)}
        found.append((list(line.get_xdata()), list(line.get_ydata()), ends))
    return found


def marks(axes):
    """Return x, y and the filling of the marks at the end, in the order they were drawn."""
    known = {style.mark for style in KNOWN.values() if style.mark}
    found = []
    for line in axes.lines:
        if line.get_linestyle() == "None" and line.get_marker() in known:
            half = "half" if line.get_fillstyle() == "bottom" else "full"
            state = "hollow" if line.get_markerfacecolor() == "white" else half
            found.append((line.get_xdata()[0], line.get_ydata()[0], state))
    return found


def band(axes):
    """Return epoch -> (low, high) of the only band."""
    (found,) = axes.collections[-1].get_paths()
    corners = {}
    for x, y in found.vertices:
        corners.setdefault(x, set()).add(round(y, 6))
    return {x: (min(ys), max(ys)) for x, ys in corners.items()}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_seed_by_hand(draw, make):
    # m = 20 + 50 and k = 10 + 25: 70/35, 56/35, 42/35, 35/35; families 20/10 and 36/25, 12/10 and 30/25, 1 and 1
    figure = draw([trained(make, [[20, 36], [12, 30], [10, 25]])])
    (axes,) = figure.axes
    assert figure.get_figwidth() == PAPER.column
    ((x, y, ends),) = curves(axes)
    assert (x, y, ends) == ([0, 1, 2, 3], pytest.approx([2, 1.6, 1.2, 1]), {})
    assert band(axes) == {0: (2, 2), 1: (1.44, 2), 2: (1.2, 1.2), 3: (1, 1)}
    assert marks(axes) == [(3, 1, "full")]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 1 < axes.get_ylim()[1]
    assert {"wgsef", "target k", "exactly k before projection"} == set(legend(figure))
    assert "1 seed, hence no intervals; band: range over the families" in figure.get_suptitle()
    assert "filter groups, layer scope, 3 epochs, from scratch, keep 0.5" in " ".join(figure.get_suptitle().split())


def test_seeds_by_hand(draw, make):
    # left 35 and 49 of 35: mean 1.2; deviation 0.4/sqrt(2), t(0.975; 1) = 12.7062: half-width 2.54124
    figure = draw([trained(make, [[10, 25]], seed=0), trained(make, [[14, 35]], seed=1)])
    ((x, y, ends),) = curves(figure.axes[0])
    assert (x, y) == ([0, 1], pytest.approx([2, 1.2]))
    assert ends == {1: pytest.approx([1.2 - 2.54124, 1.2 + 2.54124], abs=1e-4)}
    assert marks(figure.axes[0])[0][2] == "half"
    assert "exactly k in some seeds" in legend(figure)
    assert "2 seeds, mean and 95 % t-interval" in figure.get_suptitle()


def test_the_sum_alone_is_not_the_target_of_a_layer(draw, make):
    assert marks(draw([trained(make, [[12, 23]])]).axes[0]) == [(1, 1, "hollow")]


@pytest.mark.parametrize(("left", "state"), [([12, 23], "full"), ([12, 24], "hollow"), ([0, 35], "hollow")])
def test_one_budget_for_the_network(draw, make, left, state):
    figure = draw([trained(make, [left], scope="network", groups_target="[35]")])
    assert curves(figure.axes[0])[0][1] == pytest.approx([2, sum(left) / 35])
    assert marks(figure.axes[0])[0][2] == state
    assert "band" not in figure.get_suptitle()


def test_the_start_is_the_last_dense_epoch_or_unknown(draw, make):
    row, left = trained(make, [[10, 25]], start="dense")
    figure = draw([(row, left)], before=make.epochs(row, [[20, 50], [20, 36]], "dense"))
    assert curves(figure.axes[0])[0][:2] == ([0, 1], pytest.approx([1.6, 1]))
    assert curves(draw([(row, left)]).axes[0])[0][:2] == ([1], [1])


def test_methods_that_do_not_train_are_named(draw, make):
    still = [make.trial(method, sparsify_epochs=0) for method in ("random", "magnitude")]
    figure = draw([trained(make, [[10, 25]])], trials=still)
    assert figure.get_suptitle().endswith(f"not training, hence not drawn: magnitude, random\n{OLD_RULES}")
    assert "random" not in legend(figure)


def test_a_panel_for_each_keep_and_experiment(draw, make):
    pairs = []
    for scope in ("layer", "network"):
        for keep in (0.1, 0.5):
            target = [round(20 * keep), round(50 * keep)] if scope == "layer" else [round(70 * keep)]
            cells = {"scope": scope, "keep": keep, "groups_target": json.dumps(target)}
            pairs += [trained(make, [[2, 5]], method=method, **cells) for method in ("wgsef", "group_lasso")]
    figure = draw(pairs)
    assert figure.get_figwidth() == PAPER.page
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["layer scope\nkeep 0.5", "keep 0.1", "network scope\nkeep 0.5", "keep 0.1"]
    assert [curves(axes)[0][1][0] for axes in figure.axes] == pytest.approx([2, 10, 2, 10])
    colours = {line.get_color() for axes in figure.axes for line, _, _ in axes.containers}
    assert colours == {KNOWN["wgsef"].colour, KNOWN["group_lasso"].colour}
    page = figure.bbox
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert page.x0 <= box.x0 < box.x1 <= page.x1 + 1
        assert axes.get_window_extent().height > 60
        assert not figure.legends[0].get_window_extent().overlaps(box)


def test_experiments_with_one_keep_each_say_all_that_sets_them_apart(draw, make):
    figure = draw([trained(make, [[10, 25]] * n, grouping=g) for n, g in ((2, "filter"), (3, "kernel"), (3, "shape"))])
    titles = [" ".join(axes.get_title(loc="left").split()) for axes in figure.axes]
    assert titles == ["filter groups, 2 epochs", "kernel groups, 3 epochs", "shape groups, 3 epochs"]


def test_element_groups_of_hundreds_of_thousands(draw, make):
    cells = {"grouping": "element", "keep": 0.05, "groups": "[25000, 400000]", "groups_target": "[1250, 20000]"}
    figure = draw([trained(make, [[25000, 60000], [1250, 20000]], **cells)])
    assert curves(figure.axes[0])[0][1] == pytest.approx([20, 4, 1])
    assert set(figure.axes[0].get_yticks()) == {1, 2, 5, 10, 20}


def test_no_group_left_is_said(draw, make):
    figure = draw([trained(make, [[10, 25], [0, 0]])])
    assert marks(figure.axes[0]) == [(2, 0, "hollow")]
    assert "no group left, hence on the axis: wgsef (keep 0.5)" in figure.get_suptitle()
    assert figure.axes[0].get_window_extent().height > 60


def test_many_strengths_are_reduced_to_the_best_on_validation(draw, make):
    def lam(value, accuracy):
        return trained(make, [[10, 25]], hyperparameters=json.dumps({"lam": value}), val_top1=accuracy)

    fixed = [lam(0.1 * i, 0.9 - 0.01 * abs(i - 3)) for i in range(1, 7)]
    assert len(curves(draw(fixed).axes[0])) == 6
    figure = draw([*fixed, lam("auto", 0.1)])
    assert legend(figure)[:2] == ["wgsef (lam=0.3)", "wgsef (lam=auto)"]
    assert "Configurations tried, best on validation per panel (of equals the milder): wgsef" in " ".join(
        figure.get_suptitle().split()
    )
    with pytest.raises(Skip, match="no val_top1 tells which is the best"):
        draw([lam(0.1 * i, "") for i in range(1, 8)])


def test_what_comes_after_the_phase_sets_no_series_apart(draw, make):
    pairs = [trained(make, [[10, 25]], seed=i, realisation=r) for i, r in enumerate(("compact", "masked"))]
    assert legend(draw(pairs))[0] == "wgsef"


@pytest.mark.parametrize(
    ("left", "cells", "reason"),
    [
        ([[10]], {}, "lists of another length than the target's"),
        ([[10, 25, 3]], {}, "lists of another length than the target's"),
        ([[20, 50], []], {}, "lists of another length than the target's"),
        ([[10, 25]], {"groups_target": "[0, 25]"}, "no target"),
        ([[10, 25]], {"groups_target": ""}, "no target"),
        ([[10, 25]], {"groups": "[20]"}, "lists of another length than the target's"),
        ([[10, 25]], {"sparsify_epochs": 2}, "epochs.csv does not end with the last of sparsify_epochs"),
        ([], {"sparsify_epochs": 2}, "no epochs of the sparsify phase"),
    ],
)
def test_what_does_not_fit_is_left_out_and_said(draw, make, left, cells, reason):
    odd, counts = trained(make, left, seed=1, **cells)
    good = trained(make, [[10, 25]] * odd["sparsify_epochs"])
    figure = draw([good, (odd, counts)])
    assert f"left out, {reason}: wgsef (1)" in " ".join(figure.get_suptitle().split())
    assert "1 seed," in figure.get_suptitle()
    other = make.trial("random", sparsify_epochs=0)  # so that no column is empty
    with pytest.raises(Skip, match=f"no groups over epochs for lenet5_caffe on digits: left out, {reason}"):
        draw([(odd, counts)], before=make.epochs(other, [[1]]), trials=[other])


@pytest.mark.parametrize("cell", ["[1, 2", "[1.5]", "[-1, 2]", '{"a": 1}', "[1e999]", "[" + "9" * 400 + "]", "7"])
def test_nonsense_in_a_cell_is_one_clear_line(folder, make, capsys, cell):
    results = folder([make.trial(trial="a")])
    folder([{"trial": "a", "phase": "sparsify", "epoch": 1, "nonzero_groups": cell}], columns=make.EPOCHS,
           name="epochs.csv")  # fmt: skip
    assert main([str(results), "--only", "groups_vs_epoch"]) == 2
    error = capsys.readouterr().err
    assert "epochs.csv, row 1, nonzero_groups" in error
    assert "expected a JSON list of whole numbers" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("cell", "good"), [("", True), ("0.5", True), ("-1", False), ("inf", False), ("x", False)])
def test_the_value_of_the_regulariser_is_read(folder, make, cell, good):
    folder([make.trial(trial="a")])
    results = load(folder([{"trial": "a", "regulariser": cell}], columns=make.EPOCHS, name="epochs.csv"))
    if good:
        assert list(results.frame("epochs")["regulariser"]) == pytest.approx([float(cell or NAN)], nan_ok=True)
    else:
        with pytest.raises(InputError, match=r"row 1, regulariser: .*expected a number of at least 0"):
            results.frame("epochs")


def test_without_epochs_or_training_it_is_skipped_in_one_line(folder, make, draw, capsys):
    results = folder([make.trial()])
    assert main([str(results), "--only", "groups_vs_epoch"]) == 0
    assert "figures/groups_vs_epoch skipped: epochs.csv has no column nonzero_groups\n" in capsys.readouterr().out
    with pytest.raises(Skip, match="no method of lenet5_caffe on digits has a sparsify phase"):
        draw([trained(make, [[20, 50]], sparsify_epochs=0)])


def test_failed_trials_are_not_drawn(draw, make):
    failed, left = trained(make, [[1, 1]], seed=1, status="failed", test_top1="")
    figure = draw([trained(make, [[10, 25]]), (failed, left)])
    assert curves(figure.axes[0])[0][1] == pytest.approx([2, 1])
