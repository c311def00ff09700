"""One tidy frame of all trials, annotated once: everything that figures and tables group by is a column of it.

Beside the columns of trials.csv (`results.columns`) a row has

    contender       its method, with the role of a control (`random (from scratch)`)
    epochs          of all phases together
    panel           the conditions that vary within its setting (scope, epochs ...) in words: one axes of a figure
    problem         the number of its setting with grouping, keep and conditions: the unit of ranks
    line            the experiment over keep and seed in words, of the tuned trials: one line of a figure
    experiment      the same with the hyperparameters under protocol 1, of all trials: one row of a table
    variant         the number of its line among those of its method
    part            the grouping, if several methods of its setting share several; empty for a reference of all parts
    strength, lam   whether lam is fixed, auto or bound; the number
    tuned, best     whether its configuration is the best on validation (`analysis.select`)
    control         the trials of its dense control
    k_reached, groups_above   as given, or else as its groups say
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.annotation import DENSE, DENSE_CONDITIONS, SETTING, TIMING, annotated, present, told_apart, usual_grouping
from analysis.options import Options
from analysis.select import PHASES, TUNED_SPLITS
from analysis.wording import OLD_RULES, condition, grouping_name, line_name, setting_name
from results.reading import concatenated, read, with_images

LONGEST = 60  # of a name in a file name, in characters: a file name has three, and 255 bytes
SAME_WIDTHS = ["macs", "round_to", "precision"]  # these make networks of equal groups_kept different ones for time


@dataclass(frozen=True)
class Source:
    """The results folders behind a frame.

    everything: every row of their trials.csv, whatever its status. taken: for each folder, the trials whose rows were
    taken from it. notes: lines for the reader on that. published: the file with numbers from the literature, if it is
    not published.csv beside the folders.
    """

    folders: tuple[Path, ...]
    everything: pd.DataFrame
    taken: tuple[frozenset[str], ...]
    notes: tuple[str, ...] = ()
    published: Path | None = None
    options: Options = field(default_factory=Options)
    _files: dict[str, pd.DataFrame] = field(default_factory=dict)

    def file(self, name: str) -> pd.DataFrame:
        """Return the rows of `epochs` or `latency`, read when first asked for; empty without such a file."""
        if name not in self._files:
            parts = []
            for folder, taken in zip(self.folders, self.taken, strict=True):
                rows = read(folder, name)
                parts.append(rows[rows["trial"].isin(taken)] if len(rows) else rows)
            self._files[name] = concatenated(parts)
        return self._files[name]

    @cached_property
    def methods(self) -> list[str]:
        """The names of all methods, sorted: styles are assigned over them."""
        return sorted(self.everything["method"].unique())

    @cached_property
    def chance(self) -> dict[str, float]:
        """The accuracy of a guess on each dataset of which some row tells the classes."""
        rows = self.everything
        told = rows[rows["classes"] > 0] if "classes" in rows else rows.iloc[:0]
        return {str(name): 1 / float(part["classes"].max()) for name, part in told.groupby("dataset")}


@dataclass(frozen=True)
class Frame:
    """The trials that a figure or a table is about: of a setting, of a part of it, or of all settings.

    trials: those that were not skipped. Of one that failed the accuracies are chance, or NaN if that is unknown; in
    the frame of a setting such a trial is left out.
    """

    source: Source
    trials: pd.DataFrame
    architecture: str = ""
    dataset: str = ""
    part: str = ""

    @property
    def title(self) -> str:
        """The subject in words, such as `LeNet-5 (Caffe) on digits`."""
        return setting_name(self.architecture, self.dataset) if self.architecture else "All settings"

    @property
    def subject(self) -> str:
        """The title with the grouping of the part, or of most trials."""
        grouping = self.part or self.grouping
        return f"{self.title}, {grouping_name(grouping)}" if self.architecture and grouping else self.title

    @property
    def slug(self) -> str:
        """The subject as part of a file name, such as lenet5_caffe.digits; empty for all settings."""
        return ".".join(_in_file_name(name) for name in (self.architecture, self.dataset, self.part) if name)

    @property
    def dense(self) -> pd.DataFrame:
        """The trials of the dense control."""
        return self.trials[self.trials["method"] == DENSE]

    @property
    def pruned(self) -> pd.DataFrame:
        """The trials of every other method."""
        return self.trials[self.trials["method"] != DENSE]

    @property
    def tuned(self) -> pd.DataFrame:
        """The trials of the pruning methods in their best configurations: the lines of figures."""
        pruned = self.pruned
        return pruned[pruned["tuned"]]

    @property
    def tabled(self) -> pd.DataFrame:
        """The same with all configurations of protocol 1, which were not tuned: the rows of tables."""
        pruned = self.pruned
        return pruned[pruned["tuned"] | (pruned["protocol"] < TUNED_SPLITS)]

    @property
    def grouping(self) -> str:
        """The most frequent grouping of the pruned trials; empty without one."""
        return usual_grouping(self.pruned)

    @property
    def epochs(self) -> pd.DataFrame:
        """The rows of epochs.csv of these trials."""
        return self._of("epochs")

    @property
    def latency(self) -> pd.DataFrame:
        """The rows of latency.csv of these trials."""
        return self._of("latency")

    def settings(self) -> Iterator[Frame]:
        """Yield the frame of each (architecture, dataset) with a finished trial, in alphabetical order."""
        counted = self.trials[(self.trials["status"] == "done") | self.trials["test_top1"].notna()]
        for key, rows in counted.groupby(SETTING, sort=True):
            if (rows["status"] == "done").any():
                yield Frame(self.source, rows, str(key[0]), str(key[1]))

    def parts(self) -> list[Frame]:
        """Return a frame for each grouping that several methods share, references in each; itself if there are none."""
        names = sorted(set(self.pruned["part"]) - {""})
        rows = self.trials
        dense = rows["method"] == DENSE
        found = [replace(self, trials=rows[rows["part"].isin((name, "")) | dense], part=name) for name in names]
        return found or [self]

    def lacks(self, needs: Sequence[str]) -> str | None:
        """Return which of the needed columns is absent or empty for the finished trials, as a reason, or None.

        A need is a column of trials.csv (`test_top1`) or of another file (`epochs.val_top1`).
        """
        done = self.trials[self.trials["status"] == "done"]
        for need in needs:
            file, _, column = need.rpartition(".")
            rows = done if not file else self._of(file)
            if column not in rows:
                return f"{file or 'trials'}.csv has no column {column}"
            if not rows[column].notna().any():
                return f"the column {column} of {file or 'trials'}.csv is empty for {self.title}"
        return None

    def name(self, line: str) -> str:
        """Return a line for people, as the user calls it where a label was given."""
        return line_name(line, self.source.options.labels)

    @property
    def remarks(self) -> list[str]:
        """Sentences that every caption says of these trials: failures, and old rules."""
        rows = self.source.everything
        if self.architecture:
            rows = rows[(rows["architecture"] == self.architecture) & (rows["dataset"] == self.dataset)]
        failed = rows[rows["status"] == "failed"]
        count, lost = len(failed), int((~failed["dataset"].isin(self.source.chance)).sum())
        apart = f"{count} of {len(rows)} trials failed"
        counts, is_ = ("count", "are") if count > 1 else ("counts", "is")
        if 0 < lost < count:
            apart += f": {count - lost} of them as chance, {lost} left out"
        else:
            apart += f" and {counts} as chance" if not lost else f" and {is_} left out"
        return [*[apart] * bool(count), *[OLD_RULES] * bool((rows["protocol"] == 1).any())]

    def _of(self, file: str) -> pd.DataFrame:
        rows = self.source.file(file)
        return rows[rows["trial"].isin(self.trials["trial"])] if "trial" in rows else rows


def load(*folders: Path, options: Options | None = None, published: Path | None = None) -> Frame:
    """Read, validate and annotate results folders; of a trial in several of them the first row that is done counts.

    Raises InputError, of one line, if a folder or its trials.csv cannot be used.
    """
    unique = tuple(dict.fromkeys(folders))
    frames = [read(folder) for folder in unique]
    ranked = [frame.assign(folder=i, undone=frame["status"] != "done") for i, frame in enumerate(frames)]
    everything = with_images(concatenated(ranked))
    first = everything.sort_values(["undone", "folder"], kind="stable").drop_duplicates("trial").sort_index()
    taken = tuple(frozenset(first["trial"][first["folder"] == i]) for i in range(len(frames)))
    twice = len(everything) - len(first)
    notes = (f"{twice} trials stand in several of the folders; each counts once",) if twice else ()
    rows = first.drop(columns=["folder", "undone"]).reset_index(drop=True)
    options = options or Options()
    rows = options.select(rows)
    source = Source(unique, rows, taken, notes, published, options)
    return Frame(source, annotated(rows, source.chance))


def dense_beside(frame: Frame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the dense networks that were trained as long as the first of these trials, on as much, by its rules."""
    dense = frame.dense
    for column in present(dense, DENSE_CONDITIONS):
        value = rows[column].iloc[0] if len(rows) else None
        if pd.notna(value):
            dense = dense[dense[column] == value]
    return dense


