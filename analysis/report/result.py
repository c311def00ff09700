"""The result in words and as a table: who leads where, by how much, with what certainty, and who loses."""

from __future__ import annotations

import pandas as pd

from analysis.annotation import in_order
from analysis.frame import Frame
from analysis.ranking import leaders, rankings
from analysis.statistics import LEVEL
from analysis.table import P, Table
from analysis.wording import grouping_name, sentences
from results.errors import Skip

CAPTION = (
    "A row per problem, over the methods of its grouping that met on it",
    "Gap: to the second, in points of test top-1; p: the largest of the paired t-tests of the leader against the other "
    "methods over their common seeds, a dash if some pair has fewer than two of them",
    "Bold: significantly above every other, p < 0.05",
)
HEADINGS = {
    "setting": "setting", "grouping": "grouping", "panel": "conditions", "keep": "keep", "leader": "leader",
    "top1": "test top-1 (%)", "second": "second", "gap": "gap (points)", "p": "p", "rivals": "not significantly below",
}  # fmt: skip


def result(frame: Frame) -> tuple[list[str], Table | None]:
    """Return sentences, the first of which says the most, and the leaders of all problems as a table, if any."""
    parts = [part for setting in frame.settings() for part in setting.parts()]
    groupings = [grouping_name(one.part or one.grouping).removesuffix(" groups") for one in parts]
    found = [leaders(one).assign(setting=one.title, grouping=of) for one, of in zip(parts, groupings, strict=True)]
    rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if rows.empty:
        return ["No two methods met on a problem, so that none leads"], None
    return [_leading(rows, frame), *_over_all(frame), *_losing(rows, frame)], _table(rows, frame)


def _leading(rows: pd.DataFrame, frame: Frame) -> str:
    """Say on how many problems each leader leads, and on how many of them it is significantly above every other."""
    counts, above = rows["leader"].value_counts(), rows["leader"][rows["p"] < LEVEL].value_counts()
    order = sorted(in_order(list(rows["leader"])), key=lambda line: -counts[line])
    said: list[str] = []
    for line in order:
        gaps = rows["gap"][rows["leader"] == line]
        span = " to ".join(dict.fromkeys(f"{gap:.2f}" for gap in (gaps.min(), gaps.max())))
        on = f"on {len(gaps)}" if said else f"leads on {len(gaps)} of {len(rows)} problem{'s'[: len(rows) != 1]}"
        said.append(f"{frame.name(line)} {on} by {span} points")
    shared, tested = int((rows["gap"] == 0).sum()), int(rows["p"].notna().sum())
    level = f"; {shared} of the leads shared with the second" * bool(shared)
    sure = ", ".join(f"{frame.name(line)} on {above[line]}" for line in order if line in above) or "none"
    only = f" of the {tested} with seeds enough for a test" * (tested < len(rows))
    certain = f"significantly above every other method: {sure}{only}" if tested else "too few seeds to test that"
    return f"{', '.join(said)}{level}; {certain}"


def _losing(rows: pd.DataFrame, frame: Frame) -> list[str]:
    """Name the methods that are significantly below a leader, those most often so first, and those that never lead."""
    counts = pd.DataFrame({c: rows[c].explode().value_counts() for c in ("leader", "rivals", "below")}).fillna(0)
    order = sorted(in_order(list(counts.index)), key=lambda line: -counts["below"][line])
    below = {line: f"on {counts['below'][line]:.0f} of {counts.loc[line].sum():.0f}" for line in order}
    lost = [f"{frame.name(line)} {said}" for line, said in below.items() if counts["below"][line]]
    never = [frame.name(line) for line in in_order(order) if not counts["leader"][line]]
    found = {"Losing, significantly below the leader": lost, "Leading nowhere": never}
    return [f"{what}: {', '.join(names)}" for what, names in found.items() if names]


def _over_all(frame: Frame) -> list[str]:
    """Say who may be the best over all settings, if there are two networks or more to tell it from."""
    try:
        ranking = rankings(frame)[0]
    except Skip:
        return []
    best, n = ranking.best.sort_values("difference", ascending=False), len(ranking.networks)
    if n < 2:
        return []
    may = in_order(list(best.index[best["best"]]))
    said = f"{len(may)} of {len(best)} methods {'may be' if len(may) > 1 else 'is'} the best by Hsu's intervals"
    said += f" over {n} networks: {', '.join(map(frame.name, may))}"
    below = ", ".join(
        f"{frame.name(str(line))} by {-row['difference']:.2f} points (95 % interval 0 to {-row['low']:.2f})"
        for line, row in best[~best["best"]].iterrows()
    )
    losers = [f"Not the best over all settings, below the best of the others: {below}"] * bool(below)
    return [f"Over all settings ({ranking.said}), {said}", *losers]


def _table(rows: pd.DataFrame, frame: Frame) -> Table:
    headings = {column: heading for column, heading in HEADINGS.items() if column != "panel" or rows["panel"].any()}
    rivals = [", ".join(map(frame.name, names)) for names in rows["rivals"]]
    shown = rows.assign(keep=rows["keep"].map("{:g}".format), top1=100 * rows["top1"], rivals=rivals)
    return Table(
        sentences([*CAPTION, *frame.remarks]), shown[list(headings)].rename(columns=headings), {"p": P},
        lines=("leader", "second"), blocks=("setting", "grouping"), name=frame.name,
        bold=frozenset((i, "leader") for i, p in enumerate(rows["p"]) if p < LEVEL),
    )  # fmt: skip
