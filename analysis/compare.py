"""What changed between two results folders: python -m analysis compare A B.

The rows of both are merged by setting, all that makes an experiment, keep and seed, whatever their status. A point is
an experiment at one keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.annotation import RECIPE, SETTING, TIMING, contenders, in_order, noted, present, told_apart
from analysis.frame import Frame
from analysis.select import PHASES, configuration_words
from analysis.statistics import LEVEL, holm, paired
from analysis.table import SIGNED, WHOLE, Column, P, Table
from analysis.tabulation import k_level
from analysis.wording import NOTHING, TIMES, line_name, listed, plain, setting_name
from results.errors import InputError

# What makes two trials different experiments, beside their setting.
IDENTITY = ["method", "hyperparameters", "grouping", "scope", "start", *PHASES, "train_images", "protocol", *RECIPE]
IDENTITY += ["equal", "suite"]
OF_THE_RUN = ("protocol", "suite")  # if A and B do not agree on these they are different runs, not other experiments
POINT = [*SETTING, "line", "keep"]
NUMBERS = ["test_top1", "speedup_b64", "train_seconds", "compression", "mac_speedup"]
TOLD = ["status", "reason", "groups_kept", "k_reached"]
ROUNDING = 1e-6  # accuracies that differ by less are equal: a CSV holds rounded numbers
MANY = 4  # values of a column that are named at most


@dataclass(frozen=True)
class Comparison:
    """Two results, A and B.

    names, counts: of the two, and of their trials. points: a row for each point of which both have a seed, see
    `_point`. only: the points of which A, or B, alone has some seeds, in words. environment: in what the runs differ, a
    line each. protocols: a warning, or empty. everything: whether the table has the points that did not change, too.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    points: pd.DataFrame
    only: tuple[list[str], ...]
    environment: list[str]
    protocols: str = ""
    everything: bool = False

    @property
    def table(self) -> Table:
        """The points as a table, a block for each setting."""
        rows = self.points[self.points["changed"] | self.everything]
        ends = zip(100 * rows["low"], 100 * rows["high"], strict=True)
        columns = [
            Column("setting", rows["setting"]),
            Column("method", rows["line"]),
            Column("keep", [f"{keep:g}" for keep in rows["keep"]]),
            Column("n", rows["n"], WHOLE),
            Column("A (%)", rows["a"], scale=100),
            Column("B (%)", rows["b"], scale=100),
            Column("B - A", 100 * rows["difference"], SIGNED),
            Column("95 % interval", ["" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]" for low, high in ends]),
            Column("p", rows["p"], P),
            *(Column(name, rows[name]) for name in ("verdict", "speedup B/A", "seconds B/A")),
        ]
        caption = (
            f"A: {self.names[0]}, B: {self.names[1]}; {'all' if self.everything else 'what changed'}. Test top-1, mean "
            "± standard deviation over the n seeds done in both; B - A in points, paired t-test by seed, p by Holm "
            f"over all {len(self.points)}; better, worse: p < {LEVEL:g}, {NOTHING}: no test. Speedup at batch 64"
        )
        return Table.of(caption, columns, lines=("method",), blocks=("setting",), name=line_name)


def compare(a: Frame, b: Frame, everything: bool = False) -> Comparison:
    """Compare two results, experiment by experiment and seed by seed. Raises InputError if they share nothing."""
    # k_reached as the groups of a trial say, if it has no such cell
    sides = [frame.source.everything.assign(k_reached=frame.trials["k_reached"]) for frame in (a, b)]
    ignored = [column for column in IDENTITY if sum(column in one for one in sides) == 1]
    unlike = [column for column in OF_THE_RUN if len({frozenset(_values(one, column)) for one in sides}) > 1]
    rows = pd.concat(sides, keys=["a", "b"], names=["side", None]).reset_index("side").reset_index(drop=True)
    rows["line"] = _lines(rows, [column for column in present(rows, IDENTITY) if column not in (*ignored, *unlike)])
    left, right = (_once(rows[rows["side"] == side]) for side in "ab")
    merged = left.merge(right, "outer", on=[*POINT, "seed"], suffixes=("_a", "_b"), indicator="in")
    place = {line: i for i, line in enumerate(in_order(list(rows["line"])))}
    merged = merged.assign(place=merged["line"].map(place), late=-merged["keep"])
    found = merged.sort_values([*SETTING, "place", "late", "seed"]).groupby(POINT, sort=False)
    points = [_point(part) for _, part in found if (part["in"] == "both").any()]
    names = _names(a, b)
    if not points:
        what = "no trial of the two agrees in setting, method, hyperparameters, epochs, recipe, keep and seed"
        raise InputError(f"{names[0]} and {names[1]} have no experiment in common: {what}")
    (_, before, after), *runs = [
        (c, *(_said(one, c) for one in sides)) for c in ("protocol", *TIMING, "torch", "commit")
    ]
    lines = [f"{column}: A {one}, B {other}" for column, one, other in runs if one != other]
    lines = lines or [f"the same environment: {', '.join(f'{column} {one}' for column, one, _ in runs)}"]
    lines += [f"compared without regard to what one of the two does not say: {', '.join(ignored)}"] * bool(ignored)
    rules = f"PROTOCOLS DIFFER: A follows {before}, B follows {after}. Accuracies may differ by the rules alone."
    only = tuple([words for _, part in found for words in _only(part, where)] for where in ("left_only", "right_only"))
    judged = _judged(pd.DataFrame(points))
    return Comparison(names, tuple(map(len, sides)), judged, only, lines, rules * (before != after), everything)


def report(comparison: Comparison) -> str:
    """Return a comparison as Markdown that reads well in a terminal, the differences of the two runs first."""
    pairs, points = zip("AB", comparison.names, comparison.counts, strict=True), comparison.points
    changed = [f"- {one['name']}: {'; '.join(one['changes'])}" for _, one in points.iterrows() if one["changes"]]
    only = zip("AB", comparison.only, strict=True)
    parts = [
        comparison.protocols,
        "\n".join(f"{side}: {name}, {count} trials" for side, name, count in pairs),
        "\n".join(f"- {line}" for line in comparison.environment),
        "\n".join(_summary(comparison)),
        "\n".join(f"Only in {side}: {_counted(names)}." for side, names in only if names),
        comparison.table.markdown().rstrip() if comparison.everything or points["changed"].any() else "",
        "\n".join(["Changed beside accuracy and times:", "", *changed]) if changed else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _values(rows: pd.DataFrame, column: str) -> set[Any]:
    return set(rows[column].dropna()) if column in rows else set()


def _said(rows: pd.DataFrame, column: str) -> str:
    """Return the values of a column over all trials, as text."""
    return listed([plain(value) for value in sorted(_values(rows, column), key=str)], MANY) or "unknown"


def _names(a: Frame, b: Frame) -> tuple[str, ...]:
    """Return a name for each: the ends of the paths of its folders, as long as it takes to tell the two apart."""
    paths = [[folder.resolve().parts for folder in frame.source.folders] for frame in (a, b)]
    names = [tuple(" + ".join("/".join(path[-n:]) for path in one) for one in paths) for n in (1, 2, 3)]
    return next((pair for pair in names if len(set(pair)) > 1), names[-1])


def _lines(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Return the line of each trial: its contender with as little as sets it apart from the others of its setting."""
    contender = contenders(rows)
    lines = noted(contender, configuration_words(rows.assign(contender=contender)))
    return told_apart(rows, lines, [one for one in columns if one not in ("method", "hyperparameters")], SETTING)


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per point and seed; trials that differ in no column are averaged."""
    keys = [*POINT, "seed"]
    means = rows.reindex(columns=[*keys, *NUMBERS]).groupby(keys).mean()
    return rows.reindex(columns=[*keys, *TOLD]).drop_duplicates(keys).merge(means, on=keys)


def _point(rows: pd.DataFrame) -> dict[str, Any]:
    """Return a point over the seeds that are done in both.

    a, b: test top-1 by seed. difference, low, high, p, n: of B - A, paired by seed. equal: no seed differs. speedup,
    seconds: of B over those of A. changes: in words, everything else.
    """
    both = rows[rows["in"] == "both"].set_index("seed")
    done = both[(both["status_a"] == "done") & (both["status_b"] == "done")]
    a, b = done["test_top1_a"], done["test_top1_b"]
    equal, changes = not ((b - a).abs() > ROUNDING).any(), [*_statuses(both), *_other(done)]
    first = rows.iloc[0]
    return paired(b, a)._asdict() | {
        "setting": setting_name(first["architecture"], first["dataset"]), "line": first["line"], "keep": first["keep"],
        "name": _name(first), "a": a, "b": b, "speedup B/A": _ratio(done, "speedup_b64"),
        "seconds B/A": _ratio(done, "train_seconds"), "equal": equal, "changes": changes,
        "changed": bool(changes) or not equal,
    }  # fmt: skip


def _ratio(done: pd.DataFrame, column: str) -> float:
    """Return the mean of B over that of A, over the seeds of which both have it."""
    told = done[(done[f"{column}_a"] > 0) & done[f"{column}_b"].notna()]
    return float(told[f"{column}_b"].mean() / told[f"{column}_a"].mean()) if len(told) else math.nan


def _statuses(both: pd.DataFrame) -> list[str]:
    """Say which seeds have another status in B, and why they failed or were skipped there."""
    found = []
    for seed, row in both[both["status_a"] != both["status_b"]].iterrows():
        reason = " ".join(str(row["reason_b"]).split())[:120]
        why = f" ({reason})" if row["status_b"] != "done" and pd.notna(row["reason_b"]) else ""
        found.append(f"seed {seed:g}: {row['status_a']} -> {row['status_b']}{why}")
    return found


def _other(done: pd.DataFrame) -> list[str]:
    """Say what else is different in the seeds that are done in both, if both tell it."""
    means = {name: [done[f"{name}_{side}"].mean() for side in "ab"] for name in ("compression", "mac_speedup")}
    told = {name: [f"{value:.2f}{TIMES}" if value == value else "" for value in pair] for name, pair in means.items()}
    told["k-level"] = [k_level(done.rename(columns={f"k_reached_{side}": "k_reached"})) for side in "ab"]
    found = [f"{name} {left} -> {right}" for name, (left, right) in told.items() if left and right and left != right]
    for seed, left, right in zip(done.index, done["groups_kept_a"], done["groups_kept_b"], strict=True):
        if isinstance(left, tuple) and isinstance(right, tuple) and left != right:
            families = " (in other families)" if sum(left) == sum(right) else ""
            found.append(f"groups_kept {sum(left)} -> {sum(right)}{families} in seed {seed:g}")
    return found


def _judged(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points with p corrected over all of them, and whether B is better, worse or the same by it."""
    p = pd.Series(holm(list(points["p"])), index=points.index)
    words = points["difference"].gt(0).map({True: "better", False: "worse"})
    return points.assign(p=p, verdict=words.where(p < LEVEL, "same").where(p.notna(), ""))


def _name(row: pd.Series) -> str:
    return f"{line_name(row['line'])}, keep {row['keep']:g} ({setting_name(row['architecture'], row['dataset'])})"


def _only(rows: pd.DataFrame, where: str) -> list[str]:
    """Return a point in words with the seeds that one side alone has, if there are any."""
    seeds = [f"{seed:g}" for seed in rows["seed"][rows["in"] == where]]
    return [f"{_name(rows.iloc[0])}, seed{'s'[: len(seeds) != 1]} {', '.join(seeds)}"] * bool(seeds)


def _counted(names: list[str]) -> str:
    return f"{len(names)} experiment{'s'[: len(names) != 1]}: {listed(names, joined='; ', last='; and ')}"


def _summary(comparison: Comparison) -> list[str]:
    """Say how many points are identical, how the others were judged, and how times compare over all."""
    points = comparison.points
    compared = points[points["n"] > 0]
    other = list(compared["verdict"][~compared["equal"]])
    same = f"{len(compared) - len(other)} of {len(compared)} experiments are identical"
    start = "" if points["changed"].any() or any(comparison.only) else "Nothing changed: "
    said = [f"{start}{same} (accuracy equal in every common seed)."]
    if other:
        counts = ", ".join(f"{other.count(word)} {word}" for word in ("better", "worse", "same"))
        said.append(f"Of the others: {counts}" + (f", {other.count('')} without a test." if "" in other else "."))
    if undone := len(points) - len(compared):
        said.append(f"{undone} more {'has' if undone == 1 else 'have'} no seed that is done in both.")
    for words, column in (("Measured speedup (batch 64)", "speedup B/A"), ("Training time", "seconds B/A")):
        if len(told := compared[column].dropna()):
            ends = f"{told.min():.2f} to {told.max():.2f}, median {told.median():.2f}"
            said.append(f"{words}, B/A over {len(told)} experiment{'s'[: len(told) != 1]}: {ends}.")
    return said
