"""What is left of each family: maps of kept widths, a row for each method at each keep, equal rows merged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.experiments import APART, panel_word, with_epochs
from analysis.identity import differing
from analysis.load import Setting
from analysis.series import majority, series_within
from analysis.tuning import tuned, tuning_said
from results.errors import Skip

FAMILIES = 120  # columns of a map; where there are more, neighbours are taken together
MOST = 12  # different rows at one keep, before hyperparameters are reduced to auto and the best on validation
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Width:
    """A row of a map: for each column the groups that are left (mean over the seeds), and their share in [0, 1]."""

    label: str
    kept: Numbers
    share: Numbers


@dataclass(frozen=True)
class Maps:
    """The rows at each keep, the largest keep first.

    groups: of each column, before pruning. trials: the rows of trials.csv behind the map. scope: where all have one.
    lines: what the heading has to say: what was reduced, taken together or left out.
    """

    by_keep: dict[float, list[Width]]
    groups: Numbers
    trials: pd.DataFrame
    scope: str
    lines: list[str]


@dataclass(frozen=True)
class _Part:
    """The trials of one series under one budget, at one keep."""

    scope: str
    method: str
    label: str
    budget: str
    kept: Numbers


def maps(setting: Setting) -> Maps:
    """Return the kept widths of a setting. Raises Skip where no trial tells them."""
    rows, groups, lines = _comparable(setting)
    found = _rows(rows, groups)
    if max(len(part) for part in found.values()) > MOST:
        apart = [column for column in APART if column in rows]
        lines = [*tuning_said(rows, apart), *lines]
        rows = tuned(rows, apart)
        found = _rows(rows, groups)
    if len(groups) > FAMILIES:
        lines = [*lines, f"{len(groups):,} families: each column takes neighbours together"]
    scopes = set(rows["scope"].dropna()) if "scope" in rows else set()
    scope = f"{scopes.pop()} scope" if len(scopes) == 1 else ""
    return Maps(found, _together(groups), rows, scope, lines)


def _comparable(setting: Setting) -> tuple[pd.DataFrame, Numbers, list[str]]:
    """Return the trials of the usual grouping that divide the network alike, how, and what was left out."""
    rows = with_epochs(setting.pruned.dropna(subset=["groups", "groups_kept"]))
    rows = rows[[0 < len(all_) == len(kept) for all_, kept in zip(rows["groups"], rows["groups_kept"], strict=True)]]
    if rows.empty:
        raise Skip(f"no pruned trial of {setting.title} tells how many groups it kept in each family")
    usual = majority(rows, "grouping")
    other = sorted({f"{row.method} ({row.grouping})" for row in rows[rows["grouping"] != usual].itertuples()})
    rows = rows[rows["grouping"] == usual]
    lines = [f"another grouping, hence left out: {', '.join(other)}"] if other else []
    (groups, count), *_ = Counter(rows["groups"]).most_common(1)
    if count < len(rows):
        lines.append(f"{len(rows) - count} trials that divide the network otherwise are left out")
    return rows[rows["groups"] == groups], np.asarray(groups, dtype="float64"), lines


def _rows(rows: pd.DataFrame, groups: Numbers) -> dict[float, list[Width]]:
    """Return the merged rows at each keep."""
    apart = [column for column in APART if column in rows]
    parts: dict[float, list[_Part]] = {keep: [] for keep in sorted(rows["keep"].unique(), reverse=True)}
    varying = [column for column in differing(rows, apart) if column != "scope" and rows[column].nunique() > 1]
    for one in series_within(rows, [*apart, "keep"]):
        for _, part in one.rows.groupby([*apart, "keep"], dropna=False, sort=True):
            first = part.iloc[0]
            budget = [panel_word(column, first[column]) for column in varying if pd.notna(first[column])]
            scope = str(first["scope"]) if "scope" in rows else ""
            kept = _together(_mean(part))
            parts[first["keep"]].append(_Part(scope, one.method, one.label, ", ".join(budget), kept))
    told = rows["scope"].nunique() > 1 if "scope" in rows else False
    return {keep: _merged(some, _together(groups), bool(told)) for keep, some in parts.items()}


def _mean(rows: pd.DataFrame) -> Numbers:
    """Return the mean kept width of each family over the seeds; several trials of one seed count once."""
    by_seed = [np.mean(list(part), axis=0) for _, part in rows.groupby("seed")["groups_kept"]]
    return np.asarray(np.mean(by_seed, axis=0), dtype="float64")


def _merged(parts: list[_Part], groups: Numbers, tell_scope: bool) -> list[Width]:
    """Return one row for each different map of a scope, in the order of the scopes and of the series."""
    alike: dict[tuple[str, bytes], list[_Part]] = {}
    for part in sorted(parts, key=lambda part: part.scope):
        alike.setdefault((part.scope, part.kept.round(6).tobytes()), []).append(part)
    found = []
    for (scope, _), same in alike.items():
        rivals = [part for part in parts if part.scope == scope]
        methods = {part.method for part in same}
        words = _named(same)
        if len(same) == len(rivals) > 1:
            words = f"all {len(methods)} methods" if len(methods) > 2 else "; ".join(sorted(methods))
        share = np.divide(same[0].kept, groups, out=np.full(len(groups), np.nan), where=groups > 0)
        found.append(Width(f"{scope} scope: {words}" if tell_scope and scope else words, same[0].kept, share))
    return found


def _named(parts: list[_Part]) -> str:
    """Name what one row stands for, such as `wgsef; wgsef_dc`, or `wgsef, 4 epochs and 13 epochs`."""
    budgets: dict[str, list[str]] = {}
    for part in parts:
        budgets.setdefault(part.label, []).append(part.budget)
    return "; ".join(", ".join(filter(None, (label, " and ".join(some)))) for label, some in budgets.items())


def _together(values: Numbers) -> Numbers:
    """Add up neighbouring families where there are more than FAMILIES."""
    if len(values) <= FAMILIES:
        return values
    return np.array([part.sum() for part in np.array_split(values, FAMILIES)])
