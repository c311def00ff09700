"""What mean ranks say: which contenders a contest cannot tell apart, and where a diagram has room for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from analysis.contest import Contest
from analysis.significance import LEVEL, friedman, p_said, wilcoxon_can_tell


@dataclass(frozen=True)
class Verdict:
    """What the tests found.

    sets: the largest sets of contenders of which no two differ significantly, each from the best rank to the worst, in
    the order of their best; contenders that differ from all others are in none. said: what was tested, in words.
    tested: whether the pairs were tested at all.
    """

    sets: list[list[str]]
    said: str
    tested: bool


def verdict(contest: Contest) -> Verdict:
    """Test all pairs of contenders: Wilcoxon's signed-rank test over the problems, corrected by Holm, at 5 %.

    A. Benavoli, G. Corani, F. Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17 (2016):
    the difference of two mean ranks depends on who else competes, hence a test of each pair by itself. As in
    J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), Friedman's test comes
    first. Where it finds nothing, or no p that the pairs can have is significant, all contenders are one set.
    """
    names = list(contest.ranks.index)
    k, n = len(names), len(contest.scores)
    p = friedman(contest.scores)
    overall = "" if math.isnan(p) else f"Friedman {p_said(p)}"
    if not wilcoxon_can_tell(n, k * (k - 1) // 2):
        few = "too few problems for rank tests of pairs"
        return Verdict([names], "; ".join(filter(None, [overall, few])), False)
    if k > 2 and not p < LEVEL:
        return Verdict([names], f"{overall or 'all ranks are equal'}: no method is told apart", False)
    duels = contest.duels()
    alike = {frozenset((duel.left, duel.right)) for duel in duels if not duel.corrected < LEVEL}
    if k == 2:
        overall = f"Wilcoxon {p_said(duels[0].corrected)}" if not math.isnan(duels[0].corrected) else ""
    return Verdict(cliques(names, alike), overall, True)


def cliques(names: Sequence[str], alike: set[frozenset[str]]) -> list[list[str]]:
    """Return the maximal sets of two names or more of which all pairs are in `alike`, in the order of the names."""
    near = {name: {other for other in names if frozenset((name, other)) in alike} for name in names}
    found: list[list[str]] = []

    def grow(chosen: list[str], open_: list[str], closed: set[str]) -> None:  # Bron and Kerbosch, CACM 16 (1973)
        if not open_ and not closed and len(chosen) > 1:
            found.append(sorted(chosen, key=list(names).index))
        for i, name in enumerate(open_):
            earlier = closed | set(open_[:i])
            grow([*chosen, name], [o for o in open_[i + 1 :] if o in near[name]], earlier & near[name])

    grow([], list(names), set())
    return sorted(found, key=lambda one: [list(names).index(name) for name in one])


def nemenyi(contenders: int, problems: int) -> float:
    """Return the critical difference of two mean ranks at 5 % by Nemenyi: CD = q sqrt(k (k + 1) / (6 N)).

    Demšar (2006), with q the studentised range of k and infinitely many degrees of freedom, divided by sqrt(2).
    """
    q = float(stats.studentized_range.ppf(1 - LEVEL, contenders, math.inf)) / math.sqrt(2)
    return q * math.sqrt(contenders * (contenders + 1) / (6 * problems))


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Return rising places moved as little as possible (least squares) so that neighbours are at least `gap` apart."""
    steps = gap * np.arange(len(places))
    return list(optimize.isotonic_regression(np.asarray(places, dtype="float64") - steps).x + steps)


def stacked(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each span, in the order of their starts, the first row in which it touches no other."""
    ends: list[float] = []
    rows = []
    for low, high in spans:
        row = next((i for i, end in enumerate(ends) if end < low), len(ends))
        ends[row : row + 1] = [high]
        rows.append(row)
    return rows
