"""Accuracy alone, with one column per keep: narrow enough for a paper."""

from __future__ import annotations

from analysis.load import Setting
from analysis.registry import Skip, entry
from analysis.series import Series, dense_series, majority, pruned_series
from analysis.statistics import over_seeds
from analysis.table import NOTHING, Table, plus_minus


@entry("test_top1")
def accuracy(setting: Setting) -> Table:
    """Test accuracy of each method, with one column per keep."""
    series = pruned_series(setting)
    if not series:
        raise Skip(f"{setting.title} has no pruned trial")
    keeps = sorted(setting.pruned["keep"].unique(), reverse=True)
    rows = [[one.label, *(_cell(one, keep) for keep in keeps)] for one in series]
    return Table(_caption(setting), ["method", *(f"keep {keep:g}" for keep in keeps)], [rows])


def _cell(series: Series, keep: float) -> str:
    value = over_seeds(series.rows[series.rows["keep"] == keep], "test_top1")
    return f"{plus_minus(value, 100)} ({value.n})" if value.n else NOTHING


def _caption(setting: Setting) -> str:
    dense = [(one.label, over_seeds(one.rows, "test_top1")) for one in dense_series(setting)]
    lines = [
        f"Test top-1 (%) of {setting.title}, {majority(setting.pruned, 'grouping')} groups:",
        "mean ± half-width of the 95 % t-interval over (n) seeds; one seed has none.",
        *(f"{label}: {plus_minus(value, 100)} ({value.n})." for label, value in dense),
        setting.incomplete,
    ]
    return " ".join(line for line in lines if line)