def devices(rows: pd.DataFrame) -> str:
    """Return the devices that the rows were timed on, such as `cpu, 2 threads`; several are joined by semicolons."""
    if "device" not in rows:
        return "an unknown device"
    columns = present(rows, TIMING)
    names = []
    for _, row in rows[columns].drop_duplicates().sort_values(columns).iterrows():
        threads = f", {condition('threads', row['threads'])}" if pd.notna(row.get("threads")) else ""
        names.append((row["device"] or "an unknown device") + threads)
    return "; ".join(names)


def timed(rows: pd.DataFrame, column: str = "line") -> pd.DataFrame:
    """Return the rows with the device in the name of a line that was timed on several."""
    return rows.assign(**{column: told_apart(rows, rows[column], TIMING, ["panel"])})


def pooled(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows with these times or speedups as the median over all trials of networks of the same widths.

    Such networks are one network for time: what differs is the noise of the machine. The same widths are equal
    groups_kept and macs in one setting, grouping, realisation and device (of equally many filters that other layers
    read, not every choice removes the same). A trial that does not tell its groups keeps its own times.
    """
    if "groups_kept" not in rows:
        return rows
    keys = present(rows, [*SETTING, "grouping", "groups_kept", "realisation", *TIMING, *SAME_WIDTHS])
    medians = rows.groupby(keys, dropna=False)[list(columns)].transform("median")
    told = rows["groups_kept"].notna()
    return rows.assign(**{c: medians[c].where(told & rows[c].notna(), rows[c]) for c in columns})


POOLED = "Times of networks of the same widths are pooled: each is the median over their trials"


def repeated(frame: Frame) -> list[str]:
    """Return a line for each set of trials that no column tells apart: they count as one seed."""
    rows = frame.pruned
    columns = present(rows, ["experiment", "problem", "configuration", *PHASES, *TIMING, "seed", "realisation"])
    lines = []
    for _, part in rows.groupby(columns, dropna=False):
        if len(part) > 1:
            row, trials = part.iloc[0], ", ".join(part["trial"])
            what = f"{row['method']}, keep {row['keep']:g}, seed {row['seed']:g}"
            lines.append(f"{frame.title}: trials {trials} differ in no column ({what}); averaged, as one seed")
    return lines


def _in_file_name(name: str) -> str:
    """Return a name as part of a file name: as it is, or cut and made plain, with a hash if that loses something.

    So `nets:small`, `nets/small` and `Nets-small` stay apart, on a file system that does not know case as well.
    """
    plain = re.sub(r"[^\w+-]+", "-", name, flags=re.ASCII)[:LONGEST]
    if plain == name == name.lower():
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
