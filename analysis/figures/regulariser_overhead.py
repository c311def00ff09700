"""What a regulariser costs while it trains: the time of its epochs over that of ordinary ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, in_order
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.marks import PLAIN, draw_line, draw_par
from analysis.plot.style import pt
from analysis.registry import FigureEntry
from analysis.statistics import estimate, seeds_said
from analysis.wording import AXES, condition, line_name
from results.errors import Skip

SPARSIFY = "sparsify"
ROW, REST = 0.19, 0.42  # inches: of one row, and of what is above and below the rows
LONG = 24  # letters: longer names take the width of a page
BELOW = 0.34  # of a row: the trials lie below their mean
TRIAL: dict[str, Any] = {"linestyle": "", "marker": "o", "alpha": 0.55, "markeredgewidth": 0}


def data(frame: Frame) -> pd.DataFrame:
    """Return the overheads of each method and grouping that trains: x is a time over that of ordinary training.

    kind `trial`: the median seconds of its sparsify epochs over the median of ordinary ones, from epochs.csv. Ordinary
    are all epochs of the dense control of the trial, which stays at full size in every phase; without one the phase
    `dense` of the trials of its seed, which is the training of their shared dense network. kind `mean`: the geometric
    mean over seeds, several trials of one averaged first, with x_low and x_high, the 95 % t-interval of the logarithm.
    row: from the top, from 0. Raises Skip if nothing trained or nothing is ordinary.
    """
    trials, ordinary = _ratios(frame)
    apart = [column for column in ("grouping", "scope") if column in trials and trials[column].nunique() > 1]
    words = [[condition(c, row[c]) if c == "scope" else str(row[c]) for c in apart] for _, row in trials.iterrows()]
    trials["line"] = [f"{m} ({', '.join(w)})" if w else m for m, w in zip(trials["method"], words, strict=True)]
    rows = {line: i for i, line in enumerate(in_order(list(trials["line"])))}
    means = pd.DataFrame([_mean(str(line), part) for line, part in trials.groupby("line")])
    dots = trials[["line", "x"]].assign(kind="trial", n=1)
    several = dots.groupby("line")["x"].transform("size") > dots["line"].map(means.set_index("line")["n"])
    found = pd.concat([means, dots[several]], ignore_index=True)
    found = found.assign(row=found["line"].map(rows), panel="").sort_values(["row", "kind"], kind="stable")
    without = in_order([one for one in frame.pruned["method"].unique() if one not in set(trials["method"])])
    low, middle, high = (float(ordinary.quantile(part)) for part in (0.25, 0.5, 0.75))
    caption = [
        "Wall-clock of whole epochs of training, validation apart, not of the proximal step alone",
        "Geometric means over seeds; dots: trials" if several.any() else "Geometric means over seeds",
        seeds_said(means["n"]),
        f"Ordinary epochs: median {middle:.3g} s, half of them in {low:.3g} to {high:.3g} s, n = {len(ordinary)}",
        f"Timed on {devices(trials)}, other trials beside it",
        f"Not training, hence not drawn: {', '.join(map(frame.name, without))}" if without else "",
    ]
    return described(found.reset_index(drop=True), frame, caption, frame.title)


def draw(data: pd.DataFrame) -> Figure:
    """Draw a row for each line: the mean in the mark of its method with the interval, and the trials as dots below."""
    rows = data.drop_duplicates("row").sort_values("row")
    longest = max(len(line_name(line, data.attrs["labels"])) for line in rows["line"])
    plot = facets(data, heights=REST + ROW * len(rows), wide=longest > LONG)
    (axes,) = plot.axes
    for row, mine in data.groupby("row"):
        line = str(mine["line"].iloc[0])
        means, dots = (mine[mine["kind"] == kind] for kind in ("mean", "trial"))
        style = plot.style(line)
        draw_line(axes, means.assign(y=row), style, joined=False)
        look = TRIAL | {"markersize": pt(2.2)}
        axes.plot(dots["x"], dots["row"] + BELOW, color=style.colour, zorder=2, **look)
        if len(dots):
            plot.handles["a trial"] = Line2D([], [], color=PLAIN.colour, **look)
    plot.handles["ordinary training"] = draw_par(axes, vertical=True)
    ends = data[["x", "x_low", "x_high"]].stack()
    axis.set_scale([axes], "x", [*ends, 1.0], "log", most=6)
    axes.set_yticks(list(rows["row"]), [plot.name(line) for line in rows["line"]])
    axes.set_ylim(len(rows) - 0.3, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    label(plot, AXES["epoch_ratio"])
    return plot.finish()


def _ratios(frame: Frame) -> tuple[pd.DataFrame, pd.Series]:
    """Return the trials that have a ratio, as column x, and the seconds of all ordinary epochs behind them."""
    epochs = frame.epochs
    epochs = epochs[epochs["seconds"] > 0]
    trained = epochs[epochs["phase"] == SPARSIFY].groupby("trial")["seconds"].median()
    trials = frame.pruned[frame.pruned["trial"].isin(trained.index)]
    if trials.empty:
        raise Skip(f"no method of {frame.title} has a sparsify phase in epochs.csv")
    found, used = [], []
    for _, part in trials.groupby(["control", "seed"], sort=False):
        ordinary = _ordinary(frame, epochs, part["control"].iloc[0], part["seed"].iloc[0])
        if len(ordinary):
            used.append(ordinary)
            found.append(part.assign(x=part["trial"].map(trained) / ordinary.median()))
    if not found:
        raise Skip(f"no ordinary epochs to compare with for {frame.title}: no dense control, no dense phase")
    seconds = pd.concat(used)
    return pd.concat(found).sort_index(), seconds[~seconds.index.duplicated()]


def _ordinary(frame: Frame, epochs: pd.DataFrame, control: tuple[str, ...], seed: float) -> pd.Series:
    """Return the seconds of the epochs of the dense controls, or else of the shared dense network of the seed."""
    seconds = epochs[epochs["trial"].isin(control)]["seconds"]
    if len(seconds):
        return seconds
    others = frame.trials["trial"][frame.trials["seed"] == seed]
    shared = epochs[(epochs["phase"] == DENSE) & epochs["trial"].isin(others)]
    return shared.drop_duplicates([column for column in ("epoch", "seconds") if column in shared])["seconds"]


def _mean(line: str, part: pd.DataFrame) -> dict[str, Any]:
    log = estimate(np.log(part["x"]).groupby(part["seed"]).mean())
    low, high = (math.exp(log.mean + sign * log.half_width) for sign in (-1, 1))
    return {"kind": "mean", "line": line, "x": math.exp(log.mean), "x_low": low, "x_high": high, "n": log.n}


REGULARISER_OVERHEAD = FigureEntry(
    "regulariser_overhead",
    "Wall-clock seconds per epoch under each regulariser over those of ordinary training, by method and grouping.",
    ("epochs.seconds", "epochs.phase"),
    data=data,
    draw=draw,
)
