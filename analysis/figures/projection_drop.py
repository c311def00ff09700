"""What being forced to exactly k costs: the validation accuracy that the projection takes away."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.experiments import experiments
from analysis.grid import grid, label_below, label_left
from analysis.load import Setting
from analysis.panels import legend_in_order, unmeasured, with_curves
from analysis.plotting import Curve, Panel, finish, legend_line, panel_styles, seeds
from analysis.registry import entry
from analysis.style import DENSE_COLOUR, pt
from analysis.tuning import chosen

DROP = "projection_drop"
HEIGHT, HEIGHT_ALONE = 1.7, 2.2  # inches
LINEAR = 1  # points: the axis is linear up to here and logarithmic beyond
TICKS = (-100, -30, -10, -3, -1, 0, 1, 3, 10, 30, 100)
STEP, ROOM = 0.14, 0.75  # between marks side by side, and for all of them together, of the distance of two keeps
ONE_SHOT = "before fine-tuning; one-shot methods are pruned at once"


@entry("projection_drop", by_grouping=True)
def projection_drop(setting: Setting) -> Figure:
    """Validation accuracy in points that the projection to exactly k costs, before fine-tuning, for each keep.

    The axis is linear up to 1 point and logarithmic beyond, so that 0 and 80 can both be read.
    """
    setting = chosen(setting)
    cut = experiments(setting)
    drawn = with_curves(setting, cut.found, [DROP])
    everything = [curve for _, curves in drawn for curve in curves]
    plot, columns = grid(setting, [one.title for one, _ in drawn], [HEIGHT if len(drawn) > 1 else HEIGHT_ALONE])
    keeps = sorted({keep for curve in everything for keep in curve.points["keep"]}, reverse=True)
    for (axes,), (_, curves) in zip(columns, drawn, strict=True):
        _draw(plot, axes, curves, keeps)
    _drops(plot.axes[0], [100 * drop for curve in everything for drop in curve.points[DROP]])
    label_left(plot, "Validation drop (points)")
    label_below(plot, "Keep")
    legend_in_order(plot, cut.found)
    trains = "sparsify_epochs" not in setting.pruned or bool((setting.pruned["sparsify_epochs"] > 0).all())
    told = ONE_SHOT.split(";")[0] if trains else ONE_SHOT
    return finish(plot, [seeds(everything, DROP), told, *cut.lines, *unmeasured(cut.found, everything)])


def _draw(plot: Panel, axes: Axes, curves: list[Curve], keeps: list[float]) -> None:
    """Draw the marks of one panel, those of a keep side by side, with a thin line at no drop."""
    house = panel_styles(plot)
    axes.axhline(0, color=DENSE_COLOUR, linewidth=pt(0.6), zorder=1)
    axes.grid(visible=False, axis="x")
    for between in range(len(keeps) - 1):
        axes.axvline(between + 0.5, color="#E4E4E4", linewidth=pt(0.5), zorder=0)
    for curve, shift in zip(curves, _side_by_side(len(curves)), strict=True):
        colour, mark = house[curve.series.method]
        points = curve.points
        hollow = "white" if curve.series.variant % 2 else colour
        axes.errorbar(
            [keeps.index(keep) + shift for keep in points["keep"]], 100 * points[DROP],
            yerr=100 * points[f"{DROP}_half"].fillna(0), color=colour, marker=mark, linestyle="",
            markerfacecolor=hollow, markeredgewidth=pt(0.8), elinewidth=pt(0.7), capsize=pt(1.5), capthick=pt(0.7),
        )  # fmt: skip
        handle = legend_line(house[curve.series.method], "")
        handle.set_markerfacecolor(hollow)
        plot.handles.setdefault(curve.series.label, handle)
    axes.set_xlim(-0.5, len(keeps) - 0.5)
    axes.set_xticks(range(len(keeps)), [f"{keep:g}" for keep in keeps])


def _side_by_side(count: int) -> list[float]:
    step = min(STEP, ROOM / count)
    return [(i - (count - 1) / 2) * step for i in range(count)]


def _drops(axes: Axes, drops: Sequence[float]) -> None:
    """Scale y for these mean drops; an interval that reaches far beyond them is cut by the edge of the panel."""
    low, high = min(*drops, -0.15), max(*drops, LINEAR)
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    axes.set_ylim(low * 1.6, high * 1.5)
    ticks = [tick for tick in TICKS if low <= tick <= high * 1.5]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
