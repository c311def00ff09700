"""The map of kept widths: the numbers of its rows, what a row is called, and what is drawn."""

import json

import numpy as np
import pytest

from analysis.figures.kept_widths import KEPT_WIDTHS, data
from analysis.plot.style import PAPER, drawn
from analysis.wording import OLD_RULES
from results.errors import Skip


def kept(make, method, widths, keep=0.5, seed=0, groups=(20, 50), **cells):
    left = {"groups": json.dumps(list(groups)), "groups_kept": json.dumps(list(widths))}
    return make.trial(method, keep, seed, group_sparsity=1 - sum(widths) / sum(groups), **left | cells)


def rows_of(cells, panel):
    """Return the label and the widths of each row of a panel."""
    mine = cells[cells["panel"] == panel]
    return {label: list(part["kept"]) for label, part in mine.groupby("label", sort=False)}


def test_the_mean_over_seeds_is_shown_in_colour_and_number(setting, make):
    frame = setting([kept(make, "wgsef", widths, seed=i) for i, widths in enumerate([(8, 35), (10, 33), (10, 34)])])
    cells = data(frame)
    assert list(cells["kept"]) == pytest.approx([28 / 3, 34])
    assert list(cells["share"]) == pytest.approx([140 / 3, 68])
    assert cells.attrs["caption"] == f"Groups kept, mean of 3 seeds; equal methods share a row. {OLD_RULES}."
    with drawn():
        figure = KEPT_WIDTHS(frame)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["9.3", "34"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["keep 0.5: WGSEF"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1\nof 20", "2\nof 50"]
    assert figure.get_suptitle() == "LeNet-5 (Caffe) on digits, filter groups"


def test_equal_rows_are_one(setting, make):
    rows = [kept(make, name, (10, 25)) for name in ("a", "b", "c")]
    rows += [kept(make, name, (15, 20), scope="network") for name in ("a", "b")]
    rows += [kept(make, "c", (5, 30), scope="network"), kept(make, "a", (2, 5), keep=0.1)]
    rows += [kept(make, "a", (2, 5), keep=0.1, scope="network")]
    cells = data(setting(rows))
    assert rows_of(cells, "keep 0.5") == {
        "layer scope: all 3 methods": [10, 25], "network scope: a; b": [15, 20], "network scope: c": [5, 30],
    }  # fmt: skip
    assert rows_of(cells, "keep 0.1") == {"a": [2, 5]}
    rows = [kept(make, name, (10, 25)) for name in "abcd"] + [kept(make, "e", (10, 12))]
    assert rows_of(data(setting(rows)), "keep 0.5") == {"all but e": [10, 25], "e": [10, 12]}


def test_budgets_are_told_if_they_differ(setting, make):
    rows = [
        kept(make, name, (left, 35 - left), scope="network", sparsify_epochs=epochs, trial=f"{name}{epochs}")
        for name, epochs, left in (("a", 8, 15), ("a", 16, 16), ("a", 24, 15), ("b", 16, 15), ("c", 8, 5), ("c", 16, 5))
    ]
    assert list(rows_of(data(setting(rows)), "keep 0.5")) == ["a, 19 epochs and 35 epochs; b", "a, 27 epochs", "c"]


def test_other_families_and_groupings_are_left_out_and_said(setting, make):
    rows = [kept(make, name, (15, 20)) for name in ("a", "b")]
    rows += [kept(make, "c", (10, 25, 5), groups=(20, 50, 10)), kept(make, "d", (9, 9), grouping="element")]
    cells = data(setting(rows))
    assert set(cells["lines"]) == {"a, b"}
    said = "Left out, other groups: d (single-weight). Left out, trials that divide the network otherwise: 1."
    assert said in cells.attrs["caption"]


@pytest.mark.parametrize("widths", [(10, 25), (10, 26), (9, 25)])
def test_shares_that_are_those_of_the_budget_are_a_reason_to_skip(setting, make, widths):
    with pytest.raises(Skip, match="keep the share of the budget in every layer"):
        data(setting([kept(make, "a", widths), kept(make, "b", (10, 25))]))


def test_without_widths_there_is_no_map(setting, make):
    with pytest.raises(Skip, match="tells how many groups it kept"):
        data(setting([make.trial("dense", groups_kept="[20, 50]")]))


def test_deep_networks_have_no_numbers_and_few_ticks(setting, make):
    with drawn():
        figure = KEPT_WIDTHS(setting([kept(make, "a", (8, 24) * 27, groups=(32,) * 54)]))
    axes = figure.axes[0]
    assert figure.get_figwidth() == PAPER.page
    assert not axes.texts
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert list(filter(None, ticks)) == [str(i) for i in range(5, 55, 5)]


def test_an_empty_family_is_blank(setting, make):
    frame = setting([kept(make, "a", (0, 30), groups=(0, 50))])
    with drawn():
        axes = KEPT_WIDTHS(frame).axes[0]
    assert np.ma.getmaskarray(axes.collections[0].get_array()).ravel().tolist() == [True, False]
    assert [text.get_text() for text in axes.texts] == ["30"]


def test_of_many_strengths_the_best_is_shown(setting, make):
    rows = [
        kept(make, "a", (5 + lam, 30 - lam), hyperparameters=json.dumps({"lam": lam}), val_top1=lam / 20)
        for lam in range(14)
    ]
    cells = data(setting([row | {"trial": str(i)} for i, row in enumerate(rows)]))
    assert list(cells["kept"]) == [18, 17]
    assert "Configurations tried, best on validation per keep (of equals the milder): a 14" in cells.attrs["caption"]
