"""The main table: every method at every keep."""

from __future__ import annotations

import pandas as pd

from analysis.annotation import DENSE
from analysis.frame import Frame, devices, timed
from analysis.registry import TableEntry
from analysis.rows import (
    Columns,
    best_of,
    bold_said,
    dense,
    experiments,
    heads,
    k_level,
    seeds_said,
    spread,
    table,
    usual,
)
from analysis.statistics import by_seed, over_seeds
from analysis.table import MULTIPLE, WHOLE, Table

TOP1 = "top-1 (%)"


def data(frame: Frame) -> Table:
    """Return a row per keep and experiment, after those of the dense network: n, accuracy, speedup, compression.

    chosen: the configuration that is best on validation at this keep, if one was chosen.
    """
    trials = timed(frame.tabled, "experiment")
    rows = [("1", key, part, False) for key, part in dense(frame).items()]
    for keep in sorted(trials["keep"].unique(), reverse=True):
        here = experiments(trials[trials["keep"] == keep])
        top = best_of({key: by_seed(here[key]) for key in usual(here, frame)})
        rows += [(f"{keep:g}", key, part, key in top) for key, part in here.items()]
    parts = [part for _, _, part, _ in rows]
    chosen = ["; ".join(filter(None, dict.fromkeys(part["chosen"][part["tunable"]]))) for part in parts]
    accuracies = [over_seeds(part) for part in parts]
    columns: Columns = {"keep": [keep for keep, *_ in rows]} | heads(key for _, key, *_ in rows)
    columns |= {"chosen": chosen} if any(chosen) else {}
    columns |= {"n": [float(value.n) for value in accuracies]} | spread(TOP1, accuracies, 100)
    columns |= spread("speedup", [over_seeds(part, "speedup_b64") for part in parts])
    columns |= {"compression": [over_seeds(part, "compression").mean for part in parts]}
    columns |= {"k-level": [k_level(part) if name != DENSE else "" for _, (_, name), part, _ in rows]}
    bold = [(i, TOP1) for i, (*_, top) in enumerate(rows) if top]
    caption = [frame.subject, seeds_said(pd.concat([frame.dense, trials]))]
    if len(trials):
        caption += [
            f"Speedup at batch 64 on {devices(trials)}",
            "k-level: trials with exactly k groups left before projection",
            bold_said(trials, bool(bold), "keep"),
        ]
    formats = {"n": WHOLE, "compression": MULTIPLE}
    return table(frame, trials, columns, caption, formats, lead=("keep",), bold=bold)


RESULTS = TableEntry(
    "results",
    "Accuracy, measured speedup, compression, and whether the k-level was reached, for each keep and method.",
    ("test_top1",),
    by_grouping=True,
    data=data,
)
