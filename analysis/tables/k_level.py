"""The claim in numbers: how often training alone left exactly k groups, and what the projection cost."""

from __future__ import annotations

from statistics import median

import pandas as pd

from analysis import klevel
from analysis.blocks import caption, experiments, seeds_said
from analysis.load import Setting
from analysis.registry import entry
from analysis.statistics import by_seed, over_seeds
from analysis.table import Cell, Table, interval_cell, number_cell
from analysis.tuning import chosen
from results.errors import Skip

NUMBERS = ["trials", "k-level", "groups above", "largest drop", "median top-1", "mean top-1"]
MOST = 7  # rows at one keep, before only the best configuration of each method is shown


@entry("test_top1", "groups_target", "groups_at_convergence")
def k_level(setting: Setting) -> Table:
    """How many trials had exactly k groups before projection, what the projection cost, and the accuracy."""
    if setting.pruned.empty:
        raise Skip(f"{setting.title} has no pruned trial")
    found = experiments(setting.pruned)
    if max(len(block) for block in found.blocks) > MOST:
        setting = chosen(setting)
        found = experiments(setting.pruned)
    blocks = [[[*words, *_numbers(rows)] for words, rows in block] for block in found.blocks]
    text = caption(
        setting,
        found,
        "k-level: trials that had exactly k groups left before projection (layer scope: in every family; network "
        "scope: in total, with no family empty).",
        "Groups above: not zero and more than k before projection, the mean over the trials.",
        "Largest drop: of validation top-1 by the projection, over the trials, in points.",
        "Test top-1 in %, the mean ± half-width of the 95 % t-interval over the seeds "
        f"({seeds_said(setting.pruned)}; one has none).",
    )
    return Table(text, [*found.headings, *NUMBERS], blocks, text_columns=len(found.headings))


def _numbers(rows: pd.DataFrame) -> list[Cell | str]:
    drop = rows["projection_drop"].max() if "projection_drop" in rows else float("nan")
    return [
        Cell(str(len(rows)), (len(rows),)),
        klevel.k_level(rows),
        number_cell(klevel.above(rows).mean(), 1),
        number_cell(100 * drop),
        number_cell(100 * median(by_seed(rows))),
        interval_cell(over_seeds(rows, "test_top1"), 100),
    ]
