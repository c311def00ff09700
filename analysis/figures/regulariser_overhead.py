"""What a regulariser costs while it trains: the time of its epochs over that of ordinary ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import DENSE, in_order, named, noted, present
from analysis.entries import FigureEntry
from analysis.frame import Frame, devices
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.marks import PLAIN, draw_line, draw_par
from analysis.plot.style import pt
from analysis.statistics import points, seeds_said
from analysis.wording import AXES, condition, line_name
from results.errors import Skip

SPARSIFY = "sparsify"
ROW, REST = 0.19, 0.42  # inches: of one row, and of what is above and below the rows
LONG = 24  # letters: longer names take the width of a page
BELOW = 0.34  # of a row: the trials lie below their mean
TRIAL: dict[str, Any] = {"linestyle": "", "marker": "o", "alpha": 0.55, "markeredgewidth": 0}


def data(frame: Frame) -> pd.DataFrame:
    """Return the overheads of each method and grouping that trains: x is a time over that of ordinary training.

    kind `trial`: the median seconds of its sparsify epochs, those at full size, over the median of ordinary ones, from
    epochs.csv. Ordinary are all epochs of the dense control of the trial, which stays at full size in every phase;
    without one the phase `dense` of the trials of its seed, which is the training of their shared dense network. kind
    `mean`: the geometric mean over seeds, several trials of one averaged first, with x_low and x_high, the 95 %
    t-interval of the logarithm.
    Raises Skip if nothing trained or nothing is ordinary.
    """
    trials, ordinary = _ratios(frame)
    line = trials["method"]
    for column, words in (("grouping", str), ("scope", partial(condition, "scope"))):
        if column in trials and trials[column].nunique() > 1:
            line = noted(line, trials[column].map(words))
    trials = trials.assign(line=line, log=np.log(trials["x"]))
    means = points(trials, ["line"], ["log"])
    x, half, n = means["log"], means["log_half"], means["log_n"]
    means = pd.DataFrame({
        "kind": "mean", "line": means["line"], "x": np.exp(x), "x_low": np.exp(x - half), "x_high": np.exp(x + half),
        "n": n,
    })  # fmt: skip
    several = trials["line"].isin(trials["line"][trials.duplicated(["line", "seed"])])
    dots = trials[several][["line", "x"]].assign(kind="trial", n=1)
    found = pd.concat([means, dots], ignore_index=True).assign(panel="")
    places = found["line"].map(in_order(list(trials["line"])).index)
    found = found.iloc[places.argsort(kind="stable")].reset_index(drop=True)
    low, middle, high = ordinary.quantile([0.25, 0.5, 0.75])
    caption = [
        "Wall-clock of whole epochs of training, validation apart, not of the proximal step alone",
        "Geometric means over seeds" + "; dots: trials" * bool(several.any()),
        seeds_said(n),
        f"Ordinary epochs: median {middle:.3g} s, half of them in {low:.3g} to {high:.3g} s, n = {len(ordinary)}",
        f"Timed on {devices(trials)}, other trials beside it",
        named("Not training, hence not drawn", set(frame.pruned["method"]) - set(trials["method"]), frame.name),
    ]
    return described(found, frame, caption, frame.title)


def draw(data: pd.DataFrame) -> Figure:
    """Draw a row for each line: the mean in the mark of its method with the interval, and the trials as dots below."""
    lines = list(data["line"].unique())
    longest = max(len(line_name(line, data.attrs["labels"])) for line in lines)
    plot = facets(data, heights=REST + ROW * len(lines), wide=longest > LONG)
    (axes,) = plot.axes
    look = TRIAL | {"markersize": pt(2.2)}
    for row, line in enumerate(lines):
        mine, style = data[data["line"] == line], plot.style(line)
        means, dots = (mine[mine["kind"] == kind] for kind in ("mean", "trial"))
        draw_line(axes, means.assign(y=row), style, joined=False)
        axes.plot(dots["x"], [row + BELOW] * len(dots), color=style.colour, zorder=2, **look)
        if len(dots):
            plot.handles["a trial"] = Line2D([], [], color=PLAIN.colour, **look)
    plot.handles["ordinary training"] = draw_par(axes, vertical=True)
    axis.set_scale([axes], "x", [*data[["x", "x_low", "x_high"]].stack(), 1.0], "log", most=6)
    axes.set_yticks(range(len(lines)), [plot.name(line) for line in lines])
    axes.set_ylim(len(lines) - 0.3, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    label(plot, AXES["epoch_ratio"])
    return plot.finish()


def _ratios(frame: Frame) -> tuple[pd.DataFrame, pd.Series]:
    """Return the trials that have a ratio, as column x, and the seconds of all ordinary epochs behind them."""
    epochs = frame.epochs
    epochs = epochs[epochs["seconds"] > 0]
    trained = _at_full_size(epochs[epochs["phase"] == SPARSIFY]).groupby("trial")["seconds"].median()
    trials = frame.pruned[frame.pruned["trial"].isin(trained.index)]
    if trials.empty:
        raise Skip(f"no method of {frame.title} has a sparsify phase in epochs.csv")
    found, used = [], []
    for (_, seed), part in trials.groupby(["control", "seed"], sort=False):
        ordinary = epochs[epochs["trial"].isin(part["control"].iloc[0])]
        if ordinary.empty:
            others = frame.trials["trial"][frame.trials["seed"] == seed]
            shared = epochs[(epochs["phase"] == DENSE) & epochs["trial"].isin(others)]
            ordinary = shared.drop_duplicates(present(shared, ["epoch", "seconds"]))
        if len(ordinary):
            used.append(ordinary["seconds"])
            found.append(part.assign(x=part["trial"].map(trained) / ordinary["seconds"].median()))
    if not found:
        raise Skip(f"no ordinary epochs to compare with for {frame.title}: no dense control, no dense phase")
    seconds = pd.concat(used)
    return pd.concat(found).sort_index(), seconds[~seconds.index.duplicated()]


def _at_full_size(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs of each trial in which the network was as large as ever; all where that is not known."""
    if "train_macs" not in epochs:
        return epochs
    most = epochs.groupby("trial")["train_macs"].transform("max")
    return epochs[most.isna() | (epochs["train_macs"] == most)]


REGULARISER_OVERHEAD = FigureEntry(
    "regulariser_overhead",
    "Wall-clock seconds per epoch under each regulariser over those of ordinary training, by method and grouping.",
    ("epochs.seconds", "epochs.phase"),
    data=data,
    draw=draw,
)
