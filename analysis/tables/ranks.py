"""All settings together: who wins, by mean ranks and losses, who may be the best, and who differs from whom."""

from __future__ import annotations

import pandas as pd

from analysis.entries import TableEntry
from analysis.frame import Frame
from analysis.ranking import FEWEST_NETWORKS, FEWEST_PROBLEMS, Ranking, choice_said, rankings
from analysis.statistics import LEVEL
from analysis.table import NUMBER, SIGNED, WHOLE, Column, P, Table
from analysis.tabulation import METHOD, table

MOST = 6  # rankings, at most
FORMATS = {"wins": WHOLE, "networks": WHOLE, "gap": SIGNED, "from": SIGNED, "to": SIGNED}


def ranks(frame: Frame) -> Table:
    """Return a block per ranking with a row per contender, the best mean rank first; accuracies in percent."""
    found = rankings(frame)
    rows = pd.concat([_block(one, i) for i, one in enumerate(found[:MOST], start=1)], ignore_index=True)
    rows = rows if len(found) > 1 else rows.drop(columns="ranking")
    said = [f"{len(one.contenders)} methods on {one.said}" for one in found[:MOST]]
    alone = any(len(one.networks) < 2 for one in found[:MOST])
    caption = [
        said[0] if len(found) == 1 else "; ".join(f"{i}: {words}" for i, words in enumerate(said, start=1)),
        f"{len(found) - MOST} more sets of methods met and are not shown" if len(found) > MOST else "",
        "Wins: problems in which no other is better",
        "Loss: to the best of each problem, mean over the problems, in points",
        "Gap: to the best of the others, mean over the networks (an architecture on a dataset), in points; from, to: "
        "its interval by Hsu's multiple comparisons with the best (1984), 95 % for all together; may be best: it goes "
        "above 0",
        "From one network there is no interval, and any may be the best" if alone else "",
        *choice_said(frame),
    ]
    columns = [Column(str(heading), rows[heading], FORMATS.get(str(heading), NUMBER)) for heading in rows]
    return table(frame, columns, caption, lead=["ranking", "problems", "networks"])


def _block(ranking: Ranking, number: int) -> pd.DataFrame:
    best, losses = ranking.best, ranking.losses
    found = pd.DataFrame({
        "ranking": f"{number}", "problems": f"{len(ranking.scores)}", "networks": f"{len(ranking.networks)}",
        METHOD: best.index.to_series(), "mean rank": ranking.ranks,
        "wins": ((losses == 0) & ~ranking.failed).sum().astype("float64"),
        "top-1 (%)": 100 * ranking.scores.mean(), "loss": losses.mean(), "gap": best["difference"],
        "from": best["low"], "to": best["high"], "may be best": best["best"].map({True: "yes", False: "no"}),
    })  # fmt: skip
    return found.loc[ranking.ranks.index]


def pairwise(frame: Frame) -> Table:
    """Return a row per pair of contenders of the first ranking: difference in points over the networks, and wins."""
    first = rankings(frame)[0]
    pairs = first.pairs()
    columns = [
        Column("A", pairs["A"]),
        Column("B", pairs["B"]),
        Column("A - B", pairs["difference"], SIGNED, bold=[i for i, p in enumerate(pairs["holm"]) if p < LEVEL]),
        Column("from", pairs["low"], SIGNED),
        Column("to", pairs["high"], SIGNED),
        Column("wins/ties/losses", [f"{one.wins}/{one.ties}/{one.losses}" for one in pairs.itertuples()]),
        Column("networks", pairs["n"].astype("float64"), WHOLE),
        Column("p", pairs["p"], P),
        Column("Holm p", pairs["holm"], P),
    ]
    fewest = f"{FEWEST_PROBLEMS} problems of {FEWEST_NETWORKS} networks"
    tests = f"p: paired t-test over the networks; Holm p: corrected for all pairs, bold if below {LEVEL:g}"
    caption = [
        f"Pairs of {len(first.contenders)} methods on {first.said}, the better by mean rank first",
        "A - B: mean over the networks (an architecture on a dataset, its problems averaged first), in points of test "
        "top-1; from, to: 95 % t-interval",
        "Wins, ties, losses: problems, with their seeds averaged",
        tests if first.testable else f"No p: fewer than {fewest} are not tested pair by pair",
        *choice_said(frame),
    ]
    return table(frame, columns, caption, lead=["A"])


RANKS = TableEntry(
    "ranks",
    "Mean rank, wins, accuracy and loss against the best of each problem, over all settings, and who may be the best.",
    ("test_top1",),
    whole=True,
    data=ranks,
)
PAIRWISE = TableEntry(
    "pairwise",
    "Every pair of methods over all settings: difference in points, 95 % interval, wins, p.",
    ("test_top1",),
    whole=True,
    data=pairwise,
)
