"""The main table, every method at every keep, and accuracy alone, narrow enough for a paper."""

from __future__ import annotations

import pandas as pd

from analysis.annotation import DENSE
from analysis.entries import TableEntry
from analysis.frame import Frame, devices, timed
from analysis.statistics import by_seed, over_seeds, seeds_between
from analysis.table import MULTIPLE, NUMBER, WHOLE, Column, Table
from analysis.tabulation import Row, best_of, dense, experiments, heads, k_level, pruned, seeds_said, table


def results(frame: Frame) -> Table:
    """Return a row per keep and experiment, after those of the dense network: n, accuracy, speedup, compression.

    chosen: the configuration that is best on validation at this keep, if one was chosen.
    """
    trials = timed(frame.tabled, "experiment")
    rows = [*dense(frame), *experiments(trials, "keep")]
    parts = [row.trials for row in rows]
    chosen = ["; ".join(filter(None, dict.fromkeys(part["chosen"][part["tunable"]]))) for part in parts]
    top1 = [by_seed(part) for part in parts]
    columns = [
        *heads(rows),
        *[Column("chosen", chosen)] * any(chosen),
        Column("n", [float(values.count()) for values in top1], WHOLE),
        Column("top-1 (%)", top1, scale=100, bold=best_of(frame, rows, top1)),
        Column("speedup", [by_seed(part, "speedup_b64") for part in parts]),
        Column("compression", [by_seed(part, "compression").mean() for part in parts], MULTIPLE),
        Column("k-level", [k_level(row.trials) if row.name != DENSE else "" for row in rows]),
    ]
    caption = [frame.subject, seeds_said(pd.concat([frame.dense, trials]))]
    if trials.empty:
        return table(frame, columns, caption)
    caption.append(f"Speedup at batch 64 on {devices(trials)}")
    caption.append("k-level: trials with exactly k groups left before projection")
    return table(frame, columns, caption, trials, bold="keep")


def accuracy(frame: Frame) -> Table:
    """Return a row per experiment with its mean test top-1 in percent at each keep."""
    trials = pruned(frame)
    rows, columns = experiments(trials), []
    for keep in sorted(trials["keep"].unique(), reverse=True):
        values = [by_seed(row.trials[row.trials["keep"] == keep]) for row in rows]
        columns.append(Column(f"keep {keep:g}", values, scale=100, bold=best_of(frame, rows, values)))
    controls = [_dense_said(frame, row) for row in dense(frame)]
    caption = [f"{frame.subject}: test top-1 (%)", seeds_said(trials), *controls]
    return table(frame, [*heads(rows), *columns], caption, trials, bold="keep")


def _dense_said(frame: Frame, row: Row) -> str:
    value = over_seeds(row.trials)
    text = NUMBER(100 * value.mean, 100 * value.deviation)
    return f"{frame.name(DENSE)}{f' ({row.panel})' * bool(row.panel)}: {text} ({seeds_between(value.n, value.n)})"


RESULTS = TableEntry(
    "results",
    "Accuracy, measured speedup, compression, and whether the k-level was reached, for each keep and method.",
    ("test_top1",),
    by_grouping=True,
    data=results,
)
ACCURACY = TableEntry(
    "accuracy",
    "Test accuracy of each method, with one column per keep.",
    ("test_top1",),
    by_grouping=True,
    data=accuracy,
)
