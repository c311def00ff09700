"""What others report, beside what was measured here."""

from __future__ import annotations

import math
from collections.abc import Hashable
from itertools import chain
from typing import Any

import pandas as pd

from analysis.entries import TableEntry
from analysis.frame import Frame
from analysis.published import published
from analysis.statistics import by_seed
from analysis.table import MULTIPLE, NUMBER, SIGNED, WHOLE, Column, Table
from analysis.tabulation import METHOD, Row, experiments, pruned, seeds_said, subject, table
from analysis.wording import NOTHING, grouping_name
from results.errors import Skip

FORMATS = {
    "numbers": NUMBER, METHOD: NUMBER, "source": NUMBER, "selection": NUMBER, "dense (%)": NUMBER, "top-1 (%)": NUMBER,
    "change": SIGNED, "MAC speedup": MULTIPLE, "compression": MULTIPLE, "seeds": WHOLE,
}  # fmt: skip


def data(frame: Frame) -> Table:
    """Return a row per published number and per experiment and keep of ours: accuracies in percent, ratios to dense."""
    theirs = published(frame)
    if theirs.empty:
        raise Skip(f"published.csv has nothing on {frame.title}")
    trials = pruned(frame)
    ours = [_ours(frame, row) for row in experiments(trials, "part", "keep")]
    rows = pd.DataFrame([*map(_theirs, theirs.to_dict("records")), *ours])
    rows["change"] = [
        100 * (top1.mean() - dense.mean()) for top1, dense in zip(rows["top-1 (%)"], rows["dense (%)"], strict=True)
    ]
    rows = rows.sort_values(["numbers", "MAC speedup"], ascending=[False, True])
    columns = [Column(heading, rows[heading], form, 100.0) for heading, form in FORMATS.items()]
    caption = [
        f"{subject(frame, trials)}: published and ours, by theoretical speedup (multiply-adds)",
        "Not to be compared directly: the published numbers come from other dense networks and training budgets",
        f"Ours: {_budget(trials)}. {seeds_said(trials)}. Dense: trained for as many epochs, if there is one",
        f"Selection: the epoch of the accuracy, {NOTHING} if nobody says. Change: top-1 less dense, in points",
    ]
    return table(frame, columns, caption, trials, lead=["numbers"])


def _theirs(one: dict[Hashable, Any]) -> dict[str, Any]:
    """Return a published number as a row."""
    return {
        "numbers": "published", METHOD: one["method"], "selection": one["selection"] or "",
        "source": (one["source"] or "") + (f" ({one['note']})" if one["note"] else ""),
        "dense (%)": pd.Series([one["dense_top1"]]), "top-1 (%)": pd.Series([one["top1"]]),
        "MAC speedup": one["mac_speedup"], "compression": one["compression"], "seeds": math.nan,
    }  # fmt: skip


def _ours(frame: Frame, row: Row) -> dict[str, Any]:
    """Return an experiment at a keep in the same form, with the dense network that is its control."""
    where = [grouping_name(row.part) if row.part else "", row.panel, f"keep {row.keep:g}"]
    dense, top1 = frame.dense[frame.dense["trial"].isin([*chain(*row.trials["control"])])], by_seed(row.trials)
    return {
        "numbers": "ours", METHOD: row.name, "selection": "last epoch", "source": ", ".join(filter(None, where)),
        "dense (%)": by_seed(dense), "top-1 (%)": top1, "MAC speedup": by_seed(row.trials, "mac_speedup").mean(),
        "compression": by_seed(row.trials, "compression").mean(), "seeds": float(top1.count()),
    }  # fmt: skip


def _budget(trials: pd.DataFrame) -> str:
    """Say how long and on how much ours were trained."""
    said = []
    for name, unit in (("epochs", "epochs"), ("train_images", "training images")):
        if name in trials and trials[name].notna().any():
            ends = dict.fromkeys(f"{value:,.0f}" for value in (trials[name].min(), trials[name].max()))
            said.append(f"{' to '.join(ends)} {unit}")
    given = {"start", "dense_epochs"} <= set(trials)
    given = given and bool(((trials["start"] == "dense") & (trials["dense_epochs"] == 0)).any())
    after = ", after a dense network that was given to those that start from one" if given else ""
    return (", ".join(said) or "an unknown budget") + after


LITERATURE = TableEntry(
    "literature",
    "Published accuracy, theoretical speedup and compression beside ours, which had other budgets.",
    ("test_top1",),
    data=data,
)
