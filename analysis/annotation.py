"""The columns that a frame adds to those of trials.csv; `analysis.frame` names them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from analysis.select import AUTO, PHASES, TUNED_SPLITS, configuration_words, with_choice, with_strength
from analysis.wording import FROM_SCRATCH, SCRATCH_B, condition
from results import klevel

DENSE = "dense"
# What a recipe fixes for all methods of a problem; of protocol 2 and later.
RECIPE = ["optimizer", "lr", "finetune_lr", "momentum", "weight_decay", "batch_size", "schedule", "schedule_over"]
RECIPE += ["warmup", "label_smoothing", "augmentation", "normalisation", "dense_weights", "round_to", "precision"]
RECIPE += ["measure"]
# A dense network has no groups, so it is the same however they are measured and rounded.
DENSE_RECIPE = [column for column in RECIPE if column not in ("round_to", "measure")]
CONDITIONS = ["scope", "epochs", "train_images", "protocol", *RECIPE]
SETTING = ["architecture", "dataset"]
PROBLEM = [*SETTING, "grouping", "keep", "suite", *CONDITIONS]
DENSE_CONDITIONS = ["epochs", "train_images", "protocol", *DENSE_RECIPE]
TIMING = ["device", "threads"]
SAME_CONTROL = ["seed", "train_images", "protocol", *DENSE_RECIPE, *TIMING]


def annotated(everything: pd.DataFrame, chance: dict[str, float]) -> pd.DataFrame:
    """Return the trials that were not skipped, with the columns that `analysis.frame` names."""
    rows = everything[everything["status"] != "skipped"]
    # the accuracy that a collapsed network reaches by luck does not count: chance is the same for all that fail
    failed, guess = rows["status"] == "failed", rows["dataset"].map(chance).astype("float64")
    rows = rows.assign(**{c: rows[c].where(~failed, guess) for c in ("val_top1", "test_top1") if c in rows})
    phases = [phase for phase in PHASES if phase in rows]
    epochs = rows[phases].sum(axis=1, skipna=False) if phases else math.nan
    rows = with_strength(rows.assign(epochs=epochs, contender=contenders(rows), **_klevel(rows)))
    rows = rows.assign(problem=rows.groupby(present(rows, PROBLEM), dropna=False, sort=True).ngroup())
    rows = with_choice(rows).assign(panel=_panels(rows), part=_parts(rows))
    return _with_lines(rows).assign(control=_controls(rows))


def contenders(trials: pd.DataFrame) -> list[str]:
    """Return the name of each trial's contender: its method with its role, or with the start if it has both starts."""
    if "start" not in trials:
        return [str(method) for method in trials["method"]]
    both = trials.groupby("method")["start"].transform("nunique") > 1
    macs = trials["equal"] if "equal" in trials else pd.Series(None, index=trials.index, dtype="object")
    found = []
    for method, start, several, equal in zip(trials["method"], trials["start"], both, macs, strict=True):
        apart = start == "scratch" and (several or method == "random")
        found.append(f"{method} ({SCRATCH_B if equal == 'macs' and method == 'random' else FROM_SCRATCH})" * apart)
    return [name or str(method) for name, method in zip(found, trials["method"], strict=True)]


def in_order(lines: Sequence[str]) -> list[str]:
    """Return lines in the order of legends and tables: by name, plain before bracketed, the control random last."""
    return sorted(dict.fromkeys(lines), key=_place)


def natural(text: str) -> list[tuple[float, str]]:
    """Return what sorts texts with numbers by size: lam=3 before lam=10, 4 epochs before 13 epochs."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(float(part), "") if i % 2 else (math.inf, part) for i, part in enumerate(parts)]


def _place(line: str) -> tuple[Any, ...]:
    return method_of(line) == "random", method_of(line), " (" in line, natural(line)


def method_of(line: str) -> str:
    """Return the method of a line or contender, which decides its colour and mark."""
    return line.split(" (", 1)[0]


def noted(names: pd.Series, notes: pd.Series) -> pd.Series:
    """Return names with notes in their brackets: `wgsef`, `element` -> `wgsef (element)`."""
    found = [
        name if not note else f"{name[:-1]}, {note})" if name.endswith(")") else f"{name} ({note})"
        for name, note in zip(names, notes, strict=True)
    ]
    return pd.Series(found, index=names.index, dtype="object")


def differing(rows: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return for each trial its values of the columns in which the trials differ, in words.

    Of a recipe only the trials that tell one are compared: those of an old protocol say nothing of it.
    """
    found = pd.Series("", index=rows.index, dtype="object")
    told = rows[rows["optimizer"].notna()] if "optimizer" in rows else rows
    for column in present(rows, columns):
        known = told if column in RECIPE else rows
        if known[column].nunique(dropna=False) > 1:
            words = known[column].map(lambda value, column=column: condition(column, value))
            found[known.index] = found[known.index].where(found[known.index] == "", found + ", ") + words
    return found


