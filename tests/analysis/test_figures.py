"""What holds of every figure and table, whichever there are."""

import pandas as pd
import pytest

from analysis import figures, tables
from analysis.entries import Entry, FigureEntry, TableEntry, discover
from analysis.frame import load
from analysis.table import Table
from results.errors import Skip

FIGURES = discover(figures, Entry)
TABLES = discover(tables, Entry)
EXPECTED = {
    "accuracy_vs_compression", "accuracy_vs_lam", "accuracy_vs_mac_speedup", "accuracy_vs_sparsity",
    "accuracy_vs_speedup", "critical_difference", "differences", "exactness_vs_lam", "groups_vs_epoch", "kept_widths",
    "measured_vs_theoretical", "pareto", "performance_profile", "projection_drop", "regulariser_overhead",
    "speedup_vs_sparsity", "training_cost",
}  # fmt: skip


def test_the_figures_and_tables_are_there():
    assert set(FIGURES) == EXPECTED
    assert set(TABLES) == {
        "accuracy", "area", "at_speedup", "k_level", "lam_auto", "literature", "pairwise", "ranks", "results",
    }  # fmt: skip


@pytest.mark.parametrize("found", [*FIGURES.values(), *TABLES.values()], ids=lambda e: e.name)
def test_each_is_described_in_one_line_and_is_of_its_kind(found):
    assert found.description.endswith(".")
    assert "\n" not in found.description
    assert isinstance(found, FigureEntry if found.name in FIGURES else TableEntry)


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_a_needed_column_that_is_absent_is_a_reason_to_skip(folder, make, name):
    found = (FIGURES | TABLES)[name]
    for need in {need for need in found.needs if "." not in need} - {"test_top1"}:
        columns = [column for column in make.COLUMNS if column != need]
        rows = [row | {"val_top1": 0.9, "groups_kept": row["groups"], "group_sparsity": 0} for row in make.suite()]
        folder(
            [{"trial": row["trial"], "phase": "sparsify", "epoch": 1, "nonzero_groups": "[1]"} for row in rows],
            columns=["trial", "phase", "epoch", "nonzero_groups"],
            name="epochs.csv",
        )
        frame = load(folder(rows, columns=columns))
        with pytest.raises(Skip, match=f"no column {need}"):
            found(found.subjects(frame)[0])


@pytest.mark.parametrize("name", FIGURES)
def test_dense_alone_makes_no_empty_figure(folder, make, name):
    frame = load(folder([make.trial("dense", speedup_b1="", speedup_b64="")]))
    with pytest.raises(Skip):
        FIGURES[name](FIGURES[name].subjects(frame)[0])


def test_a_table_of_a_user_may_read_epochs(folder, make):
    def count(frame):
        return Table("Epochs.", pd.DataFrame({"epochs": [float(len(frame.epochs))]}))

    entry = TableEntry("count", "Epochs.", ("epochs.val_top1",), data=count)
    (setting,) = load(folder([make.trial(trial="a")])).settings()
    with pytest.raises(Skip, match=r"epochs\.csv has no column val_top1"):
        entry(setting)
    rows = [{"trial": name, "val_top1": 0.5} for name in ("a", "a", "other")]
    (setting,) = load(folder(rows, columns=["trial", "val_top1"], name="epochs.csv")).settings()
    assert entry(setting).data["epochs"][0] == 2
