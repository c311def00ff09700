"""The table lam_auto, by hand."""

import json

import pytest

from analysis.frame import load
from analysis.table import NOTHING
from analysis.tables.lam_auto import LAM_AUTO
from analysis.wording import OLD_RULES
from results.errors import Skip

TARGET, MORE = "[10, 25]", "[11, 25]"


@pytest.fixture
def table(folder):
    def of(rows):
        (setting,) = load(folder(rows)).settings()
        return LAM_AUTO(setting)

    return of


def texts(table):
    return table.shown.to_numpy().tolist()


def at(make, lam, test=0.9, val=0.9, reached=False, other=0.5, **cells):
    given = {"ramp": other} if lam is None else {"lam": lam, "ramp": other}
    cells = {"start": "scratch", "hyperparameters": json.dumps(given), "test_top1": test, "val_top1": val} | cells
    return make.trial(groups_at_convergence=TARGET if reached else MORE, **cells)


def test_the_table_by_hand(table, make):
    rows = []
    for seed, (best, auto) in enumerate(((0.90, 0.91), (0.92, 0.92), (0.94, 0.96))):
        rows += [
            at(make, 0.1, best, val=0.8, seed=seed, reached=True),
            at(make, 0.3, 0.5, val=0.8, seed=seed, reached=seed > 0),
            at(make, 1.0, 0.99, val=0.7, seed=seed),
            at(make, "auto", auto, val=0.1, seed=seed, reached=seed > 0),
        ]
    found = table(rows)
    # differences 1, 0, 2 points: mean 1, deviation 1, half-width 4.302653 / sqrt(3)
    head = ["keep", "method", "best lam", "its top-1", "auto top-1", "difference", "seeds", "lams at k", "auto at k"]
    assert found.headings == head
    assert texts(found) == [
        ["0.5", "WGSEF", "0.1", "92.00 ± 4.97", "93.00 ± 6.57", "+1.00 ± 2.48", "3", "1/3", "2/3"],
    ]
    assert "Mean ± half-width of the 95 % t-interval over 3 seeds." in found.caption


def test_one_seed_and_unpaired_seeds(table, make):
    one = texts(table([at(make, 0.1, 0.9), at(make, "auto", 0.85)]))
    assert one[0][2:] == ["0.1", "90.00", "85.00", "-5.00", "1", "0/1", "0/1"]
    other = texts(table([at(make, 0.1, 0.9), at(make, None, 0.9, seed=1)]))
    assert other[0][2:] == ["0.1", "90.00", "90.00", "0.00", NOTHING, "0/1", "0/1"], "auto is the default"


def test_bound_is_set_beside_the_best_number(table, make):
    rows = [at(make, lam, 0.8, val=val) for lam, val in ((0.01, 0.9), (0.1, 0.8), ("bound", 0.7))]
    found = table([*rows, at(make, "auto", 0.1)])
    assert found.headings[2:5] == ["best lam", "its top-1", "bound top-1"]
    assert texts(found)[0][2:6] == ["0.01", "80.00", "80.00", "0.00"]


def test_only_experiments_with_both_are_in_the_table(table, make):
    rows = [at(make, 0.1), at(make, "auto"), at(make, 0.1, keep=0.9), at(make, "auto", keep=0.1, scope="network")]
    rows += [at(make, 0.1, method="group_lasso"), at(make, "auto", method="wgsef_dc")]
    assert [row[:2] for row in texts(table(rows))] == [["0.5", "WGSEF"]]
    for few in (rows[2:], [make.trial("random", val_top1=0.5)]):
        with pytest.raises(Skip, match="both a fixed lam and auto"):
            table(few)


def test_what_else_differs_sets_rows_apart(table, make):
    rows = [at(make, lam, other=ramp) for lam in (0.1, "auto") for ramp in (0.5, 0.7)]
    assert [row[1] for row in texts(table(rows))] == ["WGSEF (ramp=0.5)", "WGSEF (ramp=0.7)"]
    rows = [at(make, lam, scope=scope) for lam in (0.1, "auto") for scope in ("layer", "network")]
    assert [row[1:3] for row in texts(table(rows))] == [["layer scope", "WGSEF"], ["network scope", "WGSEF"]]
    split = {"dense_epochs": 6, "sparsify_epochs": 10}
    rows = [at(make, lam, **cells, trial=f"{lam}{cells}") for lam in (0.1, "auto") for cells in ({}, split)]
    assert [row[1] for row in texts(table(rows))] == ["WGSEF (6 dense epochs)", "WGSEF (8 dense epochs)"]


def test_failed_trials_are_counted_in_the_caption(table, make):
    found = table([at(make, 0.1), at(make, "auto"), at(make, 1.0, "", status="failed")])
    assert found.caption.endswith(f"1 of 3 trials failed and is left out. {OLD_RULES}.")
