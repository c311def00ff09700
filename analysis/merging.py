"""Panels that show the same are one: which are alike, and what the one that stands for them is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

import pandas as pd

from analysis.statistics import points
from analysis.wording import condition

Cell = tuple[Any, ...]  # the panel of a frame, in words, and keep, if a figure has panels for each


def merged(
    rows: pd.DataFrame, cells: list[str], at: str, values: list[str], tolerance: float, name: Callable[[str], str],
    said: str,
) -> tuple[pd.DataFrame, list[str]]:  # fmt: skip
    """Return the rows with the title of the panel that each cell is drawn in, in the order of these, and sentences.

    These are `said` if some panels are one, and which lines only some cells of their panel have.
    """
    means = points(rows, [*cells, "line", at], values).dropna(subset=values)
    groups = alike(means, cells, at, values, tolerance)
    panels = {cell: group for group in groups for cell in group}
    only: dict[str, list[str]] = {}
    for line, mine in means.groupby("line"):
        there = list(dict.fromkeys(mine[cells].itertuples(index=False, name=None)))
        if set(there) != {cell for one in there for cell in panels[one]}:
            only.setdefault(titled(there), []).append(name(str(line)))
    titles = pd.DataFrame([(*cell, titled(group)) for cell, group in panels.items()], columns=[*cells, "title"])
    rows = titles.merge(rows, on=cells).assign(panel=lambda shown: shown["title"])
    sentences = [f"Only {words}: {', '.join(names)}" for words, names in only.items()]
    return rows, [said] * (len(groups) < len(panels)) + sentences


def alike(points: pd.DataFrame, cells: list[str], at: str, values: list[str], tolerance: float) -> list[list[Cell]]:
    """Return the cells in groups, each of which one panel can show.

    points: a row per cell, line and place `at`, in the order of the panels. A cell joins the first one before it that
    has a line of it, if each such line has values at the same places, differing by at most `tolerance`.
    """
    groups: list[tuple[dict[Any, pd.DataFrame], list[Cell]]] = []
    for cell, rows in points.groupby(cells, sort=False):
        lines = {line: mine.set_index(at)[values].sort_index() for line, mine in rows.groupby("line")}
        for shown, same in groups:
            common = shown.keys() & lines.keys()
            if common and all(_near(shown[line], lines[line], tolerance) for line in common):
                shown.update(lines | shown)
                same.append(cell)
                break
        else:
            groups.append((lines, [cell]))
    return [same for _, same in groups]


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


def _near(left: pd.DataFrame, right: pd.DataFrame, tolerance: float) -> bool:
    return left.index.equals(right.index) and bool(((left - right).abs() <= tolerance).all(axis=None))


def _conditions(panels: Sequence[str]) -> str:
    """Return several panels in words, each condition once if the panels are all combinations of their conditions."""
    rows = [panel.split(", ") for panel in panels]
    columns = [list(dict.fromkeys(column)) for column in zip(*rows, strict=False)]
    if len({len(row) for row in rows}) == 1 and prod(map(len, columns)) == len(panels):
        return ", ".join(" and ".join(column) for column in columns)
    return " / ".join(panels)
