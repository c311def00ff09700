"""The contract of bench.csv and scaling.csv: what `klevel bench` measures, row by row.

`Row` is a ratio or a time with its target, `Cost` the time that something takes at one size. Each row stands beside the
machine that it was measured on (the columns behind its own).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from results.errors import InputError
from results.reading import read_text

BENCH, SCALING = "bench.csv", "scaling.csv"
DIGITS = 4  # significant ones of a number in these files


@dataclass(frozen=True)
class Row:
    """A row of bench.csv.

    group: what it belongs to. name: what was measured, that of no other row of the group. measures: what is divided by
    what, or what takes the time. unit: ratio or s. value: the median over `repeats` rounds, low and high: their
    quartiles; None where there is no value. target: the most that it should be. reason: why there is no value. failed:
    whether that is a fault, and not something that is not installed.
    """

    group: str
    name: str
    measures: str
    unit: str = "ratio"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    repeats: int = 0
    target: float | None = None
    reason: str = ""
    failed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the value is at most the target; None where there is none of either."""
        return None if self.value is None or self.target is None else self.value <= self.target

    def cells(self) -> dict[str, Any]:
        """Return the cells of the CSV."""
        cells = {**asdict(self), "met": {None: "", True: "yes", False: "no"}[self.met]}
        return {name: cells[name] for name in ROW}


@dataclass(frozen=True)
class Cost:
    """A row of scaling.csv: the median seconds, with quartiles, that something takes at this size.

    group: the panel of the figure. what: the line. size: how many `of`, such as groups or trials.
    """

    group: str
    what: str
    of: str
    size: int
    seconds: float
    low: float
    high: float
    repeats: int

    def cells(self) -> dict[str, Any]:
        """Return the cells of the CSV."""
        return asdict(self)


ROW = ("group", "name", "measures", "unit", "value", "low", "high", "repeats", "target", "met", "reason")
COST = tuple(field.name for field in fields(Cost))
NUMBERS = ("value", "low", "high", "repeats", "target", "size", "seconds")


def short(value: float) -> str:
    """Return a number as it is shown: three digits, and no power of ten up to a million."""
    return f"{value:,.0f}" if 1000 <= value < 1e6 else f"{value:.3g}"


def table(rows: Sequence[Row | Cost], machine: Mapping[str, Any]) -> pd.DataFrame:
    """Return rows as a table of text, numbers of DIGITS digits, with the machine in further columns."""
    return pd.DataFrame([{k: _text(v) for k, v in {**row.cells(), **machine}.items()} for row in rows], dtype=object)


def read(path: Path) -> pd.DataFrame:
    """Return bench.csv or scaling.csv, numbers as float64, text elsewhere. Raises InputError if it is not valid."""
    rows = read_text(path, COST if path.name == SCALING else ROW)
    for name in [n for n in NUMBERS if n in rows]:
        numbers = pd.to_numeric(rows[name].replace("", None), errors="coerce")
        if bool((numbers.isna() & (rows[name] != "")).any()):
            raise InputError(f"{path}, {name}: numbers are needed")
        rows[name] = numbers.astype("float64")
    return rows


def write(path: Path, rows: pd.DataFrame) -> None:
    """Write a table, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    rows.to_csv(partial, index=False, lineterminator="\n")
    partial.replace(path)


def merged(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a file, those of the groups in `rows` replaced by these; only these if there is no file."""
    if not path.is_file():
        return rows
    before = read_text(path, ("group", "name"))
    together = pd.concat([before[~before["group"].isin(set(rows["group"]))], rows], ignore_index=True).fillna("")
    order = [*dict.fromkeys([*before["group"], *rows["group"]])]
    return together.sort_values("group", key=lambda groups: groups.map(order.index), kind="stable", ignore_index=True)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
