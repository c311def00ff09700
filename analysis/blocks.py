"""Rows of a table by experiment: a block for each keep, and a column for whatever sets the experiments apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.identity import LINE, budget
from analysis.load import Setting, sentences
from analysis.series import series_within
from analysis.statistics import seeds_between

HEADINGS = {"grouping": "grouping", "scope": "scope", "sparsify_epochs": "epochs", "epochs": "epochs", "start": "start"}
ALIKE = {"grouping": "{} groups", "scope": "{} scope", "sparsify_epochs": "{:g} sparsify epochs", "start": "from {}"}
ALIKE |= {"epochs": "{:g} epochs"}


@dataclass(frozen=True)
class Experiments:
    """headings: of the words; blocks: for each row its words and its trials; shared: what all rows have in common."""

    headings: list[str]
    blocks: list[list[tuple[list[str], pd.DataFrame]]]
    shared: str


def experiments(rows: pd.DataFrame) -> Experiments:
    """Cut trials into experiments: keep, method, and those of HEADINGS that differ."""
    columns = ("grouping", "scope", budget(rows), "start")
    present = [column for column in columns if column in rows]
    apart = [column for column in present if rows[column].nunique(dropna=False) > 1]
    same = [ALIKE[column].format(rows[column].iloc[0]) for column in present if _told_once(rows[column])]
    blocks = []
    for keep in sorted(rows["keep"].unique(), reverse=True):
        here = rows[rows["keep"] == keep]
        block = [
            ([f"{keep:g}", label, *(_word(part.iloc[0][column]) for column in apart)], part)
            for label, parts in _parts(here, rows, apart, columns)
            for part in parts
        ]
        blocks.append(block)
    return Experiments(["keep", "method", *(HEADINGS[column] for column in apart)], blocks, ", ".join(same))


def _told_once(column: pd.Series) -> bool:
    return column.nunique(dropna=False) == 1 and bool(column.notna().all())


def _parts(
    here: pd.DataFrame, rows: pd.DataFrame, apart: list[str], columns: Sequence[str]
) -> list[tuple[str, list[pd.DataFrame]]]:
    """Return the label of each series and its trials of one keep, cut by the columns that differ."""
    found = []
    for series in series_within(rows, (*columns, "keep")):
        mine = series.rows[series.rows["trial"].isin(here["trial"])]
        found.append((series.label, [part for _, part in mine.groupby(apart, dropna=False)] if apart else [mine]))
    return [(label, [part for part in parts if len(part)]) for label, parts in found]


def seeds_said(rows: pd.DataFrame) -> str:
    """Say how many seeds the experiments of these trials have, such as `3 seeds` or `1 to 3 seeds`."""
    columns = [column for column in [*LINE, "keep"] if column in rows]
    counts = rows.groupby(columns, dropna=False)["seed"].nunique()
    low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
    return seeds_between(low, high)


def caption(setting: Setting, found: Experiments, *lines: str) -> str:
    """Return the setting, what all rows share, these lines, and what is to be said of its trials."""
    subject = f"{setting.title}, {found.shared}." if found.shared else f"{setting.title}."
    return sentences([subject, *lines, *setting.remarks])


def _word(value: Any) -> str:
    return "unknown" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
