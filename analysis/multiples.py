"""Small multiples: one panel for each experiment and keep, on one column or on both."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis.identity import WORDS, budget
from analysis.load import Setting
from analysis.plotting import Panel, blank
from analysis.style import look, pt

ACROSS = 5  # panels beside each other, at most
HEIGHT, HEIGHT_ALONE = 1.5, 2.1  # inches
LETTER, TICKS = 0.055, 0.3  # inches: the width of a letter in a title, and that of the labels left of a panel
SAY = WORDS | {"grouping": "{} groups", "sparsify_epochs": "{:g} epochs", "epochs": "{:g} epochs", "keep": "keep {:g}"}


@dataclass(frozen=True)
class Cell:
    """The trials of one panel, and the values of `apart` and keep that they share."""

    key: dict[str, Any]
    rows: pd.DataFrame

    def holds(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return those of the rows that are of this cell."""
        return rows[rows["trial"].isin(self.rows["trial"])]


def apart(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that a panel has once, beside its keep."""
    return ("grouping", "scope", budget(rows), "start")


def cells(rows: pd.DataFrame) -> list[Cell]:
    """Cut rows into panels: in the order of `apart`, and within that the largest keep first."""
    columns = [column for column in apart(rows) if column in rows]
    found = []
    for _, part in rows.groupby(columns, dropna=False, sort=True):
        for keep in sorted(part["keep"].unique(), reverse=True):
            here = part[part["keep"] == keep]
            found.append(Cell({column: here.iloc[0][column] for column in [*columns, "keep"]}, here))
    return found


def multiples(setting: Setting, found: list[Cell], x: str, y: str) -> tuple[Panel, list[Axes]]:
    """Return a figure with a titled and labelled panel for each cell; it is one column wide where that is enough.

    The cells that differ in keep alone stand beside each other, below what they have in common.
    """
    lines = _lines(found)
    across = max(len(line) for line in lines)
    height = HEIGHT_ALONE if len(found) == 1 else HEIGHT
    size = (look().column if across == 1 else look().page, height * len(lines) * look().scale)
    figure = blank(*size)
    grid = figure.subplots(len(lines), across, squeeze=False)
    for unused in (grid[row, column] for row, line in enumerate(lines) for column in range(len(line), across)):
        figure.delaxes(unused)
    axes = [grid[row, column] for row, line in enumerate(lines) for column in range(len(line))]
    for row, line in enumerate(lines):
        grid[row, 0].set_ylabel(y)
        below = len(lines[row + 1]) if row + 1 < len(lines) else 0
        for column in range(below, len(line)):
            grid[row, column].set_xlabel(x)
        _titles(list(grid[row, : len(line)]), line, found, size[0] / across / look().scale)
    return Panel(setting, figure, axes), axes


def shared(found: list[Cell]) -> str:
    """Say what all cells have in common, such as `filter groups, layer scope, 8 epochs, from scratch`."""
    return ", ".join(_say(column, found[0].key[column]) for column in found[0].key if not _varies(column, found))


def titles(found: list[Cell]) -> list[str]:
    """Say of each cell what sets it apart from the others."""
    varying = [column for column in found[0].key if _varies(column, found)]
    return [", ".join(_say(column, cell.key[column]) for column in varying) for cell in found]


def _lines(found: list[Cell]) -> list[list[Cell]]:
    """Break the cells into lines: a new one for each experiment, unless each has one keep alone."""
    together: dict[str, list[Cell]] = {}
    for cell in found:
        together.setdefault(str([value for column, value in cell.key.items() if column != "keep"]), []).append(cell)
    groups = list(together.values())
    if all(len(group) == 1 for group in groups):
        groups = [found]
    return [line for group in groups for line in _even(group)]


def _even(group: list[Cell]) -> list[list[Cell]]:
    """Break cells into as few lines as they fit in, about equally long."""
    lines = math.ceil(len(group) / ACROSS)
    length = math.ceil(len(group) / lines)
    return [group[i : i + length] for i in range(0, len(group), length)]


def _titles(axes: list[Axes], line: list[Cell], found: list[Cell], width: float) -> None:
    """Say above each panel of a line what sets it apart; what the line has in common once, above the first."""
    differ = [column for column in line[0].key if _varies(column, found)]
    common = [column for column in differ if column != "keep"]
    if len(line) == 1 or any(_varies(column, line) for column in common):
        common = []
    for places, cell in zip(axes, line, strict=True):
        words = [_say(column, cell.key[column]) for column in differ if column not in common]
        title = wrapped(words, int((width - TICKS) / LETTER * look().room))
        if common and cell is line[0]:
            title = ", ".join(_say(column, cell.key[column]) for column in common) + "\n" + title
        places.set_title(title, loc="left", fontsize=pt(6.5), pad=pt(3), linespacing=1.15)


def wrapped(words: list[str], width: int, glue: str = ", ") -> str:
    """Join words, in lines of this many letters that never break within a word."""
    whole = [word.replace(" ", "\N{NO-BREAK SPACE}") for word in words]
    lines = textwrap.wrap(glue.join(whole), width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _varies(column: str, found: list[Cell]) -> bool:
    return len({str(cell.key[column]) for cell in found}) > 1


def _say(column: str, value: Any) -> str:
    return f"{column} unknown" if pd.isna(value) else SAY.get(column, "{}").format(value)
