"""What others report, beside what was measured here."""

from __future__ import annotations

import math
from itertools import chain

import pandas as pd

from analysis.frame import Frame
from analysis.literature import published
from analysis.registry import TableEntry
from analysis.rows import METHOD, Columns, experiments, seeds_said, spread, subject, table
from analysis.statistics import Estimate, over_seeds
from analysis.table import MULTIPLE, WHOLE, Format, Table
from analysis.wording import NOTHING, grouping_name
from results.errors import Skip

OURS, LAST = "ours", "last epoch"
NAN = math.nan


def data(frame: Frame) -> Table:
    """Return a row per published number and per experiment and keep of ours: accuracies in percent, ratios to dense."""
    theirs, trials = published(frame), frame.tabled
    if theirs.empty:
        raise Skip(f"published.csv has nothing on {frame.title}")
    if trials.empty:
        raise Skip(f"{frame.title} has no pruned trial to set beside the published ones")
    rows = pd.concat([_published(theirs), _ours(frame, trials)], ignore_index=True)
    columns: Columns = {name: list(rows[name]) for name in ("numbers", METHOD, "source", "selection")}
    columns |= spread("dense (%)", rows["dense"], 100) | spread("top-1 (%)", rows["top1"], 100)
    pairs = zip(rows["dense"], rows["top1"], strict=True)
    columns |= {"change": [100 * (top1.mean - dense.mean) for dense, top1 in pairs]}
    columns |= {name: list(rows[name]) for name in ("MAC speedup", "compression", "seeds")}
    caption = [
        f"{subject(frame, trials)}: published and ours, by theoretical speedup (multiply-adds)",
        "Not to be compared directly: the published numbers come from other dense networks and training budgets",
        f"Ours: {_budget(trials)}. {seeds_said(trials)}. Dense: trained for as many epochs, if there is one",
        f"Selection: the epoch of the accuracy, {NOTHING} if nobody says. Change: top-1 less dense, in points",
    ]
    formats = {"change": Format(sign=True), "MAC speedup": MULTIPLE, "compression": MULTIPLE, "seeds": WHOLE}
    return table(frame, trials, columns, caption, formats, lead=("numbers",))


def _published(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the published numbers in the form of a table, by speedup."""
    notes = [f" ({note})" if note else "" for note in rows["note"]]
    found = {
        "numbers": "published", METHOD: rows["method"], "selection": rows["selection"].fillna(""),
        "source": [(source or "") + note for source, note in zip(rows["source"], notes, strict=True)],
        "dense": [Estimate(value, NAN, 1) for value in rows["dense_top1"]],
        "top1": [Estimate(value, NAN, 1) for value in rows["top1"]],
        "MAC speedup": rows["mac_speedup"], "compression": rows["compression"], "seeds": NAN,
    }  # fmt: skip
    return pd.DataFrame(found).sort_values("MAC speedup", kind="stable")


def _ours(frame: Frame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return ours in the same form: a row for each experiment and keep, with the dense network that is its control."""
    found = []
    by_part = [(part, key, rows) for part, mine in trials.groupby("part") for key, rows in experiments(mine).items()]
    for part, (panel, name), rows in by_part:
        words = [grouping_name(str(part)) if part else "", panel]
        dense = over_seeds(frame.dense[frame.dense["trial"].isin(list(chain(*rows["control"])))])
        for keep, here in rows.groupby("keep", sort=False):
            top1 = over_seeds(here)
            found.append({
                "numbers": OURS, METHOD: name, "source": ", ".join(filter(None, [*words, f"keep {keep:g}"])),
                "selection": LAST, "dense": dense, "top1": top1, "MAC speedup": over_seeds(here, "mac_speedup").mean,
                "compression": over_seeds(here, "compression").mean, "seeds": float(top1.n),
            })  # fmt: skip
    return pd.DataFrame(found).sort_values("MAC speedup", kind="stable")


def _budget(trials: pd.DataFrame) -> str:
    """Say how long and on how much ours were trained."""
    said = [_range(trials[name], unit) for name, unit in (("epochs", "epochs"), ("train_images", "training images"))
            if name in trials and trials[name].notna().any()]  # fmt: skip
    given = {"start", "dense_epochs"} <= set(trials)
    given = given and bool(((trials["start"] == "dense") & (trials["dense_epochs"] == 0)).any())
    after = ", after a dense network that was given to those that start from one" if given else ""
    return (", ".join(said) or "an unknown budget") + after


def _range(values: pd.Series, unit: str) -> str:
    low, high = values.min(), values.max()
    return f"{low:,.0f} {unit}" if low == high else f"{low:,.0f} to {high:,.0f} {unit}"


LITERATURE = TableEntry(
    "literature",
    "Published accuracy, theoretical speedup and compression beside ours, which had other budgets.",
    ("test_top1",),
    data=data,
)
