"""The main table: every method at every keep."""

from __future__ import annotations

import pandas as pd

from analysis.klevel import k_level
from analysis.load import Setting
from analysis.registry import entry
from analysis.series import dense_series, devices, majority, pruned_series
from analysis.statistics import over_seeds
from analysis.table import NOTHING, Table, plus_minus, times

HEADINGS = ["keep", "method", "n", "top-1 (%)", "speedup", "compression", "k-level"]


@entry("test_top1")
def results(setting: Setting) -> Table:
    """Accuracy, measured speedup, compression, and whether the k-level was reached, for each keep and method."""
    blocks = [[[*_row("1", one.label, one.rows)[:-1], NOTHING] for one in dense_series(setting)]]
    for keep in sorted(setting.pruned["keep"].unique(), reverse=True):
        found = [(s.label, s.rows[s.rows["keep"] == keep]) for s in pruned_series(setting, timing=True)]
        blocks.append([_row(f"{keep:g}", label, rows) for label, rows in found if len(rows)])
    blocks = [block for block in blocks if block]
    for block in blocks:
        for row in block[1:]:
            row[0] = ""
    return Table(_caption(setting), HEADINGS, blocks, text_columns=2)


def _row(keep: str, label: str, rows: pd.DataFrame) -> list[str]:
    accuracy = over_seeds(rows, "test_top1")
    speedup, compression = (over_seeds(rows, column) for column in ("speedup_b64", "compression"))
    numbers = [plus_minus(accuracy, 100), plus_minus(speedup), times(compression)]
    return [keep, label, str(accuracy.n), *numbers, k_level(rows)]


def _caption(setting: Setting) -> str:
    grouping = majority(setting.pruned, "grouping")
    lines = [
        f"{setting.title}{f', {grouping} groups' if grouping else ''}.",
        "Mean over n seeds ± half-width of the 95 % t-interval (one seed has none) of test top-1 and speedup.",
        f"Speedup measured at batch 64 on {devices(setting.pruned)}." if len(setting.pruned) else "",
        "k-level: trials that had exactly k groups left before projection.",
        setting.incomplete,
    ]
    return " ".join(line for line in lines if line)
