"""Numbers from the literature beside ours: other dense networks, other budgets, hence hollow marks and a caution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.load import Results, Setting
from analysis.plotting import Panel, panel_styles
from analysis.style import KNOWN, Style, pt
from results.columns import Published, names
from results.errors import InputError
from results.reading import read_csv

REQUIRED = ("method", "architecture", "dataset", "top1")
COMES_WITH_KLEVEL = Path(__file__).parents[1] / "results" / "published.csv"
CAUTION = "hollow marks: published, other dense networks and training budgets than ours"
GREY = "#555555"
# The easiest to tell apart first, when hollow; those of three strokes and of many corners last.
PUBLISHED_MARKS = ("v", "s", "D", "o", "<", "x", "*", "+", ">", "p", "d", "1", "^", "h", "2", "P", "X", "8")
LARGE = {"*": 1.5, "x": 1.0, "+": 1.2, "1": 1.4, "2": 1.4}  # marks that need another size to look as large


def published(setting: Setting) -> pd.DataFrame:
    """Return the published rows of an architecture on a dataset, with every column of `Published`; none where none are.

    dense_top1, top1 and group_sparsity are fractions, mac_speedup and compression ratios, NaN where a cell is empty.
    selection: which epoch was taken, None where nobody says; note: what else a reader has to know.
    Raises InputError where the file cannot be used.
    """
    path = file_of(setting.results)
    if path is None:
        return pd.DataFrame(columns=names(Published))
    rows = read_csv(path, Published, REQUIRED).reindex(columns=names(Published))
    for column in REQUIRED[:3]:
        empty = rows.index[rows[column].isna()]
        if len(empty):
            raise InputError(f"{path}, row {empty[0] + 1}, {column}: empty, every row needs it")
    here = (rows["architecture"] == setting.architecture) & (rows["dataset"] == setting.dataset)
    return rows[here].reset_index(drop=True)


def comparable(setting: Setting, column: str) -> pd.DataFrame:
    """Return the published rows that have an accuracy and this column, by which accuracy can be compared."""
    rows = published(setting)
    if column not in rows:
        return rows.head(0).assign(**{column: pd.Series(dtype="float64")})
    return rows[rows["top1"].notna() & (rows[column] > 0)].reset_index(drop=True)


def draw_published(panel: Panel, axes: Axes, rows: pd.DataFrame, column: str, scale: float = 1) -> None:
    """Draw published rows as hollow marks at (scale * column, 100 * top1), and list them in the legend.

    A method whose name begins with one of ours has its colour; the others are grey, each with a mark of its own.
    """
    looks = published_looks(rows, panel_styles(panel))
    for label, mine in _labelled(rows):
        colour, mark = looks[label]
        hollow: dict[str, Any] = {
            "color": colour, "marker": mark, "linestyle": "", "markerfacecolor": "none",
            "markersize": pt(4.4 * LARGE.get(mark, 1)), "markeredgewidth": pt(0.8),
        }  # fmt: skip
        axes.plot(scale * mine[column], 100 * mine["top1"], zorder=3.5, **hollow)
        panel.handles.setdefault(label, Line2D([], [], **hollow))


def published_looks(rows: pd.DataFrame, house: dict[str, Style]) -> dict[str, Style]:
    """Return a colour and a mark for each label; no two are equal."""
    ours = KNOWN | house
    looks: dict[str, Style] = {}
    for label, mine in _labelled(rows):
        first = str(mine["method"].iloc[0]).split()[0]
        own = [ours[first]] if first in ours else []
        colour = own[0].colour if own else GREY
        options = own + [Style(colour, mark) for mark in PUBLISHED_MARKS]
        looks[label] = next((one for one in options if one not in looks.values()), options[0])
    return looks


def sources(rows: pd.DataFrame) -> list[str]:
    """Return the sources of published rows, each once; its number is its place in this list, from 1."""
    return list(dict.fromkeys(source for source in rows["source"] if source is not None))


def source_notes(rows: pd.DataFrame) -> list[str]:
    """Return the numbered sources as one line of small print, nothing where no row names one; then how, and notes."""
    named = [f"[{i}] {source}" for i, source in enumerate(sources(rows), start=1)]
    told = rows[["method", "top1", "selection", "note"]].to_dict("records")
    selections = dict.fromkeys(one["selection"] for one in told if one["selection"])
    selected = [
        f"{how} ({', '.join(dict.fromkeys(one['method'] for one in told if one['selection'] == how))})"
        for how in selections
    ]
    notes = [f"{one['method']} ({100 * one['top1']:.2f} %): {one['note']}" for one in told if one["note"]]
    said = {"Published": named, "Selected": selected, "Notes": notes}
    return [f"{word}: {'; '.join(parts)}." for word, parts in said.items() if parts]


def _labelled(rows: pd.DataFrame) -> Sequence[tuple[str, pd.DataFrame]]:
    """Return the rows of each method and source, with its label: the method and the number of its source."""
    numbers = {source: f" [{i}]" for i, source in enumerate(sources(rows), start=1)}
    labels = [method + numbers.get(source, "") for method, source in zip(rows["method"], rows["source"], strict=True)]
    return [(str(label), part) for label, part in rows.assign(label=labels).groupby("label", sort=False)]


def file_of(results: Results) -> Path | None:
    """Return the file of published numbers: the given one, or beside a results folder, or the one of klevel."""
    if results.published is not None:
        return results.published
    beside = [folder.resolve().parent / "published.csv" for folder in results.folders]
    return next((path for path in [*beside, COMES_WITH_KLEVEL] if path.is_file()), None)
