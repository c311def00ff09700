"""Reading results folders: the CSVs as validated frames, cut into settings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.identity import OLD_RULES, annotated
from results.reading import concatenated, read, with_images

DENSE = "dense"
LONGEST = 60  # of a name in a file name, in characters: a file name has three, and 255 bytes


@dataclass
class Results:
    """The CSVs of one or several results folders. `trials` holds every row, whatever its status.

    taken: for each folder, the trials whose rows were taken from it. notes: what a reader has to know about that.
    published: the file with numbers from the literature, where it is not published.csv beside the folders.
    """

    folders: tuple[Path, ...]
    trials: pd.DataFrame
    taken: tuple[frozenset[str], ...]
    notes: tuple[str, ...] = ()
    published: Path | None = None
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """The names of all methods, sorted; what styles are assigned over."""
        return sorted(self.trials["method"].unique())

    @property
    def title(self) -> str:
        """What they are, in words."""
        return "all settings"

    @property
    def slug(self) -> str:
        """Nothing: what is made of all results has no setting in its file name."""
        return ""

    @property
    def remarks(self) -> list[str]:
        """What a caption or heading has to say of these trials, whatever it shows of them."""
        return remarks(self.trials, self.chance)

    @cached_property
    def chance(self) -> dict[str, float]:
        """The accuracy of a guess on each dataset of which some row tells the classes."""
        told = self.trials[self.trials["classes"] > 0] if "classes" in self.trials else self.trials.iloc[:0]
        return {str(name): 1 / float(rows["classes"].max()) for name, rows in told.groupby("dataset")}

    @cached_property
    def tried(self) -> pd.DataFrame:
        """The trials that were not skipped. Of one that failed the accuracies are chance, or NaN where it is unknown.

        What a collapsed network reached by luck does not count: only chance is the same for every method that fails.
        """
        rows = self.trials[self.trials["status"] != "skipped"]
        failed, chance = rows["status"] == "failed", rows["dataset"].map(self.chance).astype("float64")
        return rows.assign(**{c: rows[c].where(~failed, chance) for c in ("val_top1", "test_top1") if c in rows})

    @property
    def counted(self) -> pd.DataFrame:
        """The trials that means and tests are over: those that are done, and those that failed and count as chance."""
        return self.tried[(self.tried["status"] == "done") | self.tried["test_top1"].notna()]

    def with_status(self, status: str) -> pd.DataFrame:
        """Return the trials that are `done`, `failed` or `skipped`."""
        return self.trials[self.trials["status"] == status]

    def frame(self, name: str) -> pd.DataFrame:
        """Return trials, or epochs or latency (read when first asked for; empty where there is no such file)."""
        if name == "trials":
            return self.trials
        if name not in self._frames:
            parts = []
            for folder, taken in zip(self.folders, self.taken, strict=True):
                rows = read(folder, name)
                parts.append(rows[rows["trial"].isin(taken)] if len(rows) else rows)
            self._frames[name] = concatenated(parts)
        return self._frames[name]

    def settings(self) -> Iterator[Setting]:
        """Yield one Setting for each (architecture, dataset) with a finished trial, in alphabetical order."""
        for key, rows in self.counted.groupby(["architecture", "dataset"], sort=True):
            if (rows["status"] == "done").any():
                yield Setting(self, str(key[0]), str(key[1]), rows)

    def lacks(self, needs: tuple[str, ...]) -> str | None:
        """Return which of the needed columns is absent or empty for the finished trials, as a reason, or None."""
        done = self.with_status("done")
        frames = {name: rows[rows["trial"].isin(done["trial"])] if "trial" in (rows := self.frame(name)) else rows
                  for name in {need.rpartition(".")[0] or "trials" for need in needs}}  # fmt: skip
        return lacking(needs, frames, self.title)


@dataclass(frozen=True)
class Setting:
    """What one figure shows: the trials of one architecture on one dataset that count (see `Results.counted`).

    choice: what was chosen among the configurations of the methods, as captions and headings say it.
    """

    results: Results
    architecture: str
    dataset: str
    trials: pd.DataFrame
    part: str = ""
    choice: str = ""

    @property
    def slug(self) -> str:
        """The setting as part of a file name, such as lenet5_caffe.digits, with the part where it is one."""
        return ".".join(_in_file_name(name) for name in (self.architecture, self.dataset, self.part) if name)

    @property
    def title(self) -> str:
        """The setting in words."""
        return f"{self.architecture} on {self.dataset}"

    @property
    def dense(self) -> pd.DataFrame:
        """The trials of the dense control."""
        return self.trials[self.trials["method"] == DENSE]

    @property
    def pruned(self) -> pd.DataFrame:
        """The trials of every other method."""
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
    def remarks(self) -> list[str]:
        """What a caption or heading has to say of these trials, whatever it shows of them."""
        trials = self.results.trials
        here = trials[(trials["architecture"] == self.architecture) & (trials["dataset"] == self.dataset)]
        return [*[self.choice] * bool(self.choice), *remarks(here, self.results.chance)]

    def frame(self, name: str) -> pd.DataFrame:
        """Return the rows of trials, epochs or latency that belong to the finished trials of this setting."""
        frame = self.results.frame(name)
        return frame[frame["trial"].isin(self.trials["trial"])] if "trial" in frame else frame

    def lacks(self, needs: tuple[str, ...]) -> str | None:
        """Return which of the needed columns is absent or empty here, as a reason, or None.

        A need is a column of trials.csv (`test_top1`) or of another file (`epochs.val_top1`).
        """
        names = {need.rpartition(".")[0] or "trials" for need in needs}
        return lacking(needs, {name: self.frame(name) for name in names}, self.title)


def _in_file_name(name: str) -> str:
    """Return a name as part of a file name: as it is, or cut and made plain, with a hash where that loses something.

    So `nets:small`, `nets/small` and `Nets-small` stay apart, on a file system that does not know case as well.
    """
    plain = re.sub(r"[^\w+-]+", "-", name, flags=re.ASCII)[:LONGEST]
    if plain == name == name.lower():
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def lacking(needs: Sequence[str], frames: dict[str, pd.DataFrame], where: str) -> str | None:
    """Return which of the needed columns is absent from these frames, or empty, as a reason; None where none is."""
    for need in needs:
        file, _, column = need.rpartition(".")
        file = file or "trials"
        if column not in frames[file]:
            return f"{file}.csv has no column {column}"
        if not frames[file][column].notna().any():
            return f"the column {column} of {file}.csv is empty for {where}"
    return None


def remarks(trials: pd.DataFrame, chance: dict[str, float]) -> list[str]:
    """Return what is to be said of the trials that failed and of old rules, line by line."""
    failed = trials[trials["status"] == "failed"]
    count, lost = len(failed), int((~failed["dataset"].isin(chance)).sum())
    apart = f"{count} of {len(trials)} trials failed"
    counts, is_ = ("count", "are") if count > 1 else ("counts", "is")
    if 0 < lost < count:
        apart += f": {count - lost} of them as chance, {lost} left out"
    else:
        apart += f" and {counts} as chance" if not lost else f" and {is_} left out"
    return [*[apart] * bool(count), *[OLD_RULES] * bool((trials["protocol"] == 1).any())]


def sentences(lines: Sequence[str]) -> str:
    """Return lines as the sentences of a caption; those that end as one stay, and empty ones go."""
    return " ".join(line if line.endswith((".", ":", ",")) else f"{line}." for line in lines if line)


def load(*folders: Path) -> Results:
    """Read and validate results folders; a trial that stands in several counts once, from the first that has it done.

    Raises InputError, of one line, where a folder or its trials.csv cannot be used.
    """
    frames = [read(folder) for folder in dict.fromkeys(folders)]
    ranked = [frame.assign(folder=i, undone=frame["status"] != "done") for i, frame in enumerate(frames)]
    everything = with_images(concatenated(ranked))
    first = everything.sort_values(["undone", "folder"], kind="stable").drop_duplicates("trial").sort_index()
    taken = tuple(frozenset(first["trial"][first["folder"] == i]) for i in range(len(frames)))
    twice = len(everything) - len(first)
    notes = (f"{twice} trials stand in several of the folders; each counts once",) if twice else ()
    trials = annotated(first.drop(columns=["folder", "undone"]).reset_index(drop=True))
    return Results(tuple(dict.fromkeys(folders)), trials, taken, notes)
