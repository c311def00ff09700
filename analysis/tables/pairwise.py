"""Who differs from whom: every pair of methods, over all problems that all of them tried."""

from __future__ import annotations

from analysis.frame import Frame
from analysis.ranking import FEWEST_NETWORKS, FEWEST_PROBLEMS, choice_said, rankings
from analysis.registry import TableEntry
from analysis.rows import Columns, table
from analysis.statistics import LEVEL
from analysis.table import WHOLE, Format, P, Table

SIGNED = Format(sign=True)
DIFFERENCE = "A - B"


def data(frame: Frame) -> Table:
    """Return a row per pair of contenders of the first ranking: difference in points over the networks, and wins."""
    first = rankings(frame)[0]
    pairs = first.pairs()
    columns: Columns = {"A": list(pairs["A"]), "B": list(pairs["B"]), DIFFERENCE: list(pairs["difference"])}
    columns |= {"from": list(pairs["low"]), "to": list(pairs["high"])}
    columns |= {"wins/ties/losses": [f"{one.wins}/{one.ties}/{one.losses}" for one in pairs.itertuples()]}
    columns |= {"networks": list(pairs["n"].astype("float64")), "p": list(pairs["p"]), "Holm p": list(pairs["holm"])}
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
    bold = [(i, DIFFERENCE) for i, p in enumerate(pairs["holm"]) if p < LEVEL]
    formats = dict.fromkeys((DIFFERENCE, "from", "to"), SIGNED) | {"networks": WHOLE, "p": P, "Holm p": P}
    return table(frame, frame.trials.iloc[:0], columns, caption, formats, lead=("A",), bold=bold)


PAIRWISE = TableEntry(
    "pairwise",
    "Every pair of methods over all settings: difference in points, 95 % interval, wins, p.",
    ("test_top1",),
    whole=True,
    data=data,
)
