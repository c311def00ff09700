"""What survives: how many groups are left in each layer, the mean over the seeds."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.annotation import CONDITIONS, differing, in_order, method_of, named
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets, label
from analysis.plot.style import look, pt
from analysis.select import tried_said
from analysis.statistics import seeds_between
from analysis.wording import wrapped
from results.errors import Skip

ROW, LINE, TITLE, BELOW = 0.17, 0.1, 0.16, 1.0  # inches: of a row, a line more in it, a title, the axis with the bar
LETTER, NUMBER, NARROW = 0.052, 0.048, 0.25  # inches: of a letter beside the map, a digit in it, a cell in a column
FEW, MANY, EVERY = 8, 20, 5  # families that say how many groups they have, that are all numbered, and of more every 5th
LABEL = 40  # letters in a line beside the map
DIGITS = 6  # of a mean width: sums in another order are no difference
WHO = ["scope", "conditions", "line"]


def data(frame: Frame) -> pd.DataFrame:
    """Return kept (groups) and share (%) for each row of each panel and each family, which has so many groups.

    Lines of equal widths share a row: lines are their names, label says them to people. Raises Skip if no trial tells
    widths, or if all lines keep the share of the budget in every family, as they do at layer scope.
    """
    rows, groups, left_out = _comparable(frame)
    families, keys = list(groups.index), ["keep", *WHO]
    widths = rows[[*keys, "seed"]].join(pd.DataFrame([*rows["groups_kept"]], rows.index, families, dtype="float64"))
    means = widths.groupby([*keys, "seed"], sort=False).mean().groupby(keys, sort=False).mean()
    table = means.round(DIGITS).reset_index()
    budgets = table[["keep"]].to_numpy() * groups.to_numpy()
    step = max(1.0, rows["round_to"].fillna(1).max()) if "round_to" in rows else 1.0  # that widths are rounded to
    if (abs(table[families] - budgets) <= step).all(axis=None):
        raise Skip(f"all methods of {frame.subject} keep the share of the budget in every layer")
    found = []
    for keep, part in table.groupby("keep", sort=False):
        rivals = part if len(part[families].drop_duplicates()) > 1 else part.assign(scope="")
        for _, mine in rivals.groupby(["scope", *families], sort=False):
            names = {"lines": ", ".join(in_order(list(mine["line"]))), "label": _label(mine, rivals, frame.name)}
            found.append({"keep": keep, "panel": f"keep {keep:g}", **names, **mine.iloc[0][families]})
    maps = pd.DataFrame(found).assign(all="")
    if maps["keep"].is_unique:
        maps = maps.assign(panel="", label=maps["panel"] + ": " + maps["label"])
    maps["row"] = maps.groupby("panel").cumcount()
    cells = maps.melt([*maps.columns.difference(families)], families, "family", "kept")
    cells["groups"] = cells["family"].map(groups)
    cells["share"] = 100 * cells["kept"] / cells["groups"].where(cells["groups"] > 0)
    seeds = rows.groupby(keys)["seed"].nunique()
    mean = f"Groups kept, mean of {seeds_between(int(seeds.min()), int(seeds.max()))}; equal methods share a row"
    return described(cells, frame, [mean, tried_said(rows, "per keep", frame.name), *left_out])


def draw(data: pd.DataFrame) -> Figure:
    """Draw a map for each keep: colour is the share, the number the width."""
    rows = data.drop_duplicates(["panel", "row"])
    rows = rows.assign(label=[wrapped(one, LABEL) for one in rows["label"]])
    deep = rows["label"].str.count("\n").groupby(rows["panel"], sort=False).agg(["size", "max"])
    heights = [size * (ROW + LINE * more) + TITLE * (len(deep) > 1) for size, more in deep.itertuples(index=False)]
    heights = [height + BELOW * height / sum(heights) for height in heights]
    count, texts = data["family"].nunique(), data["kept"].map(_number)
    beside = 0.2 + LETTER / look().room * max(len(line) for text in rows["label"] for line in text.split("\n"))
    wide = (look().column / look().scale - beside) / count < NARROW
    cell = ((look().page if wide else look().column) / look().scale - beside) / count
    fits = texts.str.len().max() * NUMBER / look().room + 0.04 <= cell
    sizes = enumerate(data.drop_duplicates("family")["groups"], start=1)
    told = fits and count <= FEW
    below = [f"{i}\nof {n:,.0f}" if told else str(i) * (count <= MANY or i % EVERY == 0) for i, n in sizes]
    plot = facets(data, col="all", row="panel", heights=heights, share_y=False, wide=wide)
    for panel in plot.panels():
        part = panel.rows.assign(text=texts)
        share, text = (part.pivot(index="row", columns="family", values=one) for one in ("share", "text"))
        sns.heatmap(
            share, vmin=0, vmax=100, cmap="viridis", annot=text if fits else None, fmt="", cbar=False, ax=panel.axes,
            annot_kws={"fontsize": pt(5.6)}, linewidths=pt(0.4 if count <= MANY else 0.15),
            xticklabels=below, yticklabels=list(rows["label"][rows["panel"] == panel.row]),
        )  # fmt: skip
        panel.axes.set_title(panel.row, loc="left", fontsize=pt(6.5), pad=pt(3))
        panel.axes.set(xlabel="", ylabel="")
        panel.axes.tick_params(length=0, labelsize=pt(6), rotation=0, labelbottom=panel.axes is plot.axes[-1])
    label(plot, "Layer (group family)")
    plot.figure.colorbar(
        plot.axes[0].collections[0], ax=plot.axes, location="bottom", ticks=axis.ticks(0, 100), aspect=40, pad=0.02,
        label="Share of groups kept (%)",
    ).outline.set_visible(False)  # fmt: skip
    return plot.finish()


def _comparable(frame: Frame) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Return the tuned trials of one grouping that divide the network alike, the groups of its families, and notes."""
    rows, usual = frame.tuned.dropna(subset=["groups", "groups_kept"]), frame.part or frame.grouping
    rows = rows[(rows["groups"].map(len) > 0) & (rows["groups"].map(len) == rows["groups_kept"].map(len))]
    others, mine = rows[rows["grouping"] != usual], rows[rows["grouping"] == usual]
    if mine.empty:
        raise Skip(f"no pruned trial of {frame.title} tells how many groups it kept in each family")
    divided = mine["groups"].mode()[0]
    odd, mine = mine[mine["groups"] != divided], mine[mine["groups"] == divided]
    notes = [
        named("Left out, other groups", others["line"], frame.name),
        f"Left out, trials that divide the network otherwise: {len(odd)}" if len(odd) else "",
    ]
    mine = mine.assign(
        scope=differing(mine, ["scope"]), conditions=differing(mine, [one for one in CONDITIONS if one != "scope"]),
        order=mine["line"].map(in_order(list(mine["line"])).index),
    )  # fmt: skip
    mine = mine.sort_values(["keep", "scope", "order", "epochs"], ascending=[False, *[True] * 3], kind="stable")
    return mine, pd.Series(divided, range(1, len(divided) + 1)), notes


def _label(mine: pd.DataFrame, rivals: pd.DataFrame, name: Callable[[str], str]) -> str:
    """Name the lines of a row among those of its keep, such as `layer scope: all 6 methods`, or `WGSEF, 4 epochs`."""
    scope = mine["scope"].iloc[0]
    outside = set(rivals[rivals["scope"] == scope].drop(mine.index)["line"])
    conditions = mine.groupby("line", sort=False)["conditions"].agg(" and ".join)
    said = "; ".join(name(str(one)) + f", {some}" * (one in outside) for one, some in conditions.items())
    others, count = in_order(list(outside - set(mine["line"]))), len(set(map(method_of, conditions.index)))
    if outside.isdisjoint(mine["line"]) and count > max(2, len(others)):
        said = f"all but {', '.join(map(name, others))}" if others else f"all {count} methods"
    return f"{scope}: {said}" if scope else said


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


KEPT_WIDTHS = FigureEntry(
    "kept_widths",
    "A map of the groups kept in each layer, a row for each method at each keep, the mean over the seeds.",
    ("groups_kept", "groups"),
    by_grouping=True,
    data=data,
    draw=draw,
)
