"""Who differs from whom: every pair of methods, over all problems that all of them tried."""

from __future__ import annotations

from analysis.contest import Contest, Duel, contests
from analysis.load import Results, sentences
from analysis.registry import entry
from analysis.significance import LEVEL, MANY
from analysis.table import NOTHING, Cell, Table, number_cell
from analysis.tables.ranks import p_cell, shared_lines

HEADINGS = ["A", "B", "A - B", "from", "to", "wins/ties/losses", "test", "p", "Holm p"]


@entry("test_top1", whole=True)
def pairwise(results: Results) -> Table:
    """Every pair of methods over all settings: difference in points, 95 % interval, wins, test and p.

    The unit is the problem: see `analysis.contest.Contest.duels`.
    """
    contest = contests(results)[0]
    order = list(contest.ranks.index)
    duels = [_better_first(duel) for duel in contest.duels()]
    duels.sort(key=lambda duel: (order.index(duel.left), order.index(duel.right)))
    rows = [_row(contest, duel) for duel in duels]
    return Table(_caption(results, contest), HEADINGS, [rows], text_columns=2)


def _better_first(duel: Duel) -> Duel:
    """Return a comparison turned so that the mean difference is not negative."""
    left, right, result, corrected = duel.left, duel.right, duel.result, duel.corrected
    if not result.difference < 0:
        return duel
    turned = result._replace(difference=-result.difference, low=-result.high, high=-result.low)
    return Duel(right, left, turned, corrected)


def _row(contest: Contest, duel: Duel) -> list[Cell | str]:
    left, right = contest.pair(duel.left, duel.right)
    counts = [int(count) for count in ((left > right).sum(), (left == right).sum(), (left < right).sum())]
    result, bold = duel.result, duel.corrected < LEVEL
    difference = number_cell(100 * result.difference, sign=True)
    return [
        duel.left,
        duel.right,
        Cell(difference.text, difference.numbers, bold),
        number_cell(100 * result.low, sign=True),
        number_cell(100 * result.high, sign=True),
        "/".join(str(count) for count in counts),
        result.test or NOTHING,
        p_cell(result.p),
        p_cell(duel.corrected),
    ]


def _caption(results: Results, contest: Contest) -> str:
    lines = [
        f"Pairs of {len(contest.contenders)} methods on {contest.said}.",
        "A - B: mean difference in points of test top-1 over the problems. The unit is the problem, a setting "
        "(architecture and dataset) with one grouping, scope, keep and number of epochs; in each, the seeds that both "
        "have are averaged first, for they are not independent problems.",
        f"From, to: its 95 % interval, by percentile bootstrap (below {MANY} problems: t-interval).",
        f"Test: Wilcoxon's signed-rank test (below {MANY} problems: paired t-test), two-sided; Holm p: corrected for "
        "all pairs. Bold: below 5 % after that.",
        *shared_lines(results, [contest]),
    ]
    return sentences(lines)
