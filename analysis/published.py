"""Numbers from the literature beside ours: other dense networks and budgets, hence hollow marks and a caution."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.frame import Frame, Source
from results.columns import Published, names
from results.errors import InputError
from results.reading import read_csv

REQUIRED = ("method", "architecture", "dataset", "top1")
COMES_WITH_KLEVEL = Path(__file__).parents[1] / "results" / "published.csv"
CAUTION = "Hollow marks: published, other dense networks and training budgets than ours"


def published(frame: Frame, column: str = "") -> pd.DataFrame:
    """Return the published rows of an architecture on a dataset, with every column of `Published` and a label.

    column: only those with an accuracy and this column above 0, over which accuracy can be compared. label: the method
    and the number of its source. Raises InputError if the file cannot be used.
    """
    path = file_of(frame.source)
    if path is None:
        return pd.DataFrame(columns=[*names(Published), "label"])
    rows = read_csv(path, Published, REQUIRED).reindex(columns=names(Published))
    for needed in REQUIRED[:3]:
        empty = rows.index[rows[needed].isna()]
        if len(empty):
            raise InputError(f"{path}, row {empty[0] + 1}, {needed}: empty, every row needs it")
    rows = rows[(rows["architecture"] == frame.architecture) & (rows["dataset"] == frame.dataset)]
    if column:
        rows = rows[rows["top1"].notna() & (rows.get(column, pd.Series(dtype="float64")) > 0)]
    numbers = {source: f" [{i}]" for i, source in enumerate(sources(rows), start=1)}
    labels = [method + numbers.get(source, "") for method, source in zip(rows["method"], rows["source"], strict=True)]
    return rows.assign(label=labels).reset_index(drop=True)


def sources(rows: pd.DataFrame) -> list[str]:
    """Return the sources of published rows, each once; its number is its place in this list, from 1."""
    return list(rows["source"].dropna().unique())


def source_notes(rows: pd.DataFrame) -> list[str]:
    """Return sentences for a caption: the caution and the numbered sources, how epochs were selected, and notes."""
    if rows.empty:
        return []
    selected = rows.groupby("selection", sort=False)["method"].unique()
    notes = rows.loc[rows["note"].notna(), ["method", "top1", "note"]].to_numpy()
    said = {
        "Published": [f"[{i}] {source}" for i, source in enumerate(sources(rows), start=1)],
        "Selected": [f"{how} ({', '.join(methods)})" for how, methods in selected.items()],
        "Notes": [f"{method} ({100 * top1:.2f} %): {note}" for method, top1, note in notes],
    }
    return [CAUTION, *(f"{word}: {'; '.join(parts)}" for word, parts in said.items() if parts)]


def file_of(source: Source) -> Path | None:
    """Return the file of published numbers: the given one, or beside a results folder, or the one of klevel."""
    if source.published is not None:
        return source.published
    beside = [folder.resolve().parent / "published.csv" for folder in source.folders]
    return next((path for path in [*beside, COMES_WITH_KLEVEL] if path.is_file()), None)
