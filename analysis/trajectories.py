"""How many groups were left after each epoch of the sparsify phase, as a share of those that have to go."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from results.klevel import reached

COLUMNS = ["trial", "epoch", "y", "low", "high"]
NO_EPOCHS = "no epochs of the sparsify phase"
CUT = "epochs.csv does not end with the last of sparsify_epochs"
NO_TARGET = "no target"
NO_GROUPS = "no number of groups of the dense network above the target"
OTHER_LENGTH = "lists of another length than that of the groups"


class _UnusableError(Exception):
    """A trial whose cells do not fit together, with the reason."""


@dataclass(frozen=True)
class Trajectories:
    """The trials that tell how their groups went.

    points: a row per trial and epoch (0: the start, if it is told). y: groups left above k in percent of those of the
    dense network above k, over all families; low and high: the lowest and highest such share of a family, NaN for one
    family or a budget of the whole network. ends: trial -> whether exactly k were left in the end. unusable: trial ->
    why it is left out.
    """

    points: pd.DataFrame
    ends: dict[str, bool]
    unusable: dict[str, str]


def trajectories(trials: pd.DataFrame, epochs: pd.DataFrame) -> Trajectories:
    """Read the trajectories of these trials from the rows of epochs.csv."""
    by_trial = {str(name): rows for name, rows in epochs.groupby("trial")}
    points: list[tuple[str, int, float, float, float]] = []
    ends, unusable = {}, {}
    for name, (_, trial) in zip(trials["trial"], trials.iterrows(), strict=True):
        try:
            counts = _counts(trial, by_trial.get(name, epochs.iloc[:0]))
            points += [(name, epoch, *_shares(trial, left)) for epoch, left in counts.items()]
            ends[name] = reached(counts[max(counts)], trial["groups_target"])
        except _UnusableError as reason:
            unusable[name] = str(reason)
    return Trajectories(pd.DataFrame(points, columns=COLUMNS), ends, unusable)


def left_out(unusable: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Return a sentence for each reason why trials are left out, given the line of each trial for people."""
    sentences = []
    for reason in dict.fromkeys(unusable.values()):
        count = Counter(names[trial] for trial, why in unusable.items() if why == reason)
        sentences.append(f"Left out, {reason}: " + ", ".join(f"{line} ({n})" for line, n in count.items()))
    return sentences


def _counts(trial: pd.Series, epochs: pd.DataFrame) -> dict[int, tuple[int, ...]]:
    """Return epoch -> groups left in each family, from 0 if the start is told."""
    told = epochs.dropna(subset=["epoch", "nonzero_groups"])
    left = _phase(told, "sparsify")
    if not left:
        raise _UnusableError(NO_EPOCHS)
    length = trial.get("sparsify_epochs")
    if pd.notna(length) and max(left) != length:
        raise _UnusableError(CUT)
    if dense := _phase(told, "dense"):
        return {0: dense[max(dense)]} | left  # it began with the trained network
    if trial.get("start") == "scratch" and isinstance(trial.get("groups"), tuple):
        return {0: trial["groups"]} | left  # no group of a network that is not trained yet is zero
    return left


def _phase(epochs: pd.DataFrame, name: str) -> dict[int, tuple[int, ...]]:
    rows = epochs[(epochs["phase"] == name) & (epochs["epoch"] >= 1)].sort_values("epoch", kind="stable")
    return {int(epoch): left for epoch, left in zip(rows["epoch"], rows["nonzero_groups"], strict=True)}


def _shares(trial: pd.Series, left: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the share of all families together, and the lowest and the highest of one, in percent."""
    groups, target = trial.get("groups"), trial["groups_target"]
    if not isinstance(target, tuple) or not target:
        raise _UnusableError(NO_TARGET)
    if not isinstance(groups, tuple) or sum(groups) <= sum(target):
        raise _UnusableError(NO_GROUPS)
    one_budget = len(target) == 1 and trial.get("scope") != "layer"
    if not left or len(left) != len(groups) or not (one_budget or len(target) == len(left)):
        raise _UnusableError(OTHER_LENGTH)
    total = 100 * (sum(left) - sum(target)) / (sum(groups) - sum(target))
    if one_budget or len(left) == 1:
        return total, math.nan, math.nan
    shares = [100 * (n - k) / (m - k) for n, k, m in zip(left, target, groups, strict=True) if m > k]
    return total, min(shares), max(shares)
