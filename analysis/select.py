"""The one rule of a choice: of the configurations of a method the best on validation, of equals the mildest."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.wording import plain

AUTO, BOUND, FIXED = "auto", "bound", "fixed"
DIGITS = 12  # of an accuracy: sums in another order are no difference
PHASES = ["dense_epochs", "sparsify_epochs", "finetune_epochs"]
TUNED_SPLITS = 2  # the first protocol under which the split of the epochs belongs to the configuration of a method
IN_PHASES = "finetune_epochs"  # a hyperparameter that says again what the phases say
USUAL = "default"


def given(cell: Any) -> dict[str, Any]:
    """Return a cell of hyperparameters as a mapping, empty for anything else."""
    value = json.loads(cell) if isinstance(cell, str) else {}
    return value if isinstance(value, dict) else {}


def strength(hyperparameters: Any) -> float | str | None:
    """Return the lam of a cell of hyperparameters: a finite number of at least 0, `auto` or `bound`, or None."""
    lam = given(hyperparameters).get("lam")
    if lam in (AUTO, BOUND):
        return str(lam)
    if not isinstance(lam, int | float) or isinstance(lam, bool):
        return None
    try:
        return float(lam) if 0 <= lam < math.inf else None
    except OverflowError:
        return None


def with_strength(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with the columns strength (`fixed`, `auto`, `bound` or empty), lam, and rest.

    lam: the number of a fixed strength, else NaN. A trial without lam is auto if its method has a number elsewhere, or
    says auto: that is then its default. rest: the other hyperparameters of which the method has several values.
    """
    cells = trials.get("hyperparameters", pd.Series(None, index=trials.index, dtype="object"))
    values, lams = [given(cell) for cell in cells], [strength(cell) for cell in cells]
    tunable = {method for method, lam in zip(trials["method"], lams, strict=True) if lam is not None}
    kinds = [
        lam if isinstance(lam, str) else FIXED if lam is not None else AUTO if silent else ""
        for lam, silent in (
            (lam, "lam" not in value and method in tunable)
            for lam, value, method in zip(lams, values, trials["method"], strict=True)
        )
    ]
    numbers = [lam if isinstance(lam, float) else math.nan for lam in lams]
    return trials.assign(strength=kinds, lam=numbers, rest=_words(trials, ["method"], without=("lam",)))


def with_choice(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with what was chosen among their configurations.

    trials: annotated with problem, contender and strength. configuration: the hyperparameters and, from protocol 2 on,
    the phases. best: whether the configuration has the highest mean validation top-1 of its contender on its problem;
    False for all if several configurations have none. tuned: the same, but under protocol 1 within the trials of one
    split and kind of strength (auto or not), and True for all if validation does not tell. rivals, tried: how many
    configurations the two were chosen among. tunable: whether tuned was a choice. chosen: under protocol 2, the
    hyperparameters and phases that the configurations of the contender differ in, in words.
    """
    new = trials["protocol"] >= TUNED_SPLITS
    cells = trials.get("hyperparameters", pd.Series("{}", index=trials.index)).fillna("{}")
    splits = _splits(trials)
    trials = trials.assign(configuration=cells.where(~new, cells + " " + splits))
    kind = (trials["strength"] == AUTO).astype(str) + " " + splits
    best, rivals, _ = _best(trials, ["problem", "contender"])
    tuned, tried, told = _best(trials.assign(kind=kind.where(~new, "")), ["problem", "contender", "kind"])
    return trials.assign(
        best=best,
        rivals=rivals,
        tuned=tuned | ~told,
        tried=tried,
        tunable=told,
        chosen=_chosen(trials, splits).where(new, ""),
    )


def best(validation: Sequence[float], mildness: Sequence[Any]) -> int:
    """Return the place of the highest validation accuracy; of equals the first in the order of `mildness`."""
    return min(range(len(validation)), key=lambda i: (-round(validation[i], DIGITS), mildness[i]))


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


def varying(cells: Sequence[Any]) -> list[str]:
    """Return the names of the hyperparameters that have several values among these cells."""
    values = [given(cell) for cell in cells]
    names = sorted({name for value in values for name in value})
    return [name for name in names if len({json.dumps(value.get(name)) for value in values}) > 1]


def configuration_words(trials: pd.DataFrame) -> pd.Series:
    """Return for each trial the hyperparameters of which its contender has several values in its setting, in words."""
    return _words(trials, ["architecture", "dataset", "contender"])


def _best(trials: pd.DataFrame, keys: list[str]) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return for each trial: whether its configuration is the best of its group, how many there are, whether any tells.

    A group of one configuration tells without validation, and so does one of trials that all failed.
    """
    group = trials.groupby(keys, dropna=False, sort=False).ngroup()
    validation = trials["val_top1"] if "val_top1" in trials else pd.Series(math.nan, index=trials.index)
    table = (
        pd.DataFrame({
            "group": group, "configuration": trials["configuration"], "val": validation,
            "failed": trials["status"] == "failed",
            "mild": trials["lam"].fillna(-1.0),  # a strength that is set by the data comes before all numbers
        })
        .groupby(["group", "configuration"], as_index=False)
        .agg(val=("val", "mean"), mild=("mild", "first"), failed=("failed", "all"))
    )  # fmt: skip
    table["val"] = table["val"].round(DIGITS)
    order = table.sort_values(["group", "val", "mild", "configuration"], ascending=[True, False, True, True])
    counts = table.groupby("group")["configuration"].size()
    told = table.groupby("group")["val"].agg(lambda values: bool(values.notna().any())) | (counts == 1)
    told |= table.groupby("group")["failed"].all()
    first = order.drop_duplicates("group").set_index("group")["configuration"]
    tells = group.map(told)
    return (trials["configuration"] == group.map(first)) & tells, group.map(counts), tells


def _splits(trials: pd.DataFrame) -> pd.Series:
    """Return the epochs of the phases as text, such as `8+0+3`."""
    phases = [phase for phase in PHASES if phase in trials]
    texts = ["+".join(f"{value:g}" for value in row) for row in trials[phases].itertuples(index=False)]
    return pd.Series(texts, index=trials.index, dtype="object")


def _chosen(trials: pd.DataFrame, splits: pd.Series) -> pd.Series:
    """Return for each trial what it has of what the configurations of its contender differ in, in words."""
    keys = [trials[column] for column in ("architecture", "dataset", "contender")]
    words = _words(trials, ["architecture", "dataset", "contender"], without=(IN_PHASES,))
    several = splits.groupby(keys).transform("nunique") > 1
    epochs = ("epochs " + splits).where(several, "")
    joined = pd.Series([", ".join(filter(None, pair)) or USUAL for pair in zip(words, epochs, strict=True)])
    joined.index = trials.index
    tuned = trials["configuration"].groupby(keys).transform("nunique") > 1
    return joined.where(tuned, "")


def _words(trials: pd.DataFrame, keys: list[str], without: Sequence[str] = ()) -> pd.Series:
    """Return for each trial the hyperparameters that have several values among the trials of its keys, in words."""
    found = pd.Series("", index=trials.index, dtype="object")
    if "hyperparameters" not in trials:
        return found
    for _, cells in trials["hyperparameters"].groupby([trials[key] for key in keys], sort=False):
        names = [one for one in varying(list(cells)) if one not in without]
        values = [given(cell) for cell in cells]
        words = [", ".join(f"{one}={plain(value[one])}" for one in names if one in value) for value in values]
        found[cells.index] = np.array(words, dtype="object")
    return found
