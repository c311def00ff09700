"""What training costs, against what it reaches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.choice import best_series
from analysis.control import with_controls
from analysis.load import Setting
from analysis.multiples import Cell, multiples
from analysis.plotting import Curve, Panel, panel_styles, percent_bars, seeds, usual_subject
from analysis.registry import entry
from analysis.series import Series, devices, majority, series_within
from analysis.small_print import finish_noted
from analysis.statistics import by, measured
from analysis.style import DENSE_COLOUR, pt
from analysis.tuning import chosen
from results.errors import Skip

RATIO, SECONDS = "Train time / dense", "Train time (s)"
DENSE = "dense control"
FILLS = ("full", "none", "left", "right")  # the groupings of one method
SIZE = 4.6  # points
LEAST = 1.0  # points of accuracy: less is not made to look like much
MARGIN = 0.1  # around the marks, of the range


@entry("train_seconds", "test_top1", by_grouping=True)
def training_cost(setting: Setting) -> Figure:
    """Test accuracy against the time that training took, as a multiple of the dense control's, a panel for each keep.

    x is `train_seconds`: every epoch of the network, those of the shared dense network included (docs/protocol.md),
    over that of the dense control of the same seed, data and machine; in seconds where no trial has such a control.
    A method has one mark: of its experiments with the most seeds the best on validation; the search for it is not in
    its time. The dense control stands at 1, with its accuracy after as many epochs as all others had.
    """
    setting = chosen(setting)
    rows, relative = _with_cost(setting)
    keeps = sorted(rows["keep"].unique(), reverse=True)
    panels = [Cell({"keep": keep}, rows[rows["keep"] == keep]) for keep in keeps]
    plot, axes = multiples(setting, panels, RATIO if relative else SECONDS, "Test top-1 (%)")
    drawn: list[Curve] = []
    picked = [(places, cell, _one_each(cell.rows)) for places, cell in zip(axes, panels, strict=True)]
    names = _names(setting, [one for _, _, found in picked for one in found])
    for places, cell, found in picked:
        if relative:
            _draw_dense(plot, places, setting, cell)
        drawn += [_draw(plot, places, one, names) for one in found]
    order = [DENSE, *(label for label, _ in names.values())]
    plot.handles = {label: plot.handles[label] for label in order if label in plot.handles}
    _limits(axes)
    without = sorted(set(setting.pruned["method"]) - set(rows["method"]))
    lines = [seeds(drawn, "test_top1")]
    notes = [
        _what(setting, relative),
        _choice(panels),
        f"Not drawn, as without time or dense control: {', '.join(without)}." if without else "",
    ]
    return finish_noted(plot, lines, [note for note in notes if note], _subject(setting, keeps))


def _with_cost(setting: Setting) -> tuple[pd.DataFrame, bool]:
    """Return the pruned trials with a time as column `cost`, and whether it is a multiple of the dense control's."""
    timed = measured(setting.pruned, ["train_seconds"])
    if not timed["train_seconds"].notna().any():
        raise Skip(f"no pruned trial of {setting.title} has train_seconds")
    parts = [rows["train_seconds"] / dense["train_seconds"].mean() for rows, dense in with_controls(setting, timed)]
    rows = timed.assign(cost=pd.concat(parts))
    told = rows["cost"].notna() & (rows["cost"] < float("inf"))
    if not told.any():
        return timed.assign(cost=timed["train_seconds"]), False
    return rows[told | (rows["status"] == "failed")], True


def _experiments(rows: pd.DataFrame) -> list[Series]:
    return series_within(rows, ("keep", "grouping"))


def _one_each(rows: pd.DataFrame) -> list[Series]:
    """Return a series for each contender and grouping: of those with the most seeds the best on validation.

    Raises Skip where validation does not tell which is the best.
    """
    found = []
    for _, mine in _by_contender(rows):
        everything = _experiments(mine)
        most = max(one.rows["seed"].nunique() for one in everything)
        rivals = [one for one in everything if one.rows["seed"].nunique() == most]
        found.append(best_series(rivals, "{} has several experiments"))
    return found


def _by_contender(rows: pd.DataFrame) -> Any:
    return rows.groupby(["method", "role", "grouping"], dropna=False, sort=True)


