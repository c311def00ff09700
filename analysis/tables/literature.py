"""What others report, beside what was measured here."""

from __future__ import annotations

import math

import pandas as pd

from analysis.blocks import seeds_said
from analysis.experiments import Experiment, experiments, with_epochs
from analysis.load import Setting, sentences
from analysis.published import published
from analysis.registry import entry
from analysis.series import Series
from analysis.statistics import Estimate, over_seeds
from analysis.table import NOTHING, Cell, Table, deviation_cell, number_cell, times_cell
from analysis.tuning import chosen
from results.errors import Skip

HEADINGS = ["method", "source", "selection", "dense (%)", "top-1 (%)", "change", "MAC speedup", "compression", "seeds"]
OURS = "last epoch"
Row = list[Cell | str]


@entry("test_top1")
def literature(setting: Setting) -> Table:
    """Published accuracy, theoretical speedup and compression beside ours, which had other budgets."""
    rows = published(setting)
    if rows.empty:
        raise Skip(f"published.csv has nothing on {setting.title}")
    if setting.pruned.empty:
        raise Skip(f"{setting.title} has no pruned trial to set beside the published ones")
    setting = chosen(setting)
    cut = experiments(setting)
    ours = [line for one in cut.found for series in one.series for line in _ours(one, series)]
    blocks = [_sorted([_theirs(row) for _, row in rows.iterrows()]), _sorted(ours)]
    return Table(_caption(setting, cut.lines), HEADINGS, blocks, text_columns=3, spread="standard deviation")


def _theirs(row: pd.Series) -> tuple[float, Row]:
    """Return the multiply-adds speedup of a published row, to sort by, and its cells."""
    dense, top1 = 100 * row["dense_top1"], 100 * row["top1"]
    speedup, compression = (Estimate(row[column], math.nan, 1) for column in ("mac_speedup", "compression"))
    cells: Row = [
        row["method"],
        (row["source"] or NOTHING) + (f" ({row['note']})" if row["note"] else ""),
        row["selection"] or NOTHING,
        number_cell(dense),
        number_cell(top1),
        number_cell(top1 - dense, sign=True),
        times_cell(speedup),
        times_cell(compression),
        NOTHING,
    ]
    return row["mac_speedup"], cells


def _ours(experiment: Experiment, series: Series) -> list[tuple[float, Row]]:
    """Return the same of a series of ours, a row for each keep; the dense network is that of the same budget."""
    dense = over_seeds(experiment.setting.dense, "test_top1")
    found = []
    for keep in sorted(series.rows["keep"].unique(), reverse=True):
        rows = series.rows[series.rows["keep"] == keep]
        top1, speedup, compression = (over_seeds(rows, name) for name in ("test_top1", "mac_speedup", "compression"))
        cells: Row = [
            series.label,
            ", ".join(word for word in ("ours", experiment.title, f"keep {keep:g}") if word),
            OURS,
            deviation_cell(dense, 100),
            deviation_cell(top1, 100),
            number_cell(100 * (top1.mean - dense.mean), sign=True),
            times_cell(speedup),
            times_cell(compression),
            Cell(str(top1.n), (top1.n,)),
        ]
        found.append((speedup.mean, cells))
    return found


def _sorted(rows: list[tuple[float, Row]]) -> list[Row]:
    """Return rows by their speedup; those without one last."""
    return [cells for _, cells in sorted(rows, key=lambda row: (math.isnan(row[0]), row[0]))]


def _caption(setting: Setting, lines: list[str]) -> str:
    words = [
        f"{setting.title}, published and ours, by theoretical speedup (multiply-adds).",
        "The two blocks do not compare directly: the published numbers come with other dense networks and training "
        "budgets than ours.",
        f"Ours: {_budget(setting)}; mean ± standard deviation over the seeds ({seeds_said(setting.pruned)}; one has "
        "none); dense is the network trained for as many epochs as the pruned ones.",
        f"Selection: which epoch was taken, {NOTHING} where nobody says. Change: top-1 less dense top-1, in points.",
        *lines,
        *setting.remarks,
    ]
    return sentences(words)


def _budget(setting: Setting) -> str:
    """Say how long and on how much ours were trained."""
    rows = with_epochs(setting.pruned)
    said = [_range(rows[name], unit) for name, unit in (("epochs", "epochs"), ("train_images", "training images"))
            if name in rows and rows[name].notna().any()]  # fmt: skip
    given = {"start", "dense_epochs"} <= set(rows) and bool(
        ((rows["start"] == "dense") & (rows["dense_epochs"] == 0)).any()
    )
    after = ", after a dense network that was given to those that start from one" if given else ""
    return (", ".join(said) or "an unknown budget") + after


def _range(values: pd.Series, unit: str) -> str:
    low, high = values.min(), values.max()
    return f"{low:,.0f} {unit}" if low == high else f"{low:,.0f} to {high:,.0f} {unit}"
