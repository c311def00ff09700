"""How values, counts and folders are written in the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.table import NOTHING


def number(value: Any, digits: int | None = None) -> str:
    """Return a number with this many digits after the point, or as short as it is; a dash where there is none."""
    if pd.isna(value):
        return NOTHING
    return f"{value:.{digits}f}" if digits is not None else f"{value:.12g}"


def value(given: Any) -> str:
    """Return the cell of a CSV as text: a number as short as it is, a dash where it is missing."""
    if given is None or given != given:
        return NOTHING
    return number(given) if isinstance(given, (int, float)) else str(given)


def hyperparameters(given: Any) -> str:
    """Return the JSON object of a row as `lam=auto, ramp=0.5`; a dash where there is none, or nothing in it."""
    found = json.loads(given) if isinstance(given, str) else {}
    return ", ".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in sorted(found.items())) or NOTHING


def distinct(rows: pd.DataFrame, column: str) -> list[str]:
    """Return the values of a column, each once and in order, as text; missing ones are left out."""
    return [value(one) for one in sorted(rows[column].dropna().unique())] if column in rows else []


def several(count: int, what: str) -> str:
    """Return a count and what is counted: `1 trial`, `1,200 trials`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def enumerated(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def line(words: object) -> str:
    """Return text of several lines as one."""
    return " ".join(str(words).split())


def shown(folder: Path) -> str:
    """Return a results folder as `results/quick`, wherever it lies: no page names the machine that it was made on."""
    return "/".join(folder.resolve().parts[-2:]).removeprefix("//")


def files(paths: Iterable[Path], folder: Path) -> list[str]:
    """Return the paths as seen from the folder, or the names alone of those elsewhere: `tables/a.md, .tex`."""
    names = [(p.relative_to(folder).as_posix() if p.is_relative_to(folder) else p.name, p.suffix) for p in paths]
    stems: dict[str, list[str]] = {}
    for name, suffix in names:
        stems.setdefault(name.removesuffix(suffix), []).append(suffix)
    return [f"{stem}{', '.join(suffixes)}" for stem, suffixes in stems.items()]
