"""What the page is about, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.report import words
from analysis.report.folders import Source
from analysis.report.markup import NONE, Html, code, join, listed, pairs, tag, text
from analysis.report.section import Section
from analysis.series import devices

STATUSES = ("done", "failed", "skipped")
RULES = {"0": "the rules of another tool", "1": "epoch splits were not tuned, see docs/protocol.md"}
RUN = 3  # whole numbers in a row that are written as `first to last`


def title(sources: Sequence[Source]) -> str:
    """Return the names of all suites that a trial is from, as the page is called."""
    return words.enumerated(list(dict.fromkeys(name for one in sources if len(one.rows) for name in one.suites)))


def summary(rows: pd.DataFrame, sources: Sequence[Source], notes: Sequence[str]) -> Section:
    """Return the section that says how many trials of what there are, and what there is to know about them."""
    told = tag("div", listed(text(note) for note in notes), class_="notes") if notes else NONE
    folders = ("Results", join((code(source.name) for source in sources), ", "))
    return Section("summary", "Summary", join([pairs([*_entries(rows), folders]), told]))


def _entries(rows: pd.DataFrame) -> Iterator[tuple[str, Html]]:
    counts = {status: int((rows["status"] == status).sum()) for status in STATUSES}
    yield "Trials", text(f"{len(rows):,}: " + ", ".join(f"{n:,} {status}" for status, n in counts.items()))
    settings = rows[["architecture", "dataset"]].drop_duplicates().sort_values(["architecture", "dataset"])
    yield "Settings", text("; ".join(f"{a} on {d}" for a, d in settings.itertuples(index=False)))
    yield "Methods", text(", ".join(words.distinct(rows, "method")))
    yield "Seeds", text(_seeds(words.distinct(rows, "seed")))
    protocols = words.distinct(rows, "protocol")
    yield "Protocol", text(", ".join(f"{one} ({RULES[one]})" if one in RULES else one for one in protocols))
    yield "Timed on", text(devices(rows[rows["status"] == "done"]) or "nothing: no trial is done")


def _seeds(found: list[str]) -> str:
    """Return how many seeds there are and which, those in a row as `0 to 9`."""
    if len(found) >= RUN and found == [str(int(found[0]) + i) for i in range(len(found))]:
        return f"{len(found):,}: {found[0]} to {found[-1]}"
    return f"{len(found):,}: {', '.join(found)}"
