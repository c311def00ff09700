"""Axes: the one rule for round ticks, scales, and ranges that no fallen-out value sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from analysis.wording import listed

Scale = Literal["linear", "log", "powers", "symlog", "kept"]
MOST, ENOUGH = 7, 3  # ticks
MARGIN = 0.06  # of the range, beyond the values on either side
LINEAR = 1.0  # a symlog axis is linear up to here and logarithmic beyond
# round numbers between two powers of ten, from the coarsest
LADDERS: tuple[tuple[float, ...], ...] = (
    (1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
)  # fmt: skip
POWERS = (2, 4, 16, 256)
LONG, SHORT = 4.0, 0.25  # an interval longer than LONG times the median one, or this many points, may be cut
FAR = 10.0  # times the usual value: a larger one has its place on an axis that is logarithmic beyond LINEAR
FALLEN = 3.0  # a value lower than the first quartile by so many times the reach of the middle half has fallen out


def ticks(low: float, high: float, scale: Scale = "linear", most: int = MOST) -> list[float]:
    """Return round numbers from low to high, at most `most` of them; two or more if the range allows.

    powers: powers of two where they are enough, otherwise as log: of the finest ladder that has not too many.
    """
    if scale in ("linear", "kept"):
        return _linear(low, high, most)
    if scale == "symlog":
        outer = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0]
        found = sorted(tick for tick in [0.0, *outer, *(-tick for tick in outer)] if low <= tick <= high)
        return found if len(found) <= most else [tick for tick in found if "3" not in f"{tick:g}"]
    bases = [[float(base) ** i for i in range(-40, 41)] for base in POWERS] if scale == "powers" else []
    steps = [sorted(step * 10.0**i for i in range(-16, 17) for step in ladder) for ladder in LADDERS]
    steps += [[10.0 ** (skip * i) for i in range(-16, 17)] for skip in (2, 3, 4)]  # many decades: not every power
    inside = [[tick for tick in ladder if low <= tick <= high] for ladder in (*bases, *steps)]
    fitting = [found for found in inside if len(found) <= most]
    found = next((one for one in fitting if len(one) >= ENOUGH), max(fitting, key=len, default=[]))
    return found if len(found) > 1 else _linear(low, high, most)


def _linear(low: float, high: float, most: int) -> list[float]:
    locator = MaxNLocator(max(2, most - 1), steps=[1, 2, 2.5, 5, 10])
    return [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]


def set_scale(
    axes: Sequence[Axes],
    which: Literal["x", "y"],
    values: Iterable[float],
    scale: Scale = "linear",
    at: Sequence[float] | None = None,
    most: int = MOST,
    ends: tuple[float, float] = (-math.inf, math.inf),
    margin: float = MARGIN,
    words: Mapping[float, str] | None = None,
) -> None:
    """Give all axes one scale and range around the values, with ticks `at` these places or at round numbers.

    ends: beyond which no value can be; the range ends there, unless the values reach it. kept: x is the share kept in
    percent, on a logarithmic axis from large to small, with the sparsity, 100 - x, as label. words: further ticks, by
    place, for what has no number.
    """
    told = [float(value) for value in values if math.isfinite(value)]
    if scale in ("log", "powers", "kept"):
        told = [value for value in told if value > 0]
    if not told:
        return
    low, high = _range(min(told), max(told), scale, margin)
    low, high = max(low, ends[0]) if min(told) > ends[0] else low, min(high, ends[1]) if max(told) < ends[1] else high
    where = ticks(low, high, scale, most) if at is None else [tick for tick in at if low <= tick <= high]
    labels = [f"{(100 - tick if scale == 'kept' else tick):.6g}" for tick in where] + list((words or {}).values())
    for place in axes:
        axis = place.xaxis if which == "x" else place.yaxis
        rescale = place.set_xscale if which == "x" else place.set_yscale
        if scale == "symlog":
            rescale("symlog", linthresh=LINEAR, linscale=0.6)
        elif scale != "linear":
            rescale("log", nonpositive="clip")
        limits = (high, low) if scale == "kept" else (low, high)
        (place.set_xlim if which == "x" else place.set_ylim)(*limits)
        axis.set_ticks([*where, *(words or {})], labels)
        axis.set_minor_locator(NullLocator())


def _range(low: float, high: float, scale: Scale, margin: float) -> tuple[float, float]:
    if scale in ("log", "powers", "kept"):
        room = max(high / low, 1.3) ** margin
        return low / room, high * room
    if scale == "symlog":
        return 1.4 * low - 0.2, 1.4 * high + 0.2
    room = margin * (high - low or abs(high) or 1.0)
    return low - room, high + room


def far_reaching(values: Iterable[float]) -> Scale:
    """Return `symlog` for values about 0 of which the largest lies far beyond the usual ones, else `linear`."""
    told = [abs(value) for value in values if math.isfinite(value) and value]
    return "symlog" if told and max(told) > FAR * max(float(np.median(told)), LINEAR) else "linear"


def without_fallen(values: Iterable[float]) -> float:
    """Return the lowest of the values that has not fallen out of the others, as a network that collapsed has.

    Fallen is a value further below the first quartile than three times the distance of the quartiles, if that is at
    least a point; of fewer than four values none is.
    """
    told = sorted(value for value in values if math.isfinite(value))
    if len(told) < 4:
        return told[0] if told else math.nan
    low, high = np.quantile(told, [0.25, 0.75])
    bound = low - FALLEN * max(float(high - low), 1.0)
    return next(value for value in told if value >= bound)


def robust_range(points: pd.DataFrame, name: Callable[[str], str]) -> tuple[list[float], list[str]]:
    """Return values that a y axis of percent has to hold, and sentences on all that lies outside.

    points: rows with line, keep (or place, in words), y and y_half. Held are all means that have not fallen out, and
    their intervals but for those several times as long as the others, which are cut.
    """
    told = points[points["y"].notna()]
    low = without_fallen(told["y"])
    inside, below = told[told["y"] >= low], told[told["y"] < low]
    half = inside["y_half"].fillna(0)
    usual = LONG * max(float(half[half > 0].median()) if (half > 0).any() else 0.0, SHORT)
    fits = half <= usual
    ends = [*(inside["y"] - half)[fits].clip(lower=0), *(inside["y"] + half)[fits].clip(upper=100)]
    cut = inside[~fits]
    notes = [
        f"Below the axis (arrows): {listed([f'{_point(row, name)}: {row.y:.1f} %' for row in below.itertuples()])}"
    ]
    notes += [f"Cut by the axis: the interval of {listed([_point(row, name) for row in cut.itertuples()])}"]
    return [*inside["y"], *ends], [note for note, some in zip(notes, (below, cut), strict=True) if len(some)]


def holding(
    points: pd.DataFrame, low: float, high: float, name: Callable[[str], str], scale: Scale = "linear"
) -> tuple[list[float], list[str]]:
    """Return values that a y axis has to hold, and a sentence on what it cuts: all y, and intervals from low to high.

    points: rows with line, y, y_low, y_high, and place, in words.
    """
    held = [*points["y"], *points["y_low"].clip(lower=low), *points["y_high"].clip(upper=high)]
    bottom, top = _range(min(held), max(held), scale, MARGIN)
    cut = points[(points["y_low"] < bottom) | (points["y_high"] > top)]
    names = listed([_point(row, name) for row in cut.itertuples()])
    return held, [f"Cut by the axis: the interval of {names}"] if len(cut) else []


def coinciding(points: pd.DataFrame, name: Callable[[str], str]) -> str:
    """Say which lines lie under one another in every panel that has them; empty if none do."""
    drawn: dict[tuple[Any, ...], list[str]] = {}
    for line, mine in points.groupby("line", sort=False):
        places = mine[["panel", "x", "y"]].round({"x": 3, "y": 3}).itertuples(index=False)
        drawn.setdefault(tuple(sorted(map(tuple, places))), []).append(name(str(line)))
    groups = [listed(same, 12) for same in drawn.values() if len(same) > 1]
    return f"Under one another: {'; '.join(groups)}" if groups else ""


def _point(row: Any, name: Callable[[str], str]) -> str:
    return f"{name(row.line)} at {row.place if hasattr(row, 'place') else f'keep {row.keep:g}'}"


def crowded(kept: Iterable[float]) -> bool:
    """Say whether shares kept, in percent, crowd at the end of an axis of sparsity: then it is drawn over its log."""
    levels = sorted(set(kept))
    return len(levels) > 2 and levels[0] > 0 and levels[-1] / levels[0] > 4
