"""How many groups were left after each epoch of the sparsify phase, as a share of those that have to go."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import pandas as pd

from results.klevel import reached

Left = dict[int, tuple[int, ...]]  # epoch -> groups left in each family


class _UnusableError(Exception):
    """A trial whose cells do not fit together, with the reason."""


def trajectories(
    trials: pd.DataFrame, epochs: pd.DataFrame, name: Callable[[str], str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per trial and epoch (0: the start, if it is told), and a sentence for each reason to leave some out.

    y: groups left above k in percent of those of the dense network above k, over all families; low and high: the lowest
    and highest such share of a family, NaN for one family or a budget of the whole network. exact: 100 if exactly k
    were left in the end, else 0.
    """
    told = epochs[epochs["epoch"] >= 1].dropna(subset=["nonzero_groups"]).sort_values("epoch", kind="stable")
    phases: dict[tuple[str, str], Left] = {
        (str(trial), str(phase)): dict(zip(rows["epoch"].astype(int), rows["nonzero_groups"], strict=True))
        for (trial, phase), rows in told.groupby(["trial", "phase"])
    }
    points: list[tuple[str, int, float, float, float, float]] = []
    lost: dict[str, Counter[str]] = {}
    for _, trial in trials.iterrows():
        try:
            left = _left(trial, *(phases.get((trial["trial"], phase), {}) for phase in ("dense", "sparsify")))
            shares = {epoch: _shares(trial, groups) for epoch, groups in left.items()}
        except _UnusableError as reason:
            lost.setdefault(str(reason), Counter())[trial["line"]] += 1
            continue
        exact = 100.0 * reached(left[max(left)], trial["groups_target"])
        points += [(trial["trial"], epoch, *share, exact) for epoch, share in shares.items()]
    found = pd.DataFrame(points, columns=["trial", "epoch", "y", "low", "high", "exact"])
    said = {reason: ", ".join(f"{name(line)} ({n})" for line, n in count.items()) for reason, count in lost.items()}
    return found, [f"Left out, {reason}: {lines}" for reason, lines in said.items()]


def _left(trial: pd.Series, dense: Left, sparsify: Left) -> Left:
    """Return the groups left after each epoch of the sparsify phase, and from 0 if the start is told."""
    if not sparsify:
        raise _UnusableError("no epochs of the sparsify phase")
    length = trial.get("sparsify_epochs")
    if pd.notna(length) and max(sparsify) != length:
        raise _UnusableError("epochs.csv does not end with the last of sparsify_epochs")
    if dense:
        return {0: dense[max(dense)]} | sparsify  # it began with the trained network
    if trial.get("start") == "scratch" and isinstance(trial.get("groups"), tuple):
        return {0: trial["groups"]} | sparsify  # no group of a network that is not trained yet is zero
    return sparsify


def _shares(trial: pd.Series, left: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the share of all families together, and the lowest and the highest of one, in percent."""
    groups, target = trial.get("groups"), trial["groups_target"]
    if not isinstance(target, tuple) or not target:
        raise _UnusableError("no target")
    if not isinstance(groups, tuple) or sum(groups) <= sum(target):
        raise _UnusableError("no number of groups of the dense network above the target")
    one_budget = len(target) == 1 and trial.get("scope") != "layer"
    if not left or len(left) != len(groups) or not (one_budget or len(target) == len(left)):
        raise _UnusableError("lists of another length than that of the groups")
    total = 100 * (sum(left) - sum(target)) / (sum(groups) - sum(target))
    if one_budget or len(left) == 1:
        return total, math.nan, math.nan
    shares = [100 * (n - k) / (m - k) for n, k, m in zip(left, target, groups, strict=True) if m > k]
    return total, min(shares), max(shares)
