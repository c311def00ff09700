"""Who wins over all settings: mean ranks, wins and losses against the best of each problem."""

from __future__ import annotations

import math

from analysis.contest import Contest, chosen_by, contests
from analysis.load import Results, sentences
from analysis.registry import entry
from analysis.significance import MANY, bootstrap, friedman, p_said
from analysis.table import Cell, Table, number_cell

HEADINGS = ["problems", "method", "mean rank", "wins", "top-1 (%)", "loss", "from", "to", "Holm p"]
MOST = 6  # contests, at most
RELATED = "Problems of one setting are related, which makes p too small and intervals too narrow."
FAILED = "A seed that failed is left out where chance is unknown; if all of a problem are, the accuracy counts as 0."


@entry("test_top1", whole=True)
def ranks(results: Results) -> Table:
    """Mean rank, wins, accuracy and loss against the best of each problem, over all settings.

    Ranks, and p by pairwise tests with Holm's correction, after J. Demšar, JMLR 7 (2006), and A. Benavoli, G. Corani
    and F. Mangili, JMLR 17 (2016): see `analysis.ranking.verdict`.
    """
    found = contests(results)
    blocks = [_block(contest) for contest in found[:MOST]]
    return Table(_caption(results, found), HEADINGS, blocks, text_columns=2)


def p_cell(p: float) -> Cell:
    """Return a p value as a cell, a dash where there is none."""
    return Cell("<0.001", (p,)) if p < 0.001 else number_cell(p, 3)


def shared_lines(results: Results, found: list[Contest]) -> list[str]:
    """Return what captions say of any contest: related problems, failures, and the choice of hyperparameters."""
    lost = not results.with_status("failed")["dataset"].isin(results.chance).all()
    related = RELATED * any(one.related for one in found)
    return [related, FAILED * lost, chosen_by(results), *results.remarks]


def _block(contest: Contest) -> list[list[Cell | str]]:
    """Return a row for each contender, the best mean rank first."""
    names = list(contest.ranks.index)
    against = {duel.right: duel.corrected for duel in contest.duels([(names[0], name) for name in names[1:]])}
    return [_row(contest, name, against.get(name, math.nan)) for name in names]


def _row(contest: Contest, name: str, p: float) -> list[Cell | str]:
    losses = contest.losses[name]
    wins = int(((losses == 0) & ~contest.failed[name]).sum())
    low, high = bootstrap(losses.to_numpy()) if len(losses) >= MANY else (math.nan, math.nan)
    return [
        f"{len(contest.scores)}",
        name,
        number_cell(contest.ranks[name]),
        Cell(f"{wins}", (wins,)),
        number_cell(100 * float(contest.scores[name].mean())),
        *(number_cell(value) for value in (float(losses.mean()), low, high)),
        p_cell(p),
    ]


def _caption(results: Results, found: list[Contest]) -> str:
    here = found[:MOST]
    lines = [
        "Methods compared on the problems that all of them tried; a problem is one setting (architecture and dataset) "
        "with one grouping, scope, keep and number of epochs.",
        f"{'; '.join(_said(one) for one in here)}.",
        f"{len(found) - MOST} more sets of methods met and are not shown." * (len(found) > MOST),
        "Wins: problems in which no other is better.",
        "Loss: mean over the problems of what lacks to the best of them, in points; from, to: its 95 % percentile "
        f"bootstrap interval over the problems (none below {MANY} problems).",
        "Holm p: against the first of the block, by Wilcoxon's signed-rank test over the problems "
        f"(below {MANY}: paired t-test), corrected for the block.",
        *shared_lines(results, here),
    ]
    return sentences(lines)


def _said(contest: Contest) -> str:
    p = friedman(contest.scores)
    overall = "" if math.isnan(p) else f" (Friedman {p_said(p)})"
    return f"{len(contest.contenders)} methods on {contest.said}{overall}"
