"""What a strength buys, and what tuning it is worth: accuracy and the way to exactly k over lam, auto and bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from analysis.annotation import beside_lam, named, variants
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot import marks
from analysis.plot.facets import Panel, Plot, described, facets, label, leading
from analysis.plot.style import Style, pt
from analysis.select import AUTO, BOUND, DIGITS, FIXED
from analysis.statistics import points, seeds_said
from analysis.wording import AXES, condition, grouping_name
from results.errors import Skip

CELLS = ["panel", "grouping", "keep"]
FEWEST = 3  # strengths that make a curve
WORDS = (AUTO, BOUND)
BELOW = 1.0  # points below no drop, and below the lowest, that an interval may reach
ROOM, ASIDE, AROUND = 0.38, 0.07, 0.55  # inches: for a word on the axis, between the marks at it, around a panel
BESIDE = 2  # panels of accuracy beside each other
DECADES = 99  # a range of lam that has powers of ten enough for ticks
MEASURED = (
    "At k: trials with exactly k groups left after the sparsify phase, without interval; above k: groups too many, in "
    "% of k; projection: the validation accuracy that it takes then"
)


@dataclass(frozen=True)
class Quantity:
    """A row of panels: its label, its name in captions, its height in inches, the ends of its values, its scale."""

    label: str
    name: str = ""
    height: float = 0
    ends: tuple[float, float] = (0, 100)
    scale: axis.Scale = "linear"


ACCURACY = {"top1": Quantity(AXES["test_top1"])}
EXACTNESS = {
    "exact": Quantity("At k (%)", "at k", 0.85),
    "above": Quantity("Above k (%)", "above k", 1.0, (0, math.inf), "symlog"),
    "drop": Quantity("Projection (points)", "projection", 1.0, (-100, 100), "symlog"),
    "top1": Quantity("Test top-1 (%)", "accuracy", 1.2),
}


def data(frame: Frame, quantities: Mapping[str, Quantity]) -> pd.DataFrame:
    """Return a row per panel, quantity, line and strength, with lam, y, its interval, and how its mark is filled.

    A panel for each keep and each set of conditions in which a line has three lams or more. strength: `fixed`, or the
    word in place of a lam, which is then NaN. Raises Skip without such a line.
    """
    rows = _rows(frame)
    exactness = "exact" in quantities
    rows = rows[rows["exact"].notna() | (rows["status"] == "failed")] if exactness else rows
    fixed = rows[(rows["strength"] == FIXED) & (rows["lam"] > 0)]
    curves = fixed[fixed.groupby([*CELLS, "line"])["lam"].transform("nunique") >= FEWEST]
    if curves.empty:
        tells = " and tells how many groups were left" if exactness else ""
        raise Skip(f"no method of {frame.title} has {FEWEST} values of lam under otherwise equal conditions{tells}")
    others = rows.merge(curves[CELLS].drop_duplicates())
    words, chosen = _words(others[others["strength"].isin(WORDS)], curves)
    found, held, notes = _points(pd.concat([curves, words]), quantities, frame)
    groupings = curves["grouping"].unique()
    title = frame.title if len(groupings) > 1 else f"{frame.title}, {grouping_name(groupings[0])}"
    top1 = found[found["quantity"] == "top1"]
    shown = [word for word in WORDS if word in set(found["strength"])]
    caption = [
        seeds_said(top1["n"]),
        MEASURED if exactness else "",
        f"Lines across: lam {' and '.join(shown)}, set by the data without tuning" if shown else "",
        named("Of several configurations the best on validation", chosen, frame.name),
        named("lam 0 has no place on this axis", others["line"][others["lam"] == 0], frame.name),
        *notes,
        axis.coinciding(top1.assign(x=top1["lam"].fillna(0)), frame.name),
    ]
    return described(found, frame, caption, title, quantities=dict(quantities), words=shown, held=held)


def draw(data: pd.DataFrame) -> Figure:
    """Draw the curves over lam, and what auto and bound get as marks in places of their own, with lines across."""
    quantities: dict[str, Quantity] = data.attrs["quantities"]
    if "exact" in quantities:
        heights = [quantity.height for quantity in quantities.values()]
        plot = facets(data, row="quantity", heights=heights, share_y="row")
    else:
        plot = facets(data, share_y=False, across=BESIDE)
    low, high = data["lam"].min(), data["lam"].max()
    room = plot.width - AROUND
    inch = (high / low) ** (1 / (room - ROOM * len(data.attrs["words"])))
    places = {word: high * inch ** (ROOM * (i + 1)) for i, word in enumerate(data.attrs["words"])}
    for panel in plot.panels():
        _panel(plot, panel, places, inch**ASIDE)
    lams, most = sorted(data["lam"].dropna().unique()), 6 if room > 2 else 4
    narrow = high < DECADES * low and len(lams) <= most
    at = lams if narrow else axis.ticks(low / 1.01, high * 1.01, "log", most)
    ends = [low, high, *(place * inch ** (ROOM / 2) for place in places.values())]
    axis.set_scale(plot.axes, "x", ends, "log", at, words={place: word for word, place in places.items()})
    if len(quantities) == 1:
        plot.handles |= marks.exact_handles(set(data["filled"]))
    labels = [quantity.label for quantity in quantities.values()]
    label(plot, AXES["lam"], labels if len(labels) > 1 else labels[0])
    return plot.finish()


def _rows(frame: Frame) -> pd.DataFrame:
    """Return the pruned trials with the quantities, in percent and points, and with lines but for lam."""
    rows = frame.pruned
    rows = rows.reindex(columns=rows.columns.union(["groups_target", "projection_drop", "val_top1"], sort=False))
    k = rows["groups_target"].map(lambda target: sum(target) if isinstance(target, tuple) else 0)
    return rows.assign(
        exact=100 * rows["k_reached"], above=100 * rows["groups_above"] / k.where(k > 0),
        drop=100 * rows["projection_drop"], top1=100 * rows["test_top1"],
        line=beside_lam(rows),
    )  # fmt: skip


def _words(rows: pd.DataFrame, curves: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return those of the trials of auto and bound that are drawn, and the contenders of which one was chosen.

    Of a contender they are those of its lines that have a curve; if it has none, of its line that is best on
    validation, which is then called as the contender.
    """
    rows = rows.merge(curves[[*CELLS, "line"]].drop_duplicates().assign(curve=True), how="left")
    parts, chosen = [rows.iloc[:0]], []
    for (*_, contender, _), mine in rows.groupby([*CELLS, "contender", "strength"]):
        if mine["curve"].any():
            mine = mine[mine["curve"].notna()]
        elif mine["line"].nunique() > 1 and mine["val_top1"].notna().any():
            best = mine.groupby("line")["val_top1"].mean().round(DIGITS).idxmax()
            mine = mine[mine["line"] == best].assign(line=str(contender))
            chosen.append(str(contender))
        parts.append(mine)
    return pd.concat(parts), chosen


