"""Rows of tables: the experiments of a frame under their conditions, in order, their seeds, and what is bold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from analysis.annotation import DENSE, DENSE_CONDITIONS, differing, in_order, natural
from analysis.frame import Frame
from analysis.select import TUNED_SPLITS, tried_said
from analysis.statistics import LEVEL, Estimate, best, seeds_between
from analysis.table import Format, Table, spread_columns
from analysis.wording import GROUPINGS, line_name, sentences

Key = tuple[str, str]  # the conditions of a panel in words, and an experiment
Columns = dict[str, list[Any]]
GROUPING, CONDITIONS, METHOD = "grouping", "conditions", "method"
LINES = (METHOD, GROUPING, "A", "B")  # the columns of words that people read otherwise
DEVIATION, HALF = "standard deviation", "95 % half-width"


def experiments(trials: pd.DataFrame) -> dict[Key, pd.DataFrame]:
    """Return the trials of each experiment, by conditions and name: conditions as sorted, names as in legends."""
    place = {name: i for i, name in enumerate(in_order(list(trials["experiment"])))}
    parts = [((str(key[0]), str(key[1])), part) for key, part in trials.groupby(["panel", "experiment"])]
    return dict(sorted(parts, key=lambda one: (natural(one[0][0]), place[one[0][1]])))


def dense(frame: Frame) -> dict[Key, pd.DataFrame]:
    """Return the trials of the dense network in the same form, by the conditions in which they differ."""
    words = differing(frame.dense, [*DENSE_CONDITIONS, "suite"])
    return {(str(one), DENSE): part for one, part in frame.dense.groupby(words)}


def heads(keys: Iterable[Key], parts: Iterable[str] = ()) -> Columns:
    """Return the columns of words of rows with these keys: grouping and conditions, if there are several, and method.

    parts: the groupings that several methods share.
    """
    rows = list(keys)
    words: Columns = {GROUPING: list(parts), CONDITIONS: [panel for panel, _ in rows]}
    return {head: said for head, said in words.items() if len(set(said)) > 1} | {METHOD: [name for _, name in rows]}


def usual(found: Mapping[Key, pd.DataFrame], frame: Frame) -> list[Key]:
    """Return the keys of the experiments with the grouping that most trials have; the others are references."""
    grouping = frame.part or frame.grouping
    return [key for key, rows in found.items() if (rows["grouping"] == grouping).all()]


def best_of(values: Mapping[Key, pd.Series]) -> set[Key]:
    """Return the keys whose values, by seed, are significantly above all others of the same conditions."""
    panels: dict[str, dict[str, pd.Series]] = {}
    for (panel, name), series in values.items():
        panels.setdefault(panel, {})[name] = series
    return {(panel, top) for panel, mine in panels.items() if (top := best(mine)) is not None}


def table(
    frame: Frame,
    trials: pd.DataFrame,
    columns: Columns,
    caption: Sequence[str],
    formats: Mapping[str, Format] | None = None,
    *,
    lead: tuple[str, ...] = (),
    bold: Iterable[tuple[int, str]] = (),
    bounds: Iterable[tuple[int, str]] = (),
    spread: str = DEVIATION,
) -> Table:
    """Return a table of columns, with a block for each value of `lead` and each of the conditions.

    Its caption ends with how many configurations the trials were chosen among, and with the remarks of the frame.
    """
    chosen = tried_said(trials[trials["protocol"] >= TUNED_SPLITS], "per keep", frame.name)
    blocks = (*lead, *(head for head in (GROUPING, CONDITIONS) if head in columns))
    said = partial(_said, labels=frame.source.options.labels)  # not a method of the frame: tables are pickled
    return Table(
        sentences([*caption, chosen, *frame.remarks]), pd.DataFrame(columns), formats or {}, LINES, blocks,
        frozenset(bold), frozenset(bounds), spread, said,
    )  # fmt: skip


def bold_said(trials: pd.DataFrame, bold: bool, column: str) -> str:
    """Say what bold means in a column, or why nothing is; nothing without a second seed. trials: of the table."""
    if trials.groupby("experiment")["seed"].nunique().max() < 2:
        return ""
    apart = trials["panel"].nunique() > 1
    tests = f"paired t-tests over seeds, each p < {LEVEL:g}"
    if bold:
        within = f"this {column}, these conditions and this grouping" if apart else f"this {column} and grouping"
        return f"Bold: significantly above every other method of {within} ({tests})"
    return f"Nothing is bold: no method is significantly above all others{' of its conditions' * apart} ({tests})"


def seeds_said(trials: pd.DataFrame, spread: str = DEVIATION) -> str:
    """Say what stands behind a ±, and over how many seeds."""
    counts = trials.groupby(["panel", "experiment", "keep"])["seed"].nunique()
    low, high = int(counts.min()), int(counts.max())
    if high == 1:
        return f"1 seed, hence no {'interval' if spread == HALF else spread}"
    words = "half-width of the 95 % t-interval" if spread == HALF else spread
    return f"Mean ± {words} over {seeds_between(low, high)}" + ", none for 1 seed" * (low == 1)


def spread(heading: str, values: Iterable[Estimate], scale: float = 1.0, kind: str = DEVIATION) -> Columns:
    """Return a column of means, and beside it one of how far they spread, unless nothing does."""
    pairs = [(scale * one.mean, scale * (one.deviation if kind == DEVIATION else one.half_width)) for one in values]
    found = spread_columns(heading, pairs, kind)
    return found if any(not math.isnan(far) for _, far in pairs) else {heading: found[heading]}


def subject(frame: Frame, trials: pd.DataFrame) -> str:
    """Return the subject of a table of a setting in words, with the grouping unless the trials share several."""
    return frame.title if trials["part"].nunique() > 1 else frame.subject


def k_level(trials: pd.DataFrame) -> str:
    """Return in how many trials training alone left exactly k groups, of those that tell, such as `2/3`."""
    told = trials["k_reached"].dropna()
    return f"{int(told.sum())}/{len(told)}" if len(told) else ""


def _said(code: str, labels: Mapping[str, str]) -> str:
    return GROUPINGS.get(code) or line_name(code, labels)
