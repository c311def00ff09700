"""How often a method is close to the best: performance profiles over all problems."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from analysis.contest import Contest, chosen_by, contests, in_order, method_of, shown, variant_of
from analysis.load import Results
from analysis.plotting import Panel, blank, finish, legend_line, panel_styles
from analysis.registry import entry
from analysis.style import LINES, look, pt

HEIGHT = 2.0  # inches
APART, SPREAD = 1.2, 8  # points between lines, which would hide each other at one share; all of them together at most
MARKS = 8  # along a line, at most


@entry("test_top1", whole=True)
def performance_profile(results: Results) -> Figure:
    """Share of problems in which a method is within x points of the best, over all settings.

    The performance profile of E. D. Dolan and J. J. Moré, "Benchmarking optimization software with performance
    profiles", Math. Program. 91 (2002), with test top-1 for their time, and the difference to the best for the ratio:
    accuracy is bounded, and a point is a point at any height. A contender that failed on a problem never arrives.
    """
    panels = shown(contests(results))
    figure = blank(look().column, HEIGHT * len(panels) * look().scale)
    axes = list(figure.subplots(len(panels), 1, squeeze=False)[:, 0])
    plot = Panel(results, figure, axes)
    for place, contest in zip(axes, panels, strict=True):
        _draw(plot, place, contest)
        if len(panels) > 1:
            place.set_title(f"{len(contest.contenders)} methods, {len(contest.scores)} problems", loc="left")
    axes[-1].set_xlabel("Points of test top-1 below the best")
    chosen = chosen_by(results)
    lines = [*(contest.said for contest in panels), *([chosen] if chosen else [])]
    return finish(plot, lines, "Performance profile")


def profile(contest: Contest, contender: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses in points at which the profile of a contender rises, and the share in percent from there on."""
    reached = contest.losses[contender][~contest.failed[contender]]
    counts = reached.value_counts().sort_index()
    return counts.index.to_numpy(dtype="float64"), (100 * counts.cumsum() / len(contest.losses)).to_numpy()


def _draw(plot: Panel, axes: Axes, contest: Contest) -> None:
    """Draw the profile of each contender as a step line, with marks where it rises."""
    house = panel_styles(plot)
    names = in_order(contest.contenders)
    end = _end(contest)
    step = min(APART, SPREAD / len(names))
    for i, name in enumerate(names):
        style = house[method_of(name)]
        variant = variant_of(name)
        handle = legend_line(style, LINES[variant])
        if variant:
            handle.set_markerfacecolor("white")
        at, share = profile(contest, name)
        first = 0 if len(at) and at[0] == 0 else 1
        x = np.concatenate([[0.0] * first, at, [end]])
        y = np.concatenate([[0.0] * first, share, [share[-1] if len(share) else 0.0]])
        aside = offset_copy(axes.transData, plot.figure, 0, pt(step) * ((len(names) - 1) / 2 - i), units="points")
        axes.step(
            x, y, where="post", color=style.colour, linestyle=LINES[variant], marker=style.mark, transform=aside,
            markevery=_marked(first, len(at)), markerfacecolor=handle.get_markerfacecolor(), markeredgewidth=pt(0.8),
            clip_on=False, zorder=3, label=name,
        )  # fmt: skip
        plot.handles.setdefault(name, handle)
    axes.set_xlim(-0.02 * end, end)
    axes.set_ylim(-4, 104)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_ylabel("Problems (%), lines set apart")


def _end(contest: Contest) -> float:
    """Return the end of x: a little past the largest loss of those that did not fail."""
    losses: pd.DataFrame = contest.losses.mask(contest.failed)
    largest = float(losses.max().max())
    return 1.04 * largest if largest > 0 else 1.0  # NaN where all failed


def _marked(first: int, steps: int) -> list[int]:
    """Return the positions of the marks: at each step, or at some of them evenly apart, the last always among them."""
    return sorted({first + round(i) for i in np.linspace(0, steps - 1, min(steps, MARKS))}) if steps else []
