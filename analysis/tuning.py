"""Of many configurations of a method: the one that is best on validation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.choice import TOO_MANY, best_configuration, tried_said
from analysis.identity import IDENTITY, LINE, PHASES, contenders, newer, plain, split
from analysis.load import Setting
from analysis.strength import with_strength

AUTO, TUNED = "auto", "tuned"
PER = "per keep"
OF_ITS_OWN = "finetune_epochs"  # in the hyperparameters: says again what the phases say
USUAL = "default"


def chosen(setting: Setting) -> Setting:
    """Return the setting with each method, at each keep, in the configuration that is best on validation there.

    That is of the trials of protocol 2 and later; older ones stay as they are. What was chosen is then one series over
    the keeps, so its hyperparameters are empty and so are the phases that differ; the column `chosen` says in words
    what a trial has of its own. A method of which validation tells nothing stays in all its configurations.
    """
    rows = setting.pruned
    new = newer(rows)
    if "val_top1" not in rows or not new.any():
        return setting
    rows = rows.assign(contender=contenders(rows), chosen="")
    told = new & rows["contender"].isin(rows["contender"][new & rows["val_top1"].notna()])
    alike = [c for c in (*LINE, "keep") if c in rows and c not in ("hyperparameters", *PHASES)]
    best = [_chosen(part, alike) for _, part in rows[told].groupby("contender", sort=False)]
    trials = pd.concat([setting.dense, rows[~told], *best]).sort_index()
    return replace(setting, trials=trials, choice=tried_said(rows[told], alike, PER) or setting.choice)


def tuned(rows: pd.DataFrame, apart: Sequence[str] = ()) -> pd.DataFrame:
    """Return the trials of auto, and of the other hyperparameters of each method those best on validation.

    That is of trials of protocol 1 alone, whose splits were not tuned: of newer ones see `chosen`. The best has the
    highest mean val_top1 over the seeds at its keep, under otherwise equal conditions (IDENTITY and the columns
    `apart`); of equals it is the mildest, see `choice.best`. The column hyperparameters then says `tuned` or `auto` in
    place of the values, so that what was best at different keeps becomes one series.
    Raises Skip where validation cannot tell.
    """
    if "hyperparameters" not in rows:
        return rows
    rows = rows.assign(hyperparameters=rows["hyperparameters"].fillna("{}"))
    auto, new = _auto(rows), newer(rows)
    parts = [rows[new]]
    for (method, is_auto), part in rows[~new].groupby(["method", auto[~new]], sort=False):
        names = _varying(rows["hyperparameters"][(rows["method"] == method) & ~new])
        groups = part.groupby(_equal(part, apart), dropna=False, sort=False)
        best = pd.concat([best_configuration(one, TOO_MANY) for _, one in groups])
        parts.append(best.assign(hyperparameters=_said(best, names, bool(is_auto), reduced=len(best) < len(part))))
    return pd.concat(parts).sort_index()


def tuning_said(rows: pd.DataFrame, apart: Sequence[str] = ()) -> list[str]:
    """Return a line of heading on the choice that `tuned` makes among these trials; none where it makes none."""
    rows = rows[~newer(rows)]
    if "hyperparameters" not in rows or rows.empty:
        return []
    auto = _auto(rows)
    both = set(rows["method"][auto]) & set(rows["method"][~auto])
    names = [
        f"{name} ({AUTO})" if is_auto and method in both else name
        for name, method, is_auto in zip(contenders(rows), rows["method"], auto, strict=True)
    ]
    said = tried_said(rows.assign(contender=names), _equal(rows, apart), PER)
    return [said] if said else []


def _chosen(rows: pd.DataFrame, alike: Sequence[str]) -> pd.DataFrame:
    """Return the best trials of one contender under each of the conditions that `alike` set apart."""
    if rows["configuration"].nunique() < 2:
        return rows
    varying = [phase for phase in PHASES if phase in rows and rows[phase].nunique(dropna=False) > 1]
    names = [name for name in _varying(rows.get("hyperparameters", [])) if name != OF_ITS_OWN]
    best = pd.concat([best_configuration(part, TOO_MANY) for _, part in rows.groupby(list(alike), dropna=False)])
    words = [_words(row, names, bool(varying)) for row in best.to_dict("records")]
    return best.assign(chosen=words, hyperparameters="{}", **dict.fromkeys(varying, float("nan")))


def _words(row: dict[Any, Any], names: Sequence[str], splits: bool) -> str:
    """Return what one trial has of what the configurations of its method differ in."""
    given = _given(row.get("hyperparameters"))
    words = [f"{name}={plain(given[name])}" for name in names if name in given]
    epochs = [split(row[phase] for phase in PHASES if phase in row)] if splits else []
    return ", ".join([*words, *(f"epochs {one}" for one in epochs)]) or USUAL


def _auto(rows: pd.DataFrame) -> pd.Series:
    return rows["trial"].isin(with_strength(rows).query("auto")["trial"])


def _equal(rows: pd.DataFrame, apart: Sequence[str]) -> list[str]:
    columns = dict.fromkeys([*IDENTITY, *apart, "keep"])
    return [column for column in columns if column in rows and column != "hyperparameters"]


def _said(rows: pd.DataFrame, names: list[str], is_auto: bool, reduced: bool) -> list[str]:
    """Return what the column hyperparameters says: that they were chosen, or those of `names` where they were not."""
    if is_auto:
        said = {"lam": AUTO, "rest": TUNED} if reduced else {"lam": AUTO}
    elif reduced:
        said = {"lam" if "lam" in names else ", ".join(names): TUNED}
    else:
        given = [_given(cell) for cell in rows["hyperparameters"]]
        return [json.dumps({name: values[name] for name in names if name in values}) for values in given]
    return [json.dumps(said)] * len(rows)


def _varying(cells: Iterable[str | None]) -> list[str]:
    """Return the names of the hyperparameters that have several values."""
    given = [_given(cell) for cell in cells]
    names = sorted({name for values in given for name in values})
    return [name for name in names if len({json.dumps(values.get(name)) for values in given}) > 1]


def _given(cell: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cell or "{}")
    return found
