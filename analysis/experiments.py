"""A setting cut into the experiments that compare, so that the panel of each has few enough series to be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.identity import DENSE_RECIPE, PHASES, RECIPE, TIMING, WORDS, differing, newer, said
from analysis.load import Setting
from analysis.series import Series, held, majority, pruned_series, series_within, total_epochs
from analysis.tuning import tuned, tuning_said

MOST = 7  # series in a panel, before the experiments get panels of their own and hyperparameters are reduced
# What the panels differ in; epochs: of all phases together.
APART = ("scope", "epochs", "train_images", "protocol", *RECIPE)
SAY = WORDS | {"protocol": "protocol {}"}


@dataclass(frozen=True)
class Experiment:
    """What one panel shows. title: what sets it apart from the others, nothing where it is alone.

    setting: its trials, with those of the dense networks that were trained for as long, on as much.
    """

    title: str
    setting: Setting
    series: list[Series]


@dataclass(frozen=True)
class Experiments:
    """The panels of one figure, and what its heading has to say about them."""

    found: list[Experiment]
    lines: list[str]


def experiments(setting: Setting, timing: bool = False) -> Experiments:
    """Return the setting as one experiment; where it has more than MOST series, one for each scope and total budget.

    What is then still more than MOST in a panel is reduced to auto and the best on validation; a method is never left
    out. With `timing`, trials of different devices stay apart. Of newer protocols the setting holds the best on
    validation alone already: see `analysis.tuning.chosen`.
    """
    series = pruned_series(setting, timing)
    if len(series) <= MOST:
        return Experiments([Experiment("", setting, series)], [])
    rows = with_epochs(setting.pruned)
    apart = [column for column in (*APART, *TIMING * timing) if column in rows]
    keys = [part for _, part in rows.groupby(apart, dropna=False, sort=True)] if apart else [rows]
    everything = series_within(rows, apart)
    crowded = any(len(held(everything, part)) > MOST for part in keys)
    reduced = crowded and _several_hyperparameters(rows)
    lines = tuning_said(rows, apart) if reduced else []
    if reduced:
        rows = tuned(rows, apart)
        keys = [part[part["trial"].isin(rows["trial"])] for part in keys]
        everything = series_within(rows, apart)
    everything = _with_grouping(everything, majority(rows, "grouping"))
    varying = differing(rows, apart)
    found = [_experiment(setting, part, everything, varying) for part in keys]
    return Experiments(found, lines)


def _experiment(setting: Setting, rows: pd.DataFrame, everything: list[Series], varying: list[str]) -> Experiment:
    title = ", ".join(panel_word(column, rows.iloc[0][column]) for column in varying if _tells(rows.iloc[0], column))
    trials = pd.concat([_alike(with_epochs(setting.dense), rows.iloc[0]), rows])
    return Experiment(title, replace(setting, trials=trials), held(everything, rows))


def _several_hyperparameters(rows: pd.DataFrame) -> bool:
    """Say whether some method of the old protocol has several."""
    rows = rows[~newer(rows)]
    if "hyperparameters" not in rows:
        return False
    return bool((rows.groupby("method")["hyperparameters"].nunique(dropna=False) > 1).any())


def with_epochs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with a column for the epochs of all phases together, where the CSV tells them."""
    return rows.assign(epochs=total_epochs(rows)) if set(PHASES) & set(rows) else rows


def _alike(dense: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Return the dense networks that were trained for as long, on as much, by the same rules."""
    for column in ("epochs", "train_images", "protocol", *DENSE_RECIPE):
        if column in dense and pd.notna(row[column]):
            dense = dense[dense[column] == row[column]]
    return dense


def _with_grouping(everything: list[Series], usual: Any) -> list[Series]:
    """Name the grouping of each series that has not the usual one, as that of a reference."""
    named = []
    for one in everything:
        own = majority(one.rows, "grouping")
        known = own in (usual, None) or f"({own}" in one.label
        named.append(one if known else replace(one, label=f"{one.label} ({own})"))
    return named


def panel_word(column: str, value: Any) -> str:
    """Return what sets a panel apart in words, such as `16 epochs`."""
    if column == "train_images" and pd.notna(value):
        return f"{value:,.0f} images"
    return said(column, value, SAY)


def _tells(row: pd.Series, column: str) -> bool:
    """Say whether a trial has a recipe to tell of; those of an old protocol have none."""
    return column not in RECIPE or pd.notna(row.get("optimizer"))
