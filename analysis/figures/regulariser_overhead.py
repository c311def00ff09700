"""What a regulariser costs while it trains: the time of its epochs over that of ordinary ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.control import with_controls
from analysis.load import Setting
from analysis.plotting import Panel, panel, panel_styles
from analysis.registry import entry
from analysis.series import devices
from analysis.small_print import finish_noted
from analysis.statistics import Estimate, estimate, seeds_between
from analysis.style import DENSE_COLOUR, Style, pt
from results.errors import Skip

SPARSIFY, DENSE = "sparsify", "dense"
LINE, REST = 0.19, 0.42  # inches: of one row, and of what is above and below the rows
TRIAL, MEAN = "a trial", "geometric mean"
SIZE, SMALL = 4.6, 2.2  # points
BELOW = 0.36  # of a row: where the trials are
TICKS = (0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
APART = 0.12  # the least distance between two ticks, of the axis


@dataclass(frozen=True)
class _Row:
    """A line of the figure: the ratio of each trial, and the estimate of its logarithm over the seeds."""

    method: str
    label: str
    ratios: pd.Series
    log: Estimate


@entry("epochs.seconds", "epochs.phase")
def regulariser_overhead(setting: Setting) -> Figure:
    """Wall-clock seconds per epoch under each regulariser over those of ordinary training, by method and grouping.

    ratio = median(seconds of the sparsify epochs of a trial) / median(seconds of ordinary epochs), from epochs.csv.
    Ordinary are all epochs of the dense control of the same seed, data and machine, which stays at full size in every
    phase; where there is none, the phase `dense` of the trials of that seed, which is the training of their shared
    dense network. The mean over seeds and its 95 % t-interval are those of the logarithm of the ratio; several trials
    of a seed, such as those of different keep, are averaged first.

    This is the time of whole epochs, with data, both passes, and the validation after each, while other trials were at
    work on the same machine; it is not the proximal step by itself.
    """
    ratios, ordinary = _ratios(setting)
    if ratios.empty:
        raise Skip(_why(setting))
    rows = _rows(ratios)
    plot = panel(setting, heights=[REST + LINE * len(rows)])
    axes = plot.axes[0]
    axes.axvline(1, color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9), zorder=1)
    for y, row in enumerate(rows):
        _draw(axes, y, row, panel_styles(plot)[row.method])
    _axes(axes, rows)
    _explain(plot, any(row.log.n > 1 for row in rows), any(len(row.ratios) > row.log.n for row in rows))
    without = sorted(set(setting.pruned["method"]) - set(ratios["method"]))
    lines = ["wall-clock of whole epochs, not the proximal step alone", _seeds(rows)]
    notes = [
        f"Whole epochs with validation; {devices(ratios)}, other trials beside it.",
        f"Ordinary epochs: {_spread(ordinary)}.",
        f"Not training, hence not drawn: {', '.join(without)}." if without else "",
    ]
    return finish_noted(plot, lines, [note for note in notes if note], setting.title)


def _ratios(setting: Setting) -> tuple[pd.DataFrame, pd.Series]:
    """Return the trials that have a ratio, as column `ratio`, and the seconds of all ordinary epochs behind them."""
    epochs = setting.frame("epochs")
    epochs = epochs[epochs["seconds"] > 0]
    trained = epochs[epochs["phase"] == SPARSIFY].groupby("trial")["seconds"].median()
    trials = setting.pruned[setting.pruned["trial"].isin(trained.index)]
    found, used = [trials.iloc[:0].assign(ratio=0.0)], [epochs["seconds"].iloc[:0]]
    for part, dense in with_controls(setting, trials):
        ordinary = _ordinary(setting, epochs, dense, part["seed"].iloc[0])
        if len(ordinary):
            used.append(ordinary)
            found.append(part.assign(ratio=part["trial"].map(trained) / ordinary.median()))
    seconds = pd.concat(used)
    return pd.concat(found).sort_index(), seconds[~seconds.index.duplicated()]


def _ordinary(setting: Setting, epochs: pd.DataFrame, dense: pd.DataFrame, seed: float) -> pd.Series:
    """Return the seconds of the ordinary epochs of a seed: those of its dense controls; none where there are none."""
    seconds = epochs[epochs["trial"].isin(dense["trial"])]["seconds"]
    if len(seconds):
        return seconds
    others = setting.trials[setting.trials["seed"] == seed]
    shared = epochs[(epochs["phase"] == DENSE) & epochs["trial"].isin(others["trial"])]
    return shared.drop_duplicates([column for column in ("epoch", "seconds") if column in shared])["seconds"]


def _rows(ratios: pd.DataFrame) -> list[_Row]:
    """Return a row for each method, grouping and scope that trained, in the order of their names."""
    columns = [column for column in ("grouping", "scope") if column in ratios and ratios[column].nunique() > 1]
    rows = []
    for key, part in ratios.groupby(["method", *columns], dropna=False, sort=True):
        words = [str(word) for word in (key if isinstance(key, tuple) else (key,))]
        seeds = np.log(part["ratio"]).groupby(part["seed"]).mean()
        rows.append(_Row(words[0], ", ".join(words), part["ratio"], estimate(seeds)))
    return rows


def _draw(axes: Axes, y: int, row: _Row, style: Style) -> None:
    """Draw the mean with its interval, and the trials as small dots below."""
    if len(row.ratios) > row.log.n:
        axes.plot(
            row.ratios, [y + BELOW] * len(row.ratios), linestyle="", marker="o", markersize=pt(SMALL),
            color=style.colour, alpha=0.5, markeredgewidth=0, zorder=2,
        )  # fmt: skip
    mean = math.exp(row.log.mean)
    if row.log.n > 1:
        ends = [math.exp(row.log.mean + sign * row.log.half_width) for sign in (-1, 1)]
        axes.errorbar(
            [mean], [y], xerr=[[mean - ends[0]], [ends[1] - mean]], fmt="none", ecolor=style.colour,
            elinewidth=pt(1), capsize=pt(1.8), capthick=pt(0.8), zorder=3,
        )  # fmt: skip
    axes.plot([mean], [y], marker=style.mark, markersize=pt(SIZE), color=style.colour, zorder=4)


def _axes(axes: Axes, rows: list[_Row]) -> None:
    """Name the rows, the first on top, and make x logarithmic with a few ticks, among them 1."""
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.3, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("log")
    axes.margins(x=0.08)
    low, high = axes.get_xlim()
    low, high = min(low, 0.9), max(high, 1.15)
    axes.set_xlim(low, high)
    ticks = [1.0]
    for tick in sorted(TICKS, key=lambda tick: abs(math.log(tick))):
        gaps = [abs(math.log(tick / other)) for other in ticks]
        if low <= tick <= high and min(gaps) > APART * math.log(high / low):
            ticks.append(tick)
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("Epoch time / ordinary")


def _explain(plot: Panel, interval: bool, trials: bool) -> None:
    """Say in the legend what the marks are."""
    grey = "#555555"
    if trials:
        plot.handles[TRIAL] = Line2D([], [], linestyle="", marker="o", markersize=pt(SMALL), color=grey, alpha=0.6)
    plot.handles[MEAN + (" and interval" if interval else "")] = Line2D(
        [], [], linestyle="-" if interval else "", marker="o", markersize=pt(SIZE), color=grey
    )
    plot.handles["ordinary training"] = Line2D([], [], color=DENSE_COLOUR, linestyle=":", linewidth=pt(0.9))


def _seeds(rows: list[_Row]) -> str:
    counts = sorted(row.log.n for row in rows)
    low, high = counts[0], counts[-1]
    if high == 1:
        return "1 seed, hence no intervals"
    return f"{seeds_between(low, high)}, 95 % t-interval" + (", none for 1 seed" if low == 1 else "")


def _spread(seconds: pd.Series) -> str:
    """Say how much the epochs differ that all should take as long: the noise of the machine."""
    low, middle, high = (float(seconds.quantile(part)) for part in (0.25, 0.5, 0.75))
    return f"median {middle:.3g} s, half of them in {low:.3g} to {high:.3g} s"


def _why(setting: Setting) -> str:
    epochs = setting.frame("epochs")
    trained = epochs[epochs["trial"].isin(setting.pruned["trial"]) & (epochs["phase"] == SPARSIFY)]
    if trained.empty:
        return f"no method of {setting.title} has a sparsify phase in epochs.csv"
    return f"no ordinary epochs to compare with for {setting.title}: no dense control, no dense phase"
