"""What being forced to exactly k costs: the validation accuracy that the projection takes away."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.annotation import named
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.merging import merged
from analysis.plot import axes as axis
from analysis.plot.facets import Panel, Plot, described, facets, label, leading
from analysis.plot.marks import draw_line, side_by_side
from analysis.plot.style import DENSE_COLOUR, pt
from analysis.select import tried_said
from analysis.statistics import points, seeds_said
from analysis.wording import AXES
from results.errors import Skip

DROP = "projection_drop"
SAME = 0.05  # points: panels whose drops differ by no more are one
BELOW = 1.0  # points below no drop, and below the lowest, that an interval may reach
STEP, ROOM = 0.14, 0.75  # between marks side by side, and for all of them together, of the distance of two keeps
ONE_SHOT = "Before fine-tuning; one-shot methods are pruned at once"
SHARED = "Conditions of the same drops share a panel"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per panel, line and keep with y, the drop in points, and its interval.

    x: the place of the keep, from the largest. Panels that show the same are one. Networks that were not trained before
    the projection are left out: nothing can drop. Raises Skip if no trial is left.
    """
    tuned = frame.tuned.assign(y=100 * frame.tuned[DROP])
    trained = _trained(tuned)
    rows = tuned[trained]
    if rows["y"].isna().all():
        raise Skip(f"no pruned trial of {frame.title} has {DROP}")
    shown, shared = merged(rows, ["panel"], "keep", ["y"], SAME, frame.name, SHARED)
    found = points(shown, ["panel", "line", "variant", "keep"], ["y"]).dropna(subset=["y"])
    keeps = sorted(found["keep"].unique(), reverse=True)
    half = found["y_half"].fillna(0)
    found = found.rename(columns={"y_n": "n"}).assign(
        x=found["keep"].map(keeps.index), y_low=found["y"] - half, y_high=(found["y"] + half).clip(upper=100),
        place="keep " + found["keep"].map("{:g}".format),
    )  # fmt: skip
    scale = axis.far_reaching(found["y"])
    held, cut = axis.holding(found, min(0.0, found["y"].min()) - BELOW, 100, frame.name, scale)
    one_shot = "sparsify_epochs" in rows and bool((rows["sparsify_epochs"] == 0).any())
    caption = [
        seeds_said(found["n"]),
        ONE_SHOT if one_shot else ONE_SHOT.split(";")[0],
        *shared,
        tried_said(rows, "per keep", frame.name),
        named("Not trained before, hence without a drop", tuned["line"][~trained], frame.name),
        named("Not measured", set(rows["line"]) - set(found["line"]), frame.name),
        *cut,
    ]
    return described(found, frame, caption, keeps=keeps, held=[axis.LINEAR, *held], scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Draw the marks of each keep side by side, with a thin line at no drop."""
    keeps = data.attrs["keeps"]
    plot = facets(data)
    for panel in plot.panels():
        _panel(plot, panel)
        for between in range(len(keeps) - 1):
            panel.axes.axvline(between + 0.5, color="#E4E4E4", linewidth=pt(0.5), zorder=0)
    words = {float(i): f"{keep:g}" for i, keep in enumerate(keeps)}
    axis.set_scale(plot.axes, "x", [-0.5, len(keeps) - 0.5], at=[], margin=0, words=words)
    axis.set_scale(plot.axes, "y", data.attrs["held"], data.attrs["scale"])
    label(plot, AXES["keep"], AXES[DROP])
    return plot.finish()


def _trained(rows: pd.DataFrame) -> pd.Series:
    """Return whether the network of each trial was trained before the projection, as far as its row tells."""
    if not {"start", "dense_epochs", "sparsify_epochs"} <= set(rows):
        return pd.Series(True, index=rows.index)
    return (rows["start"] != "scratch") | (rows["dense_epochs"] + rows["sparsify_epochs"] != 0)


def _panel(plot: Plot, panel: Panel) -> None:
    rows = panel.rows
    lead = leading(rows.assign(y=-rows["y"]))  # of too many the grey are those with the largest drops
    panel.axes.axhline(0, color=DENSE_COLOUR, linewidth=pt(0.6), zorder=1)
    panel.axes.grid(visible=False, axis="x")
    count = rows["line"].nunique()
    shifts = side_by_side(count, min(STEP, ROOM / count))
    for line, shift in zip(plot.lines(rows, lead, joined=False), shifts, strict=True):
        aside = line.rows.assign(x=line.rows["x"] + shift)
        draw_line(panel.axes, aside, line.style, line.variant, joined=False, grey=not line.told)


PROJECTION_DROP = FigureEntry(
    "projection_drop",
    "Validation accuracy in points that the projection to exactly k costs, before fine-tuning, for each keep.",
    (DROP,),
    by_grouping=True,
    data=data,
    draw=draw,
)
