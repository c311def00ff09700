"""What the user of a drawing chooses: which trials it shows, what methods are called in it, whether it has titles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.annotation import DENSE, SAME_CONTROL, SETTING
from results.columns import Trial, kind, names, reader
from results.errors import InputError, nearest

# A dense network shares these columns with the trials that it is the control of. What the others say is of pruning
# (grouping, scope, start, ...), so that a choice by them must not take the control away.
SHARED = {*SETTING, *SAME_CONTROL, "suite", "images", "classes", "status", "torch", "commit"}
MANY = 30  # values of a column that are too many to be named


@dataclass(frozen=True)
class Condition:
    """A value that a column of trials.csv shall have, None for an empty cell; `given`: as on the command line."""

    given: str
    column: str
    value: Any

    def met(self, cells: pd.Series) -> pd.Series:
        """Return for each trial whether it has the value. Raises InputError if none has."""
        if self.value is None:
            meets = cells.isna()
        elif isinstance(self.value, float):
            meets = pd.Series(np.isclose(cells.astype("float64"), self.value, rtol=1e-9, atol=0), cells.index)
        else:
            meets = cells.map(lambda cell: bool(cell == self.value)).astype(bool)
        if not meets.any():
            there = cells.dropna().unique()
            if len(there) > MANY:
                instead = f"there are {len(there)} others"
            elif kind(Trial, self.column).numeric:
                instead = f"known: {', '.join(f'{cell:g}' for cell in sorted(there))}"
            else:
                instead = nearest(self.value, map(str, there))
            raise InputError(f"{self.given}: no trial has it; {instead}")
        return meets


@dataclass(frozen=True)
class Options:
    """Which trials are drawn, and how they are called. Everything is shown where nothing is chosen.

    conditions: of those on one column any will do. labels: what methods are called, by name. title: whether figures
    have one.
    """

    conditions: tuple[Condition, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    title: bool = True

    def select(self, trials: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that were chosen, with the dense controls of their settings.

        Raises InputError if a method, a column or a value is not there, or no row has all that was asked.
        """
        there = set(map(str, trials["method"]))
        for name in self.labels:
            if name not in there:
                raise InputError(f"--label {name}: no such method in these results; {nearest(name, there)}")
        if not self.conditions:
            return trials
        dense = trials["method"] == DENSE
        chosen = ~dense
        for column in dict.fromkeys(condition.column for condition in self.conditions):
            asked = [condition for condition in self.conditions if condition.column == column]
            if column not in trials or column not in names(Trial):
                known = nearest(column, (name for name in names(Trial) if name in trials))
                raise InputError(f"--where {column}: no such column of trials.csv here; {known}")
            meets = pd.concat([condition.met(trials[column]) for condition in asked], axis=1).any(axis=1)
            chosen &= meets
            if column in SHARED:
                dense &= meets
        settings = pd.MultiIndex.from_frame(trials[SETTING])
        if chosen.any():
            dense &= settings.isin(settings[chosen])
        elif not dense.any() or not (there == {DENSE} or any(one.value == DENSE for one in self.conditions)):
            raise InputError(f"no trial is left by {' '.join(one.given for one in self.conditions)}")
        return trials[chosen | dense].reset_index(drop=True)


def parsed(
    methods: Sequence[str] = (),
    keep: Sequence[str] = (),
    where: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: bool = True,
) -> Options:
    """Return the options of texts as a command line has them. Raises InputError if one cannot be."""
    conditions = [_condition(f"--methods {name}", "method", name) for name in listed(methods)]
    conditions += [_condition(f"--keep {text}", "keep", text) for text in listed(keep)]
    conditions += [_condition(f"--where {text}", *_pair("--where", text, "COLUMN=VALUE")) for text in where]
    named = dict(_pair("--label", text, "METHOD=TEXT") for text in labels)
    return Options(tuple(conditions), named, title)


def listed(given: Iterable[str]) -> tuple[str, ...]:
    """Return each value once, of an option that takes several by comma and may be repeated."""
    values = (value.strip() for text in given for value in text.split(","))
    return tuple(dict.fromkeys(value for value in values if value))


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals) or (option == "--label" and not value):
        raise InputError(f"{option} {text}: {form} is needed")
    return name, value


def _condition(given: str, column: str, text: str) -> Condition:
    """Return a condition on a column; a column that is unknown is refused when there are trials."""
    if not text or column not in names(Trial):
        return Condition(given, column, None)
    try:
        value = reader(Trial, column).validate_python(text)
    except (ValueError, OverflowError, RecursionError):
        raise InputError(f"{given}: expected {kind(Trial, column).words}") from None
    return Condition(given, column, json.dumps(value, sort_keys=True) if isinstance(value, dict) else value)
