"""The main table: every method at every keep."""

from __future__ import annotations

import pandas as pd

from analysis.blocks import seeds_said
from analysis.klevel import k_level
from analysis.load import Setting, sentences
from analysis.registry import entry
from analysis.series import dense_series, devices, majority, pruned_series
from analysis.significance import best
from analysis.statistics import by_seed, over_seeds
from analysis.table import NOTHING, Cell, Table, deviation_cell, times_cell
from analysis.tuning import chosen

HEADINGS = ["keep", "method", "n", "top-1 (%)", "speedup", "compression", "k-level"]
BOLD = (
    "Bold: significantly above every other method of this keep and grouping (paired by seed, Holm, 5 %); "
    "where no row is bold, none is."
)


@entry("test_top1", by_grouping=True)
def results(setting: Setting) -> Table:
    """Accuracy, measured speedup, compression, and whether the k-level was reached, for each keep and method."""
    setting = chosen(setting)
    everything = pruned_series(setting, timing=True)
    blocks = [[[*_row("1", one.label, one.rows)[:-1], NOTHING] for one in dense_series(setting)]]
    for keep in sorted(setting.pruned["keep"].unique(), reverse=True):
        found = [(one.label, one.rows[one.rows["keep"] == keep]) for one in everything]
        here = [(_with_choice(label, rows), rows) for label, rows in found if len(rows)]
        top = significantly_best(here, majority(setting.pruned, "grouping"))
        blocks.append([_row(f"{keep:g}", label, rows, label == top) for label, rows in here])
    return Table(_caption(setting), HEADINGS, [b for b in blocks if b], text_columns=2, spread="standard deviation")


def significantly_best(found: list[tuple[str, pd.DataFrame]], grouping: str | None) -> str | None:
    """Return the label of the rows that are significantly the most accurate of those with this grouping, or None."""
    return best({label: by_seed(rows) for label, rows in found if majority(rows, "grouping") == grouping})


def _with_choice(label: str, rows: pd.DataFrame) -> str:
    """Return the label with what was chosen at this keep in its brackets."""
    said = "; ".join(dict.fromkeys(rows["chosen"].dropna())) if "chosen" in rows else ""
    if not said:
        return label
    return f"{label[:-1]}, {said})" if label.endswith(")") else f"{label} ({said})"


def _row(keep: str, label: str, rows: pd.DataFrame, bold: bool = False) -> list[Cell | str]:
    accuracy = over_seeds(rows, "test_top1")
    speedup, compression = (over_seeds(rows, column) for column in ("speedup_b64", "compression"))
    numbers = [deviation_cell(accuracy, 100, bold=bold), deviation_cell(speedup), times_cell(compression)]
    return [keep, label, Cell(str(accuracy.n), (accuracy.n,)), *numbers, k_level(rows)]


def _caption(setting: Setting) -> str:
    grouping = majority(setting.pruned, "grouping")
    lines = [
        f"{setting.title}{f', {grouping} groups' if grouping else ''}.",
        f"Test top-1 and speedup: mean ± standard deviation over n seeds ({seeds_said(setting.trials)}; one has none).",
        f"Speedup measured at batch 64 on {devices(setting.pruned)}." if len(setting.pruned) else "",
        "k-level: trials that had exactly k groups left before projection.",
        BOLD if len(setting.pruned) else "",
        *setting.remarks,
    ]
    return sentences(lines)
