"""Which trials make one line of a figure or one row of a table, and what it is called."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.identity import DENSE_LINE, LINE, PHASES, TIMING, plain, said
from analysis.load import Setting


@dataclass(frozen=True)
class Series:
    """The trials of one experiment over keep and seed. `variant` numbers those of the same method from 0."""

    method: str
    label: str
    variant: int
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """The method, with the role that a control has."""
        role = self.rows["role"].iloc[0] if "role" in self.rows else None
        return f"{self.method} ({role})" if role else self.method


def pruned_series(setting: Setting, timing: bool = False) -> list[Series]:
    """Return the series of the pruning methods; with `timing`, trials of different devices stay apart."""
    rows = setting.pruned
    return _series(rows, LINE + TIMING * timing, {c: majority(rows, c) for c in ("grouping", "scope")})


def series_within(rows: pd.DataFrame, fixed: Sequence[str]) -> list[Series]:
    """Return the series of rows that the columns `fixed` set apart: a panel or a block for each of their values.

    A series goes on through the panels. Its label says nothing of `fixed`, nor of what a method has once in a panel.
    """
    apart = [column for column in ("method", "role", *fixed) if column in rows]
    rest = [column for column in LINE if column in rows and column not in apart and column != "hyperparameters"]
    counts = rows.groupby(apart, dropna=False)[rest].nunique(dropna=False) if rest else pd.DataFrame()
    varying = [column for column in rest if (counts[column] > 1).any()]
    return _series(rows, ["method", "role", "hyperparameters", *varying], {})


def held(everything: Iterable[Series], rows: pd.DataFrame) -> list[Series]:
    """Return what each series has among these trials, where it has something."""
    parts = [replace(one, rows=one.rows[one.rows["trial"].isin(rows["trial"])]) for one in everything]
    return [part for part in parts if len(part.rows)]


def total_epochs(rows: pd.DataFrame) -> pd.Series:
    """Return the epochs of all phases together of each trial, as far as there are columns; NaN where one is empty."""
    if "epochs" in rows:
        return rows["epochs"]  # as annotated: which phases a tuned line has may differ from keep to keep
    return rows[[phase for phase in PHASES if phase in rows]].sum(axis=1, skipna=False)


def dense_series(setting: Setting) -> list[Series]:
    """Return the dense networks of a setting: one, or several where recipes or protocols differ."""
    return _series(setting.dense, DENSE_LINE, {})


def majority(rows: pd.DataFrame, column: str) -> Any:
    """Return the most frequent value of a column (of several, the first in order), None where there is none."""
    counts = Counter(rows[column].dropna()) if column in rows else Counter()
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def devices(rows: pd.DataFrame) -> str:
    """Return what the rows were timed on, such as `cpu, 2 threads`; several are joined by semicolons."""
    if "device" not in rows:
        return "an unknown device"
    columns = [column for column in TIMING if column in rows]
    names = []
    for _, row in rows[columns].drop_duplicates().sort_values(columns).iterrows():
        threads = f", {said('threads', row['threads'])}" if pd.notna(row.get("threads")) else ""
        names.append((row["device"] or "an unknown device") + threads)
    return "; ".join(names)


def repeated(setting: Setting) -> list[str]:
    """Return a line for each pair of trials that no column tells apart: they count as one seed."""
    columns = [c for c in [*LINE, *TIMING, "keep", "seed"] if c in setting.pruned]
    lines = []
    for _, rows in setting.pruned.groupby(columns, dropna=False):
        if len(rows) > 1:
            row, trials = rows.iloc[0], ", ".join(rows["trial"])
            what = f"{row['method']}, keep {row['keep']:g}, seed {row['seed']:g}"
            lines.append(f"{setting.title}: trials {trials} differ in no column ({what}); averaged, as one seed")
    return lines


def _series(rows: pd.DataFrame, identity: Iterable[str], usual: dict[str, Any]) -> list[Series]:
    if rows.empty:
        return []
    columns = [column for column in identity if column in rows]
    parts = [part for _, part in rows.groupby(columns, dropna=False, sort=True)]
    keys = [dict(zip(columns, part.iloc[0][columns], strict=True)) for part in parts]
    found = [(key["method"], label, part) for key, label, part in zip(keys, _labels(keys, usual), parts, strict=True)]
    found.sort(key=lambda one: (one[0] == "random", one[0], len(one[1]) > len(one[0]), one[1]))  # the control: last
    seen: Counter[str] = Counter()
    series = []
    for method, label, part in found:
        series.append(Series(method, label, seen[method], part))
        seen[method] += 1
    return series


def _labels(keys: list[dict[str, Any]], usual: dict[str, Any]) -> list[str]:
    """Name each series by its method and, in brackets, as little as sets it apart from the others."""
    notes: list[list[str]] = [[] for _ in keys]
    for note, key in zip(notes, keys, strict=True):
        note += [said(column, key[column]) for column, value in usual.items() if key.get(column) not in (value, None)]
        note += [key["role"]] if key.get("role") else []
    for note, words in zip(notes, _hyperparameters(keys), strict=True):
        note += words
    for column in keys[0]:
        if column in ("method", "role", "hyperparameters", *usual):
            continue
        for alike in _alike(keys, notes):
            if len({str(keys[i][column]) for i in alike}) > 1:
                for i in alike:
                    notes[i].append(said(column, keys[i][column]))
    return [key["method"] + (f" ({', '.join(note)})" if note else "") for key, note in zip(keys, notes, strict=True)]


def _alike(keys: list[dict[str, Any]], notes: list[list[str]]) -> list[list[int]]:
    """Return the positions of the series that still have the same name."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, (key, note) in enumerate(zip(keys, notes, strict=True)):
        found[(key["method"], *note)].append(i)
    return list(found.values())


def _hyperparameters(keys: list[dict[str, Any]]) -> list[list[str]]:
    """Return, for each series, the hyperparameters in which its method occurs with several values."""
    given = [json.loads(key.get("hyperparameters") or "{}") for key in keys]
    words = []
    for i, key in enumerate(keys):
        same = [other["method"] == key["method"] and other.get("role") == key.get("role") for other in keys]
        siblings = [cell for cell, alike in zip(given, same, strict=True) if alike]
        vary = [name for name in given[i] if len({json.dumps(s.get(name)) for s in siblings}) > 1]
        words.append([f"{name}={plain(given[i][name])}" for name in sorted(vary)])
    return words
