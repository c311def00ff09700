"""The claim in numbers: how often training alone left exactly k groups, and what the projection cost."""

from __future__ import annotations

from statistics import median

import pandas as pd

from analysis import klevel
from analysis.blocks import caption, experiments, keep_once
from analysis.load import Setting
from analysis.registry import Skip, entry
from analysis.statistics import over_seeds
from analysis.table import NOTHING, Table, plus_minus

NUMBERS = ["trials", "k-level", "largest drop", "median top-1", "mean top-1"]


@entry("test_top1", "groups_target", "groups_at_convergence")
def k_level(setting: Setting) -> Table:
    """How many trials had exactly k groups before projection, what the projection cost, and the accuracy."""
    if setting.pruned.empty:
        raise Skip(f"{setting.title} has no pruned trial")
    found = experiments(setting.pruned)
    blocks = keep_once([[[*words, *_numbers(rows)] for words, rows in block] for block in found.blocks])
    text = caption(
        setting,
        found,
        "k-level: trials that had exactly k groups left before projection (layer scope: in every family; network "
        "scope: in total, with no family empty).",
        "Largest drop: of validation top-1 by the projection, over the trials, in points.",
        "Test top-1 in %, the mean ± half-width of the 95 % t-interval over the seeds (one seed has none).",
    )
    return Table(text, [*found.headings, *NUMBERS], blocks, text_columns=len(found.headings))


def _numbers(rows: pd.DataFrame) -> list[str]:
    by_seed = list(rows.groupby("seed")["test_top1"].mean())
    return [
        str(len(rows)),
        klevel.k_level(rows),
        _points(rows["projection_drop"].max() if "projection_drop" in rows else float("nan")),
        f"{100 * median(by_seed):.2f}",
        plus_minus(over_seeds(rows, "test_top1"), 100),
    ]


def _points(drop: float) -> str:
    return NOTHING if pd.isna(drop) else f"{round(100 * drop, 2) + 0.0:.2f}"  # + 0.0: no minus before a zero
