"""The trade-offs: accuracy against each gain that it is paid for, and measured speedup against sparsity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from analysis.annotation import in_order
from analysis.frame import POOLED, Frame, dense_beside, devices, pooled, timed
from analysis.literature import published, source_notes
from analysis.plot import axes as axis
from analysis.plot.facets import OTHERS, Plot, described, facets, grey_said, label
from analysis.plot.marks import GREY, accuracies, draw_dense, draw_line, draw_par, fallen, legend_line, side_by_side
from analysis.plot.style import pt, published_styles, styles
from analysis.registry import FigureEntry
from analysis.select import tried_said
from analysis.statistics import measured, over_seeds, points, seeds_said
from analysis.wording import AXES
from results.errors import Skip

SPARSITY, KEPT = "group_sparsity", "Group sparsity (%), log scale"
OURS, ENLARGED = "ours and published", "the box on the left, enlarged"
CROWDED = 0.4  # published points on less of the height of the panel than this are drawn a second time, enlarged
FEWEST = 5  # published points that are worth it
NOTHING_GAINED = 0.005
PAR = "speedup 1"


@dataclass(frozen=True)
class Gain:
    """A figure: a column of results against another, a row of panels for each y.

    timed: whether a device measured it. ratio: whether x is a ratio, on a logarithmic axis; a coordinate that all
    methods share, so that their marks are set side by side, otherwise.
    """

    x: str
    y: tuple[str, ...] = ("test_top1",)
    timed: bool = False

    @property
    def ratio(self) -> bool:
        """Whether x is a ratio to the dense network."""
        return self.x != SPARSITY

    @property
    def accuracy(self) -> bool:
        """Whether y is accuracy in percent."""
        return self.y == ("test_top1",)


def data(frame: Frame, gain: Gain) -> pd.DataFrame:
    """Return a row per line and keep with x, y and half-widths, beside rows of dense and of published networks.

    kind: `line`, `dense` or `published`. Accuracies and sparsity are in percent. Raises Skip if no trial has both.
    """
    rows = pooled(timed(frame.tuned), [c for c in (gain.x, *gain.y) if c.startswith("speedup") and c in frame.tuned])
    rows = rows if gain.ratio else rows[(rows["protocol"] > 0) | (rows["grouping"] == (frame.part or frame.grouping))]
    y = [column for column in gain.y if column in rows and rows[column].notna().any()]
    told = [_points(measured(rows, [gain.x, column]), gain, column) for column in y]
    lines = pd.concat(told) if told else pd.DataFrame()
    if lines.empty:
        raise Skip(f"no pruned trial of {frame.title} has {gain.x} and {' or '.join(gain.y)}")
    literature = published(frame, gain.x) if gain.accuracy else pd.DataFrame(columns=["label"])
    _check_gain(frame, lines, literature, gain)
    lines = _with_references(lines)
    dense = _dense(frame, rows, lines) if gain.accuracy else pd.DataFrame()
    found = pd.concat([lines, dense, _published(literature, gain, lines)], ignore_index=True)
    absent = in_order([line for line in rows["line"].unique() if line not in set(lines["line"])])
    held, notes = axis.robust_range(lines, frame.name) if gain.accuracy else ([], [])
    others = found[found["kind"] != "line"]
    reach = others["y_half"].fillna(0)
    held += [*(others["y"] - reach).clip(lower=0), *(others["y"] + reach).clip(upper=100)]
    caption = [
        seeds_said(lines["n"]),
        f"Timed on {devices(frame.pruned)}. {POOLED}" if gain.timed else "",
        tried_said(rows, "per keep", frame.name),
        "" if gain.ratio else "Marks of one sparsity stand side by side",
        *source_notes(literature),
        f"Not measured: {', '.join(map(frame.name, absent))}" if absent else "",
        *notes,
        grey_said(lines, frame.name),
        axis.coinciding(lines, frame.name),
    ]
    kept = sorted({round(100 * keep, 1) for keep in lines["keep"]})
    scale: axis.Scale = "powers" if gain.ratio else "kept" if axis.crowded(kept) else "linear"
    if scale == "kept":
        found["x"] = 100 - found["x"]
    return described(found, frame, caption, gain=gain, scale=scale, kept=kept, held=held)


def draw(data: pd.DataFrame) -> Figure:
    """Draw the lines of each panel with intervals, the dense network as a line, published ones as hollow marks."""
    gain: Gain = data.attrs["gain"]
    enlarged = _crowded(data)
    attrs = data.attrs
    if enlarged:
        data = pd.concat([data.assign(panel=OURS), data.assign(panel=ENLARGED)])
    data.attrs = attrs
    row = "quantity" if len(gain.y) > 1 else None
    plot = facets(data, row=row, share_y=False if enlarged else "row", share_x=not enlarged)
    for panel in plot.panels():
        _panel(plot, panel.axes, panel.rows, gain)
    _scale(plot, data, gain)
    if enlarged:
        _enlarge(plot, data, gain)
    x = KEPT if data.attrs["scale"] == "kept" else AXES.get(gain.x, gain.x)
    label(plot, x, [AXES.get(column, column) for column in dict.fromkeys(data["quantity"])])
    return plot.finish()


def _points(rows: pd.DataFrame, gain: Gain, column: str) -> pd.DataFrame:
    """Return the points of each line, in percent what is a fraction."""
    found = points(rows, ["panel", "line", "keep"], [gain.x, column]).dropna(subset=[gain.x, column])
    x, y = 1 if gain.ratio else 100, 100 if column == "test_top1" else 1
    firsts = rows.drop_duplicates("line").set_index("line")
    return pd.DataFrame({
        "kind": "line", "panel": found["panel"], "quantity": column, "line": found["line"], "keep": found["keep"],
        "variant": found["line"].map(firsts["variant"]), "imported": found["line"].map(firsts["protocol"]) == 0,
        "x": x * found[gain.x], "x_half": x * found[f"{gain.x}_half"] if gain.ratio else float("nan"),
        "y": y * found[column], "y_half": y * found[f"{column}_half"], "n": found[f"{column}_n"],
    })  # fmt: skip


def _with_references(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the lines with those of another tool, which have no conditions of ours, in every panel."""
    own = lines[~lines["imported"]]
    panels = list(dict.fromkeys(own["panel"])) or [""]
    others = [lines[lines["imported"]].assign(panel=panel) for panel in panels]
    return pd.concat([own, *others])


