"""What failed or was skipped, under its full reason."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from analysis.report import words
from analysis.report.markup import Html, join, tag, text
from analysis.report.section import Section
from analysis.report.trials import named

UNKNOWN = "no reason given"
OPEN = 10  # trials that are listed at once; more are folded


def failures(rows: pd.DataFrame) -> Section:
    """Return the section of what is not done; the most frequent reason first."""
    title = "Failed and skipped trials"
    undone = [(status, rows[rows["status"] == status]) for status in ("failed", "skipped")]
    parts = tuple((f"undone-{status}", status.capitalize()) for status, part in undone if len(part))
    if not parts:
        return Section("undone", title, tag("p", text("No trial failed, and none was skipped.")))
    body = join(_status(status, part) for status, part in undone if len(part))
    return Section("undone", title, body, parts)


def _status(status: str, rows: pd.DataFrame) -> Html:
    reasons = [str(one or UNKNOWN) if one == one else UNKNOWN for one in rows.get("reason", [None] * len(rows))]
    counts = Counter(reasons)
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))
    groups = [_group(reason, rows[[one == reason for one in reasons]]) for reason in order]
    return join([tag("h3", text(status.capitalize()), id=f"undone-{status}"), *groups])


def _group(reason: str, rows: pd.DataFrame) -> Html:
    summary = tag("summary", text(words.several(len(rows), "trial")))
    trials = tag("details", summary, named(rows), open=len(rows) <= OPEN)
    return tag("div", tag("pre", text(reason), class_="reason"), trials, class_="undone")
