"""Accuracy alone, with one column per keep: narrow enough for a paper."""

from __future__ import annotations

import pandas as pd

from analysis.annotation import DENSE
from analysis.frame import Frame
from analysis.registry import TableEntry
from analysis.rows import best_of, bold_said, dense, experiments, heads, seeds_said, spread, table, usual
from analysis.statistics import by_seed, over_seeds, seeds_between
from analysis.table import Format, Table
from results.errors import Skip


def data(frame: Frame) -> Table:
    """Return a row per experiment with its mean test top-1 in percent at each keep."""
    trials = frame.tabled
    if trials.empty:
        raise Skip(f"{frame.title} has no pruned trial")
    found = experiments(trials)
    columns, bold = heads(found), set()
    for keep in sorted(trials["keep"].unique(), reverse=True):
        here = {key: part[part["keep"] == keep] for key, part in found.items()}
        heading = f"keep {keep:g}"
        columns |= spread(heading, map(over_seeds, here.values()), 100)
        top = best_of({key: by_seed(here[key]) for key in usual(found, frame)})
        bold |= {(i, heading) for i, key in enumerate(found) if key in top}
    caption = [
        f"{frame.subject}: test top-1 (%)",
        seeds_said(trials),
        *(_dense(frame, panel, part) for (panel, _), part in dense(frame).items()),
        bold_said(trials, bool(bold), "keep"),
    ]
    return table(frame, trials, columns, caption, bold=bold)


def _dense(frame: Frame, panel: str, rows: pd.DataFrame) -> str:
    """Say the accuracy of the dense network under some conditions."""
    value = over_seeds(rows)
    text = Format()(100 * value.mean, 100 * value.deviation)
    return f"{frame.name(DENSE)}{f' ({panel})' * bool(panel)}: {text} ({seeds_between(value.n, value.n)})"


ACCURACY = TableEntry(
    "accuracy", "Test accuracy of each method, with one column per keep.", ("test_top1",), by_grouping=True, data=data
)
