"""Reading a results folder: the CSVs as validated frames, cut into settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from analysis.schema import EPOCHS, LATENCY, TRIALS, InputError, Kind, parse

DENSE = "dense"
REQUIRED = ("protocol", "trial", "status", "method", "architecture", "dataset", "grouping", "keep", "seed", "test_top1")
FILES: dict[str, tuple[dict[str, Kind], tuple[str, ...]]] = {
    "trials": (TRIALS, REQUIRED),
    "epochs": (EPOCHS, ("trial",)),
    "latency": (LATENCY, ("trial",)),
}


@dataclass
class Results:
    """The CSVs of one results folder. `trials` holds every row, whatever its status."""

    folder: Path
    trials: pd.DataFrame
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The names of all methods in the folder, sorted; what styles are assigned over."""
        return sorted(self.trials["method"].unique())

    def with_status(self, status: str) -> pd.DataFrame:
        """Return the trials that are `done`, `failed` or `skipped`."""
        return self.trials[self.trials["status"] == status]

    def frame(self, name: str) -> pd.DataFrame:
        """Return trials, or epochs or latency (read when first asked for; empty where there is no such file)."""
        if name == "trials":
            return self.trials
        if name not in self._frames:
            path = self.folder / f"{name}.csv"
            self._frames[name] = read_csv(path, *FILES[name]) if path.exists() else pd.DataFrame()
        return self._frames[name]

    def settings(self) -> Iterator[Setting]:
        """Yield one Setting for each (architecture, dataset) with a finished trial, in alphabetical order."""
        for key, rows in self.with_status("done").groupby(["architecture", "dataset"], sort=True):
            yield Setting(self, str(key[0]), str(key[1]), rows)


@dataclass(frozen=True)
class Setting:
    """What one figure shows: the finished trials of one architecture on one dataset."""

    results: Results
    architecture: str
    dataset: str
    trials: pd.DataFrame
    part: str = ""

    @property
    def slug(self) -> str:
        """The setting as part of a file name, such as lenet5_caffe.digits, with the part where it is one."""
        names = (self.architecture, self.dataset, self.part)
        return ".".join(re.sub(r"[^\w+-]+", "-", name) for name in names if name)

    @property
    def title(self) -> str:
        """The setting in words."""
        return f"{self.architecture} on {self.dataset}"

    @property
    def dense(self) -> pd.DataFrame:
        """The finished trials of the dense control."""
        return self.trials[self.trials["method"] == DENSE]

    @property
    def pruned(self) -> pd.DataFrame:
        """The finished trials of every other method."""
        return self.trials[self.trials["method"] != DENSE]

    def by_grouping(self) -> list[Setting]:
        """Return a part for each grouping that several pruning methods share; the setting where there is but one.

        What only one method has, as unstructured magnitude pruning, is a reference in every part, as the dense control.
        """
        methods = self.pruned.groupby("grouping")["method"].nunique()
        shared = sorted(methods[methods > 1].index)
        if len(shared) < 2:
            return [self]
        own = {g: (self.trials["grouping"] == g) | ~self.trials["grouping"].isin(shared) for g in shared}
        dense = self.trials["method"] == DENSE
        return [replace(self, trials=self.trials[mask | dense], part=str(g)) for g, mask in own.items()]

    @property
    def incomplete(self) -> str:
        """A sentence on the trials of this setting that failed, or nothing."""
        trials = self.results.trials
        here = trials[(trials["architecture"] == self.architecture) & (trials["dataset"] == self.dataset)]
        failed = int((here["status"] == "failed").sum())
        return f"{failed} of {len(here)} trials failed and {'are' if failed > 1 else 'is'} left out." if failed else ""

    def frame(self, name: str) -> pd.DataFrame:
        """Return the rows of trials, epochs or latency that belong to the finished trials of this setting."""
        frame = self.results.frame(name)
        return frame[frame["trial"].isin(self.trials["trial"])] if "trial" in frame else frame

    def lacks(self, needs: tuple[str, ...]) -> str | None:
        """Return which of the needed columns is absent or empty here, as a reason, or None.

        A need is a column of trials.csv (`test_top1`) or of another file (`epochs.val_top1`).
        """
        for need in needs:
            file, _, column = need.rpartition(".")
            frame = self.frame(file or "trials")
            if column not in frame:
                return f"{file or 'trials'}.csv has no column {column}"
            if not frame[column].notna().any():
                return f"the column {column} of {file or 'trials'}.csv is empty for {self.title}"
        return None


def load(folder: Path) -> Results:
    """Read and validate a results folder.

    Raises InputError, of one line, where the folder or its trials.csv cannot be used.
    """
    path = folder / "trials.csv"
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the one that holds trials.csv, such as results/quick")
    if not path.is_file():
        raise InputError(f"{folder} holds no trials.csv; give the folder of one suite, such as results/quick")
    trials = read_csv(path, *FILES["trials"])
    if trials.empty:
        raise InputError(f"{path} holds no trials; run the suite first")
    _check_rows(trials, path)
    return Results(folder, trials)


def read_csv(path: Path, kinds: dict[str, Kind], required: tuple[str, ...]) -> pd.DataFrame:
    """Read the columns of `kinds` that a CSV has; others are ignored. Raises InputError."""
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path} is empty; expected a header with the columns {', '.join(required)}") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as CSV in UTF-8: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from None
    absent = [column for column in required if column not in raw.columns]
    if absent:
        raise InputError(f"{path} lacks the column{'s'[: len(absent) > 1]} {', '.join(absent)}")
    return pd.DataFrame({name: parse(raw[name], kind, str(path)) for name, kind in kinds.items() if name in raw})


def _check_rows(trials: pd.DataFrame, path: Path) -> None:
    """Raise InputError where a row says too little to be placed, or stands twice."""
    for column in REQUIRED:
        rows = trials[trials["status"] == "done"] if column == "test_top1" else trials
        empty = rows.index[rows[column].isna()]
        if len(empty):
            why = "a trial that is done has one" if column == "test_top1" else "every row needs it"
            raise InputError(f"{path}, row {empty[0] + 1}, {column}: empty, {why}")
    twice = trials.index[trials["trial"].duplicated()]
    if len(twice):
        trial = trials["trial"][twice[0]]
        raise InputError(f"{path}, row {twice[0] + 1}: the trial {trial} stands twice; each may have one row")