def _points(
    rows: pd.DataFrame, quantities: Mapping[str, Quantity], frame: Frame
) -> tuple[pd.DataFrame, dict[str, list[float]], list[str]]:
    """Return a row per quantity and point of a line, the values that each axis has to hold, and what lies outside."""
    means = points(rows, [*CELLS, "line", "strength", "lam"], list({**quantities, "exact": None}))
    several = means["grouping"].nunique() > 1
    panels = [
        ", ".join(filter(None, (panel, grouping_name(grouping) * several, condition("keep", keep))))
        for panel, grouping, keep in means[CELLS].itertuples(index=False)
    ]
    place = means["strength"].where(means["strength"] != FIXED, "lam " + means["lam"].map("{:g}".format))
    common = means[["line", "strength", "lam"]].assign(
        panel=panels, variant=means["line"].map(variants(means["line"])), filled=means["exact"].map(marks.fill),
        place=place + ", " + pd.Series(panels) if len(set(panels)) > 1 else place,
    )  # fmt: skip
    parts, held, notes = [], {"exact": [0.0, 100.0]}, []
    for name, quantity in quantities.items():
        y, half = means[name], means[f"{name}_half"].fillna(0) * (name != "exact")  # a share has no interval
        low, high = (y - half).clip(*quantity.ends), (y + half).clip(*quantity.ends)
        part = common.assign(quantity=name, y=y, y_half=half, y_low=low, y_high=high, n=means[f"{name}_n"])
        parts.append(part.dropna(subset=["y"]))
        if name == "exact":
            continue
        if name == "top1":
            held[name], said = axis.robust_range(parts[-1], frame.name)
        else:
            least = min(0.0, y.min()) - BELOW
            held[name], said = axis.holding(parts[-1], least, math.inf, frame.name, quantity.scale)
        notes += [f"{one} ({quantity.name})" if quantity.name else one for one in said]
    return pd.concat(parts, ignore_index=True), held, notes


