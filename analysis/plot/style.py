"""How everything looks: sizes, fonts, and the colour and mark of each method, the same in every figure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib import rcParams

# Okabe and Ito, "Color Universal Design", without black (the dense network) and yellow (too faint on white),
# with indigo, wine and olive of Paul Tol's muted scheme.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255", "#7A7A1F")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DENSE_COLOUR = "#222222"
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")  # the variants of one method


class Style(NamedTuple):
    """The colour and the mark of a method."""

    colour: str
    mark: str


# The house methods; every other name gets a free combination that its letters choose.
KNOWN = {
    "dense": Style(DENSE_COLOUR, ""),
    "random": Style("#7F7F7F", "X"),
    "wgsef": Style(COLOURS[0], "o"),
    "wgsef_dc": Style(COLOURS[6], "P"),
    "group_lasso": Style(COLOURS[1], "s"),
    "l1_filter": Style(COLOURS[2], "^"),
    "magnitude": Style(COLOURS[3], "D"),
    "gmp": Style(COLOURS[4], "v"),
    "wgsef_split": Style(COLOURS[8], "*"),
}


@dataclass(frozen=True)
class Look:
    """Sizes for one place where figures are shown. Everything is designed for paper and scales from there.

    column, page: the widths of a figure in inches, one column and two. font: the size of text, in points.
    dpi: of PNG.
    """

    column: float
    page: float
    font: float
    dpi: int

    @property
    def scale(self) -> float:
        """How much larger than on paper lengths are."""
        return self.column / PAPER.column

    @property
    def pen(self) -> float:
        """How much larger than on paper letters, lines and marks are."""
        return self.font / PAPER.font

    @property
    def room(self) -> float:
        """How many letters fit where one fits on paper."""
        return self.scale / self.pen


PAPER = Look(column=3.3, page=6.9, font=7.5, dpi=300)
LOOKS = {
    "paper": PAPER,  # a two-column paper, at its real size
    "talk": Look(column=6.0, page=12.0, font=15, dpi=200),  # a slide of 13.3 by 7.5 inches
    "web": Look(column=6.0, page=10.0, font=10.5, dpi=110),  # a screen, at its real size
}
_look: ContextVar[Look] = ContextVar("look", default=PAPER)


def look() -> Look:
    """Return the look that figures are drawn in right now."""
    return _look.get()


def pt(size: float) -> float:
    """Return a size in points, given for paper, as it is in the look of right now."""
    return size * _look.get().pen


@contextmanager
def drawn(name: str = "paper") -> Iterator[Look]:
    """Draw and save in the house style, for `paper`, `talk` or `web`, whatever the user's matplotlibrc says."""
    chosen = LOOKS[name]
    token = _look.set(chosen)
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            rcParams.update(_rc(chosen))
            yield chosen
    finally:
        _look.reset(token)


def _rc(look: Look) -> Any:
    """Return the settings of matplotlib: fixed ones, and those in points, which grow with the letters."""
    scaled = {name: points * look.pen for name, points in POINTS.items()}
    return FIXED | scaled | {"figure.dpi": look.dpi, "savefig.dpi": look.dpi}


FIXED: Any = {
    "font.family": "DejaVu Sans",
    "legend.frameon": False,
    "legend.borderaxespad": 0.2,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.35,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "klevel",  # the same file each time
}
POINTS = {
    "font.size": PAPER.font,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "figure.titlesize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
}


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """Return a style for each method: no two are equal, and the order of `methods` does not matter.

    A method not in KNOWN starts at the combination that a hash of its name points to, and takes the next one
    whose colour and mark are both less used, so that a few unknown methods are easy to tell apart.
    """
    assigned = dict(KNOWN)
    for name in sorted(set(methods) - set(KNOWN)):
        assigned[name] = _free(name, list(assigned.values()))
    return {name: assigned[name] for name in methods}


def _free(name: str, taken: list[Style]) -> Style:
    options = [Style(colour, mark) for mark in MARKS for colour in COLOURS]
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % len(options)

    def crowded(option: Style) -> tuple[bool, int]:
        shared = [(option.colour == other.colour) + (option.mark == other.mark) for other in taken]
        return option in taken, sum(shared)

    return min(options[start:] + options[:start], key=crowded)


GREY = "#555555"
# The easiest to tell apart first, when hollow; those of three strokes and of many corners last.
PUBLISHED_MARKS = ("v", "s", "D", "o", "<", "x", "*", "+", ">", "p", "d", "1", "^", "h", "2", "P", "X", "8")


def published_styles(labels: Iterable[str], house: dict[str, Style]) -> dict[str, Style]:
    """Return a colour and a mark for each label of a published method; no two are equal.

    A method whose name begins with one of ours has its colour; the others are grey, each with a mark of its own.
    """
    ours = KNOWN | house
    looks: dict[str, Style] = {}
    for label in dict.fromkeys(labels):
        first = label.split()[0]
        own = [ours[first]] if first in ours else []
        colour = own[0].colour if own else GREY
        options = own + [Style(colour, mark) for mark in PUBLISHED_MARKS]
        looks[label] = next((one for one in options if one not in looks.values()), options[0])
    return looks
