"""How the strength of a regulariser grows over a phase."""

from __future__ import annotations


def ramp_up(progress: float, length: float) -> float:
    """Return (progress / length)^2, at most 1: a strength that rises over the first `length` of the phase.

    progress and length in [0, 1]; length 0 means full strength from the first step.
    """
    return 1.0 if progress >= length else (progress / length) ** 2