def _panel(plot: Plot, panel: Panel, places: Mapping[str, float], step: float) -> None:
    """Draw the lines of one panel and scale its y; marks of several lines at one word are a factor `step` apart."""
    axes, rows, tells_k = panel.axes, panel.rows.assign(x=panel.rows["lam"]), panel.row is None
    quantity = "top1" if tells_k else panel.row
    held = plot.attrs["held"][quantity]
    low = min(held)
    if quantity == "top1":
        rows = marks.accuracies(rows, low)
    lead = leading(rows)
    for word, place in places.items():
        there = [line for line in lead if line in set(rows["line"][rows["strength"] == word])]
        at = {line: place * step**shift for line, shift in zip(there, marks.side_by_side(len(there), 1), strict=True)}
        rows["x"] = rows["x"].where(rows["strength"] != word, rows["line"].map(at))
    shifts = dict(zip(lead, [0.0] * len(lead) if tells_k else marks.side_by_side(len(lead)), strict=True))
    for line in plot.lines(rows, lead):
        is_fixed = line.rows["strength"] == FIXED
        fixed, beside = line.rows[is_fixed], line.rows[~is_fixed]
        marked = Style(line.style.colour, "") if tells_k else line.style
        marks.draw_line(axes, fixed, marked, line.variant, aside=shifts.get(line.name, 0), grey=not line.told)
        if not line.told:
            continue
        marks.draw_line(axes, beside, marked, joined=False)
        for level in beside["y"]:
            axes.axhline(level, color=line.style.colour, linestyle=":", linewidth=pt(0.8), zorder=2)
        if tells_k:
            for filled, some in line.rows.groupby("filled"):
                axes.plot(some["x"], some["y"], zorder=4, **marks.exact_look(line.style, str(filled)))
        if quantity == "top1":
            marks.fallen(axes, line.rows, low, line.style)
        handle = marks.legend_line(line.style, line.variant, len(fixed) > 0, solid=tells_k)
        plot.handles.setdefault(plot.name(line.name), handle)
    if tells_k:  # a panel of accuracy has a range of its own
        held = axis.holding(rows[rows["y"] >= low], low, max(held), plot.name)[0]
    axis.set_scale([axes], "y", held, plot.attrs["quantities"][quantity].scale, most=6 if tells_k else 5)


def _entry(name: str, description: str, needs: tuple[str, ...], quantities: Mapping[str, Quantity]) -> FigureEntry:
    return FigureEntry(name, description, needs, data=partial(data, quantities=quantities), draw=draw)


FIGURES = (
    _entry(
        "accuracy_vs_lam",
        "Test accuracy against the fixed strength lam, with lam = auto and bound as lines; filled: reached exactly k.",
        ("test_top1", "hyperparameters", "groups_target", "groups_at_convergence"),
        ACCURACY,
    ),
    _entry(
        "exactness_vs_lam",
        "Trials at exactly k, groups above it, cost of the projection and accuracy over lam: what a strength buys.",
        ("test_top1", "hyperparameters"),
        EXACTNESS,
    ),
)
