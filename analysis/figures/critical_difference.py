"""Who is better than whom over all problems: mean ranks, and which of them the tests cannot tell apart."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.contest import ROLES, Contest, chosen_by, contests, method_of, shown, variant_of
from analysis.load import Results
from analysis.plotting import Panel, blank, finish, panel_styles
from analysis.ranking import Verdict, apart, nemenyi, stacked, verdict
from analysis.registry import entry
from analysis.style import DENSE_COLOUR, LINES, Style, look, pt

TITLE, RULER, SLANT, BAR, LINE, GAP = 25, 15, 8, 5.0, 8.6, 3.0  # heights in points; GAP: between leaders
LETTERS = 20  # of a name in a line
MOST, WIDEST = 12, 0.72  # contenders, and the share of the width for their names, that fit a column
BARS: dict[str, Any] = {"color": "#555555", "solid_capstyle": "butt"}
ALIKE = "not told apart at 5 %"
TESTED = f"{ALIKE} (Wilcoxon, Holm)"
RELATED = "problems of one setting are related: p is optimistic"


@dataclass(frozen=True)
class _Diagram:
    """What a diagram shows, and how high it is. Its coordinates: mean ranks, and points below the axis."""

    contest: Contest
    verdict: Verdict

    @cached_property
    def names(self) -> list[str]:
        """The contenders, best first."""
        return list(self.contest.ranks.index)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What stands beside each leader: the name in lines of a few letters, and its mean rank."""
        return {str(name): _label(str(name), rank) for name, rank in self.contest.ranks.items()}

    @property
    def sides(self) -> tuple[list[str], list[str]]:
        """Who is labelled on the left, and who on the right: each from the outside in, so that no leaders cross."""
        half = math.ceil(len(self.names) / 2)
        return self.names[:half], self.names[half:][::-1]

    @cached_property
    def bars(self) -> list[int]:
        """The row of each bar."""
        at = {name: float(i) for i, name in enumerate(self.names)}
        return stacked([(at[bar[0]], at[bar[-1]]) for bar in self.verdict.sets])

    @property
    def told_by_p(self) -> bool:
        """Whether it says a p, though several problems are of one setting."""
        return self.contest.related and " p " in self.verdict.said

    @property
    def ruler(self) -> float:
        """Nemenyi's critical difference, where it can be compared: for three contenders or more that were tested."""
        k, n = len(self.names), len(self.contest.scores)
        return nemenyi(k, n) if self.verdict.tested and k > 2 else math.nan

    @property
    def above(self) -> float:
        """Points above the axis."""
        return TITLE + RULER * (not math.isnan(self.ruler))

    @property
    def first(self) -> float:
        """Points from the axis down to the first label."""
        return SLANT + BAR * (1 + max(self.bars, default=-1)) + LINE

    def rows(self, side: list[str]) -> list[float]:
        """Return how many points below the axis the middle of each label of a side is."""
        y, found = self.first, []
        for name in side:
            height = LINE * (1 + self.labels[name].count("\n")) + 1.4
            found.append(y + (height - LINE) / 2)
            y += height
        return found

    @property
    def below(self) -> float:
        """Points below the axis."""
        return max(self.rows(side)[-1] + LINE * (1 + self.labels[side[-1]].count("\n")) / 2 for side in self.sides) + 3


def _label(name: str, rank: float) -> str:
    """Return a name and its mean rank in lines of a few letters; a bracket begins a line."""
    role = ROLES[variant_of(name)]
    parts = [method_of(name), f"{role.strip()} {rank:.2f}"] if role else [f"{name} {rank:.2f}"]
    return "\n".join(line for part in parts for line in textwrap.wrap(part, LETTERS))


@entry("test_top1", whole=True)
def critical_difference(results: Results) -> Figure:
    """Critical difference diagram: mean ranks over all problems, with bars that join what no test tells apart.

    After J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006). The bars are those
    of pairwise tests (see `analysis.ranking.verdict`): they join their dots, a leader without one they pass by.
    Nemenyi's critical difference, which tests mean ranks, is a ruler to compare with.
    """
    diagrams = [_Diagram(contest, verdict(contest)) for contest in shown(contests(results))]
    heights = [(one.above + one.below) * look().pen / 72 for one in diagrams]
    figure = blank(look().column, sum(heights) + 0.2 * (len(heights) - 1) * look().pen)
    axes = list(figure.subplots(len(diagrams), 1, squeeze=False, height_ratios=heights)[:, 0])
    plot = Panel(results, figure, axes)
    reach = _reach(figure, diagrams)
    if sum(reach) > WIDEST * look().column or max(len(one.names) for one in diagrams) > MOST:
        figure.set_figwidth(look().page)
    house = panel_styles(plot)
    for place, one in zip(axes, diagrams, strict=True):
        _axis(place, one, reach, figure.get_figwidth())
        _leaders(place, one, house, figure.get_figwidth())
        if not math.isnan(one.ruler):
            _ruler(place, one)
        if len(diagrams) > 1:
            place.set_title(f"{len(one.names)} methods, {len(one.contest.scores)} problems", loc="left")
    if any(one.verdict.sets for one in diagrams):
        name = TESTED if any(one.verdict.tested for one in diagrams) else ALIKE
        plot.handles[name] = Line2D([], [], marker="o", markersize=pt(2.6), linewidth=pt(1.8), **BARS)
    lines = [part for one in diagrams for part in (one.contest.said, one.verdict.said) if part]
    lines += filter(None, [chosen_by(results), RELATED * any(one.told_by_p for one in diagrams)])
    return finish(plot, lines, "Mean ranks of test top-1")


