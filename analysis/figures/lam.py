"""What a strength buys, and what tuning it is worth: accuracy and the way to exactly k over lam, auto and bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.annotation import in_order, method_of
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import OTHERS, Panel, Plot, described, facets, label
from analysis.plot.marks import GREY, draw_line, exact_handles, exact_look, fallen, fill, legend_line, side_by_side
from analysis.plot.style import Style, look, pt
from analysis.registry import FigureEntry
from analysis.select import FIXED
from analysis.statistics import points, seeds_said
from analysis.strengths import CELLS, FEWEST, WORDS, beside_lam, curves, words
from analysis.wording import AXES, condition, grouping_name, listed
from results.errors import Skip

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
    name: str
    height: float = 0
    ends: tuple[float, float] = (0, 100)
    scale: axis.Scale = "linear"


ACCURACY = {"top1": Quantity(AXES["test_top1"], "")}
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
    over_lam = curves(rows)
    if over_lam.empty:
        tells = " and tells how many groups were left" if exactness else ""
        raise Skip(f"no method of {frame.title} has {FEWEST} values of lam under otherwise equal conditions{tells}")
    beside, chosen = words(rows, over_lam)
    zero = in_order(list(rows[rows["lam"] == 0].merge(over_lam[CELLS].drop_duplicates(), on=CELLS)["line"]))
    told, title = _titled(pd.concat([over_lam, beside]), frame)
    found = _points(told, quantities)
    held, notes = _held(found, quantities, frame)
    top1 = found[found["quantity"] == "top1"]
    shown = [word for word in WORDS if word in set(found["strength"])]
    caption = [
        seeds_said(top1["n"]),
        MEASURED if exactness else "",
        f"Lines across: lam {' and '.join(shown)}, set by the data without tuning" if shown else "",
        f"Of several configurations the best on validation: {listed(list(map(frame.name, chosen)))}" if chosen else "",
        f"lam 0 has no place on this axis: {listed(list(map(frame.name, zero)))}" if zero else "",
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
    inch = (high / low) ** (1 / _inches(plot, len(data.attrs["words"])))
    places = {word: high * inch ** (ROOM * (i + 1)) for i, word in enumerate(data.attrs["words"])}
    for panel in plot.panels():
        _panel(plot, panel, places, inch**ASIDE)
        quantity = panel.row or "top1"
        middle = [0, 50, 100] if quantity == "exact" else None
        held = data.attrs["held"][panel.row or panel.col]
        axis.set_scale([panel.axes], "y", held, quantities[quantity].scale, middle, most=6 if panel.row is None else 5)
    lams, most = sorted(data["lam"].dropna().unique()), 6 if _inches(plot) > 2 else 4
    narrow = high < DECADES * low and len(lams) <= most
    at = lams if narrow else axis.ticks(low / 1.01, high * 1.01, "log", most)
    ends = [low, high, *(place * inch ** (ROOM / 2) for place in places.values())]
    axis.set_scale(plot.axes, "x", ends, "log", at, words={place: word for word, place in places.items()})
    if len(quantities) == 1:
        plot.handles |= exact_handles(set(data["filled"]))
    labels = [quantity.label for quantity in quantities.values()]
    label(plot, AXES["lam"], labels if len(labels) > 1 else labels[0])
    return plot.finish()


def _inches(plot: Plot, words: int = 0) -> float:
    """Return how wide the part of a panel is that has numbers, beside so many words, in inches of paper."""
    columns = plot.axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    return float(plot.figure.get_figwidth()) / columns / look().pen - AROUND - ROOM * words


def _rows(frame: Frame) -> pd.DataFrame:
    """Return the pruned trials with the quantities, in percent and points, and with lines but for lam."""
    rows = frame.pruned
    k = [sum(target) if isinstance(target, tuple) else 0 for target in rows.get("groups_target", [None] * len(rows))]
    drop = rows["projection_drop"] if "projection_drop" in rows else pd.Series(math.nan, index=rows.index)
    wanted = pd.Series(k, index=rows.index, dtype="float64")
    return rows.assign(
        exact=100 * rows["k_reached"], above=100 * rows["groups_above"] / wanted.where(wanted > 0), drop=100 * drop,
        top1=100 * rows["test_top1"], line=beside_lam(rows),
    )  # fmt: skip


def _titled(rows: pd.DataFrame, frame: Frame) -> tuple[pd.DataFrame, str]:
    """Return the rows in the order of their panels, with titles of these, and the title of the figure."""
    groupings = rows["grouping"].unique()
    rows = rows.sort_values(CELLS, ascending=[True, True, False], kind="stable")
    names = rows["grouping"].map(grouping_name) if len(groupings) > 1 else pd.Series("", index=rows.index)
    cells = zip(rows["panel"], names, rows["keep"].map(partial(condition, "keep")), strict=True)
    rows = rows.assign(panel=[", ".join(filter(None, cell)) for cell in cells])
    return rows, frame.title if len(groupings) > 1 else f"{frame.title}, {grouping_name(groupings[0])}"


def _points(rows: pd.DataFrame, quantities: Mapping[str, Quantity]) -> pd.DataFrame:
    """Return a row per quantity and point of a line, panels as they first come; a share of trials has no interval."""
    keys = ["panel", "line", "strength", "lam"]
    exact = rows.groupby(keys, dropna=False)["k_reached"].agg(reached="sum", told="count").reset_index()
    means = points(rows, keys, list(quantities)).merge(exact, on=keys)
    panels = list(dict.fromkeys(rows["panel"]))
    means = means.sort_values("panel", key=lambda names: names.map(panels.index), kind="stable")
    lines = in_order(list(means["line"]))
    place = means["strength"].where(means["strength"] != FIXED, "lam " + means["lam"].map("{:g}".format))
    common = means[keys].assign(
        variant=[[one for one in lines if method_of(one) == method_of(line)].index(line) for line in means["line"]],
        filled=[fill(reached, told) for reached, told in zip(means["reached"], means["told"], strict=True)],
        place=place + ", " + means["panel"] if len(panels) > 1 else place,
    )
    parts = []
    for name, quantity in quantities.items():
        y, half = means[name], means[f"{name}_half"].fillna(0) * (name != "exact")
        low, high = (y - half).clip(*quantity.ends), (y + half).clip(*quantity.ends)
        parts.append(common.assign(quantity=name, y=y, y_half=half, y_low=low, y_high=high, n=means[f"{name}_n"]))
    return pd.concat(parts, ignore_index=True).dropna(subset=["y"])


def _held(
    found: pd.DataFrame, quantities: Mapping[str, Quantity], frame: Frame
) -> tuple[dict[str, list[float]], list[str]]:
    """Return the values that each row of panels, or each panel of accuracy, has to hold; say what lies outside."""
    held: dict[str, list[float]] = {"exact": [0.0, 100.0]}
    notes: list[str] = []
    for name, rows in found.groupby("quantity", sort=False):
        if name == "top1":
            held["top1"], said = axis.robust_range(rows, frame.name)
        elif name != "exact":
            held[str(name)], said = axis.holding(
                rows, min(0.0, rows["y"].min()) - BELOW, math.inf, frame.name, "symlog"
            )
        else:
            continue
        notes += [f"{one} ({quantities[str(name)].name})" if len(quantities) > 1 else one for one in said]
    low, high = min(held["top1"]), max(held["top1"])
    for panel, rows in found[(found["quantity"] == "top1") & (found["y"] >= low)].groupby("panel"):
        held[str(panel)] = [*rows["y"], *rows["y_low"].clip(lower=low), *rows["y_high"].clip(upper=high)]
    return held, notes


def _panel(plot: Plot, panel: Panel, places: Mapping[str, float], step: float) -> None:
    """Draw the lines of one panel; marks of several lines at one word are a factor `step` apart."""
    axes, rows = panel.axes, panel.rows
    tells_k, low = panel.row is None, min(plot.attrs["held"][panel.row or panel.col])
    if panel.row in (None, "top1"):
        rows = rows.assign(y_low=rows["y_low"].where(rows["y"] >= low), y_high=rows["y_high"].where(rows["y"] >= low))
    lead = plot.lead(rows)
    shifts = dict(zip(lead, [0.0] * len(lead) if tells_k else side_by_side(len(lead)), strict=True))
    for line in in_order(list(rows["line"])):
        style, mine = plot.style(line), rows[rows["line"] == line].assign(x=lambda one: one["lam"])
        variant = int(mine["variant"].iloc[0])
        marked = Style(style.colour, "") if tells_k else style
        fixed = mine[mine["strength"] == FIXED]
        draw_line(axes, fixed, marked, variant, aside=shifts.get(line, 0), grey=line not in lead)
        if line not in lead:
            plot.handles[OTHERS] = Line2D([], [], color=GREY, linewidth=pt(0.7))
            continue
        for word, place in places.items():
            beside = [one for one in lead if one in set(rows["line"][rows["strength"] == word])]
            if line in beside:
                at = place * step ** (beside.index(line) - (len(beside) - 1) / 2)
                mine["x"] = mine["x"].where(mine["strength"] != word, at)
                draw_line(axes, mine[mine["strength"] == word], marked, joined=False)
        for level in mine["y"][mine["strength"] != FIXED]:
            axes.axhline(level, color=style.colour, linestyle=":", linewidth=pt(0.8), zorder=2)
        if tells_k:
            for filled, marks in mine.groupby("filled"):
                axes.plot(marks["x"], marks["y"], zorder=4, **exact_look(style, str(filled)))
        if panel.row in (None, "top1"):
            fallen(axes, mine, low, style)
        handle = legend_line(style, 2 * variant if tells_k else variant, joined=len(fixed) > 0)
        plot.handles.setdefault(plot.name(line), handle)


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
