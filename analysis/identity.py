"""What makes two trials the same experiment, and the columns that say so: some are written, some derived here."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

PHASES = ["dense_epochs", "sparsify_epochs", "finetune_epochs"]
# What a recipe fixes for all methods of a problem, whatever the column holds; of protocol 2 and later.
RECIPE = ["optimizer", "lr", "finetune_lr", "momentum", "weight_decay", "batch_size", "schedule", "schedule_over"]
RECIPE += ["warmup", "label_smoothing", "augmentation", "normalisation", "dense_weights", "round_to", "precision"]
RECIPE += ["measure"]
# A dense network has no groups, so it is the same however they are measured and rounded.
DENSE_RECIPE = [column for column in RECIPE if column not in ("round_to", "measure")]
# What makes two trials different experiments. Keep and seed are missing: they are the points and the repeats; so is the
# realisation, which may follow from keep. `role` and `epochs` are derived, see `annotated`.
IDENTITY = ["method", "role", "grouping", "scope", "hyperparameters", "start", *PHASES, "epochs", "train_images"]
IDENTITY += ["protocol", *RECIPE, "equal"]
# Two suites may differ in what no column tells, so their trials are not averaged either.
LINE = [*IDENTITY, "suite"]
DENSE_LINE = ["method", "dense_epochs", "train_images", "protocol", *DENSE_RECIPE, "suite"]
TIMING = ["device", "threads"]
ENVIRONMENT = [*TIMING, "torch", "commit"]

TUNED_SPLITS = 2  # the first protocol under which the split of the epochs belongs to the configuration of a method
OLD_RULES = "Protocol 1: epoch splits not tuned, see docs/protocol.md"
FROM_SCRATCH = "from scratch"
SCRATCH_B = f"{FROM_SCRATCH}, equal macs"  # as Liu et al. 2019 call it

WORDS = {
    "grouping": "{}",
    "scope": "{} scope",
    "start": "from {}",
    "epochs": "{} epochs",
    "device": "{}",
    "threads": "{} threads",
    "optimizer": "{}",
    "lr": "lr {}",
    "finetune_lr": "fine-tuning lr {}",
    "momentum": "momentum {}",
    "weight_decay": "weight decay {}",
    "batch_size": "batch size {}",
    "schedule": "{} schedule",
    "schedule_over": "one schedule per {}",
    "warmup": "warm-up {}",
    "label_smoothing": "label smoothing {}",
    "augmentation": "augmentation {}",
    "normalisation": "normalisation {}",
    "dense_weights": "dense network {}",
    "round_to": "rounded to {}",
    "precision": "{}",
    "measure": "groups measured {}",
    "equal": "equal {}",
}
EMPTY = {
    "finetune_lr": "no fine-tuning lr",
    "augmentation": "no augmentation",
    "dense_weights": "dense network trained here",
}


def annotated(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with what follows from several of their columns.

    role: of the control random, that it starts `from scratch`, and whether with `equal macs`; None for all else.
    epochs: of all phases together, where there is a column of a phase; NaN where a cell is empty.
    configuration: what a method may be tuned in, as text: the hyperparameters and, from protocol 2 on, the phases.
    """
    phases = [phase for phase in PHASES if phase in trials]
    derived: dict[str, Any] = {"role": pd.Series(_roles(trials), index=trials.index, dtype="object")}
    if phases:
        derived["epochs"] = trials[phases].sum(axis=1, skipna=False)
    derived["configuration"] = pd.Series(_configurations(trials, phases), index=trials.index, dtype="object")
    return trials.assign(**derived)


def contenders(trials: pd.DataFrame) -> list[str]:
    """Return the name of each trial's contender: its method with its role, or with the start if it has both starts."""
    starts = trials.groupby("method")["start"].nunique() if "start" in trials else None
    found = []
    for row in trials[[c for c in ("method", "role", "start") if c in trials]].to_dict("records"):
        both = starts is not None and starts[row["method"]] > 1 and row["start"] == "scratch"
        role = row.get("role") or (FROM_SCRATCH if both else "")
        found.append(f"{row['method']} ({role})" if role else str(row["method"]))
    return found


def newer(trials: pd.DataFrame) -> pd.Series:
    """Say of each trial whether the split of its epochs belongs to its configuration."""
    return trials["protocol"] >= TUNED_SPLITS


def budget(trials: pd.DataFrame) -> str:
    """Return the column by which trials of other length are set apart: the sparsify epochs, as they were never tuned.

    Where they were, it is the total.
    """
    return "epochs" if "epochs" in trials and newer(trials).any() else "sparsify_epochs"


def differing(trials: pd.DataFrame, columns: list[str]) -> list[str]:
    """Return those of the columns that have several values; of a recipe, among the trials that tell one."""
    told = trials[trials["optimizer"].notna()] if "optimizer" in trials else trials
    rows = {column: told if column in RECIPE else trials for column in columns}
    return [column for column in columns if rows[column][column].nunique(dropna=False) > 1]


def said(column: str, value: Any, words: dict[str, str] = WORDS) -> str:
    """Return a column with its value in words, such as `lr 0.02`."""
    if value is None or value != value:
        return EMPTY.get(column, f"{column} unknown")
    text = words.get(column, f"{column}={{}}").format(plain(value))
    return text.removesuffix("s") if text == "1 threads" else text


def plain(value: Any) -> str:
    """Return the value of a cell or of a hyperparameter as text."""
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


def _roles(trials: pd.DataFrame) -> list[str | None]:
    if "start" not in trials:
        return [None] * len(trials)
    equal = trials["equal"] if "equal" in trials else [None] * len(trials)
    return [
        None if (method, start) != ("random", "scratch") else SCRATCH_B if macs == "macs" else FROM_SCRATCH
        for method, start, macs in zip(trials["method"], trials["start"], equal, strict=True)
    ]


def _configurations(trials: pd.DataFrame, phases: list[str]) -> list[str]:
    cells = trials["hyperparameters"].fillna("{}") if "hyperparameters" in trials else ["{}"] * len(trials)
    splits = [split(row) for row in trials[phases].itertuples(index=False)] if phases else [""] * len(trials)
    tunable = newer(trials)
    return [f"{cell} {epochs}" if new else cell for cell, epochs, new in zip(cells, splits, tunable, strict=True)]


def split(epochs: Any) -> str:
    """Return the epochs of the phases as text, such as `8+0+3`."""
    return "+".join(f"{value:g}" for value in epochs)
