"""The one rule of a choice: of the configurations of a method the best on validation, of equals the mildest."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis.wording import plain

AUTO, BOUND, FIXED = "auto", "bound", "fixed"
DIGITS = 12  # of an accuracy: sums in another order are no difference
PHASES = ["dense_epochs", "sparsify_epochs", "finetune_epochs"]
TUNED_SPLITS = 2  # the first protocol under which the split of the epochs belongs to the configuration of a method
IN_PHASES = "finetune_epochs"  # a hyperparameter that says again what the phases say
USUAL = "default"
CONTENDER = ["architecture", "dataset", "contender"]


def given(cell: Any) -> dict[str, Any]:
    """Return a cell of hyperparameters as a mapping, empty for anything else."""
    value = json.loads(cell) if isinstance(cell, str) else {}
    return value if isinstance(value, dict) else {}


def strength(hyperparameters: Any) -> float | str | None:
    """Return the lam of a cell of hyperparameters: a finite number of at least 0, `auto` or `bound`, or None."""
    lam = given(hyperparameters).get("lam")
    if lam in (AUTO, BOUND):
        return str(lam)
    if isinstance(lam, int | float) and not isinstance(lam, bool) and 0 <= lam <= sys.float_info.max:
        return float(lam)
    return None


def with_strength(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with the columns strength (`fixed`, `auto`, `bound` or empty), lam, and rest.

    lam: the number of a fixed strength, else NaN. A trial without lam is auto if its method has a number elsewhere, or
    says auto: that is then its default. rest: the other hyperparameters of which the method has several values.
    """
    cells = _cells(trials)
    lams = cells.map(strength)
    numbers = pd.to_numeric(lams, errors="coerce").astype("float64")
    silent = cells.map(lambda cell: "lam" not in given(cell)).astype(bool)
    default = silent & lams.notna().groupby(trials["method"]).transform("any")
    kinds = lams.where(numbers.isna(), FIXED).mask(default, AUTO).fillna("").astype(str)
    return trials.assign(strength=kinds, lam=numbers, rest=_words(trials, ["method"], without="lam"))


def with_choice(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with what was chosen among their configurations.

    trials: annotated with problem, contender and strength. configuration: the hyperparameters and, from protocol 2 on,
    the phases. best: whether the configuration has the highest mean validation top-1 of its contender on its problem;
    False for all if several configurations have none. tuned: the same, but under protocol 1 within the trials of one
    split and kind of strength (auto or not), and True for all if validation does not tell. rivals, tried: how many
    configurations the two were chosen among. tunable: whether tuned was a choice. chosen: under protocol 2, the
    hyperparameters and phases that the configurations of the contender differ in, in words.
    """
    new, splits = trials["protocol"] >= TUNED_SPLITS, _splits(trials)
    cells = _cells(trials).fillna("{}")
    trials = trials.assign(configuration=cells.where(~new, cells + " " + splits))
    kind = (trials["strength"] == AUTO).astype(str) + " " + splits
    best, rivals, _ = _best(trials, ["problem", "contender"])
    tuned, tried, told = _best(trials.assign(kind=kind.where(~new, "")), ["problem", "contender", "kind"])
    found = trials.assign(best=best, rivals=rivals, tuned=tuned | ~told, tried=tried, tunable=told)
    return found.assign(chosen=_chosen(trials, splits).where(new, ""))


def tried_said(rows: pd.DataFrame, per: str, name: Callable[[str], str] = str, column: str = "tried") -> str:
    """Say how many configurations each contender had, from the fewest to the most of what is chosen among.

    Empty if there was nothing to choose.
    """
    counts = rows[rows["tunable"]].groupby("contender")[column]
    low, high = counts.min(), counts.max()
    if not (high > 1).any():
        return ""
    named = [f"{name(one)} {low[one]}" + f" to {high[one]}" * bool(high[one] > low[one]) for one in high.index]
    return f"Configurations tried, best on validation {per} (of equals the milder): {', '.join(named)}"


def configuration_words(trials: pd.DataFrame) -> pd.Series:
    """Return for each trial the hyperparameters of which its contender has several values in its setting, in words."""
    return _words(trials, CONTENDER)


def joined(texts: pd.DataFrame) -> pd.Series:
    """Return the texts of each row joined by commas, without the empty ones."""
    return pd.Series([", ".join(filter(None, row)) for row in texts.to_numpy()], index=texts.index, dtype="object")


def _best(trials: pd.DataFrame, keys: list[str]) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return for each trial: whether its configuration is the best of its group, how many there are, whether any tells.

    A group of one configuration tells without validation, and so does one of trials that all failed.
    """
    rows = trials.assign(
        group=trials.groupby(keys, dropna=False, sort=False).ngroup(),
        val=trials.get("val_top1", math.nan),
        mild=trials["lam"].fillna(-1.0),  # a strength that is set by the data comes before all numbers
        failed=trials["status"] == "failed",
    )
    configurations = (
        rows.groupby(["group", "configuration"], as_index=False)
        .agg({"val": "mean", "mild": "first", "failed": "all"})
        .round({"val": DIGITS})
        .sort_values(["group", "val", "mild", "configuration"], ascending=[True, False, True, True])
    )
    said = {"first": ("configuration", "first"), "count": ("configuration", "size")}
    groups = configurations.groupby("group").agg(**said, val=("val", "max"), failed=("failed", "all"))
    found = groups.loc[rows["group"]].set_axis(rows.index)
    told = found["val"].notna() | (found["count"] == 1) | found["failed"]
    return (rows["configuration"] == found["first"]) & told, found["count"], told


def _cells(trials: pd.DataFrame) -> pd.Series:
    return trials.get("hyperparameters", pd.Series(None, index=trials.index, dtype="object"))


def _splits(trials: pd.DataFrame) -> pd.Series:
    """Return the epochs of the phases as text, such as `8+0+3`."""
    phases = trials[[phase for phase in PHASES if phase in trials]].to_numpy()
    return pd.Series(["+".join(map("{:g}".format, row)) for row in phases], index=trials.index, dtype="object")


def _chosen(trials: pd.DataFrame, splits: pd.Series) -> pd.Series:
    """Return for each trial what it has of what the configurations of its contender differ in, in words."""
    alike = pd.DataFrame({"splits": splits, "configurations": trials["configuration"]})
    several = alike.groupby([trials[key] for key in CONTENDER]).transform("nunique") > 1
    epochs = ("epochs " + splits).where(several["splits"], "")
    words = joined(pd.concat([_words(trials, CONTENDER, without=IN_PHASES), epochs], axis=1))
    return words.replace("", USUAL).where(several["configurations"], "").astype(str)


def _words(trials: pd.DataFrame, keys: list[str], without: str = "") -> pd.Series:
    """Return for each trial the hyperparameters that have several values among the trials of its keys, in words."""
    words = [
        {name: f"{name}={plain(value)}" for name, value in given(cell).items() if name != without}
        for cell in _cells(trials)
    ]
    texts = pd.DataFrame(words, index=trials.index, dtype="object").sort_index(axis=1)
    several = texts.groupby([trials[key] for key in keys]).transform("nunique", dropna=False) > 1
    return joined(texts.where(several, "").fillna(""))
