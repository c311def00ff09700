"""Rows of tables: the experiments of a frame under their conditions, in order, and what is bold and said of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import pandas as pd

from analysis import statistics
from analysis.annotation import DENSE, DENSE_CONDITIONS, differing, in_order, natural
from analysis.frame import Frame
from analysis.select import TUNED_SPLITS, tried_said
from analysis.statistics import LEVEL, best
from analysis.table import DEVIATION, HALF, Column, Table
from analysis.wording import GROUPINGS, line_name, sentences
from results.errors import Skip

GROUPING, CONDITIONS, METHOD = "grouping", "conditions", "method"
T = TypeVar("T")
LINES = (METHOD, GROUPING, "A", "B")  # the columns of words that people read otherwise


class Row(NamedTuple):
    """Some trials of one experiment under its conditions, in words; keep and part if rows are set apart by them."""

    panel: str
    name: str
    trials: pd.DataFrame
    keep: float = 0.0
    part: str = ""


def pruned(frame: Frame) -> pd.DataFrame:
    """Return the trials of a table; raises Skip if there are none."""
    if frame.tabled.empty:
        raise Skip(f"{frame.title} has no pruned trial")
    return frame.tabled


def experiments(trials: pd.DataFrame, *by: str) -> list[Row]:
    """Return a row per experiment and conditions, of each keep (the largest first) and part if `by` names them.

    Conditions as sorted, experiments as in legends.
    """
    place = {name: i for i, name in enumerate(in_order(list(trials["experiment"])))}
    parts = [part for _, part in trials.groupby([*by, "panel", "experiment"])]
    firsts = [part.iloc[0] for part in parts]
    rows = [
        Row(first["panel"], first["experiment"], part, **{name: first[name] for name in by})
        for first, part in zip(firsts, parts, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.keep, row.part, natural(row.panel), place[row.name]))


def dense(frame: Frame) -> list[Row]:
    """Return a row of the dense network for each of the conditions in which its trials differ."""
    words = differing(frame.dense, [*DENSE_CONDITIONS, "suite"])
    return [Row(str(one), DENSE, part, 1.0) for one, part in frame.dense.groupby(words)]


def heads(rows: Sequence[Row]) -> list[Column]:
    """Return the columns of words of rows: keep if set, grouping and conditions if there are several, and method."""
    keeps = [f"{row.keep:g}" for row in rows if row.keep]
    words = {GROUPING: [row.part for row in rows], CONDITIONS: [row.panel for row in rows]}
    several = [Column(heading, said) for heading, said in words.items() if len(set(said)) > 1]
    return [*[Column("keep", keeps)] * bool(keeps), *several, Column(METHOD, [row.name for row in rows])]


def usual(frame: Frame, row: Row) -> bool:
    """Return whether a row has the grouping of most trials; the others are references, and so is the dense network."""
    return row.name != DENSE and bool((row.trials["grouping"] == (frame.part or frame.grouping)).all())


def best_of(frame: Frame, rows: Sequence[Row], values: Iterable[pd.Series], bounds: Collection[int] = ()) -> set[int]:
    """Return the rows whose values, by seed, are significantly above all others of the same keep and conditions.

    References are no rivals. Nothing is best beside a rival of which only a lower bound is known.
    """
    blocks: dict[tuple[float, str], dict[int, pd.Series]] = {}
    for i, (row, value) in enumerate(zip(rows, values, strict=True)):
        if usual(frame, row):
            blocks.setdefault((row.keep, row.panel), {})[i] = value
    tops = [(best(block), block) for block in blocks.values()]
    return {top for top, block in tops if top is not None and not set(bounds) & set(block) - {top}}


def of_every_seed(curves: Mapping[float, T], read: Callable[[T], float]) -> pd.Series:
    """Return what is read off the curve of each seed, by seed; nothing if one of them has none."""
    found = pd.Series({seed: read(curve) for seed, curve in curves.items()}, dtype="float64")
    return found if found.notna().all() else found.iloc[:0]


def table(
    frame: Frame,
    columns: Iterable[Column],
    caption: Sequence[str],
    trials: pd.DataFrame | None = None,
    *,
    lead: Sequence[str] = (),
    bold: str = "",
    spread: str = DEVIATION,
) -> Table:
    """Return a table, with a block for each value of the columns `lead`, of keep, grouping and conditions.

    Its caption ends with what bold means, within each `bold` such as a keep, with how many configurations the trials
    were chosen among, and with the remarks of the frame.
    """
    columns, rows = list(columns), frame.trials.iloc[:0] if trials is None else trials
    said = [bold_said(rows, any(one.bold for one in columns), bold)] if bold else []
    chosen = tried_said(rows[rows["protocol"] >= TUNED_SPLITS], "per keep", frame.name)
    blocks = (*lead, "keep", GROUPING, CONDITIONS)
    name = partial(_said, labels=frame.source.options.labels)  # not a method of the frame: tables are pickled
    text = sentences([*caption, *said, chosen, *frame.remarks])
    return Table.of(text, columns, lines=LINES, blocks=blocks, name=name, spread=spread)


def bold_said(trials: pd.DataFrame, bold: bool, within: str) -> str:
    """Say what bold means, or why nothing is; nothing without a second seed. trials: of the table."""
    if trials.groupby("experiment")["seed"].nunique().max() < 2:
        return ""
    apart = trials["panel"].nunique() > 1
    tests = f"paired t-tests over seeds, each p < {LEVEL:g}"
    if bold:
        block = f"this {within}, these conditions and this grouping" if apart else f"this {within} and grouping"
        return f"Bold: significantly above every other method of {block} ({tests})"
    return f"Nothing is bold: no method is significantly above all others{' of its conditions' * apart} ({tests})"


def seeds_said(trials: pd.DataFrame, spread: str = DEVIATION) -> str:
    """Say what stands behind a ±, and over how many seeds."""
    counts = trials.groupby(["panel", "experiment", "keep"])["seed"].nunique()
    half = spread == HALF
    words = f"± {'half-width of the 95 % t-interval' if half else spread} over"
    return statistics.seeds_said(counts, words, "interval" if half else spread)


def subject(frame: Frame, trials: pd.DataFrame) -> str:
    """Return the subject of a table of a setting in words, with the grouping unless the trials share several."""
    return frame.title if trials["part"].nunique() > 1 else frame.subject


def k_level(trials: pd.DataFrame) -> str:
    """Return in how many trials training alone left exactly k groups, of those that tell, such as `2/3`."""
    told = trials["k_reached"].dropna()
    return f"{int(told.sum())}/{len(told)}" if len(told) else ""


def _said(code: str, labels: Mapping[str, str]) -> str:
    return GROUPINGS.get(code) or line_name(code, labels)
