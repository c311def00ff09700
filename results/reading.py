"""Read the CSVs of results folders as validated frames.

Unknown columns are ignored, columns of later versions may be missing, and an empty cell is a missing value. Any other
fault raises an InputError that names file, row and column.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from results.columns import FILES, Columns, kind, names, reader
from results.consistency import check_rows
from results.errors import InputError, helps

_TRIALS = ("protocol", "trial", "status", "method", "architecture", "dataset", "grouping", "keep", "seed", "test_top1")
REQUIRED = {"trials": _TRIALS, "epochs": ("trial",), "latency": ("trial",)}
# trials with equal values here share train_images; failed rows of old files lack that number
ALIKE = ["suite", "architecture", "dataset"]


def read(folder: Path, name: str = "trials") -> pd.DataFrame:
    """Return trials, epochs or latency of a results folder. Absent epochs and latency give an empty frame.

    Raises InputError if the folder or its trials.csv does not exist, or a file is invalid.
    """
    path = folder / f"{name}.csv"
    if name != "trials":
        return _read_whole(path, name) if path.exists() else pd.DataFrame()
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the one that holds trials.csv, such as results/quick")
    if not path.is_file():
        raise InputError(f"{folder} holds no trials.csv; give the folder of one suite, such as results/quick")
    trials = _read_whole(path, name)
    if trials.empty:
        raise InputError(f"{path} holds no trials; run the suite first")
    return trials


def _read_whole(path: Path, name: str) -> pd.DataFrame:
    """Return the rows of a CSV. Raises InputError, with what helps, if it is invalid."""
    try:
        rows = read_csv(path, FILES[name], REQUIRED[name])
        if name == "trials":
            check_rows(rows, path, REQUIRED[name])
    except InputError as error:
        raise InputError(f"{error}; {helps(path.parent)}") from None
    return rows


def read_machines(path: Path) -> list[dict[str, Any]]:
    """Return the machines in environment.json; none if there is no such file. Raises InputError if it is not valid."""
    try:
        machines = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError):
        machines = None
    if not isinstance(machines, list) or not all(isinstance(one, dict) for one in machines):
        raise InputError(f"{path}: no list of machines; {helps(path.parent)}")
    return machines


def with_images(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with train_images as the number of images, also if the recipe takes the whole training split.

    A trial that failed before it loaded its data lacks the number, and takes it from the other trials of its suite or
    dataset. Otherwise it would count as another problem, and a method that fails would gain by leaving a problem.
    """
    if "train_images" not in trials:
        return trials
    told = trials["train_images"]
    full = told  # size of a whole training split, if known
    if "images" in trials:
        limited = told.notna() & trials["images"].notna()
        told = told.fillna(trials["images"])
        full = told.mask(limited)
    lost = trials["status"] != "done"
    for columns in ([column for column in ALIKE if column in trials], ["dataset"]):
        per = full.groupby([trials[c] for c in columns], dropna=False)
        beside = per.transform("max").where(per.transform("nunique") == 1)
        told = told.where(told.notna() | ~lost, beside)
    return trials.assign(train_images=told)


def read_csv(path: Path, model: type[Columns], required: Sequence[str], only: Iterable[str] = ()) -> pd.DataFrame:
    """Read the columns of a model, or `only` some of them, that a CSV has; ignore others. Raises InputError."""
    raw = read_text(path, required)
    wanted = list(only) or names(model)
    return pd.DataFrame({name: parse(raw[name], model, str(path)) for name in wanted if name in raw})


def read_text(path: Path, required: Sequence[str]) -> pd.DataFrame:
    """Read a CSV as text, whole rows only. Raises InputError if it cannot be read or lacks a column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        raw = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
        widths = [len(cells) for cells in csv.reader(io.StringIO(text)) if cells]
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty; expected a header with the columns {', '.join(required)}") from None
    except (pd.errors.ParserError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as CSV in UTF-8: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from None
    absent = [name for name in required if name not in raw.columns]
    if absent:
        raise InputError(f"{path} lacks the column{'s'[: len(absent) > 1]} {', '.join(absent)}")
    header, *rows = widths
    for row, cells in enumerate(rows, start=1):
        if cells < header:  # pandas fills missing cells
            raise InputError(
                f"{path}, row {row}: {cells} cells, expected {header} as in the header; "
                "the file was cut off: write it again"
            )
    return raw


def parse(texts: pd.Series, model: type[Columns], where: str) -> pd.Series:
    """Return a column of text as values of its kind: NaN or None for an empty cell, mappings as JSON text.

    Raises InputError, which names `where`, the row (1 is the first below the header) and the expected kind.
    """
    name = str(texts.name)
    what, read_cell = kind(model, name), reader(model, name).validate_python
    missing = float("nan") if what.numeric else None
    values: list[Any] = []
    for row, raw in enumerate(texts, start=1):
        text = str(raw).strip()
        if not text or (what.numeric and text.lower() == "nan"):
            values.append(missing)
            continue
        try:
            value = read_cell(text)
        except (ValueError, OverflowError, RecursionError):
            shown = text if len(text) <= 40 else text[:37] + "..."
            raise InputError(f"{where}, row {row}, {name}: {shown!r}, expected {what.words}") from None
        values.append(json.dumps(value, sort_keys=True) if isinstance(value, dict) else value)
    return pd.Series(values, index=texts.index, name=texts.name, dtype="float64" if what.numeric else "object")


def concatenated(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all parts, with every column of any part, in order of first appearance.

    A column that a part lacks has empty cells there: None in columns of text, NaN in columns of numbers.
    """
    filled = [part for part in parts if len(part)]
    if not filled:
        return parts[0] if parts else pd.DataFrame()
    words = {str(name) for part in filled for name in part if part[name].dtype == object}
    whole = [part.assign(**dict.fromkeys(words - set(part))) for part in filled]
    together = pd.concat(whole, ignore_index=True)
    return together[list(dict.fromkeys(name for part in filled for name in part))]
