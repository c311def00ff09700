"""Figures of a trade-off with many experiments: a panel for each, few series, one legend."""

import json

import pytest
from matplotlib.container import ErrorbarContainer

from analysis.experiments import MOST, experiments
from analysis.figures.accuracy_vs_compression import accuracy_vs_compression
from analysis.figures.accuracy_vs_mac_speedup import accuracy_vs_mac_speedup
from analysis.figures.accuracy_vs_sparsity import accuracy_vs_sparsity
from analysis.figures.accuracy_vs_speedup import accuracy_vs_speedup
from analysis.figures.speedup_vs_sparsity import speedup_vs_sparsity
from analysis.load import load
from analysis.ratios import ratio_ticks
from analysis.style import PAPER, drawn
from analysis.tuning import tuned
from results.errors import Skip

RATIOS = [accuracy_vs_compression, accuracy_vs_mac_speedup]
METHODS = ("random", "wgsef", "group_lasso")


@pytest.fixture
def setting(folder):
    def of(rows, **options):
        (found,) = load(folder(rows, **options)).settings()
        return found

    return of


def make_figure(figure, setting):
    with drawn():
        return figure(setting)


def several(make, keeps=(0.5, 0.1)):
    """Three methods under two scopes and two budgets, with accuracies that tell where they belong; dense: 11 epochs.

    random is one-shot: 8 dense and 3 epochs of fine-tuning make the same 11 as 8 to sparsify and 3.
    """
    rows = [make.trial("dense", test_top1=0.98, sparsify_epochs=0)]
    for s, scope in enumerate(("layer", "network")):
        for long in (True, False):
            for m, method in enumerate(METHODS):
                cut = {"dense_epochs": 0, "sparsify_epochs": 8 if long else 3, "finetune_epochs": 3, "start": "scratch"}
                if method == "random":
                    cut |= {"dense_epochs": cut["sparsify_epochs"], "sparsify_epochs": 0, "start": "dense"}
                for keep in keeps:
                    top1 = round(0.9 - 0.2 * s - 0.1 * (not long) - 0.01 * m, 4)
                    rows.append(make.trial(method, keep, scope=scope, test_top1=top1, trial=str(len(rows)), **cut))
    return rows


def marks(axes):
    """Return the positions of the marks of each series in a panel."""
    found = []
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        found.append((list(container[0].get_xdata()), list(container[0].get_ydata())))
    return found


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_few_series_stay_in_one_panel(setting, make):
    cut = experiments(setting(make.suite()))
    assert [one.title for one in cut.found] == [""]
    assert len(cut.found[0].series) == 5 <= MOST


def test_many_experiments_become_panels_by_scope_and_total_budget(setting, make):
    figure = make_figure(accuracy_vs_sparsity, setting(several(make)))
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]
    assert titles == [
        "layer scope, 6 epochs",
        "layer scope, 11 epochs",
        "network scope, 6 epochs",
        "network scope, 11 epochs",
    ]
    tops = [sorted({round(y, 4) for _, ys in marks(axes) for y in ys}) for axes in figure.axes]
    assert tops == [[78, 79, 80], [88, 89, 90], [58, 59, 60], [68, 69, 70]]
    assert labels(figure) == ["dense", "group_lasso", "wgsef", "random"]
    assert figure.get_figwidth() == PAPER.page
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert [bool(axes.get_ylabel()) for axes in figure.axes] == [True, False, False, False]


def test_only_the_panels_of_its_budget_have_the_dense_network(setting, make):
    figure = make_figure(accuracy_vs_sparsity, setting(several(make)))
    lines = [[line for line in axes.lines if list(line.get_ydata()) == pytest.approx([98, 98])] for axes in figure.axes]
    assert [len(line) for line in lines] == [0, 1, 0, 1]
    heading = figure.get_suptitle().replace("\n", " ")
    assert "no dense network was trained for: layer scope, 6 epochs; network scope, 6 epochs" in heading
    assert "1 seed, hence no intervals" in heading


def test_speedup_has_a_row_for_each_batch(setting, make):
    figure = make_figure(speedup_vs_sparsity, setting(several(make)))
    assert len(figure.axes) == 8
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["Speedup, batch 1", "Speedup, batch 64"]
    assert sorted({y for axes in figure.axes[::2] for _, ys in marks(axes) for y in ys}) == [1.5]
    assert sorted({y for axes in figure.axes[1::2] for _, ys in marks(axes) for y in ys}) == [1.6, 8.0]


def test_a_single_keep_in_a_panel_has_an_axis_of_its_own(setting, make):
    rows = [row for row in several(make) if row["keep"] != 0.1 or row["scope"] == "layer"]
    figure = make_figure(accuracy_vs_sparsity, setting(rows))
    ticks = [list(axes.get_xticks()) for axes in figure.axes]
    assert [sorted(some) for some in ticks] == [[50, 90], [50, 90], [50], [50]]


