"""Logarithmic axes of ratios, such as speedup and compression, and of times, with ticks that can be read."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

MARGIN = 1.12  # the axis goes on by this factor beyond the values
ENOUGH, MOST_TICKS = 3, 7
POWERS = [[float(base) ** i for i in range(-32, 33)] for base in (2, 4, 16, 256)]
STEPS = [
    sorted(step * 10.0**i for i in range(-9, 10) for step in (1, 1.5, 2, 3, 4, 6, 8)),
    sorted(step * 10.0**i for i in range(-9, 10) for step in (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)),
]

DECIMAL = [sorted(step * 10.0**i for i in range(-9, 10) for step in steps) for steps in ((1, 2, 5), (1, 3), (1,))]


def ratio_axis(axes: Axes, low: float, high: float, decimal: bool = False) -> None:
    """Make x logarithmic from about low to high, both above 0, with ticks such as 1, 2, 4, 8, or 1, 2, 5, 10."""
    left, right = low / MARGIN, high * MARGIN
    axes.set_xscale("log", nonpositive="clip")
    axes.set_xlim(left, right)
    ticks = ratio_ticks(left, right, DECIMAL if decimal else POWERS)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def ratio_ticks(low: float, high: float, first: Sequence[Sequence[float]] = POWERS) -> list[float]:
    """Return round numbers from low to high, two or more: of the first of these ladders where they are enough."""
    ladders = [[tick for tick in ladder if low <= tick <= high] for ladder in (*first, *STEPS)]
    fitting = [ticks for ticks in ladders if len(ticks) <= MOST_TICKS]
    found = next((ticks for ticks in fitting if len(ticks) >= ENOUGH), max(fitting, key=len, default=[]))
    if len(found) > 1:
        return found
    return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
