"""How far each method is from the best one: differences on every problem, with intervals over the networks."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import named, variants
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import Plot, described, facets, label
from analysis.plot.marks import PLAIN, draw_line, legend_line, line_look
from analysis.plot.style import DENSE_COLOUR, Style, pt
from analysis.ranking import Ranking, choice_said, panel_of, rankings, shown
from analysis.statistics import DIGITS, paired
from analysis.wording import line_name, listed, wrapped

MOST = 12  # contenders in a panel
ROW, LINE, AROUND = 0.19, 0.08, 0.4  # inches: of a row, of a second line of a name in it, of all else
BELOW, ABOVE = 0.2, 0.12  # of a row: where the marks of problems are, and that of the mean
SMALL = 2.0  # points: the mark of a problem
INTERVAL = "mean of the networks, 95 % t-interval"
LETTERS = 24  # of a name beside a row, in a line


def data(frame: Frame) -> pd.DataFrame:
    """Return each contender's differences to the one of the best mean rank, the reference, in points of test top-1.

    kind: `problem`, of which seeds are averaged, or `mean`, over the networks, with the half-width of the interval of
    the paired t-test (`x_half`) and `best`, whether it may be the best. y: the row of the contender, 0 the reference.
    """
    found = shown(rankings(frame))
    rows = pd.concat([_rows(one).assign(panel=panel_of(one, found)) for one in found], ignore_index=True)
    rows["variant"] = rows["line"].map(variants(rows["line"]))
    scale = axis.far_reaching([*rows["x"], *_ends(rows)])
    means = ["their mean", "mean of the networks, with the 95 % t-interval of this one difference"]
    caption = [
        "Differences in test top-1 to the first row, the best mean rank; rows by mean rank. Small marks: one problem, "
        f"mean of its seeds. Large marks: {means[bool(rows['x_half'].notna().any())]}",
        "The axis is logarithmic beyond 1 point" * (scale == "symlog"),
        *(sentence for one in found for sentence in _said(one, frame, len(found) > 1)),
        *choice_said(frame),
    ]
    return described(rows, frame, caption, "Test top-1, differences to the best mean rank", scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Draw a row for each contender, the best mean rank above, in its colour and mark."""
    deep = int(data["y"].max()) + 1
    names = {line: wrapped(line_name(line, data.attrs["labels"]), LETTERS) for line in data["line"].unique()}
    row = ROW + LINE * max(name.count("\n") for name in names.values())
    plot = facets(data, share_x=False, share_y=False, heights=row * deep + AROUND)
    scale = data.attrs["scale"]
    for panel in plot.panels():
        _panel(plot, panel.axes, panel.rows, names)
        panel.axes.set_ylim(deep - 0.4, -0.6)
        axis.set_scale([panel.axes], "x", [*panel.rows["x"], *_ends(panel.rows), 0.0], scale)
    label(plot, f"Points above the first row{', log scale' * (scale == 'symlog')}")
    return plot.finish()


def _rows(ranking: Ranking) -> pd.DataFrame:
    """Return the rows of one ranking, the best mean rank first."""
    names = list(ranking.ranks.index)[:MOST]
    tests = pd.DataFrame([paired(ranking.networks[name], ranking.networks[names[0]]) for name in names])
    means = pd.DataFrame({
        "kind": "mean", "line": names, "y": range(len(names)), "x": tests["difference"],
        "x_half": tests["high"] - tests["difference"], "best": [*ranking.best["best"][names]],
    })  # fmt: skip
    points = 100 * ranking.scores[names]
    apart = points.sub(points[names[0]], axis=0).round(DIGITS - 2)
    problems = apart[names[1:]].melt(var_name="line", value_name="x").assign(kind="problem")
    return pd.concat([means, problems.assign(y=problems["line"].map(names.index))])


def _said(ranking: Ranking, frame: Frame, several: bool) -> list[str]:
    """Say what was compared, who may be the best, and who has no row."""
    best = ranking.best["best"]
    names = [frame.name(name) for name in ranking.ranks.index if best[name]]
    verdict = f"May be the best by Hsu's 95 % intervals over {len(ranking.networks)} networks: {listed(names, MOST)}"
    if len(ranking.networks) < 2:
        verdict = "From one network there is no interval, and nothing tells who is the best on others"
    lower = named("Not shown, of lower ranks", ranking.ranks.index[MOST:], frame.name)
    return [f"{len(best)} methods on " * several + ranking.said, verdict, lower]


def _panel(plot: Plot, axes: Axes, rows: pd.DataFrame, names: dict[str, str]) -> None:
    axes.axvline(0, color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9), zorder=1)
    for line, mine in rows.groupby("line"):
        style, variant = plot.style(str(line)), int(mine["variant"].iloc[0])
        mean, problems = mine[mine["kind"] == "mean"], mine[mine["kind"] == "problem"]
        axes.plot(problems["x"], problems["y"] + BELOW, zorder=2, **_small(style, variant))
        draw_line(axes, mean.assign(y=mean["y"] - ABOVE), style, variant, joined=False)
    shown_ = rows[rows["kind"] == "mean"]
    axes.set_yticks(shown_["y"], [names[line] for line in shown_["line"]])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    plot.handles["one problem"] = Line2D([], [], **_small(PLAIN))
    told = bool(rows["x_half"].notna().any())
    plot.handles[INTERVAL if told else "mean"] = legend_line(PLAIN, joined=told)


def _small(style: Style, variant: int = 0) -> dict[str, Any]:
    look = line_look(style, variant, joined=False)
    return look | {"markersize": pt(SMALL), "markerfacecolor": "none", "markeredgewidth": pt(0.5)}


def _ends(rows: pd.DataFrame) -> list[float]:
    return [*(rows["x"] - rows["x_half"]), *(rows["x"] + rows["x_half"])]


DIFFERENCES = FigureEntry(
    "differences",
    "Differences to the method of the best mean rank on each problem, with intervals over the networks.",
    ("test_top1",),
    whole=True,
    data=data,
    draw=draw,
)
