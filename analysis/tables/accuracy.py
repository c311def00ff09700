"""Accuracy alone, with one column per keep: narrow enough for a paper."""

from __future__ import annotations

from analysis.blocks import seeds_said
from analysis.load import Setting, sentences
from analysis.registry import entry
from analysis.series import Series, dense_series, majority, pruned_series
from analysis.statistics import over_seeds
from analysis.table import Cell, Table, deviation_cell, plus_minus_deviation
from analysis.tables.results import BOLD, significantly_best
from analysis.tuning import chosen
from results.errors import Skip


@entry("test_top1", by_grouping=True)
def accuracy(setting: Setting) -> Table:
    """Test accuracy of each method, with one column per keep."""
    setting = chosen(setting)
    series = pruned_series(setting)
    if not series:
        raise Skip(f"{setting.title} has no pruned trial")
    keeps = sorted(setting.pruned["keep"].unique(), reverse=True)
    grouping = majority(setting.pruned, "grouping")
    tops = {k: significantly_best([(s.label, s.rows[s.rows["keep"] == k]) for s in series], grouping) for k in keeps}
    rows: list[list[Cell | str]] = [
        [one.label, *(_cell(one, keep, tops[keep] == one.label) for keep in keeps)] for one in series
    ]
    headings = ["method", *(f"keep {keep:g}" for keep in keeps)]
    return Table(_caption(setting), headings, [rows], spread="standard deviation")


def _cell(series: Series, keep: float, bold: bool) -> Cell:
    return deviation_cell(over_seeds(series.rows[series.rows["keep"] == keep], "test_top1"), 100, bold=bold)


def _caption(setting: Setting) -> str:
    dense = [(one.label, over_seeds(one.rows, "test_top1")) for one in dense_series(setting)]
    lines = [
        f"Test top-1 (%) of {setting.title}, {majority(setting.pruned, 'grouping')} groups:",
        f"mean ± standard deviation over the seeds ({seeds_said(setting.pruned)}; one has none).",
        *(f"{label}: {plus_minus_deviation(value, 100)}." for label, value in dense),
        BOLD,
        *setting.remarks,
    ]
    return sentences(lines)
