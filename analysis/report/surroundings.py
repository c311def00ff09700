"""Where it was run: devices, versions and commits of the rows, and what the runner noted of the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.identity import ENVIRONMENT
from analysis.report import words
from analysis.report.folders import Source, machines
from analysis.report.grid import grid
from analysis.report.markup import NONE, Html, code, join, pairs, tag, text
from analysis.report.section import Section
from analysis.table import Cell


def surroundings(rows: pd.DataFrame, sources: Sequence[Source]) -> Section:
    """Return the section on devices, versions and machines."""
    known = [column for column in ENVIRONMENT if column in rows]
    absent = [column for column in ENVIRONMENT if column not in rows]
    body = [_counted(rows, known)] if known else []
    if absent:
        body.append(tag("p", text(f"The rows do not say: {', '.join(absent)}."), class_="note"))
    return Section("environment", "Environment", join([*body, *(_noted(source) for source in sources)]))


def _counted(rows: pd.DataFrame, columns: list[str]) -> Html:
    counts = rows.groupby(columns, dropna=False, sort=True).size().reset_index(name="trials")
    cells = [[_cell(value) for value in row] for row in counts.itertuples(index=False)]
    return grid(list(counts.columns), cells, "what the trials ran on")


def _cell(value: Any) -> Cell:
    numeric = isinstance(value, (int, float)) and value == value
    return Cell(words.value(value), (float(value),) if numeric else ())


def _noted(source: Source) -> Html:
    """Return what environment.json of a folder says, or why it cannot be read; nothing where there is none."""
    found, complaint = machines(source)
    if complaint:
        return tag("p", text(complaint), class_="complaint")
    if not found:
        return NONE
    told = " ran on:" if len(found) == 1 else f" ran on {len(found)} machines:"
    return join([tag("p", code(source.name), text(told), class_="note"), *(_machine(one) for one in found)])


def _machine(entries: Mapping[str, Any]) -> Html:
    return pairs((str(k), text(v if isinstance(v, str) else json.dumps(v))) for k, v in entries.items())
