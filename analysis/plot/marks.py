"""Marks: lines with intervals in the colour and mark of a method, controls, and the fill that tells the k-level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from analysis.plot.style import DENSE_COLOUR, LINES, Style, look, pt

GREY = "#BBBBBB"  # of the lines that a panel has no room to tell apart
FILLS = ("full", "full", "left", "right")  # of the variants of one method; the second is hollow
APART = 1.7  # points: between marks side by side
EXACT = {
    "full": "exactly k before projection",
    "bottom": "exactly k in some seeds",
    "none": "not exactly k",
}
PLAIN = Style("#555555", "o")


def line_look(style: Style, variant: int = 0, joined: bool = True) -> dict[str, Any]:
    """Return how a line of a method is drawn: the variants of one method differ in dashes and in their fill."""
    return {
        "color": style.colour, "marker": style.mark, "linestyle": LINES[variant % len(LINES)] if joined else "",
        "markerfacecolor": "white" if variant % 4 == 1 else style.colour, "markeredgewidth": pt(0.8),
        "fillstyle": FILLS[variant % 4], "markerfacecoloralt": "white",
    }  # fmt: skip


def draw_line(
    axes: Axes, points: pd.DataFrame, style: Style, variant: int = 0, *, joined: bool = True, aside: float = 0,
    grey: bool = False,
) -> None:  # fmt: skip
    """Draw points (x, y) with their intervals x_half and y_half as far as there are such columns.

    y_low, y_high: how far the interval reaches, in place of y_half. aside: points to the right, so that marks that
    share a place stay apart. The line of a panel that has too many is grey and has no intervals.
    """
    look_ = line_look(style, variant, joined)
    where: Transform = axes.transData + ScaledTranslation(pt(aside) / 72, 0, axes.figure.dpi_scale_trans)
    if grey:
        look_ |= {"color": GREY, "markerfacecolor": GREY, "linewidth": pt(0.7), "markersize": pt(2.4)}
        axes.plot(points["x"], points["y"], transform=where, zorder=1.5, **look_)
        return
    axes.errorbar(
        points["x"], points["y"], xerr=_reach(points, "x"), yerr=_reach(points, "y"), elinewidth=pt(0.7),
        capsize=pt(1.5), capthick=pt(0.7), transform=where, zorder=3, **look_,
    )  # fmt: skip


def _reach(points: pd.DataFrame, which: str) -> np.ndarray | None:
    """Return how far intervals reach down and up, nowhere from one seed; None if nothing is known."""
    value = points[which].to_numpy(dtype="float64")
    if f"{which}_low" in points:
        ends = [value - points[f"{which}_low"].to_numpy(), points[f"{which}_high"].to_numpy() - value]
    elif f"{which}_half" in points:
        ends = [points[f"{which}_half"].to_numpy()] * 2
    else:
        return None
    return np.asarray(np.nan_to_num(np.clip(np.array(ends, dtype="float64"), 0, None)))


def legend_line(style: Style, variant: int = 0, joined: bool = True, solid: bool = False) -> Line2D:
    """Return the handle that a legend shows of a line; solid: if the fill of its marks tells something else."""
    full = {"markerfacecolor": style.colour, "fillstyle": "full"} if solid else {}
    return Line2D([], [], **line_look(style, variant, joined) | full)


def side_by_side(count: int, apart: float = APART) -> list[float]:
    """Return points to the side for marks that share a place."""
    return [apart * (i - (count - 1) / 2) for i in range(count)]


def draw_dense(axes: Axes, mean: float, half: float, variant: int = 0) -> Line2D:
    """Draw the accuracy of a dense network in percent as a line, its interval as a band; return its handle."""
    look_: dict[str, Any] = {"color": DENSE_COLOUR, "linestyle": LINES[1 + variant % 3], "linewidth": pt(0.9)}
    axes.axhline(mean, zorder=1, **look_)
    if half > 0:
        axes.axhspan(max(0.0, mean - half), min(100.0, mean + half), color=DENSE_COLOUR, alpha=0.1, lw=0, zorder=0)
    return Line2D([], [], **look_)


def draw_control(axes: Axes, points: pd.DataFrame) -> Line2D:
    """Draw the dense network as a point with its intervals, in a mark that no method has; return its handle."""
    look_: dict[str, Any] = {
        "color": DENSE_COLOUR, "marker": (6, 2, 0), "linestyle": "", "markersize": pt(7), "markeredgewidth": pt(1.1),
    }  # fmt: skip
    axes.errorbar(
        points["x"], points["y"], xerr=_reach(points, "x"), yerr=_reach(points, "y"), elinewidth=pt(0.7),
        capsize=pt(1.5), capthick=pt(0.7), zorder=4, **look_,
    )  # fmt: skip
    return Line2D([], [], **look_)


def draw_par(axes: Axes, vertical: bool = False) -> Line2D:
    """Draw the line at a ratio of 1, which is the dense network; return its handle."""
    look_: dict[str, Any] = {"color": DENSE_COLOUR, "linestyle": ":", "linewidth": pt(0.9)}
    (axes.axvline if vertical else axes.axhline)(1, zorder=1, **look_)
    return Line2D([], [], **look_)


def accuracies(points: pd.DataFrame, low: float) -> pd.DataFrame:
    """Return points with y_low and y_high, within 0 to 100 percent; of a point below `low`, an arrow, no interval."""
    half = points["y_half"].fillna(0).where(points["y"] >= low, 0)
    return points.assign(y_low=(points["y"] - half).clip(lower=0), y_high=(points["y"] + half).clip(upper=100))


def fallen(axes: Axes, points: pd.DataFrame, low: float, style: Style) -> None:
    """Mark points below the axis at its lower edge by a small arrow down, so that nobody misses them."""
    below = points[points["y"] < low]
    if below.empty:
        return
    axes.plot(
        below["x"], [0.012] * len(below), transform=axes.get_xaxis_transform(), linestyle="", marker="v",
        markersize=pt(3), color=style.colour, clip_on=False, zorder=5,
    )  # fmt: skip


def fill(exact: float) -> str:
    """Return the fill style of the mark of trials of which so many percent left exactly k; empty if none tells."""
    return "" if math.isnan(exact) else "full" if exact == 100 else "bottom" if exact else "none"


def exact_look(style: Style, filled: str, size: float = 4.6) -> dict[str, Any]:
    """Return how a mark that tells the k-level is drawn, and no line through it."""
    if not filled:
        return {"marker": "", "linestyle": ""}
    return {
        "color": style.colour, "marker": style.mark, "linestyle": "",
        "markersize": pt(size), "markeredgewidth": pt(0.9), "fillstyle": "bottom" if filled == "bottom" else "full",
        "markerfacecolor": "white" if filled == "none" else style.colour, "markerfacecoloralt": "white",
    }  # fmt: skip


def exact_handles(used: set[str]) -> dict[str, Line2D]:
    """Return the handles that say which fill means what, of those that were drawn."""
    return {words: Line2D([], [], **exact_look(PLAIN, filled)) for filled, words in EXACT.items() if filled in used}


def letters(inches: float) -> int:
    """Return how many letters of a title fit in so many inches of the figure."""
    return max(8, int(inches / (0.055 * look().pen)))