def strengths(make, **cells):
    """Nine strengths of wgsef, and auto: at keep 0.5 the best on validation is lam = 3, at keep 0.1 it is lam = 7."""
    rows = []
    for keep, best in ((0.5, 3), (0.1, 7)):
        for lam in range(9):
            given = {"hyperparameters": json.dumps({"lam": lam}), "val_top1": 0.9 - 0.01 * abs(lam - best)}
            rows.append(make.trial("wgsef", keep, **given | {"test_top1": lam / 10} | cells))
        auto = {"hyperparameters": '{"lam": "auto"}', "val_top1": 0.1, "test_top1": 0.95}
        rows.append(make.trial("wgsef", keep, trial=f"auto {keep}", **auto))
    return [row | {"trial": str(i)} for i, row in enumerate(rows)]


def test_many_strengths_become_the_best_on_validation_and_auto(setting, make):
    figure = make_figure(accuracy_vs_sparsity, setting(strengths(make)))
    assert labels(figure) == ["wgsef (lam=auto)", "wgsef (lam=tuned)"]
    assert [ys for _, ys in marks(figure.axes[0])] == [pytest.approx([95, 95]), pytest.approx([30, 70])]
    said = "Configurations tried, best on validation per keep (of equals the milder): wgsef 9, wgsef (auto) 1"
    assert said in " ".join(figure.get_suptitle().split())


def test_what_validation_cannot_tell_is_skipped(setting, make):
    with pytest.raises(Skip, match="no val_top1 tells which is the best"):
        make_figure(accuracy_vs_sparsity, setting(strengths(make, val_top1="")))


def test_tuning_leaves_alone_what_has_one_value(folder, make):
    rows = load(folder([make.trial("wgsef"), make.trial("random"), make.trial("l1_filter", val_top1=0.5)])).trials
    assert list(tuned(rows)["trial"]) == list(rows["trial"])
    assert set(tuned(rows)["hyperparameters"]) == {"{}"}


@pytest.mark.parametrize("figure", RATIOS, ids=lambda e: e.name)
def test_a_ratio_lies_on_a_logarithmic_axis(setting, make, figure):
    rows = [make.trial(keep=keep, test_top1=0.9, mac_speedup=1 / keep) for keep in (0.5, 0.1)]
    axes = make_figure(figure, setting([*rows, make.trial("dense")])).axes[0]
    assert axes.get_xscale() == "log"
    assert marks(axes) == [(pytest.approx([2, 10]), pytest.approx([90, 90]))]
    assert list(axes.get_xticks()) == [2, 4, 8]
    assert list(axes.lines[0].get_ydata()) == pytest.approx([98, 98])


@pytest.mark.parametrize("figure", RATIOS, ids=lambda e: e.name)
def test_zeros_in_place_gain_nothing(setting, make, figure):
    with pytest.raises(Skip, match="is 1 for every pruned trial"):
        make_figure(figure, setting([make.trial(compression=1, mac_speedup=1.001)]))
    with pytest.raises(Skip, match="is 0 for every pruned trial"):
        make_figure(figure, setting([make.trial(compression=0, mac_speedup=0)]))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 18, [1, 2, 4, 8, 16]),
        (0.9, 400, [1, 4, 16, 64, 256]),
        (1.8, 4.2, [2, 3, 4]),
        (0.95, 1.7, [1, 1.2, 1.4, 1.6]),
        (0.9, 3e4, [1, 16, 256, 4096]),
    ],
)
def test_ticks_of_ratios_are_round(low, high, ticks):
    assert ratio_ticks(low, high) == ticks


@pytest.mark.parametrize(("low", "high"), [(41.5, 52.1), (1.01, 1.02), (0.1, 1000), (3, 4)])
def test_there_are_two_ticks_or_more_but_not_many(low, high):
    assert 2 <= len(ratio_ticks(low, high)) <= 7


def test_devices_stay_apart_where_times_are_shown(setting, make):
    rows = [row | {"device": device, "trial": row["trial"] + device} for row in several(make) for device in ("a", "b")]
    figure = make_figure(accuracy_vs_speedup, setting(rows))
    titles = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes]
    assert len(titles) == 8
    assert titles[:2] == ["layer scope, 6 epochs, a", "layer scope, 6 epochs, b"]


def test_columns_that_are_absent_make_one_experiment_of_all(setting, make):
    rows = [make.trial(method, keep, trial=f"{method} {keep}") for method in "abcdefghi" for keep in (0.5, 0.1)]
    columns = [c for c in make.COLUMNS if "epochs" not in c and c not in ("scope", "hyperparameters", "train_images")]
    figure = make_figure(accuracy_vs_sparsity, setting(rows, columns=columns))
    assert len(figure.axes) == 1
    assert labels(figure) == list("abcdefghi")


def test_a_reference_says_its_grouping(setting, make):
    rows = [*several(make), make.trial("magnitude", grouping="element", sparsify_epochs=0)]
    figure = make_figure(accuracy_vs_sparsity, setting(rows))
    assert "magnitude (element)" in labels(figure)
    assert len(marks(figure.axes[1])) == 4
