"""How many groups were left after each epoch of the sparsify phase, in units of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.load import Setting
from results.klevel import reached

COLUMNS = ["trial", "seed", "epoch", "left", "low", "high"]
NO_EPOCHS = "no epochs of the sparsify phase"
CUT = "epochs.csv does not end with the last of sparsify_epochs"
NO_TARGET = "no target"
OTHER_LENGTH = "lists of another length than the target's"


class _UnusableError(Exception):
    """A trial whose cells do not fit together; the message is a reason."""


@dataclass(frozen=True)
class Trajectories:
    """The trials of a setting that tell how their groups went.

    points: a row per trial and epoch (0: the start, where it is told). left: groups left / target over all families;
    low and high: the lowest and highest such ratio of a family, NaN where the budget is not one per family.
    ends: trial -> whether exactly the target was left in the end. unusable: trial -> why it is left out.
    """

    points: pd.DataFrame
    ends: dict[str, bool]
    unusable: dict[str, str]


def trajectories(setting: Setting, trials: pd.DataFrame) -> Trajectories:
    """Read the trajectories of these trials of a setting."""
    epochs = setting.frame("epochs")
    by_trial = {str(name): rows for name, rows in epochs.groupby("trial")}
    points: list[dict[str, object]] = []
    ends: dict[str, bool] = {}
    unusable: dict[str, str] = {}
    for _, trial in trials.iterrows():
        name = str(trial["trial"])
        try:
            counts = _counts(trial, by_trial.get(name, epochs.iloc[:0]))
            rows = [_point(trial, epoch, left) for epoch, left in counts.items()]
        except _UnusableError as reason:
            unusable[name] = str(reason)
            continue
        points += rows
        ends[name] = reached(counts[max(counts)], trial["groups_target"])
    return Trajectories(pd.DataFrame(points, columns=COLUMNS), ends, unusable)


def summary(names: dict[str, str], unusable: dict[str, str]) -> list[str]:
    """Return a line for each reason why trials are left out, given the label of each trial."""
    lines = []
    for reason in dict.fromkeys(unusable.values()):
        count = Counter(names[trial] for trial, why in unusable.items() if why == reason)
        lines.append(f"left out, {reason}: " + ", ".join(f"{label} ({n})" for label, n in count.items()))
    return lines


def _counts(trial: pd.Series, epochs: pd.DataFrame) -> dict[int, tuple[int, ...]]:
    """Return epoch -> groups left in each family, from 0 where the start is told."""
    told = epochs.dropna(subset=["epoch", "nonzero_groups"])
    left = _phase(told, "sparsify")
    if not left:
        raise _UnusableError(NO_EPOCHS)
    length = trial.get("sparsify_epochs")
    if pd.notna(length) and max(left) != length:
        raise _UnusableError(CUT)
    dense = _phase(told, "dense")
    if dense:
        return {0: dense[max(dense)]} | left  # it began with the trained network
    if trial.get("start") == "scratch" and isinstance(trial.get("groups"), tuple):
        return {0: trial["groups"]} | left  # no group of a network that is not trained yet is zero
    return left


def _phase(epochs: pd.DataFrame, name: str) -> dict[int, tuple[int, ...]]:
    rows = epochs[(epochs["phase"] == name) & (epochs["epoch"] >= 1)].sort_values("epoch", kind="stable")
    return {int(epoch): left for epoch, left in zip(rows["epoch"], rows["nonzero_groups"], strict=True)}


def _point(trial: pd.Series, epoch: int, left: tuple[int, ...]) -> dict[str, object]:
    ratios = _ratios(left, trial["groups_target"], trial.get("scope"))
    low, high = (min(ratios), max(ratios)) if len(ratios) > 1 else (float("nan"), float("nan"))
    total = sum(left) / sum(trial["groups_target"])
    return dict(zip(COLUMNS, (str(trial["trial"]), trial["seed"], epoch, total, low, high), strict=True))


def _ratios(left: Sequence[int], target: object, scope: object) -> list[float]:
    """Return groups left / target of each family; nothing where the budget is that of the whole network."""
    if not isinstance(target, tuple) or not target or 0 in target:
        raise _UnusableError(NO_TARGET)
    if len(left) == len(target):
        return [n / k for n, k in zip(left, target, strict=True)]
    if scope == "layer" or len(target) > 1 or not left:
        raise _UnusableError(OTHER_LENGTH)
    return []
