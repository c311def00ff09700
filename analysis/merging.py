"""Panels that show the same are one: which are alike, and what the one that stands for them is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import pandas as pd

from analysis.wording import condition

Cell = tuple[Any, ...]  # the panel of a frame, in words, and keep, if a figure has panels for each


def merged(
    points: pd.DataFrame, at: Sequence[str], value: str, tolerance: float, cells: Sequence[str] = ("panel", "keep")
) -> dict[Cell, str]:
    """Return for each cell the title of the panel that it is drawn in.

    points: a row per cell, line and place `at`, in the order of the panels. A cell joins the first one before it that
    has a line of it, if each such line has a value at the same places, differing by at most `tolerance`.
    """
    groups: list[tuple[dict[Any, pd.Series], list[Cell]]] = []
    for cell, rows in points.groupby(list(cells), sort=False):
        lines = {line: mine.set_index(list(at))[value].sort_index() for line, mine in rows.groupby("line")}
        for shown, same in groups:
            common = shown.keys() & lines.keys()
            if common and all(_alike(shown[line], lines[line], tolerance) for line in common):
                shown.update({line: lines[line] for line in lines.keys() - common})
                same.append(cell)
                break
        else:
            groups.append((lines, [cell]))
    return {cell: titled(same) for _, same in groups for cell in same}


def partly(
    lines: pd.DataFrame,
    titles: dict[Cell, str],
    name: Callable[[str], str],
    cells: Sequence[str] = ("panel", "keep"),
) -> list[str]:
    """Say which lines only some cells of their panel have."""
    found: dict[str, list[str]] = {}
    for line, rows in lines.groupby("line", sort=True):
        mine = list(dict.fromkeys(rows[list(cells)].itertuples(index=False, name=None)))
        panels = {titles[cell] for cell in mine}
        if len(mine) < sum(title in panels for title in titles.values()):
            found.setdefault(titled(mine), []).append(name(str(line)))
    return [f"Only {words}: {', '.join(names)}" for words, names in found.items()]


def titled(cells: Iterable[Cell]) -> str:
    """Return cells in words, such as `layer scope and network scope, keep 0.5, 0.1`."""
    keeps: dict[str, list[float]] = {}
    for panel, *keep in cells:
        keeps.setdefault(panel, []).extend(keep)
    panels: dict[str, list[str]] = {}
    for panel, some in keeps.items():
        told = ", ".join(f"{keep:g}" for keep in sorted(some, reverse=True))
        panels.setdefault(condition("keep", told) if told else "", []).append(panel)
    return "; ".join(", ".join(filter(None, (_conditions(some), words))) for words, some in panels.items())


def _alike(left: pd.Series, right: pd.Series, tolerance: float) -> bool:
    return left.index.equals(right.index) and bool(((left - right).abs() <= tolerance).all())


def _conditions(panels: Sequence[str]) -> str:
    """Return several panels in words, each condition once if the panels are all combinations of their conditions."""
    rows = [panel.split(", ") for panel in panels]
    columns = [list(dict.fromkeys(column)) for column in zip(*rows, strict=False)]
    if len({len(row) for row in rows}) == 1 and prod(map(len, columns)) == len(panels):
        return ", ".join(" and ".join(column) for column in columns)
    return " / ".join(panels)
