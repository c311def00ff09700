"""What the user of a drawing chooses: which trials it shows, what methods are called in it, whether it has titles."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from results.columns import Trial, kind, names, reader
from results.errors import InputError, nearest

DENSE = "dense"
# A dense network shares these columns with the trials that it is the control of. What the others say is of pruning
# (grouping, scope, start, ...), so that a choice by them must not take the control away.
SHARED = {"protocol", "suite", "architecture", "dataset", "seed", "train_images", "images", "classes", "status"}
SHARED |= {"optimizer", "lr", "momentum", "weight_decay", "batch_size", "schedule", "warmup", "label_smoothing"}
SHARED |= {"augmentation", "normalisation", "dense_weights", "precision", "device", "threads", "torch", "commit"}
MANY = 30  # values of a column that are too many to be named


@dataclass(frozen=True)
class Options:
    """Which trials are drawn, and how they are called. Everything is shown where nothing is chosen.

    methods, keep: only these, and the dense control. where: pairs of a column of trials.csv and a value of it, as text;
    of two values of one column either will do. labels: what methods are called, by name. title: whether figures have
    one.
    """

    methods: tuple[str, ...] = ()
    keep: tuple[float, ...] = ()
    where: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    title: bool = True

    def select(self, trials: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that were chosen, with the dense controls of their settings.

        Raises InputError if a method, a keep, a column or a value is not there, or no row has all that was asked.
        """
        there = set(map(str, trials["method"]))
        for option, given in (("--methods", self.methods), ("--label", self.labels)):
            for name in given:
                if name not in there:
                    raise InputError(f"{option} {name}: no such method in these results; {nearest(name, there)}")
        if not (self.methods or self.keep or self.where):
            return trials
        dense = trials["method"] == DENSE
        chosen = ~dense
        if self.methods:
            chosen &= trials["method"].isin(self.methods)
        if self.keep:
            chosen &= self._kept(trials["keep"], set(trials["keep"][~dense]))
        for column in dict(self.where):
            meets = self._meets(column, trials)
            chosen &= meets
            if column in SHARED:
                dense &= meets
        if chosen.any():
            settings = set(_settings(trials[chosen]))
            dense &= pd.Series([setting in settings for setting in _settings(trials)], index=trials.index)
        elif not dense.any() or not (DENSE in self.methods or there == {DENSE}):
            raise InputError(f"no trial is left by {' '.join(self._words())}")
        return trials[chosen | dense].reset_index(drop=True)

    def _kept(self, column: pd.Series, there: set[float]) -> pd.Series:
        """Return for each trial whether its keep was asked for; `there` are those of the pruned trials."""
        for keep in self.keep:
            if not any(math.isclose(keep, one) for one in there):
                known = ", ".join(f"{one:g}" for one in sorted(there)) or "none"
                raise InputError(f"--keep {keep:g}: no trial has it; known: {known}")
        return column.map(lambda one: any(math.isclose(keep, one) for keep in self.keep)).astype(bool)

    def _meets(self, column: str, trials: pd.DataFrame) -> pd.Series:
        """Return for each trial whether it has one of the values that were asked for in this column."""
        if column not in trials or column not in names(Trial):
            there = [name for name in names(Trial) if name in trials]
            raise InputError(f"--where {column}: no such column of trials.csv here; {nearest(column, there)}")
        meets = pd.Series(False, index=trials.index)
        for value in (value for name, value in self.where if name == column):
            has_it = trials[column].map(_test(column, value)).astype(bool)
            if not has_it.any():
                raise InputError(f"--where {column}={value}: no trial has it; {_instead(value, trials[column])}")
            meets |= has_it
        return meets

    def _words(self) -> list[str]:
        """Return the choice as it is written on a command line."""
        words = ["--methods " + ",".join(self.methods)] if self.methods else []
        words += ["--keep " + ",".join(f"{keep:g}" for keep in self.keep)] if self.keep else []
        return words + [f"--where {column}={value}" for column, value in self.where]


def parsed(
    methods: Sequence[str] = (),
    keep: Sequence[str] = (),
    where: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: bool = True,
) -> Options:
    """Return the options of texts as a command line has them. Raises InputError if one cannot be."""
    named = dict(_pair("--label", text, "METHOD=TEXT") for text in labels)
    conditions = tuple(_pair("--where", text, "COLUMN=VALUE") for text in where)
    kept = tuple(_value("keep", text, f"--keep {text}") for text in listed(keep))
    return Options(listed(methods), kept, conditions, named, title)


def listed(given: Iterable[str]) -> tuple[str, ...]:
    """Return each value once, of an option that takes several by comma and may be repeated."""
    values = (value.strip() for text in given for value in text.split(","))
    return tuple(dict.fromkeys(value for value in values if value))


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals) or (option == "--label" and not value):
        raise InputError(f"{option} {text}: {form} is needed")
    return name, value


def _value(column: str, text: str, given: str) -> Any:
    """Return a text as a cell of a column of trials.csv. Raises InputError, which says what was given."""
    try:
        return reader(Trial, column).validate_python(text)
    except (ValueError, OverflowError, RecursionError):
        raise InputError(f"{given}: expected {kind(Trial, column).words}") from None


def _test(column: str, text: str) -> Callable[[Any], bool]:
    """Return what says whether a cell of a column holds a value; the empty text is an empty cell."""
    if not text:
        return lambda cell: cell is None or cell != cell
    value = _value(column, text, f"--where {column}={text}")
    if isinstance(value, float):
        return lambda cell: cell is not None and math.isclose(cell, value)
    if isinstance(value, dict):
        value = json.dumps(value, sort_keys=True)
    return lambda cell: bool(cell == value)


def _instead(value: str, column: pd.Series) -> str:
    """Return what there is in place of a value that no cell of a column holds."""
    there = {f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in column.dropna()}
    return nearest(value, there) if len(there) <= MANY else f"there are {len(there)} others"


def _settings(trials: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(trials["architecture"], trials["dataset"], strict=True))
