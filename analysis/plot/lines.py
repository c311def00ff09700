"""Lines over what networks cost or gain, beside the dense network: their points, their captions, their drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, in_order, named
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot import marks
from analysis.plot.facets import Panel, Plot, described, leading
from analysis.plot.style import pt, published_styles, styles
from analysis.statistics import measured, over_seeds, points, seeds_said

LINE, PUBLISHED = "line", "published"
TOP1, SPEEDUP, PAR = "test_top1", "speedup", "speedup 1"
LEAST = 1.0  # points of accuracy on an axis: less is not made to look like much


def line_points(rows: pd.DataFrame, x: str, y: str = TOP1) -> pd.DataFrame:
    """Return a row of kind `line` per panel, line and keep with both columns: means x and y over n seeds, in intervals.

    x_low, x_high, y_half: the 95 % t-interval. Accuracy is in percent. variant: the number among those of its method.
    """
    found = points(measured(rows, [x, y]), ["panel", "line", "keep"], [x, y]).dropna(subset=[x, y])
    variants = rows.drop_duplicates("line").set_index("line")["variant"]
    percent = 100 if y == TOP1 else 1
    return pd.DataFrame({
        "kind": LINE, "panel": found["panel"], "quantity": y, "line": found["line"], "keep": found["keep"],
        "variant": found["line"].map(variants), "x": found[x], "x_low": (found[x] - found[f"{x}_half"]).clip(lower=0),
        "x_high": found[x] + found[f"{x}_half"],
        "y": percent * found[y], "y_half": percent * found[f"{y}_half"], "n": found[f"{y}_n"],
    })  # fmt: skip


def dense_point(trials: pd.DataFrame, **cells: Any) -> pd.DataFrame:
    """Return the accuracy of dense trials as a row of kind `dense` with these cells; empty without accuracy."""
    top1 = over_seeds(trials)
    row: dict[str, Any] = {
        "kind": DENSE, "quantity": TOP1, "line": DENSE, "keep": 1.0, "variant": 0, "y": 100 * top1.mean,
        "y_half": 100 * top1.half_width, "n": top1.n,
    }  # fmt: skip
    return pd.DataFrame([row | cells] if top1.n else [])


def described_lines(
    found: pd.DataFrame, frame: Frame, caption: Sequence[str], x: str, title: str = "", *, by: str = "quantity",
    first: Collection[str] = (), **more: Any,
) -> pd.DataFrame:  # fmt: skip
    """Return points of all kinds with what `described` adds, and what the caption says of every figure of lines.

    x: the column that x is. by: the column for each of whose values y has a range, in attrs as `held`. first: lines
    that lead whatever the others reach. lead: whether the panel of a row tells its line apart.
    """
    lines = found[found["kind"] == LINE]
    held: dict[Any, list[float]] = {}
    notes: list[str] = []
    for key, mine in found.groupby(by, sort=False):
        held[key], said = _range(mine, frame.name)
        notes += said
    found["lead"] = False
    ranked = lines.assign(y=lines["y"] + 100 * lines["line"].isin(first))
    for _, mine in lines.groupby("panel"):
        lead = leading(ranked[ranked["line"].isin(mine["line"])])  # over all panels, so that none is grey in some
        found.loc[mine.index, "lead"] = mine["line"].isin(lead)
    notes.append(named("In grey", found["line"][(found["kind"] == LINE) & ~found["lead"]], frame.name))
    caption = [seeds_said(lines["n"]), *caption, *notes, axis.coinciding(lines, frame.name)]
    return described(found, frame, caption, title, held=held, x=x, **more)


def draw_lines(
    plot: Plot, panel: Panel, *, joined: bool = True, apart: bool = False, most: int = 6, margin: float = axis.MARGIN
) -> None:
    """Draw the points of a panel, give its y a range, and add what is drawn to the legend.

    The dense network is a mark if it has an x, otherwise a line across; of a speedup it is the line at 1. Published
    networks are hollow marks. apart: marks of several lines that share an x stand side by side.
    """
    axes, quantity = panel.axes, str(panel.rows["quantity"].iloc[0])
    held = plot.attrs["held"].get(panel.col) or plot.attrs["held"][quantity]
    accuracy, low = quantity == TOP1, min(held)
    axis.set_scale([axes], "y", held, ends=(0, 100 if accuracy else math.inf), most=most, margin=margin)
    rows = marks.accuracies(panel.rows, low) if accuracy else panel.rows
    dense, lines, others = (rows[rows["kind"] == kind] for kind in (DENSE, LINE, PUBLISHED))
    if len(dense):
        band = dense[["y", "y_half"]].fillna(0).to_numpy()[0]
        handle = marks.draw_control(axes, dense) if dense["x"].notna().all() else marks.draw_dense(axes, *band)
        plot.handles.setdefault(plot.name(DENSE), handle)
    for column, vertical in ((plot.attrs["x"], True), (quantity, False)):
        if column.startswith(SPEEDUP):
            plot.handles.setdefault(PAR, marks.draw_par(axes, vertical))
    lead = in_order(list(lines["line"][lines["lead"]]))
    shifts = dict(zip(lead, marks.side_by_side(len(lead)), strict=True)) if apart else {}
    for line in plot.lines(lines, lead, joined):
        look: dict[str, Any] = {"joined": joined, "aside": shifts.get(line.name, 0), "grey": not line.told}
        marks.draw_line(axes, line.rows, line.style, line.variant, **look)
        if line.told and accuracy:
            marks.fallen(axes, line.rows, low, line.style)
    for name, style in published_styles(others["line"], styles(plot.attrs["methods"])).items():
        mine = others[others["line"] == name]
        hollow: dict[str, Any] = {
            "color": style.colour, "marker": style.mark, "linestyle": "", "markerfacecolor": "none",
            "markersize": pt(4.4), "markeredgewidth": pt(0.8),
        }  # fmt: skip
        axes.plot(mine["x"], mine["y"], zorder=3.5, **hollow)
        plot.handles.setdefault(plot.name(name), Line2D([], [], **hollow))


def _range(found: pd.DataFrame, name: Callable[[str], str]) -> tuple[list[float], list[str]]:
    """Return values that the axis of y has to hold, and sentences on what lies outside."""
    quantity, half = found["quantity"].iloc[0], found["y_half"].fillna(0)
    if quantity != TOP1:
        return [*found["y"], *(found["y"] + half), *[1.0] * quantity.startswith(SPEEDUP)], []
    is_line = found["kind"] == LINE
    held, notes = axis.robust_range(found[is_line].drop_duplicates(["line", "keep", "y"]), name)
    held += [*(found["y"] - half)[~is_line].clip(lower=0), *(found["y"] + half)[~is_line].clip(upper=100)]
    low, high = min(held), max(held)
    short = max(0.0, LEAST - (high - low)) / 2
    return [low - short, high + short], notes
