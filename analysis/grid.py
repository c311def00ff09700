"""Panels in a grid: one column for each experiment, one row for each quantity, with axes in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes

from analysis.load import Setting
from analysis.multiples import wrapped
from analysis.plotting import Panel, blank
from analysis.style import look, pt

Sharing = Literal["all", "row", "column", "none"]
ACROSS = 4  # panels beside each other, at most
LETTER, EDGE = 0.062, 0.25  # inches: the width of a letter in a label, and what it may not reach of a panel's
TITLE = 1.15  # how many more letters of a title fit, which is smaller
LINE = 10  # points: the height of a line of a label


def grid(
    setting: Setting,
    titles: Sequence[str],
    heights: Sequence[float],
    share_x: Sharing = "all",
    share_y: Sharing = "row",
) -> tuple[Panel, list[list[Axes]]]:
    """Return a figure, one column wide for one title and a page otherwise, and the axes of each title from the top.

    heights: of the rows, in inches. share_x, share_y: which panels have one axis; a row are those of one quantity,
    a column those of one title.
    Titles that are too many for one line of panels go on below.
    """
    lines = math.ceil(len(titles) / ACROSS)
    across = math.ceil(len(titles) / lines)
    width = look().column if across == 1 else look().page
    above = [_wrapped(title.split(", "), width / across * TITLE) for title in titles]
    room = lines * max(title.count("\n") for title in above) * pt(LINE) / 72
    figure = blank(width, lines * sum(heights) * look().scale + room)
    spec = figure.add_gridspec(lines * len(heights), across, height_ratios=list(heights) * lines)
    firsts: dict[tuple[Sharing, int], Axes] = {}
    found = []
    for i in range(len(titles)):
        line, place = divmod(i, across)
        mine = []
        for kind in range(len(heights)):
            alike: dict[Sharing, int] = {"all": 0, "row": kind, "column": i}
            x, y = (firsts.get((how, alike.get(how, -1))) for how in (share_x, share_y))
            axes = figure.add_subplot(spec[line * len(heights) + kind, place], sharex=x, sharey=y)
            for how, number in alike.items():
                firsts.setdefault((how, number), axes)
            last = kind == len(heights) - 1 and (share_x != "all" or i + across >= len(titles))
            axes.tick_params(labelleft=place == 0 or share_y == "none", labelbottom=last or share_x in ("row", "none"))
            mine.append(axes)
        mine[0].set_title(above[i], loc="left", fontsize=pt(6.5), pad=pt(3), linespacing=1.15)
        found.append(mine)
    return Panel(setting, figure, [axes for mine in found for axes in mine]), found


def label_below(panel: Panel, text: str) -> None:
    """Label x where its numbers stand: below every panel that has none beneath. The figure grows by broken lines."""
    label = _wrapped(text.split(), panel.figure.get_figwidth() / _spec(panel)[1], " ")
    labelled = [axes for axes in panel.axes if axes.xaxis.get_tick_params()["labelbottom"]]
    for axes in labelled:
        axes.set_xlabel(label)
    deep = len({place.rowspan.start for axes in labelled if (place := axes.get_subplotspec())})
    panel.figure.set_figheight(panel.figure.get_figheight() + deep * label.count("\n") * pt(LINE) / 72)


def label_left(panel: Panel, text: str) -> None:
    """Label y where its numbers stand: left of the first panel of each line."""
    label = _wrapped(text.split(), panel.figure.get_figheight() / _spec(panel)[0], " ")
    for axes in panel.axes:
        if axes.yaxis.get_tick_params()["labelleft"]:
            axes.set_ylabel(label)


def _spec(panel: Panel) -> tuple[int, int]:
    """Return how many panels are below and beside each other."""
    place = panel.axes[0].get_subplotspec()
    return place.get_gridspec().get_geometry() if place else (1, 1)


def _wrapped(words: list[str], inches: float, glue: str = ", ") -> str:
    """Join words in lines of this length."""
    letters = max(8, int((inches / look().scale - EDGE) / LETTER * look().room))
    return wrapped(words, letters, glue)
