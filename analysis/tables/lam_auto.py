"""What a word for lam loses against the best of the strengths that were tried: auto, or bound where that was given."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.blocks import caption, experiments, seeds_said
from analysis.choice import best
from analysis.klevel import count, k_level
from analysis.load import Setting
from analysis.registry import entry
from analysis.statistics import Estimate, by, estimate, over_seeds
from analysis.strength import AUTO, BOUND, Word, with_strength
from analysis.table import NOTHING, Cell, Table, interval_cell
from results.errors import Skip

NUMBERS = ["best lam", "its top-1", "{} top-1", "difference", "seeds", "lams at k", "{} at k"]


@entry("test_top1", "val_top1", "hyperparameters")
def lam_auto(setting: Setting) -> Table:
    """The best fixed strength on validation against lam = auto or bound: accuracy, difference, who reached k."""
    rows = with_strength(setting.pruned)
    word = BOUND if rows["bound"].any() else AUTO
    found = experiments(rows)
    lines = [[(words, _numbers(part, word)) for words, part in block] for block in found.blocks]
    blocks = [[[*words, *numbers] for words, numbers in block if numbers] for block in lines]
    blocks = [block for block in blocks if block]
    if not blocks:
        raise Skip(f"no method of {setting.title} has both a fixed lam and {word} under otherwise equal conditions")
    text = caption(
        setting,
        found,
        "Best lam: of the fixed ones, by mean validation top-1; the smaller of equals. Test top-1 in %.",
        f"Difference: {word} - best lam in points, over the seeds that both have, ± half-width of the 95 % t-interval; "
        "without such a seed, of the means.",
        f"Means over the seeds ({seeds_said(rows)}), ± half-width of the 95 % t-interval where there are several.",
        f"At k: fixed lams (in every seed), and trials of {word}, that had exactly k groups left before projection; "
        "the second number of the first is how many lams were tried.",
    )
    return Table(
        text, [*found.headings, *(one.format(word) for one in NUMBERS)], blocks, text_columns=len(found.headings)
    )


def _numbers(rows: pd.DataFrame, word: Word) -> list[Cell | str]:
    """Return the cells of one experiment; nothing where it has not both kinds of trials."""
    fixed, auto = rows[rows["lam"].notna() & rows["val_top1"].notna()], rows[rows[word]]
    if fixed.empty or auto.empty:
        return []
    lam = best_lam(fixed)
    chosen = fixed[fixed["lam"] == lam]
    difference = paired(auto, chosen)
    counts = [count(part) for _, part in rows[rows["lam"].notna()].groupby("lam")]
    told = [one for one in counts if one.told]
    return [
        Cell(f"{lam:g}", (lam,)),
        interval_cell(over_seeds(chosen, "test_top1"), 100),
        interval_cell(over_seeds(auto, "test_top1"), 100),
        _signed(difference),
        Cell(str(difference.n), (difference.n,)) if difference.n else NOTHING,
        f"{sum(one.reached == one.told for one in told)}/{len(told)}" if told else NOTHING,
        k_level(auto),
    ]


def best_lam(fixed: pd.DataFrame) -> float:
    """Return the strength with the highest validation accuracy, mean over seeds; of equals the smallest."""
    points = by(fixed, "lam", ["val_top1"])
    return float(points["lam"].iloc[best(list(points["val_top1"]), list(points["lam"]))])


def paired(left: pd.DataFrame, right: pd.DataFrame) -> Estimate:
    """Return left - right in test accuracy over their common seeds; of the means, with n = 0, where there are none."""
    one, other = (rows.groupby("seed")["test_top1"].mean() for rows in (left, right))
    differences = (one - other).dropna()
    if len(differences):
        return estimate(differences)
    return Estimate(float(one.mean() - other.mean()), float("nan"), 0)


def _signed(value: Estimate) -> Cell:
    cell = interval_cell(value, 100)
    if round(100 * value.mean, 2) == 0:
        return replace(cell, text=cell.text.removeprefix("-"))
    return cell if cell.text.startswith("-") else replace(cell, text=f"+{cell.text}")