def _choice(panels: list[Cell]) -> str:
    """Say how many experiments of a method one was chosen among; nothing where there was no choice."""
    counts: dict[str, int] = {}
    for cell in panels:
        for _, mine in _by_contender(cell.rows):
            found = _experiments(mine)
            counts[found[0].name] = max(counts.get(found[0].name, 0), len(found))
    if all(count == 1 for count in counts.values()):
        return ""
    named = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"Experiments tried, of those with the most seeds the best on validation, no search is timed: {named}."


def _key(series: Series) -> tuple[str, str]:
    return series.name, str(series.rows["grouping"].iloc[0])


def _names(setting: Setting, found: Iterable[Series]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return, for each contender and grouping, what the legend calls it and how its mark is filled."""
    usual = majority(setting.pruned, "grouping")
    methods = {_key(one): one.method for one in found}
    ranks = {key: (method == "random", *key[:1], key[1] != usual, key[1]) for key, method in methods.items()}
    keys = sorted(ranks, key=lambda key: ranks[key])  # the control last, as everywhere
    names: dict[tuple[str, str], tuple[str, str]] = {}
    for key in keys:
        name, grouping = key
        before = sum(methods[other] == methods[key] for other in names)
        label = name if grouping == usual else f"{name} ({grouping})"
        names[key] = (label, FILLS[before % len(FILLS)])
    return names


def _draw(plot: Panel, axes: Axes, series: Series, names: dict[tuple[str, str], tuple[str, str]]) -> Curve:
    """Draw one mark with its intervals in both directions."""
    label, filled = names[_key(series)]
    style = panel_styles(plot)[series.method]
    points = by(series.rows, "keep", ["cost", "test_top1"])
    mark: dict[str, Any] = {
        "color": style.colour, "marker": style.mark, "linestyle": "", "markersize": pt(SIZE), "fillstyle": filled,
        "markeredgewidth": pt(0.8),
    }  # fmt: skip
    _bars(axes, points, style.colour)
    axes.plot(points["cost"], 100 * points["test_top1"], zorder=4, **mark)
    plot.handles.setdefault(label, Line2D([], [], **mark))
    return Curve(series, points)


def _draw_dense(plot: Panel, axes: Axes, setting: Setting, cell: Cell) -> None:
    """Draw the dense controls of these trials: their time is 1 by definition, their accuracy that after all epochs."""
    ids = {str(one) for _, dense in with_controls(setting, cell.rows) for one in dense["trial"]}
    points = by(setting.dense[setting.dense["trial"].isin(ids)].assign(cost=1.0), "cost", ["test_top1"])
    _bars(axes, points, DENSE_COLOUR)
    mark: dict[str, Any] = {"color": DENSE_COLOUR, "marker": "*", "linestyle": "", "markersize": pt(SIZE + 1.6)}
    axes.plot(points["cost"], 100 * points["test_top1"], zorder=5, **mark)
    plot.handles.setdefault(DENSE, Line2D([], [], **mark))


def _bars(axes: Axes, points: pd.DataFrame, colour: str) -> None:
    """Draw the intervals, lighter than the marks; a time ends at 0, an accuracy at 0 and 100, and one seed has none."""
    half = points["cost_half"].fillna(0) if "cost_half" in points else None
    across = None if half is None else [list(half.clip(upper=points["cost"])), list(half)]
    axes.errorbar(
        points["cost"], 100 * points["test_top1"], xerr=across, yerr=percent_bars(points, "test_top1"), fmt="none",
        ecolor=colour, alpha=0.55, elinewidth=pt(0.7), capsize=0, zorder=3,
    )  # fmt: skip


def _limits(axes: list[Axes]) -> None:
    """Give all panels the same x, which ends at 0, and no less than a point of accuracy; no mark is on the edge."""
    for places in axes:
        places.margins(MARGIN)
    limits = [places.get_xlim() for places in axes]
    for places in axes:
        places.set_xlim(max(0.0, min(low for low, _ in limits)), max(high for _, high in limits))
        places.xaxis.set_major_locator(MaxNLocator(4))
        low, high = places.get_ylim()
        short = max(0.0, LEAST - (high - low))
        places.set_ylim(low - short / 2, high + short / 2)


def _subject(setting: Setting, keeps: list[float]) -> str:
    return usual_subject(setting) + (f", keep {keeps[0]:g}" if len(keeps) == 1 else "")


def _what(setting: Setting, relative: bool) -> str:
    """Say what was timed, and that it was not alone on the machine."""
    over = ", over the dense control's of the same seed" if relative else ""
    where = f"{devices(setting.trials)}, other trials beside it"
    return f"Time of all epochs, the shared dense network's included{over}; {where}."