def present(rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return those of the columns that the rows have."""
    return [column for column in columns if column in rows]


def _klevel(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return k_reached and groups_above, and what the groups at convergence and the target say for an empty cell."""
    reads: dict[str, Callable[..., float]] = {"k_reached": klevel.reached, "groups_above": klevel.above}
    found = {name: rows[name] if name in rows else pd.Series(math.nan, index=rows.index) for name in reads}
    if {"groups_at_convergence", "groups_target"} <= set(rows):
        pairs = list(zip(rows["groups_at_convergence"], rows["groups_target"], strict=True))
        whole = [isinstance(left, tuple) and isinstance(k, tuple) for left, k in pairs]
        for name, read_groups in reads.items():
            values = [float(read_groups(*pair)) if ok else math.nan for pair, ok in zip(pairs, whole, strict=True)]
            found[name] = found[name].fillna(pd.Series(values, index=rows.index, dtype="float64"))
    return found


def _panels(rows: pd.DataFrame) -> pd.Series:
    """Return the conditions in which the pruned trials of a setting differ, in words; an imported row has none."""
    panels = pd.Series("", index=rows.index, dtype="object")
    for _, part in rows[(rows["method"] != DENSE) & (rows["protocol"] > 0)].groupby(SETTING):
        panels[part.index] = differing(part, CONDITIONS)
    return panels


def _parts(rows: pd.DataFrame) -> pd.Series:
    """Return the grouping of each trial, if its setting has several that several methods share; else nothing."""
    parts = pd.Series("", index=rows.index, dtype="object")
    own = rows[(rows["method"] != DENSE) & (rows["protocol"] > 0)]
    for _, part in own.groupby(SETTING):
        methods = part.groupby("grouping")["method"].nunique()
        shared = sorted(methods[methods > 1].index)
        if len(shared) > 1:
            parts[part.index] = part["grouping"].where(part["grouping"].isin(shared), "")
    return parts


def _with_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with line, experiment and variant: names that say as little as sets them apart."""
    old, pruned = rows["protocol"] < TUNED_SPLITS, rows["method"] != DENSE
    base = noted(pd.Series(rows["contender"], index=rows.index, dtype="object"), _reference_groupings(rows))
    untold = rows["chosen"].where(~rows["tunable"], "")  # nothing tells the best, so that each is a line of its own
    words = configuration_words(rows).where(old, untold).where(pruned, "")
    kinds = rows["strength"].eq(AUTO).where(old & (words != ""))
    both = kinds.groupby([rows[c] for c in (*SETTING, "contender")]).transform("nunique") > 1
    reduced = pd.Series("", index=rows.index).mask(both, kinds.map({True: "lam=auto", False: "lam=tuned"}))
    line = noted(base, reduced.where(rows["tunable"], words))
    experiment = noted(base, words)
    found = rows.assign(line=line, experiment=experiment)
    for name in ("line", "experiment"):
        for column in present(found, ["suite", *PHASES]):
            mine = found if column == "suite" else found[old]
            mine = mine[mine["tuned"]] if name == "line" else mine
            alike = mine.groupby([*SETTING, name, "panel", "part", "keep"], dropna=False)
            several = alike[column].transform("nunique", dropna=False)
            words = mine[column].map(lambda value, column=column: condition(column, value)).where(several > 1, "")
            found.loc[mine.index, name] = noted(mine[name], words)
    return found.assign(variant=_variants(found))


def _reference_groupings(rows: pd.DataFrame) -> pd.Series:
    """Return the grouping of the trials that are references beside those of the usual ones; else nothing."""
    words = pd.Series("", index=rows.index, dtype="object")
    for _, part in rows[rows["method"] != DENSE].groupby(SETTING):
        shared = set(part["part"]) - {""}
        counts = part["grouping"].value_counts()
        usual = shared or {min(counts.index, key=lambda name: (-counts[name], name))}
        words[part.index] = part["grouping"].where(~part["grouping"].isin(usual), "")
    return words


def _variants(rows: pd.DataFrame) -> pd.Series:
    """Return the number of each line among those of its method in its setting."""
    variants = pd.Series(0, index=rows.index)
    for _, part in rows[rows["tuned"]].groupby([*SETTING, "method"]):
        numbers = {line: i for i, line in enumerate(in_order(list(part["line"])))}
        variants[part.index] = part["line"].map(numbers)
    return variants


def _controls(rows: pd.DataFrame) -> pd.Series:
    """Return for each trial the dense controls that agree with it in seed, data, rules and machine.

    If some of them were trained for as many epochs in total as the trial, these alone.
    """
    alike = rows.groupby([*SETTING, *present(rows, SAME_CONTROL)], dropna=False, sort=False).ngroup()
    as_long = list(zip(alike, rows["epochs"], strict=True))
    found: dict[Any, tuple[str, ...]] = {}
    for trial, method, *keys in zip(rows["trial"], rows["method"], alike, as_long, strict=True):
        if method == DENSE:
            for key in keys:
                found[key] = (*found.get(key, ()), trial)
    ids = [found.get(long) or found.get(key, ()) for key, long in zip(alike, as_long, strict=True)]
    return pd.Series(ids, index=rows.index, dtype="object")
