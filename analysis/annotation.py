"""The columns that a frame adds to those of trials.csv; `analysis.frame` names them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from analysis.select import AUTO, PHASES, TUNED_SPLITS, configuration_words, joined, with_choice, with_strength
from analysis.wording import FROM_SCRATCH, SCRATCH_B, condition
from results import klevel

DENSE = "dense"
# What a recipe fixes for all methods of a problem; of protocol 2 and later.
RECIPE = ["optimizer", "lr", "finetune_lr", "momentum", "weight_decay", "batch_size", "schedule", "schedule_over"]
RECIPE += ["warmup", "label_smoothing", "augmentation", "normalisation", "dense_weights", "round_to", "precision"]
RECIPE += ["shrink", "measure", "own_code", "own_grouping_code"]
# A dense network has no groups, so it is the same however they are measured, rounded and removed.
OF_GROUPS = ("round_to", "shrink", "measure", "own_grouping_code")
DENSE_RECIPE = [column for column in RECIPE if column not in OF_GROUPS]
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


def contenders(trials: pd.DataFrame) -> pd.Series:
    """Return the name of each trial's contender: its method with its role, or with the start if it has both starts."""
    told = trials.reindex(columns=["method", "start", "equal"]).astype("object")
    scratch, control = told["start"] == "scratch", told["method"] == "random"
    both = told.groupby("method")["start"].transform("nunique") > 1
    role = pd.Series("", index=told.index, dtype="object").mask(scratch & (both | control), FROM_SCRATCH)
    return noted(told["method"], role.mask(scratch & control & (told["equal"] == "macs"), SCRATCH_B)).astype(str)


def in_order(lines: Sequence[str]) -> list[str]:
    """Return lines in the order of legends and tables: by name, plain before bracketed, the control random last."""

    def place(line: str) -> tuple[Any, ...]:
        return method_of(line) == "random", method_of(line), " (" in line, natural(line)

    return sorted(dict.fromkeys(lines), key=place)


def named(what: str, lines: Iterable[str], name: Callable[[str], str]) -> str:
    """Return a sentence that names lines for people, such as `Not measured: WGSEF, Random`; empty without a line."""
    names = [name(line) for line in in_order(list(lines))]
    return f"{what}: {', '.join(names)}" if names else ""


def natural(text: str) -> list[tuple[float, str]]:
    """Return what sorts texts with numbers by size: lam=3 before lam=10, 4 epochs before 13 epochs."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(float(part), "") if i % 2 else (math.inf, part) for i, part in enumerate(parts)]


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
    told = rows[rows["optimizer"].notna()] if "optimizer" in rows else rows
    known = {column: (told if column in RECIPE else rows)[column] for column in present(rows, columns)}
    words = {name: cells.map(partial(condition, name)) for name, cells in known.items() if cells.nunique(False) > 1}
    return joined(pd.DataFrame(words, index=rows.index, dtype="object").fillna(""))


def present(rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return those of the columns that the rows have."""
    return [column for column in columns if column in rows]


def told_apart(rows: pd.DataFrame, names: pd.Series, columns: Sequence[str], cells: Sequence[str]) -> pd.Series:
    """Return the names of the rows, with the values of those columns in which rows of one name differ in a cell."""
    for column in present(rows, columns):
        alike = rows[column].groupby([*(rows[cell] for cell in cells), names], dropna=False)
        words = rows[column].map(partial(condition, column))
        names = noted(names, words.where(alike.transform("nunique", dropna=False) > 1, ""))
    return names


def beside_lam(rows: pd.DataFrame) -> pd.Series:
    """Return the contender of each trial with all that sets it apart in its cell, but for lam and seed, in words."""
    return told_apart(rows, noted(rows["contender"], rows["rest"]), ["suite", *PHASES], ["panel", "grouping", "keep"])


def variants(lines: Iterable[str]) -> dict[str, int]:
    """Return the number of each line among those of its method, which its dashes and the fill of its mark tell."""
    names = in_order(list(lines))
    return {name: [one for one in names if method_of(one) == method_of(name)].index(name) for name in names}


def usual_grouping(rows: pd.DataFrame) -> str:
    """Return the most frequent grouping of the trials, of several the first by name; empty without a trial."""
    return next(iter(rows["grouping"].mode()), "")


