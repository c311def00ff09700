"""The figures of a trade-off: accuracy over what was gained for it, a panel for each experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.experiments import Experiment, experiments
from analysis.grid import Sharing, grid, label_below, label_left
from analysis.load import Setting
from analysis.panels import Drawn, legend_in_order, same_keeps, sparsity_ticks, unmeasured, with_curves, without_dense
from analysis.plotting import Curve, Panel, draw, draw_dense, draw_par, seeds
from analysis.published import CAUTION, comparable, draw_published, source_notes
from analysis.ratios import ratio_axis
from analysis.series import devices
from analysis.small_print import finish_noted
from analysis.style import pt
from analysis.tuning import chosen
from results.errors import Skip

ACCURACY = "Test top-1 accuracy (%)"
HEIGHT, HEIGHT_ALONE, HEIGHT_ENLARGED = 1.7, 2.2, 2.6  # inches
CROWDED = 0.4  # published points on less of the height of the panel than this are drawn a second time, enlarged
FEWEST = 5  # published points that are worth it
NOTHING_GAINED = 0.005
BOX: dict[str, Any] = {"fill": False, "edgecolor": "#777777", "linestyle": "-"}


@dataclass(frozen=True)
class Gain:
    """What accuracy is paid for: a column, what its axis says, and what it is multiplied with.

    timed: whether it was measured on a device. shared: whether it is a coordinate that all methods have in common, so
    that their marks are set side by side; a ratio, on a logarithmic axis, otherwise.
    """

    column: str
    label: str
    scale: float = 1
    timed: bool = False
    shared: bool = False


def accuracy_over(setting: Setting, gain: Gain) -> Figure:
    """Return test accuracy over a gain, with the dense networks as lines and published numbers as hollow marks.

    One panel, or one for each experiment where they are too many. Where the published points lie on little of the
    height they are drawn a second time, enlarged. Raises Skip where no trial has the gain.
    """
    setting = chosen(setting)
    cut = experiments(setting, gain.timed)
    drawn = with_curves(setting, cut.found, [gain.column, "test_top1"])
    literature = comparable(setting, gain.column)
    _check_gain(setting, drawn, literature, gain)
    enlarged = len(drawn) == 1 and _crowded(drawn, literature)
    titles = [experiment.title for experiment, _ in drawn] + [""] * enlarged
    height = HEIGHT_ENLARGED if enlarged else HEIGHT if len(drawn) > 1 else HEIGHT_ALONE
    common = not enlarged and same_keeps(drawn)
    share_y: Sharing = "none" if enlarged else "all"
    plot, columns = grid(setting, titles, [height], "all" if common else "none", share_y)
    everything = [curve for _, curves in drawn for curve in curves]
    for (experiment, curves), (axes,) in zip([*drawn, *drawn * enlarged], columns, strict=True):
        _panel(plot, axes, experiment, curves, gain)
        draw_published(plot, axes, literature, gain.column, gain.scale)
        _axis(axes, everything if common else curves, literature, gain)
    if enlarged:
        _enlarge(plot, literature, gain)
    label_below(plot, gain.label)
    label_left(plot, ACCURACY)
    legend_in_order(plot, cut.found)
    lines = [
        seeds(everything, "test_top1"),
        f"timed on {devices(setting.pruned)}" if gain.timed else "",
        *cut.lines,
        CAUTION if len(literature) else "",
        *unmeasured(cut.found, everything),
        *without_dense(drawn),
    ]
    return finish_noted(plot, [line for line in lines if line], source_notes(literature))


def _panel(plot: Panel, axes: Axes, experiment: Experiment, curves: list[Curve], gain: Gain) -> None:
    draw_dense(plot, axes, experiment.setting)
    if gain.timed:
        draw_par(plot, axes, vertical=True)
    draw(plot, axes, curves, gain.column, "test_top1", (gain.scale, 100), sidestep=gain.shared)


def _axis(axes: Axes, curves: list[Curve], literature: pd.DataFrame, gain: Gain) -> None:
    """Scale and mark x so that all of these points lie on it."""
    if gain.shared:
        sparsity_ticks(axes, curves)
        return
    ours = [gain.scale * value for curve in curves for value in curve.points[gain.column]]
    values = [value for value in [*ours, *(gain.scale * literature[gain.column]), *[1.0] * gain.timed] if value > 0]
    ratio_axis(axes, min(values), max(values))


def _check_gain(setting: Setting, drawn: list[Drawn], literature: pd.DataFrame, gain: Gain) -> None:
    """Raise Skip where a ratio has no place on a logarithmic axis, or a theoretical one is 1 for every network."""
    if gain.shared:
        return
    values = [value for _, curves in drawn for curve in curves for value in curve.points[gain.column]]
    if not any(value > 0 for value in values):
        raise Skip(f"{gain.column} is 0 for every pruned trial of {setting.title}")
    if not (gain.timed or len(literature)) and all(abs(value - 1) < NOTHING_GAINED for value in values):
        raise Skip(f"{gain.column} is 1 for every pruned trial of {setting.title}: there is nothing to compare over")


def _crowded(drawn: list[Drawn], literature: pd.DataFrame) -> bool:
    """Say whether published points that are many enough lie on a small part of the height."""
    ours = [value for experiment, curves in drawn for curve in curves for value in curve.points["test_top1"]]
    everything = [*ours, *literature["top1"], *drawn[0][0].setting.dense["test_top1"]]
    return len(literature) >= FEWEST and bool(np.ptp(literature["top1"]) < CROWDED * np.ptp(everything))


def _enlarge(plot: Panel, literature: pd.DataFrame, gain: Gain) -> None:
    """Let the second panel show where the published points lie, and the first that place as a box."""
    whole, part = plot.axes
    low, high = 100 * literature["top1"].min(), 100 * literature["top1"].max()
    left, right = (gain.scale * end for end in (literature[gain.column].min(), literature[gain.column].max()))
    margin = 0.12 * (high - low) or 0.5
    low, high = low - margin, min(100.0, high + margin)
    part.set_ylim(low, high)
    if gain.shared:
        part.set_xlim(left - 1, right + 1)
    else:
        ratio_axis(part, left, right)
    left, right = part.get_xlim()
    whole.add_patch(Rectangle((left, low), right - left, high - low, linewidth=pt(0.6), zorder=2, **BOX))
    part.spines[:].set(visible=True, color=BOX["edgecolor"])
    whole.set_title("ours and published", loc="left", fontsize=pt(6.5), pad=pt(3))
    part.set_title("the box on the left, enlarged", loc="left", fontsize=pt(6.5), pad=pt(3))
