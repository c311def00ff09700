"""Who is better than whom over all problems: mean ranks, with bars that join what the tests cannot tell apart."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from analysis.annotation import variants
from analysis.entries import FigureEntry
from analysis.frame import Frame
from analysis.plot import axes as axis
from analysis.plot.facets import described, facets
from analysis.plot.marks import line_look
from analysis.plot.style import look, pt
from analysis.ranking import FEWEST_NETWORKS, FEWEST_PROBLEMS, choice_said, rankings
from analysis.statistics import LEVEL
from analysis.wording import line_name
from results.errors import Skip

ROW, AROUND = 0.14, 0.45  # inches: of a leader or a bar, of the axis
OUTWARD = 0.03  # of the axis: from the outer ranks to their marks
BESIDE = 4.5  # points: from a mark to its name
LETTERS, MOST = 22, 12  # of a name and its rank, and contenders, that fit a column
LAYOUTS = 5  # until the axes leave room for the names outside them, which go with its ends
DENSE = 12  # ranks that have room for a number each
P = "p against "  # a contender: a column
ALIKE = f"not told apart at {100 * LEVEL:g} %"


def data(frame: Frame) -> pd.DataFrame:
    """Return a row per contender, the best mean rank first: line, rank, variant, and p against each contender.

    p is that of the paired t-test of the networks, by Holm's correction for all pairs (`Ranking.pairs`); 1 if nothing
    tells how the differences spread, and against itself. Raises Skip unless a ranking has problems enough.
    """
    found = rankings(frame)
    ranking = next((one for one in found if one.testable), None)
    if ranking is None:
        most = max(found, key=lambda one: (len(one.networks), len(one.scores)))
        needed = f"pairs are tested on {FEWEST_PROBLEMS} problems of {FEWEST_NETWORKS} networks or more"
        raise Skip(f"{needed}, and there are at most {len(most.scores)} of {len(most.networks)}")
    names, pairs = list(ranking.ranks.index), ranking.pairs()
    half = pairs.pivot_table("holm", index="A", columns="B").reindex(index=names, columns=names)
    p = half.combine_first(half.T).loc[names, names].fillna(1.0)
    numbers = variants(names)
    rows = pd.DataFrame({"panel": "", "line": names, "rank": ranking.ranks, "variant": pd.Series(numbers)}, names)
    caption = [
        f"{len(names)} methods on {ranking.said}",
        f"Bars join methods that no paired t-test of the {len(ranking.networks)} networks tells apart (Holm's "
        f"correction over {len(pairs)} pairs); they pass by a leader without a dot",
        *choice_said(frame),
    ]
    rows = rows.join(p.add_prefix(P)).reset_index(drop=True)
    return described(rows, frame, caption, "Mean ranks of test top-1")


def draw(data: pd.DataFrame) -> Figure:
    """Draw the diagram of J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006).

    A. Benavoli, G. Corani, F. Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17 (2016): the
    difference of two mean ranks depends on who else competes, hence the bars are those of tests of each pair by itself.
    """
    from scikit_posthocs import critical_difference_diagram  # slow to import, and rarely drawn

    lines, labels = [str(line) for line in data["line"]], data.attrs["labels"]
    names = [f"{line_name(line, labels)} {rank:.2f}" for line, rank in zip(lines, data["rank"], strict=True)]
    p = data[[P + line for line in lines]].set_axis(range(len(names)), axis=1)  # sets of names have no fixed order
    plot = facets(data, wide=len(names) > MOST or max(map(len, names)) > LETTERS)
    (axes,) = plot.axes
    bars: dict[str, Any] = {"color": "#555555", "solid_capstyle": "butt", "linewidth": pt(1.8), "marker": "o"}
    bars["markersize"] = pt(2.6)
    made = critical_difference_diagram(
        data["rank"], p, ax=axes, alpha=LEVEL, marker_props={"s": 0}, crossbar_props=bars,
        text_h_margin=OUTWARD * (len(names) - 1),
    )  # fmt: skip
    left = (len(names) + 1) // 2
    order = [*range(left), *range(left, len(names))[::-1]]  # on the right from the worst
    for i, leader, text in zip(order, made["elbows"], made["labels"], strict=True):
        style = line_look(plot.style(lines[i]), int(data["variant"][i]))
        leader.set(**style, markevery=[0], linewidth=pt(0.9), zorder=2)
        aside = ScaledTranslation(pt(BESIDE if i >= left else -BESIDE) / 72, 0, plot.figure.dpi_scale_trans)
        text.set(text=names[i], color="black", fontsize=pt(7), transform=axes.transData + aside)
    deep = max(-min(leader.get_ydata()) for leader in made["elbows"])
    axes.set_ylim(-deep - 0.5, 0)
    axis.set_scale([axes], "x", [1.0, len(names)], at=range(1, len(names) + 1, -(-len(names) // DENSE)))
    axes.set_xlabel("Mean rank (1 is best)")
    axes.xaxis.set_label_position("top")
    axes.spines["top"].set_visible(True)
    axes.grid(visible=False)
    if made["crossbars"]:
        plot.handles[ALIKE] = Line2D([], [], **bars)
    plot.figure.set_figheight((ROW * deep + AROUND) * look().scale)
    figure = plot.finish()
    for _ in range(LAYOUTS):
        figure.draw_without_rendering()
    return figure


CRITICAL_DIFFERENCE = FigureEntry(
    "critical_difference",
    "Critical difference diagram: mean ranks over all problems, with bars that join what no test tells apart.",
    ("test_top1",),
    whole=True,
    data=data,
    draw=draw,
)
