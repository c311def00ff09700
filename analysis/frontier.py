"""The Pareto frontier of networks: those that no other beats in both time and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def on_frontier(times: Sequence[float], accuracies: Sequence[float]) -> list[bool]:
    """Say of each network whether none other is at least as fast and as accurate, and better in one of the two.

    Of networks that are equal in both, all are on the frontier or none.
    """
    time, accuracy = np.asarray(times, dtype="float64"), np.asarray(accuracies, dtype="float64")
    return [
        not bool(np.any((time <= t) & (accuracy >= a) & ((time < t) | (accuracy > a))))
        for t, a in zip(time, accuracy, strict=True)
    ]
