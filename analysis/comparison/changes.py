"""What is different in one experiment that two results have: accuracy with a test, times, sizes, status."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.matching import Matched
from analysis.klevel import k_level
from analysis.significance import LEVEL, Paired, holm, paired
from analysis.statistics import Estimate, by_seed, over_seeds
from analysis.table import NOTHING, TIMES

ROUNDING = 1e-6  # accuracies that differ by less are equal: a CSV holds rounded numbers


@dataclass(frozen=True)
class Line:
    """One experiment at one keep, over the seeds that are done in both results.

    before, after: test top-1 in A and B. difference: B - A, paired by seed. p: its p, corrected over all lines.
    speedup, seconds: measured speedup (batch 64) and train_seconds of B over those of A, NaN where one lacks them.
    changes: in words, what else is different; status too.
    """

    experiment: Matched
    before: Estimate
    after: Estimate
    difference: Paired
    p: float
    equal: bool
    speedup: float
    seconds: float
    changes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`better` or `worse` where significant, else `same`; a dash where no test can tell, as from one seed."""
        if math.isnan(self.p):
            return NOTHING
        return "same" if self.p >= LEVEL else "better" if self.difference.difference > 0 else "worse"

    @property
    def changed(self) -> bool:
        """Whether anything but times is different."""
        return bool(self.changes) or not self.equal


def lines(experiments: list[Matched]) -> list[Line]:
    """Compare each experiment over the seeds that are done in both results; p is corrected over all of them."""
    pairs = [one.common() for one in experiments]
    differences = [paired(by_seed(b), by_seed(a)) for a, b in pairs]
    corrected = holm([one.p for one in differences])
    return [
        _line(one, *pair, difference, p)
        for one, pair, difference, p in zip(experiments, pairs, differences, corrected, strict=True)
    ]


def _line(experiment: Matched, a: pd.DataFrame, b: pd.DataFrame, difference: Paired, p: float) -> Line:
    apart = (by_seed(b) - by_seed(a)).abs()
    return Line(
        experiment=experiment,
        before=over_seeds(a, "test_top1"),
        after=over_seeds(b, "test_top1"),
        difference=difference,
        p=p,
        equal=not (apart > ROUNDING).any(),
        speedup=_ratio(a, b, "speedup_b64"),
        seconds=_ratio(a, b, "train_seconds"),
        changes=(*_status_changes(experiment), *_other_changes(a, b)),
    )


def _ratio(a: pd.DataFrame, b: pd.DataFrame, column: str) -> float:
    before, after = (by_seed(rows, column) for rows in (a, b))
    told = before.index[before.notna() & (before > 0)].intersection(after.dropna().index)
    return float(after[told].mean() / before[told].mean()) if len(told) else math.nan


def _status_changes(experiment: Matched) -> list[str]:
    """Say which seeds have another status in B, and why they failed or were skipped there."""
    found = []
    for seed in experiment.seeds:
        a, b = (rows[rows["seed"] == seed].iloc[0] for rows in (experiment.a, experiment.b))
        if a["status"] != b["status"]:
            reason = " ".join(str(b.get("reason") or "").split())[:120] if b["status"] != "done" else ""
            found.append(f"seed {seed:g}: {a['status']} -> {b['status']}" + (f" ({reason})" if reason else ""))
    return found


def _other_changes(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Say what else is different in the seeds that are done in both, as far as both have the columns."""
    found = []
    for name, read in READINGS.items():
        before, after = read(a), read(b)
        if before != after and NOTHING not in (before, after):
            found.append(f"{name} {before} -> {after}")
    return [*found, *_group_changes(a, b)]


def _times(rows: pd.DataFrame, column: str) -> str:
    mean = by_seed(rows, column).mean()
    return NOTHING if pd.isna(mean) else f"{mean:.2f}{TIMES}"


READINGS: dict[str, Callable[[pd.DataFrame], str]] = {
    "compression": lambda rows: _times(rows, "compression"),
    "mac_speedup": lambda rows: _times(rows, "mac_speedup"),
    "k-level": k_level,
}


def _group_changes(a: pd.DataFrame, b: pd.DataFrame) -> list[str]:
    """Say in which seeds other numbers of groups were kept, in total or in the families alone."""
    if "groups_kept" not in a or "groups_kept" not in b:
        return []
    before, after = (dict(zip(rows["seed"], rows["groups_kept"], strict=True)) for rows in (a, b))
    found = []
    for seed in sorted(before):
        left, right = before[seed], after[seed]
        if left is not None and right is not None and left != right:
            families = " (in other families)" if sum(left) == sum(right) else ""
            found.append(f"groups_kept {sum(left)} -> {sum(right)}{families} in seed {seed:g}")
    return found