def _dense(frame: Frame, rows: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    found: list[dict[str, Any]] = []
    for panel in dict.fromkeys(lines["panel"]):
        mine = rows[(rows["panel"] == panel) & (rows["protocol"] > 0)]
        top1 = over_seeds(dense_beside(frame, mine if len(mine) else rows))
        if top1.n:
            found.append({
                "kind": "dense", "panel": panel, "quantity": "test_top1", "line": "dense", "keep": 1.0, "variant": 0,
                "y": 100 * top1.mean, "y_half": 100 * top1.half_width, "n": top1.n,
            })  # fmt: skip
    return pd.DataFrame(found)


def _published(literature: pd.DataFrame, gain: Gain, lines: pd.DataFrame) -> pd.DataFrame:
    if literature.empty:
        return pd.DataFrame()
    rows = pd.DataFrame({
        "kind": "published", "quantity": "test_top1", "line": literature["label"], "keep": 1.0,
        "x": (1 if gain.ratio else 100) * literature[gain.x], "y": 100 * literature["top1"],
    })  # fmt: skip
    return pd.concat([rows.assign(panel=panel) for panel in dict.fromkeys(lines["panel"])])


def _check_gain(frame: Frame, lines: pd.DataFrame, literature: pd.DataFrame, gain: Gain) -> None:
    """Raise Skip if a ratio has no place on a logarithmic axis, or a theoretical one is 1 for every network."""
    if not gain.ratio:
        return
    if not (lines["x"] > 0).any():
        raise Skip(f"{gain.x} is 0 for every pruned trial of {frame.title}")
    if not gain.timed and literature.empty and (abs(lines["x"] - 1) < NOTHING_GAINED).all():
        raise Skip(f"{gain.x} is 1 for every pruned trial of {frame.title}: there is nothing to compare over")


def _panel(plot: Plot, axes: Any, rows: pd.DataFrame, gain: Gain) -> None:
    lines = rows[rows["kind"] == "line"]
    lines = accuracies(lines, min(plot.attrs["held"])) if gain.accuracy else lines
    dense = rows[rows["kind"] == "dense"]
    for y, half in zip(dense["y"], dense["y_half"].fillna(0), strict=True):
        plot.handles.setdefault(plot.name("dense"), draw_dense(axes, float(y), float(half)))
    if gain.timed:
        plot.handles.setdefault(PAR, draw_par(axes, vertical=gain.accuracy))
    lead = plot.lead(lines)
    shifts = dict(zip(lead, side_by_side(len(lead)) if not gain.ratio else [0.0] * len(lead), strict=True))
    for line in in_order(list(lines["line"])):
        mine = lines[lines["line"] == line]
        variant = int(mine["variant"].iloc[0])
        draw_line(axes, mine, plot.style(line), variant, aside=shifts.get(line, 0), grey=line not in shifts)
        if line in shifts:
            plot.handles.setdefault(plot.name(line), legend_line(plot.style(line), variant))
            if gain.accuracy:
                fallen(axes, mine, min(plot.attrs["held"]), plot.style(line))
    if len(lead) < lines["line"].nunique():
        plot.handles[OTHERS] = Line2D([], [], color=GREY, linewidth=pt(0.7))
    looks = published_styles(rows["line"][rows["kind"] == "published"], styles(plot.attrs["methods"]))
    for name, (colour, mark) in looks.items():
        mine = rows[rows["line"] == name]
        hollow: dict[str, Any] = {
            "color": colour, "marker": mark, "linestyle": "", "markerfacecolor": "none", "markersize": pt(4.4),
            "markeredgewidth": pt(0.8),
        }  # fmt: skip
        axes.plot(mine["x"], mine["y"], zorder=3.5, **hollow)
        plot.handles.setdefault(plot.name(name), Line2D([], [], **hollow))


def _scale(plot: Plot, data: pd.DataFrame, gain: Gain) -> None:
    """Give the panels their ranges: one x for all that have several keeps or the same, one y for each row."""
    scale, kept = data.attrs["scale"], data.attrs["kept"]
    at = None if gain.ratio else [level if scale == "kept" else 100 - level for level in _apart(kept, scale)]
    values = [*data["x"], *[1.0] * (gain.timed and gain.ratio)]
    axis.set_scale(plot.axes, "x", values, scale, at, margin=0.08)
    for quantity, rows in data.groupby("quantity", sort=False):
        places = [panel.axes for panel in plot.panels() if panel.row in (quantity, None)]
        held = (
            data.attrs["held"]
            if gain.accuracy
            else [*rows["y"], *(rows["y"] + rows["y_half"].fillna(0)), *[1.0] * gain.timed]
        )
        axis.set_scale(places, "y", held, ends=(0, 100 if gain.accuracy else float("inf")), most=6)


def _apart(kept: list[float], scale: str) -> list[float]:
    """Return the levels that have room for their numbers, those of the highest sparsity first."""
    place = np.log if scale == "kept" else float
    reach = place(kept[-1]) - place(kept[0]) or 1.0
    found: list[float] = []
    for level in sorted(kept):
        if not found or place(level) - place(found[-1]) > 0.09 * reach:
            found.append(level)
    return found


def _crowded(data: pd.DataFrame) -> bool:
    """Say whether published points that are many enough lie on a small part of the height of the only panel."""
    theirs = data[data["kind"] == "published"]["y"]
    return data["panel"].nunique() == 1 and len(theirs) >= FEWEST and bool(np.ptp(theirs) < CROWDED * np.ptp(data["y"]))


def _enlarge(plot: Plot, data: pd.DataFrame, gain: Gain) -> None:
    """Let the second panel show the place of the published points, and the first that place as a box."""
    whole, part = plot.axes
    rows = data[data["kind"] == "published"]
    axis.set_scale([part], "x", rows["x"], data.attrs["scale"], margin=0.1)
    axis.set_scale([part], "y", rows["y"], margin=0.12, ends=(0, 100))
    (left, right), (low, high) = part.get_xlim(), part.get_ylim()
    box: dict[str, Any] = {"fill": False, "edgecolor": "#777777", "linewidth": pt(0.6)}
    whole.add_patch(Rectangle((left, low), right - left, high - low, zorder=2, **box))
    part.spines[:].set(visible=True, color="#777777")


def tradeoff(name: str, description: str, gain: Gain) -> FigureEntry:
    """Return the figure of a gain."""
    needs = (gain.x,) if len(gain.y) > 1 else (gain.x, *gain.y)
    return FigureEntry(name, description, needs, by_grouping=True, data=partial(data, gain=gain), draw=draw)


FIGURES = (
    tradeoff(
        "accuracy_vs_sparsity",
        "Test accuracy against group sparsity, with the dense network as a line.",
        Gain(SPARSITY),
    ),
    tradeoff(
        "accuracy_vs_compression",
        "Test accuracy against compression (dense parameters / parameters), beside published numbers.",
        Gain("compression"),
    ),
    tradeoff(
        "accuracy_vs_mac_speedup",
        "Test accuracy against theoretical speedup (dense multiply-adds / multiply-adds), beside published numbers.",
        Gain("mac_speedup"),
    ),
    tradeoff(
        "accuracy_vs_speedup",
        "Test accuracy against measured speedup at batch 64, with the dense network as a line.",
        Gain("speedup_b64", timed=True),
    ),
    tradeoff(
        "speedup_vs_sparsity",
        "Measured speedup against group sparsity, one row for batch 1 and one for batch 64, with a line at 1.",
        Gain(SPARSITY, ("speedup_b1", "speedup_b64"), timed=True),
    ),
)
