"""What the panels of several experiments have in common: points, the order of the legend, headings, an axis."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.experiments import Experiment
from analysis.load import DENSE, Setting
from analysis.plotting import Curve, Panel, curves_of, sparsity_axis
from analysis.style import look
from results.errors import Skip

Drawn = tuple[Experiment, list[Curve]]
PAR = "speedup 1"  # the label of draw_par
TICK = 0.12  # inches: what a number below a narrow panel takes
SPARSITY = "Group sparsity (%), marks set side by side"


def with_curves(setting: Setting, found: list[Experiment], columns: Sequence[str]) -> list[Drawn]:
    """Return the points of each series that has all the columns, for each experiment that has one; Skip for none."""
    drawn = []
    for experiment in found:
        curves = curves_of(experiment.series, columns)
        if curves:
            drawn.append((experiment, curves))
    if not drawn:
        raise Skip(f"no pruned trial of {setting.title} has {' and '.join(columns)}")
    return drawn


def same_keeps(drawn: list[Drawn]) -> bool:
    """Say whether every panel has several keeps, or all have the same, so that one x axis serves them all."""
    keeps = [{keep for curve in curves for keep in curve.points["keep"]} for _, curves in drawn]
    return min(len(found) for found in keeps) > 1 or all(found == keeps[0] for found in keeps)


def unmeasured(found: list[Experiment], drawn: list[Curve]) -> list[str]:
    """Return a line of heading that names the series that have nothing to draw, if there are any."""
    labels = {curve.series.label for curve in drawn}
    absent = dict.fromkeys(one.label for experiment in found for one in experiment.series if one.label not in labels)
    return [f"not measured: {', '.join(absent)}"] if absent else []


def without_dense(drawn: list[Drawn]) -> list[str]:
    """Return a line of heading where some panels have a dense network to compare with and others none."""
    lacking = [experiment.title for experiment, _ in drawn if experiment.setting.dense.empty]
    some = 0 < len(lacking) < len(drawn)
    return [f"no dense network was trained for: {'; '.join(lacking)}"] if some else []


def legend_in_order(plot: Panel, found: list[Experiment]) -> None:
    """Let the legend list the dense networks and the line at 1, then the series in their order, then all else."""
    series = {one.label: one for experiment in found for one in experiment.series}
    ordered = sorted(series.values(), key=lambda one: (one.method == "random", one.method, one.variant))
    places = {one.label: i for i, one in enumerate(ordered)}

    def place(label: str) -> tuple[int, int]:
        if label in places:
            return 1, places[label]
        return (0, 0) if label.startswith(DENSE) else (0, 1) if label == PAR else (2, 0)

    plot.handles = {label: plot.handles[label] for label in sorted(plot.handles, key=place)}


def sparsity_ticks(axes: Axes, curves: list[Curve]) -> None:
    """Mark x at the sparsities asked for; marks side by side at the only one keep off the edges."""
    if len({keep for curve in curves for keep in curve.points["keep"]}) == 1:
        axes.margins(x=0.2)
    sparsity_axis(axes, curves)
    axes.set_xlabel("")
    place = axes.get_subplotspec()
    across = place.get_gridspec().ncols if place else 1
    low, high = axes.get_xlim()
    apart = TICK * look().pen / (look().page / across - 0.3 * look().scale) * (high - low) if across > 1 else 0.0
    kept: list[float] = []
    for tick in sorted(axes.get_xticks(), reverse=True):
        if not kept or kept[-1] - tick > apart:
            kept.append(float(tick))
    axes.set_xticks(kept, [f"{tick:g}" for tick in kept])
