"""All trials, one row each, with the columns that a reader looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from analysis.report import words
from analysis.report.grid import grid
from analysis.report.markup import Html, join, tag, text
from analysis.report.section import Section
from analysis.table import NOTHING, TIMES, Cell

# column: heading, factor, digits; a factor of 0 is for words
COLUMNS: dict[str, tuple[str, float, int | None]] = {
    "method": ("method", 0, None),
    "hyperparameters": ("hyperparameters", 0, None),
    "architecture": ("architecture", 0, None),
    "dataset": ("dataset", 0, None),
    "grouping": ("grouping", 0, None),
    "scope": ("scope", 0, None),
    "keep": ("keep", 1, None),
    "seed": ("seed", 1, None),
    "test_top1": ("test top-1 (%)", 100, 2),
    "group_sparsity": ("group sparsity (%)", 100, 1),
    "compression": (f"compression ({TIMES})", 1, 2),
    "mac_speedup": (f"MAC speedup ({TIMES})", 1, 2),
    "speedup_b1": (f"speedup, batch 1 ({TIMES})", 1, 2),
    "speedup_b64": (f"speedup, batch 64 ({TIMES})", 1, 2),
    "status": ("status", 0, None),
    "trial": ("trial", 0, None),
}
CHOSEN = ("suite", "method", "architecture", "dataset", "grouping", "status")
NOTE = (
    "Every row of trials.csv. Test top-1 is at the last epoch; sparsity is the part of the groups that were removed; "
    "compression and the speedups are dense over compact, the last two measured."
)


def trials(rows: pd.DataFrame) -> Section:
    """Return the section with the table of all trials; of several suites, it says which."""
    known = {name: how for name, how in COLUMNS.items() if name in rows}
    if "suite" in rows and rows["suite"].nunique() > 1:
        known = {"method": COLUMNS["method"], "suite": ("suite", 0, None)} | known
    headings = [heading for heading, _, _ in known.values()]
    note = tag("p", text(NOTE), id="trials-note", class_="note")
    columns = [list(_cells(rows[name], name, *how[1:])) for name, how in known.items()]
    table = grid(headings, zip(*columns, strict=True), "all trials", "trials-note", chosen=CHOSEN)
    return Section("trials", "Trials", join([note, table]))


def _cells(column: pd.Series, name: str, factor: float, digits: int | None) -> Iterator[Cell]:
    """Yield the cells of a column; a number counts as it is written, so that the row need not say it twice."""
    for value in column:
        if name == "hyperparameters":
            yield Cell(words.hyperparameters(value))
        elif not factor or pd.isna(value):
            yield Cell(words.value(value))
        else:
            written = words.number(value * factor, digits)
            yield Cell(written, (float(written),))


def named(rows: pd.DataFrame) -> Html:
    """Return the trials as a list, each by what it is: for where only a few columns matter."""
    return tag("ul", *(tag("li", _name(row)) for row in rows.to_dict("records")), class_="named")


def _name(row: dict[Any, Any]) -> Html:
    given = words.hyperparameters(row.get("hyperparameters"))
    what = [row.get("method"), None if given == NOTHING else given, _setting(row)]
    what += [f"{name} {words.value(row[name])}" for name in ("keep", "seed") if pd.notna(row.get(name))]
    return join([text(_commas(what)), text(" "), tag("code", text(words.value(row.get("trial"))))])


def _setting(row: dict[Any, Any]) -> str:
    grouping = words.value(row.get("grouping"))
    return f"{words.value(row.get('architecture'))} on {words.value(row.get('dataset'))}, {grouping} groups"


def _commas(parts: Iterable[Any]) -> str:
    return ", ".join(str(part) for part in parts if part)
