"""How everything looks: sizes, fonts, and the colour and mark of each method, the same in every figure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib import rcParams

COLUMN_WIDTH = 3.3  # inches: one column of a two-column paper
TEXT_WIDTH = 6.9  # both columns

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
}

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.borderaxespad": 0.2,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.35,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.dpi": 300,  # as in the file, so that the layout is that of the file
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}


@contextmanager
def paper() -> Iterator[None]:
    """Draw and save in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        rcParams.update(RC)
        yield


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
