"""What survives: how many groups are left in each layer."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from analysis.blocks import seeds_said
from analysis.load import Setting
from analysis.plotting import Panel, blank, finish, usual_subject
from analysis.registry import entry
from analysis.style import look, pt
from analysis.tuning import chosen
from analysis.widths import Maps, Numbers, Width, maps

MAP = "viridis"
ROW, TITLE, BAR, AROUND = 0.17, 0.16, 0.06, 0.85  # inches: heights of a row, a title, the colour bar, all labels
LETTER, NUMBER = 0.052, 0.048  # inches: the width of a letter beside the map, and of a digit in it
NARROW, SMALL = 0.25, 1.1  # inches: a figure whose cells, or whose map, would be narrower is as wide as the page
FEW, MANY = 8, 20  # columns that say how wide the layer was, and that are all numbered
LABEL = 36  # letters in a line beside the map


@entry("groups_kept", "groups", by_grouping=True)
def kept_widths(setting: Setting) -> Figure:
    """A map of the groups kept in each layer, a row for each method at each keep, the mean over the seeds.

    Rows of equal widths are merged. Colour is the share that is kept; the number is the width itself.
    """
    setting = chosen(setting)
    found = maps(setting)
    blocks = {f"keep {keep:g}": rows for keep, rows in found.by_keep.items()}
    if all(len(rows) == 1 for rows in blocks.values()):
        merged = [Width(f"{title}: {row.label}", row.kept, row.share) for title, (row,) in blocks.items()]
        blocks = {"": merged}
    labels = {title: [textwrap.fill(row.label, LABEL) for row in rows] for title, rows in blocks.items()}
    letters = max(len(line) for some in labels.values() for label in some for line in label.split("\n"))
    lines = {title: [label.count("\n") + 1 for label in some] for title, some in labels.items()}
    heights = [ROW * sum(some) + TITLE * bool(title) for title, some in lines.items()]
    least = max(NARROW, SMALL / len(found.groups))
    width = look().column if _cell(look().column, letters, found) >= least else look().page
    figure = blank(width, (sum(heights) + BAR + AROUND) * look().scale)
    grid = figure.add_gridspec(len(blocks) + 1, 1, height_ratios=[*heights, BAR])
    plot = Panel(setting, figure, [figure.add_subplot(grid[i]) for i in range(len(blocks))])
    numbered = _numbers_fit(blocks, _cell(width, letters, found))
    for axes, (title, rows) in zip(plot.axes, blocks.items(), strict=True):
        mesh = _map(axes, rows, labels[title], lines[title], numbered)
        axes.set_title(title, loc="left", fontsize=pt(6.5), pad=pt(3))
        axes.tick_params(labelbottom=axes is plot.axes[-1])
    _columns(plot.axes[-1], found.groups)
    bar = figure.colorbar(mesh, cax=figure.add_subplot(grid[-1]), orientation="horizontal")
    bar.set_label("Share of groups kept")
    bar.outline.set_visible(False)
    subject = ", ".join(word for word in (usual_subject(setting), found.scope) if word)
    return finish(plot, [f"kept widths, mean of {seeds_said(found.trials)}", *found.lines], subject)


def _map(axes: Axes, rows: list[Width], labels: list[str], lines: list[int], numbered: bool) -> QuadMesh:
    """Draw the rows of one block, each as high as its label."""
    edges = np.concatenate([[0], np.cumsum(lines)])
    share = np.ma.masked_invalid(np.array([row.share for row in rows]))
    mesh = axes.pcolormesh(
        np.arange(share.shape[1] + 1) + 0.5, edges, share, cmap=MAP, vmin=0, vmax=1, edgecolors="white",
        linewidth=pt(0.4 if share.shape[1] <= MANY else 0.15),
    )  # fmt: skip
    middles = (edges[:-1] + edges[1:]) / 2
    axes.set_yticks(middles, labels, fontsize=pt(6))
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for y, row in zip(middles, rows, strict=True) if numbered else ():
        for x, (kept, part) in enumerate(zip(row.kept, row.share, strict=True), start=1):
            light = "black" if part > 0.6 or np.isnan(part) else "white"
            axes.text(x, y, _number(kept), color=light, fontsize=pt(5.6), ha="center", va="center")
    return mesh


def _columns(axes: Axes, groups: Numbers) -> None:
    """Number the columns, all of them or every fifth, and say how wide the few were."""
    count = len(groups)
    shown = range(1, count + 1) if count <= MANY else range(5, count + 1, 5 * -(-count // 60))
    ticks = [f"{i}\nof {groups[i - 1]:,.0f}" if count <= FEW else str(i) for i in shown]
    axes.set_xticks(list(shown), ticks, fontsize=pt(6))
    axes.set_xlabel("Layer (group family)")


def _cell(width: float, letters: int, found: Maps) -> float:
    """Return how wide a cell is beside labels of so many letters, in inches as on paper."""
    return (width / look().scale - LETTER / look().room * letters - 0.2) / len(found.groups)


def _numbers_fit(blocks: dict[str, list[Width]], width: float) -> bool:
    longest = max(len(_number(kept)) for rows in blocks.values() for row in rows for kept in row.kept)
    return longest * NUMBER / look().room + 0.04 <= width


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