def _klevel(rows: pd.DataFrame) -> pd.DataFrame:
    """Return k_reached and groups_above, and what the groups at convergence and the target say for an empty cell."""
    reads: dict[str, Callable[..., float]] = {"k_reached": klevel.reached, "groups_above": klevel.above}
    groups = rows.reindex(columns=["groups_at_convergence", "groups_target"])
    groups = groups[groups.map(lambda cell: isinstance(cell, tuple)).all(axis=1)]
    said = {name: [float(read(*pair)) for pair in groups.to_numpy()] for name, read in reads.items()}
    return rows.reindex(columns=[*reads]).fillna(pd.DataFrame(said, index=groups.index, dtype="float64"))


def _panels(rows: pd.DataFrame) -> pd.Series:
    """Return the conditions in which the pruned trials of a setting differ, in words; an imported row has none."""
    panels = pd.Series("", index=rows.index, dtype="object")
    for _, part in rows[(rows["method"] != DENSE) & (rows["protocol"] > 0)].groupby(SETTING):
        panels[part.index] = differing(part, CONDITIONS)
    return panels


def _parts(rows: pd.DataFrame) -> pd.Series:
    """Return the grouping of each trial, if its setting has several that several methods share; else nothing."""
    own = rows[(rows["method"] != DENSE) & (rows["protocol"] > 0)]
    methods = own.groupby([*SETTING, "grouping"])["method"].transform("nunique")
    shared = own["grouping"].where(methods > 1)
    several = shared.groupby([own[c] for c in SETTING]).transform("nunique") > 1
    return shared.where(several).reindex(rows.index).fillna("").astype("object")


def _with_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with line, experiment and variant: names that say as little as sets them apart."""
    old, pruned, tuned = rows["protocol"] < TUNED_SPLITS, rows["method"] != DENSE, rows["tuned"]
    base = noted(rows["contender"], _reference_groupings(rows))
    untold = rows["chosen"].where(~rows["tunable"], "")  # nothing tells the best, so that each is a line of its own
    words = configuration_words(rows).where(old, untold).where(pruned, "")
    kinds = rows["strength"].eq(AUTO).where(old & (words != ""))
    both = kinds.groupby([rows[c] for c in (*SETTING, "contender")]).transform("nunique") > 1
    reduced = pd.Series("", index=rows.index).mask(both, kinds.map({True: "lam=auto", False: "lam=tuned"}))
    found = {"line": noted(base, reduced.where(rows["tunable"], words)), "experiment": noted(base, words)}
    for name, names in found.items():
        among = tuned | (name == "experiment")
        for some, columns in ((among, ["suite"]), (among & old, PHASES)):
            names.update(told_apart(rows[some], names[some], columns, [*SETTING, "panel", "part", "keep"]))
    lines = found["line"][tuned].groupby([rows[c] for c in SETTING])
    numbers = lines.transform(lambda names: names.map(variants(names))).reindex(rows.index, fill_value=0)
    return rows.assign(**found, variant=numbers.astype(int))


def _reference_groupings(rows: pd.DataFrame) -> pd.Series:
    """Return the grouping of the trials that are references beside those of the usual ones; else nothing."""
    words = pd.Series("", index=rows.index, dtype="object")
    for _, part in rows[rows["method"] != DENSE].groupby(SETTING):
        usual = set(part["part"]) - {""} or {usual_grouping(part)}
        words[part.index] = part["grouping"].where(~part["grouping"].isin(usual), "")
    return words


def _controls(rows: pd.DataFrame) -> pd.Series:
    """Return for each trial the dense controls that agree with it in seed, data, rules and machine.

    If some of them were trained for as many epochs in total as the trial, these alone.
    """
    dense, found = rows["method"] == DENSE, pd.Series(None, index=rows.index, dtype="object")
    alike = rows.groupby([*SETTING, *present(rows, SAME_CONTROL)], dropna=False, sort=False).ngroup()
    as_long = rows.groupby([alike, "epochs"], sort=False).ngroup()  # -1: the epochs are unknown
    for group in (as_long, alike):
        controls = rows["trial"][dense & (group >= 0)].groupby(group).agg(tuple)
        found = found.where(found.notna(), group.map(controls))
    return found.map(lambda trials: trials if isinstance(trials, tuple) else ())
