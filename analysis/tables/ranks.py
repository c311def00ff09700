"""Who wins over all settings: mean ranks, wins, the loss against the best of each problem, and who may be the best."""

from __future__ import annotations

import pandas as pd

from analysis.frame import Frame
from analysis.ranking import Ranking, choice_said, rankings
from analysis.registry import TableEntry
from analysis.rows import METHOD, Columns, table
from analysis.table import WHOLE, Format, Table

MOST = 6  # rankings, at most
SIGNED = Format(sign=True)


def data(frame: Frame) -> Table:
    """Return a block per ranking with a row per contender, the best mean rank first; accuracies in percent."""
    found = rankings(frame)
    blocks = pd.concat([_block(one, i) for i, one in enumerate(found[:MOST], start=1)], ignore_index=True)
    columns: Columns = {str(heading): list(blocks[heading]) for heading in blocks}
    if len(found) == 1:
        del columns["ranking"]
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
    formats = {"wins": WHOLE, "networks": WHOLE} | dict.fromkeys(("gap", "from", "to"), SIGNED)
    lead = tuple(heading for heading in ("ranking", "problems", "networks") if heading in columns)
    return table(frame, frame.trials.iloc[:0], columns, caption, formats, lead=lead)


def _block(ranking: Ranking, number: int) -> pd.DataFrame:
    names = list(ranking.ranks.index)
    losses, best = ranking.losses[names], ranking.best.loc[names]
    return pd.DataFrame({
        "ranking": f"{number}", "problems": f"{len(ranking.scores)}", "networks": f"{len(ranking.networks)}",
        METHOD: names, "mean rank": ranking.ranks.to_numpy(),
        "wins": ((losses == 0) & ~ranking.failed[names]).sum().to_numpy(dtype="float64"),
        "top-1 (%)": 100 * ranking.scores[names].mean().to_numpy(), "loss": losses.mean().to_numpy(),
        "gap": best["difference"].to_numpy(), "from": best["low"].to_numpy(), "to": best["high"].to_numpy(),
        "may be best": best["best"].map({True: "yes", False: "no"}).to_numpy(),
    })  # fmt: skip


RANKS = TableEntry(
    "ranks",
    "Mean rank, wins, accuracy and loss against the best of each problem, over all settings, and who may be the best.",
    ("test_top1",),
    whole=True,
    data=data,
)
