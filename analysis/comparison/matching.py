"""The experiments of two results, beside each other: what was the same experiment in A and in B."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.identity import LINE
from analysis.load import Results
from analysis.series import series_within

PLACE = ["architecture", "dataset"]
# What says that two results are of different runs, not of different experiments, where A and B do not agree on it.
OF_THE_RUN = ("protocol", "suite")


@dataclass(frozen=True)
class Matched:
    """One experiment at one keep: the trials of A and of B, whatever their status; none where it is missing there."""

    setting: str
    label: str
    keep: float
    a: pd.DataFrame
    b: pd.DataFrame

    @property
    def name(self) -> str:
        """The experiment in words."""
        return f"{self.label}, keep {self.keep:g} ({self.setting})"

    @property
    def seeds(self) -> list[float]:
        """The seeds that both have, whatever became of them."""
        return sorted(set(self.a["seed"]) & set(self.b["seed"]))

    def common(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the trials of A and of B of the seeds that are done in both."""
        a, b = (rows[rows["status"] == "done"] for rows in (self.a, self.b))
        both = set(a["seed"]) & set(b["seed"])
        return a[a["seed"].isin(both)], b[b["seed"].isin(both)]


@dataclass(frozen=True)
class Matching:
    """All experiments of two results.

    ignored: the columns that tell experiments apart in one of the two alone, and so cannot be compared by.
    """

    experiments: list[Matched]
    ignored: list[str]


def match(a: Results, b: Results) -> Matching:
    """Put the trials of A and B side by side, by everything that makes an experiment, its keep and its seed.

    Ids do not count. A column that one of the two lacks is ignored; so are protocol and suite where they differ.
    """
    told = [set(results.trials.columns) for results in (a, b)]
    ignored = [column for column in LINE if sum(column in columns for columns in told) == 1]
    unlike = [c for c in OF_THE_RUN if c not in ignored and c in told[0] and _values(a, c) != _values(b, c)]
    sides = [
        results.trials.drop(columns=[*ignored, *unlike], errors="ignore").assign(side=side)
        for side, results in (("a", a), ("b", b))
    ]
    rows = pd.concat(sides, ignore_index=True)
    rows["trial"] = rows["side"] + rows["trial"]
    found = []
    for (architecture, dataset), here in rows.groupby(PLACE, sort=True):
        for series in series_within(here, ()):
            for keep in sorted(series.rows["keep"].unique(), reverse=True):
                at = series.rows[series.rows["keep"] == keep]
                parts = (at[at["side"] == "a"], at[at["side"] == "b"])
                found.append(Matched(f"{architecture} on {dataset}", series.label, float(keep), *parts))
    return Matching(found, ignored)


def _values(results: Results, column: str) -> set[object]:
    return set(results.trials[column].dropna())
