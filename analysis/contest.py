"""All methods over all settings: problems that several methods tried, for ranks, profiles and tests over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import pandas as pd

from analysis.choice import best_configuration, tried_said
from analysis.identity import FROM_SCRATCH, PHASES, RECIPE, SCRATCH_B, contenders
from analysis.load import DENSE, Results
from analysis.significance import Paired, holm, paired
from analysis.statistics import by_seed, seeds_between
from results.errors import Skip

# What makes a problem, as far as the columns are there: all that a suite fixes but the method with its configuration,
# and the seed. Of the epochs only the total counts: how it is cut into phases is the method's.
PROBLEM = ["architecture", "dataset", "grouping", "scope", "keep", "train_images", "suite", "protocol", "epochs"]
PROBLEM += RECIPE
WORST = 0.0  # the accuracy that counts where every seed failed and nothing tells what chance is
SCRATCH = f" ({FROM_SCRATCH})"
ROLES = ("", SCRATCH, f" ({SCRATCH_B})")  # behind the name of a method
TIMES_MORE = 3  # problems than the first contest has, for a second one to be shown beside it
DIGITS = 12  # sums in another order are no difference


@dataclass(frozen=True)
class Duel:
    """Two contenders, how much better (as a fraction) the left one is over the problems, and p after correction."""

    left: str
    right: str
    result: Paired
    corrected: float


@dataclass(frozen=True)
class Contest:
    """Problems that the same contenders all tried.

    rows: a row per problem, contender and seed, with the columns problem, setting (architecture and dataset, in words),
    contender, seed and test_top1; where every seed of a contender failed on a problem there is one row, with accuracy 0
    and no seed.
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
    def ranks(self) -> pd.Series:
        """The mean rank of each contender over the problems, 1 the best; equal scores share the mean of their ranks."""
        ranks: pd.DataFrame = self.scores.rank(axis=1, ascending=False)
        return ranks.mean().sort_values(kind="stable")

    @property
    def contenders(self) -> list[str]:
        """Their names, sorted."""
        return list(self.scores.columns)

    def pair(self, left: str, right: str) -> tuple[pd.Series, pd.Series]:
        """Return the scores of two contenders by problem, over their common seeds; over all seeds where none is."""
        mine = self.rows[self.rows["contender"].isin((left, right))].dropna(subset=["seed"])
        seeds = mine.pivot_table("test_top1", index=["problem", "seed"], columns="contender", aggfunc="mean")
        seeds = seeds.reindex(columns=[left, right]).dropna()
        means = seeds.groupby("problem").mean().round(DIGITS).reindex(self.scores.index)
        return means[left].fillna(self.scores[left]), means[right].fillna(self.scores[right])

    def duels(self, pairs: Sequence[tuple[str, str]] | None = None) -> list[Duel]:
        """Compare pairs of contenders over the problems, with Holm's correction for all of them; by default, all pairs.

        The unit is the problem: its seeds are averaged first, for seeds of one problem are no independent problems.
        """
        chosen = list(combinations(self.ranks.index, 2)) if pairs is None else list(pairs)
        tests = [paired(*self.pair(left, right)) for left, right in chosen]
        corrected = holm([test.p for test in tests])
        return [Duel(a, b, test, p) for (a, b), test, p in zip(chosen, tests, corrected, strict=True)]

    @property
    def related(self) -> bool:
        """Whether several problems are of one setting, and so not independent of each other, as tests assume."""
        return bool(self.rows["setting"].nunique() < len(self.scores))

    @property
    def said(self) -> str:
        """How many problems, settings, seeds and failures there are, in words."""
        n, counts = len(self.scores), self.rows.dropna(subset=["seed"]).groupby(["problem", "contender"]).size()
        low, high = (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)
        failed = int(self.rows["seed"].isna().sum())
        lost = f"; {failed} score{'s'[: failed != 1]} of 0: every seed failed" if failed else ""
        settings = self.rows["setting"].nunique()
        return f"{n} problems of {settings} setting{'s'[: settings != 1]}, mean of {seeds_between(low, high)}{lost}"


def contests(results: Results) -> list[Contest]:
    """Return a contest for each set of contenders that tried two problems or more, the most contenders first.

    A problem is in every contest whose contenders all tried it, unless every trial of it failed. Raises Skip where no
    two methods met twice.
    """
    rows = _tried(results)
    tried = rows.groupby("problem")["contender"].agg(frozenset)
    found = []
    for names in sorted(set(tried), key=lambda names: (-len(names), sorted(names))):
        problems = tried.index[[names <= others for others in tried]]
        if len(names) > 1 and len(problems) > 1:
            mine = rows["problem"].isin(problems) & rows["contender"].isin(names)
            found.append(Contest(rows[mine].reset_index(drop=True)))
    if not found:
        raise Skip("no two methods met in two problems or more (architecture, dataset, grouping, scope and keep)")
    return found


def shown(found: list[Contest]) -> list[Contest]:
    """Return the contests a figure has room for: the first, and the next that has at least three times its problems."""
    larger = [one for one in found[1:] if len(one.scores) >= TIMES_MORE * len(found[0].scores)]
    return [found[0], *larger[:1]]


def method_of(contender: str) -> str:
    """Return the method of a contender, which is what its colour and mark go by."""
    return contender.removesuffix(ROLES[variant_of(contender)])


def variant_of(contender: str) -> int:
    """Return which of the contenders of its method it is, for the line and the filling of the mark: 0 is the usual."""
    return max(i for i, role in enumerate(ROLES) if contender.endswith(role))


def in_order(contenders: Sequence[str]) -> list[str]:
    """Return contenders in the order in which a legend names them: alphabetical, the control random last."""
    return sorted(contenders, key=lambda name: (method_of(name) == "random", name))


def chosen_by(results: Results) -> str:
    """Say how many configurations each contender had, of which each problem takes the best on validation."""
    pruned = _pruned(results)
    return tried_said(pruned, _problem(pruned), "per problem")


def _tried(results: Results) -> pd.DataFrame:
    """Return the rows of all contests: what each contender reached on each problem, seed by seed."""
    trials = _pruned(results)
    parts = []
    for number, (_, problem) in enumerate(trials.groupby(_problem(trials), dropna=False, sort=True)):
        if not (problem["status"] == "done").any():
            continue  # what nobody could do sets nobody apart
        for name, rows in problem.groupby("contender", sort=True):
            first = rows.iloc[0]
            setting = f"{first['architecture']} on {first['dataset']}"
            parts.append(_best(rows).assign(problem=number, setting=setting, contender=name))
    columns = ["problem", "setting", "contender", "seed", "test_top1"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def _pruned(results: Results) -> pd.DataFrame:
    """Return the trials of the pruning methods that were tried, with the columns epochs and contender."""
    trials = results.tried[results.tried["method"] != DENSE]
    phases = trials[[phase for phase in PHASES if phase in trials]]
    return trials.assign(epochs=phases.fillna(0).sum(axis=1), contender=contenders(trials))  # unknown: it had none


def _problem(trials: pd.DataFrame) -> list[str]:
    """Return the columns that make a problem."""
    return [name for name in PROBLEM if name in trials]


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    """Return seed and accuracy of the configuration best on validation; a row of 0 where all seeds failed.

    A seed that failed has chance for its accuracies, and where that is unknown none.
    """
    counted = rows[rows["test_top1"].notna()]
    if counted.empty:
        return pd.DataFrame({"seed": [float("nan")], "test_top1": [WORST]})
    return by_seed(best_configuration(counted, "{} has several configurations")).reset_index()
