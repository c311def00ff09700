"""The map of kept widths, read back from its colours and numbers."""

import json

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from analysis.figures.kept_widths import kept_widths
from analysis.identity import OLD_RULES
from analysis.load import load
from analysis.style import PAPER, drawn
from analysis.widths import FAMILIES, maps
from results.errors import Skip


@pytest.fixture
def setting(folder):
    def of(rows):
        (found,) = load(folder(rows)).settings()
        return found

    return of


def kept(make, method, widths, keep=0.5, seed=0, groups=(20, 50), **cells):
    left = {"groups": json.dumps(list(groups)), "groups_kept": json.dumps(list(widths))}
    sparsity = 1 - sum(widths) / sum(groups)
    return make.trial(method, keep, seed, group_sparsity=sparsity, **left | cells)


def figure_of(setting):
    with drawn():
        return kept_widths(setting)


def colours(axes):
    (mesh,) = (child for child in axes.collections if isinstance(child, QuadMesh))
    return np.asarray(mesh.get_array())


def numbers(axes):
    return [text.get_text() for text in axes.texts]


def rows_of(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_the_mean_over_seeds_is_shown_in_colour_and_number(setting, make):
    rows = [kept(make, "wgsef", widths, seed=i) for i, widths in enumerate([(10, 25), (12, 23), (12, 24)])]
    figure = figure_of(setting(rows))
    axes = figure.axes[0]
    assert colours(axes) == pytest.approx(np.array([[34 / 60, 24 / 50]]))
    assert numbers(axes) == ["11.3", "24"]
    assert rows_of(axes) == ["keep 0.5: wgsef"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1\nof 20", "2\nof 50"]
    assert figure.get_suptitle() == (
        f"lenet5_caffe on digits, filter groups, layer scope\nkept widths, mean of 3 seeds\n{OLD_RULES}"
    )


def test_equal_rows_are_one(setting, make):
    rows = [kept(make, name, (10, 25)) for name in ("a", "b", "c")]
    rows += [kept(make, name, (12, 23), scope="network") for name in ("a", "b")]
    rows += [kept(make, "c", (5, 30), scope="network"), kept(make, "a", (2, 5), keep=0.1)]
    first, second, _ = figure_of(setting(rows)).axes
    assert rows_of(first) == ["layer scope: all 3 methods", "network scope: a; b", "network scope: c"]
    assert colours(first) == pytest.approx(np.array([[0.5, 0.5], [0.6, 0.46], [0.25, 0.6]]))
    assert rows_of(second) == ["layer scope: a"]
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["keep 0.5", "keep 0.1"]


def test_budgets_are_told_where_they_differ(setting, make):
    rows = [
        kept(make, "a", (10 + i, 25 - i), sparsify_epochs=8 * (1 + i), scope="network", trial=str(i)) for i in range(2)
    ]
    assert rows_of(figure_of(setting(rows)).axes[0]) == ["a, 19 epochs", "a, 27 epochs"]
    rows += [
        kept(make, name, (10, 25), scope="network", sparsify_epochs=epochs, trial=name)
        for name, epochs in (("a", 24), ("b", 16))
    ]
    labels = [label.replace("\n", " ") for label in rows_of(figure_of(setting(rows)).axes[0])]
    assert labels == ["a, 19 epochs and 35 epochs; b, 27 epochs", "a, 27 epochs"]


def test_other_families_and_groupings_are_left_out_and_said(setting, make):
    rows = [kept(make, name, (10, 25)) for name in ("a", "b")]
    rows += [kept(make, "c", (10, 25, 5), groups=(20, 50, 10)), kept(make, "d", (9, 9), grouping="element")]
    found = maps(setting(rows))
    assert [row.label for row in found.by_keep[0.5]] == ["a; b"]
    assert found.lines == [
        "another grouping, hence left out: d (element)",
        "1 trials that divide the network otherwise are left out",
    ]


def test_families_too_many_are_taken_together(setting, make):
    groups = (4,) * (2 * FAMILIES)
    found = maps(setting([kept(make, "a", (1, 3) * FAMILIES, groups=groups)]))
    (row,) = found.by_keep[0.5]
    assert list(row.kept) == [4] * FAMILIES
    assert list(row.share) == [0.5] * FAMILIES
    assert found.lines == [f"{2 * FAMILIES} families: each column takes neighbours together"]


def test_deep_networks_have_no_numbers_and_few_ticks(setting, make):
    figure = figure_of(setting([kept(make, "a", (16,) * 55, groups=(32,) * 55)]))
    assert figure.get_figwidth() == PAPER.page
    assert numbers(figure.axes[0]) == []
    assert list(figure.axes[0].get_xticks()) == list(range(5, 56, 5))


def test_empty_families_and_lists_do_no_harm(setting, make):
    figure = figure_of(setting([kept(make, "a", (0, 25), groups=(0, 50))]))
    assert np.ma.getmaskarray(np.ma.masked_invalid(colours(figure.axes[0]))).tolist() == [[True, False]]
    with pytest.raises(Skip, match="tells how many groups it kept"):
        figure_of(setting([make.trial("dense", groups_kept="[20, 50]")]))


def test_many_strengths_are_reduced(setting, make):
    rows = [
        kept(
            make, "a", (5 + lam, 30 - lam), scope="network", hyperparameters=json.dumps({"lam": lam}), val_top1=lam / 20
        )
        for lam in range(14)
    ]
    found = maps(setting([row | {"trial": str(i)} for i, row in enumerate(rows)]))
    (row,) = found.by_keep[0.5]
    assert list(row.kept) == [18, 17]
    assert found.lines == ["Configurations tried, best on validation per keep (of equals the milder): a 14"]
