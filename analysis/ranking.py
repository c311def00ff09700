"""All methods over all settings: scores by problem, ranks, who may be the best, who leads in a setting.

A problem is a setting with grouping, keep and conditions. Its seeds are averaged first. The networks (a setting, all
its keeps together) are the independent units of intervals and tests: problems of one network are related.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import pandas as pd

from analysis.annotation import named, natural
from analysis.frame import Frame
from analysis.select import tried_said
from analysis.statistics import DIGITS, LEVEL, by_seed, holm, may_be_best, paired, seeds_between
from analysis.wording import setting_name
from results.errors import Skip

WORST = 0.0  # the accuracy that counts if every seed failed and nothing tells what chance is
TIMES_MORE = 3  # problems than the first ranking has, for a second one to be shown beside it
FEWEST_PROBLEMS, FEWEST_NETWORKS = 10, 5  # that pairs are tested on


@dataclass(frozen=True)
class Ranking:
    """Problems that the same contenders all tried.

    rows: a row per problem, contender and seed, with the columns problem, setting (in words), contender, seed and
    test_top1; if every seed of a contender failed on a problem there is one row, with accuracy 0 and no seed.
    """

    rows: pd.DataFrame

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Mean test top-1 over the seeds, a fraction: a row per problem, a column per contender."""
        means = self.rows.pivot_table("test_top1", index="problem", columns="contender", aggfunc="mean")
        return means.round(DIGITS)

    @cached_property
    def failed(self) -> pd.DataFrame:
        """Whether every seed failed, in the form of `scores`."""
        return self.rows.pivot_table("seed", index="problem", columns="contender", aggfunc="count", dropna=False) == 0

    @cached_property
    def losses(self) -> pd.DataFrame:
        """How far below the best score of each problem each contender is, in points; in the form of `scores`."""
        return (100 * self.scores.rsub(self.scores.max(axis=1), axis=0)).round(DIGITS - 2)

    @cached_property
    def networks(self) -> pd.DataFrame:
        """The scores of each setting, in points, averaged over its problems: the independent units."""
        settings = self.rows.drop_duplicates("problem").set_index("problem")["setting"]
        return 100 * self.scores.groupby(settings).mean()

    @cached_property
    def ranks(self) -> pd.Series:
        """The mean rank of each contender over the problems, 1 the best; equal scores share the mean of their ranks."""
        ranks: pd.DataFrame = self.scores.rank(axis=1, ascending=False)
        return ranks.mean().sort_values(kind="stable")

    @property
    def contenders(self) -> list[str]:
        """Their names, sorted."""
        return list(self.scores.columns)

    @cached_property
    def best(self) -> pd.DataFrame:
        """How far each contender is from the best of the others, in points, with Hsu's interval over the networks."""
        return may_be_best(self.networks)

    @property
    def testable(self) -> bool:
        """Whether there are enough problems of enough networks to test pairs."""
        return len(self.scores) >= FEWEST_PROBLEMS and len(self.networks) >= FEWEST_NETWORKS

    def pairs(self) -> pd.DataFrame:
        """Return a row per pair of contenders, the better first by rank: A, B, difference, low, high, p, holm, wins.

        The paired t-test of the networks, in points; p by Holm's correction over all pairs, both NaN unless `testable`.
        wins, ties, losses: problems in which A is above, equal to and below B.
        """
        found = []
        for left, right in combinations(self.ranks.index, 2):
            test = paired(self.networks[left], self.networks[right])
            apart = (self.scores[left] - self.scores[right]).round(DIGITS)
            counts = {"wins": (apart > 0).sum(), "ties": (apart == 0).sum(), "losses": (apart < 0).sum()}
            found.append({"A": left, "B": right, **test._asdict(), **counts})
        table = pd.DataFrame(found)
        table["p"] = table["p"] if self.testable else math.nan
        return table.assign(holm=holm(list(table["p"])))

    @property
    def said(self) -> str:
        """How many problems, networks, seeds and failures there are, in words."""
        n, counts = len(self.scores), self.rows.dropna(subset=["seed"]).groupby(["problem", "contender"]).size()
        low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
        failed = int(self.rows["seed"].isna().sum())
        lost = f"; {failed} score{'s'[: failed != 1]} of 0: every seed failed" if failed else ""
        networks = len(self.networks)
        return f"{n} problems of {networks} network{'s'[: networks != 1]}, mean of {seeds_between(low, high)}{lost}"