def _reach(figure: Figure, diagrams: list[_Diagram]) -> tuple[float, float]:
    """Return how many inches the labels take on the left and on the right."""
    widths = []
    for side in (0, 1):
        texts = [figure.text(0, 0, one.labels[name], fontsize=pt(7)) for one in diagrams for name in one.sides[side]]
        widths.append(max(text.get_window_extent().width for text in texts) / figure.dpi + 13 * look().pen / 72)
        for text in texts:
            text.remove()
    return widths[0], widths[1]


def _axis(axes: Axes, one: _Diagram, reach: tuple[float, float], width: float) -> None:
    """Draw the axis from rank 1 to the last, and make room for the labels at its ends."""
    k = len(one.names)
    inch = (k - 1) / (width - 0.06 - sum(reach))
    axes.set_xlim(1 - inch * reach[0], k + inch * reach[1])
    axes.set_ylim(one.below, -one.above)
    axes.set_axis_off()
    axes.plot([1, k], [0, 0], color=DENSE_COLOUR, linewidth=pt(0.8), gid="axis", solid_capstyle="projecting")
    step = next(s for s in (1, 2, 5, 10) if s / inch > 0.17 * look().pen)
    for rank in range(1, k + 1):
        axes.plot([rank, rank], [0, -2.5], color=DENSE_COLOUR, linewidth=pt(0.6))
        if (rank - 1) % step == 0:
            axes.text(rank, -4, f"{rank}", ha="center", va="bottom", fontsize=pt(7))
    axes.text((1 + k) / 2, -14.5, "Mean rank (1 is best)", ha="center", va="bottom", fontsize=pt(7))


def _leaders(axes: Axes, one: _Diagram, house: dict[str, Style], width: float) -> None:
    """Draw a line from each mean rank to its label, and the bars across them."""
    low, high = axes.get_xlim()
    point = (high - low) / (72 * width) * look().pen
    at = dict(zip(one.names, apart(list(one.contest.ranks), GAP * point), strict=True))
    ends = (min(1.0, *at.values()) - 4 * point, max(len(one.names), *at.values()) + 4 * point)
    for side, end, outward in zip(one.sides, ends, (-1, 1), strict=True):
        for name, y in zip(side, one.rows(side), strict=True):
            colour, mark = house[method_of(name)]
            variant = variant_of(name)
            axes.plot(
                [one.contest.ranks[name], at[name], at[name], end], [0, SLANT - 1.5, y, y], gid=name, color=colour,
                linestyle=LINES[variant], linewidth=pt(0.9), marker=mark, markevery=[3], markeredgewidth=pt(0.8),
                markerfacecolor="white" if variant else colour, solid_joinstyle="miter", zorder=2,
            )  # fmt: skip
            place: dict[str, Any] = {"ha": "right" if outward < 0 else "left", "va": "center_baseline"}
            axes.text(end + outward * 4.5 * point, y, one.labels[name], fontsize=pt(7), linespacing=1.1, **place)
    for bar, row in zip(one.verdict.sets, one.bars, strict=True):
        x, y = [at[name] for name in bar], SLANT + BAR * (row + 0.4)
        axes.plot(x, [y] * len(x), gid="bar", marker="o", markersize=pt(2.6), linewidth=pt(1.8), zorder=3, **BARS)


def _ruler(axes: Axes, one: _Diagram) -> None:
    """Draw Nemenyi's critical difference from rank 1 on, above the axis."""
    y, end = -one.above + 6, 1 + one.ruler
    x, ends = [1, 1, 1, end, end, end], [y - 2, y + 2, y, y, y + 2, y - 2]
    axes.plot(x, ends, gid="CD", color="#777777", linewidth=pt(0.9))
    axes.text(end, y, f"  CD {one.ruler:.2f} (Nemenyi)", ha="left", va="center", fontsize=pt(6.5), color="#555555")