def rankings(frame: Frame) -> list[Ranking]:
    """Return a ranking for each set of contenders that tried two problems or more, the most contenders first.

    A problem is in every ranking whose contenders all tried it, unless every trial of it failed. Raises Skip if no two
    methods met twice.
    """
    rows = _scored(frame)
    tried = rows.groupby("problem")["contender"].agg(frozenset)
    found = []
    for names in sorted(set(tried), key=lambda names: (-len(names), sorted(names))):
        problems = tried.index[[names <= others for others in tried]]
        if len(names) > 1 and len(problems) > 1:
            mine = rows["problem"].isin(problems) & rows["contender"].isin(names)
            found.append(Ranking(rows[mine].reset_index(drop=True)))
    if not found:
        raise Skip("no two methods met in two problems or more (architecture, dataset, grouping, scope and keep)")
    return found


def shown(found: list[Ranking]) -> list[Ranking]:
    """Return the rankings a figure has room for: the first, and the next with at least three times its problems."""
    larger = [one for one in found[1:] if len(one.scores) >= TIMES_MORE * len(found[0].scores)]
    return [found[0], *larger[:1]]


def panel_of(ranking: Ranking, found: list[Ranking]) -> str:
    """Return the title of the panel of a ranking, empty if it is the only one shown."""
    return f"{len(ranking.contenders)} methods, {len(ranking.scores)} problems" if len(found) > 1 else ""


def choice_said(frame: Frame) -> list[str]:
    """Say how many configurations each problem takes the best of, and who is left out as nothing tells the best."""
    pruned = frame.pruned
    untold = pruned["contender"][~pruned.groupby(["problem", "contender"])["best"].transform("any")]
    lost = named("Left out, several configurations and no validation accuracy", untold, frame.name)
    return [tried_said(pruned, "per problem", frame.name, "rivals"), lost]


def leaders(frame: Frame) -> pd.DataFrame:
    """Return who leads on each problem of a setting: panel, keep, leader, top1, second, gap, p, rivals, below.

    Over the lines of the most frequent grouping of the frame. gap: to the second, in points; p: the largest of the
    paired t-tests against each other line, over common seeds, as "above every other" is an intersection-union claim;
    NaN if one of them has too few seeds for a test. rivals, below: those that are not significantly below, and those
    that are.
    """
    rows = frame.tuned
    rows = rows[(rows["grouping"] == (frame.part or frame.grouping)) & rows["test_top1"].notna()]
    found: list[dict[str, Any]] = []
    for (panel, keep), part in rows.groupby(["panel", "keep"]):
        values = {str(line): by_seed(mine) for line, mine in part.groupby("line")}
        if len(values) < 2:
            continue
        leader, second, *_ = order = sorted(values, key=lambda line: -values[line].mean())
        p = pd.Series({line: paired(values[leader], values[line]).p for line in order[1:]})
        found.append({
            "panel": panel, "keep": keep, "leader": leader, "top1": values[leader].mean(), "second": second,
            "gap": 100 * (values[leader].mean() - values[second].mean()), "p": p.max(skipna=False),
            "rivals": list(p.index[~(p < LEVEL)]), "below": list(p.index[p < LEVEL]),
        })  # fmt: skip
    found.sort(key=lambda one: (natural(one["panel"]), -one["keep"]))
    return pd.DataFrame(found)


def _scored(frame: Frame) -> pd.DataFrame:
    """Return the test accuracy of each contender on each problem, seed by seed, in its best configuration.

    A seed that failed has chance for its accuracy; if that is unknown none, and 0 counts if all of them failed.
    """
    rows = frame.pruned
    rows = rows[rows["best"] & rows.groupby("problem")["status"].transform(lambda status: (status == "done").any())]
    known = rows[rows["test_top1"].notna()]
    means = known.groupby(["problem", "contender", "seed"], as_index=False)["test_top1"].mean()
    every = rows.drop_duplicates(["problem", "contender"])[["problem", "contender", "architecture", "dataset"]]
    settings = [setting_name(*names) for names in zip(every["architecture"], every["dataset"], strict=True)]
    found = every[["problem", "contender"]].assign(setting=settings).merge(means, how="left")
    return found.assign(test_top1=found["test_top1"].fillna(WORST))
