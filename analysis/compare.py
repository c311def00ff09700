"""What changed between two results folders: python -m analysis compare A B.

The rows of both are merged by setting, all that makes an experiment, keep and seed, whatever their status. A point is
an experiment at one keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from analysis.annotation import RECIPE, SETTING, TIMING, contenders, in_order, noted
from analysis.frame import Frame
from analysis.rows import METHOD, Columns, k_level, spread
from analysis.select import PHASES, configuration_words
from analysis.statistics import LEVEL, estimate, holm, paired
from analysis.table import WHOLE, Format, P, Table
from analysis.wording import NOTHING, TIMES, condition, line_name, plain, setting_name
from results.errors import InputError

# What makes two trials different experiments, beside their setting.
IDENTITY = ["method", "hyperparameters", "grouping", "scope", "start", *PHASES, "train_images", "protocol", *RECIPE]
IDENTITY += ["equal", "suite"]
OF_THE_RUN = ("protocol", "suite")  # if A and B do not agree on these they are different runs, not other experiments
TRIAL = ["experiment", "keep", "seed"]
NUMBERS = ["test_top1", "speedup_b64", "train_seconds", "compression", "mac_speedup"]
TOLD = ["status", "reason", "groups_kept", "k_reached"]
ROUNDING = 1e-6  # accuracies that differ by less are equal: a CSV holds rounded numbers
Place = tuple[str, str, float]  # of a point: setting, line, keep
NAMED, MANY = 5, 4  # points, and values of a column, that are named at most


@dataclass(frozen=True)
class Comparison:
    """Two results, A and B.

    names, counts: of the two, and of their trials. points: a row for each point of which both have a seed, see
    `_point`. only: the points of which A, or B, alone has some seeds, in words. environment: in what the runs differ, a
    line each. protocols: a warning, or empty. everything: whether the table has the points that did not change, too.
    """

    names: tuple[str, str]
    counts: tuple[int, int]
    points: pd.DataFrame
    only: tuple[list[str], list[str]]
    environment: list[str]
    protocols: str = ""
    everything: bool = False

    @property
    def table(self) -> Table:
        """The points as a table, a block for each setting."""
        rows = self.points[self.points["changed"] | self.everything]
        ends = zip(100 * rows["low"], 100 * rows["high"], strict=True)
        columns: Columns = {name: list(rows[name]) for name in ("setting", METHOD)}
        columns |= {"keep": [f"{keep:g}" for keep in rows["keep"]], "n": list(rows["n"])}
        columns |= spread("A (%)", rows["a"], 100) | spread("B (%)", rows["b"], 100)
        intervals = ["" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]" for low, high in ends]
        columns |= {"B - A": list(100 * rows["difference"]), "95 % interval": intervals}
        columns |= {name: list(rows[name]) for name in ("p", "verdict", "speedup B/A", "seconds B/A")}
        caption = (
            f"A: {self.names[0]}, B: {self.names[1]}; {'all' if self.everything else 'what changed'}. Test top-1, mean "
            "± standard deviation over the n seeds done in both; B - A in points, paired t-test by seed, p by Holm "
            f"over all {len(self.points)}; better, worse: p < {LEVEL:g}, {NOTHING}: no test. Speedup at batch 64"
        )
        formats = {"n": WHOLE, "B - A": Format(sign=True), "p": P}
        return Table(caption, pd.DataFrame(columns), formats, (METHOD,), ("setting",), name=line_name)


def compare(a: Frame, b: Frame, everything: bool = False) -> Comparison:
    """Compare two results, experiment by experiment and seed by seed. Raises InputError if they share nothing."""
    # k_reached as the groups of a trial say, if it has no such cell
    sides = [frame.source.everything.assign(k_reached=frame.trials["k_reached"]) for frame in (a, b)]
    rows = pd.concat([one.assign(side=side) for one, side in zip(sides, "ab", strict=True)], ignore_index=True)
    ignored = [column for column in IDENTITY if sum(column in one for one in sides) == 1]
    unlike = [column for column in OF_THE_RUN if _values(sides[0], column) != _values(sides[1], column)]
    shared = [column for column in IDENTITY if column in rows and column not in (*ignored, *unlike)]
    rows["experiment"] = rows.groupby([*SETTING, *shared], dropna=False).ngroup()
    left, right = (_once(rows[rows["side"] == side]) for side in "ab")
    merged = left.merge(right, "outer", on=TRIAL, suffixes=("_a", "_b"), indicator="in").set_index("seed")
    found = [
        ((setting, line, float(keep)), mine[mine["keep"] == keep].sort_index())
        for experiment, setting, line in _labels(rows, shared)
        if len(mine := merged[merged["experiment"] == experiment])
        for keep in sorted(mine["keep"].unique(), reverse=True)
    ]
    names = _names(a, b)
    points = [_point(*one) for one in found if (one[1]["in"] == "both").any()]
    if not points:
        what = "no trial of the two agrees in setting, method, hyperparameters, epochs, recipe, keep and seed"
        raise InputError(f"{names[0]} and {names[1]} have no experiment in common: {what}")
    about = ("protocol", *TIMING, "torch", "commit")
    (_, before, after), *runs = [(column, *(_said(one, column) for one in sides)) for column in about]
    lines = [f"{column}: A {one}, B {other}" for column, one, other in runs if one != other]
    lines = lines or [f"the same environment: {', '.join(f'{column} {one}' for column, one, _ in runs)}"]
    lines += [f"compared without regard to what one of the two does not say: {', '.join(ignored)}"] * bool(ignored)
    rules = f"PROTOCOLS DIFFER: A follows {before}, B follows {after}. Accuracies may differ by the rules alone."
    only, counts = (_only(found, "left_only"), _only(found, "right_only")), (len(sides[0]), len(sides[1]))
    return Comparison(names, counts, _judged(points), only, lines, rules * (before != after), everything)


def report(comparison: Comparison) -> str:
    """Return a comparison as Markdown that reads well in a terminal, the differences of the two runs first."""
    pairs, points = zip("AB", comparison.names, comparison.counts, strict=True), comparison.points
    changed = [f"- {one['name']}: {'; '.join(one['changes'])}" for _, one in points.iterrows() if one["changes"]]
    parts = [
        comparison.protocols,
        "\n".join(f"{side}: {name}, {count} trials" for side, name, count in pairs),
        "\n".join(f"- {line}" for line in comparison.environment),
        "\n".join(_summary(comparison)),
        "\n".join(f"Only in {s}: {_listed(names)}." for s, names in zip("AB", comparison.only, strict=True) if names),
        comparison.table.markdown().rstrip() if comparison.everything or points["changed"].any() else "",
        "\n".join(["Changed beside accuracy and times:", "", *changed]) if changed else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _values(rows: pd.DataFrame, column: str) -> set[Any]:
    return set(rows[column].dropna()) if column in rows else set()


def _said(rows: pd.DataFrame, column: str) -> str:
    """Return the values of a column over all trials, as text."""
    values = [plain(value) for value in sorted(_values(rows, column), key=str)]
    more = f" and {len(values) - MANY} more" if len(values) > MANY else ""
    return (", ".join(values[:MANY]) + more) or "unknown"


def _names(a: Frame, b: Frame) -> tuple[str, str]:
    """Return a name for each: the ends of the paths of its folders, as long as it takes to tell the two apart."""
    paths = [[folder.resolve().parts for folder in frame.source.folders] for frame in (a, b)]
    for parts in (1, 2, 3):
        left, right = (" + ".join("/".join(path[-parts:]) for path in one) for one in paths)
        if left != right:
            break
    return left, right


def _labels(rows: pd.DataFrame, columns: list[str]) -> list[tuple[int, str, str]]:
    """Return number, setting and line of each experiment, in order; lines say as little as sets them apart."""
    rows = rows.assign(contender=contenders(rows))
    lines = noted(rows["contender"], configuration_words(rows))
    for column in (one for one in columns if one not in ("method", "hyperparameters")):
        several = rows.groupby([*SETTING, lines])[column].transform("nunique", dropna=False) > 1
        words = rows[column].map(lambda value, column=column: condition(column, value))
        lines = noted(lines, words.where(several, ""))
    place = {line: i for i, line in enumerate(in_order(list(lines)))}
    rows = rows.assign(line=lines, place=lines.map(place)).sort_values([*SETTING, "place"])
    first = rows.drop_duplicates("experiment")
    settings = map(setting_name, first["architecture"], first["dataset"])
    return list(zip(first["experiment"], settings, first["line"], strict=True))


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per experiment, keep and seed; trials that differ in no column are averaged."""
    means = rows.reindex(columns=[*TRIAL, *NUMBERS]).groupby(TRIAL).mean()
    return rows.reindex(columns=[*TRIAL, *TOLD]).drop_duplicates(TRIAL).merge(means, on=TRIAL)


def _point(place: Place, rows: pd.DataFrame) -> dict[str, Any]:
    """Return a point over the seeds that are done in both.

    a, b: estimates of test top-1. difference, low, high, p, n: of B - A, paired by seed. equal: no seed differs.
    speedup, seconds: of B over those of A. changes: in words, everything else.
    """
    both = rows[rows["in"] == "both"]
    done = both[(both["status_a"] == "done") & (both["status_b"] == "done")]
    a, b = done["test_top1_a"], done["test_top1_b"]
    equal, changes = not ((b - a).abs() > ROUNDING).any(), [*_statuses(both), *_other(done)]
    return dict(zip(("setting", METHOD, "keep"), place, strict=True)) | paired(b, a)._asdict() | {
        "name": _name(*place), "a": estimate(a), "b": estimate(b), "speedup B/A": _ratio(done, "speedup_b64"),
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


def _judged(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the points with p corrected over all of them, and whether B is better, worse or the same by it."""
    points = pd.DataFrame(found)
    p = pd.Series(holm(list(points["p"])), index=points.index)
    words = points["difference"].gt(0).map({True: "better", False: "worse"})
    return points.assign(p=p, verdict=words.where(p < LEVEL, "same").where(p.notna(), ""))


def _name(setting: str, line: str, keep: float) -> str:
    return f"{line_name(line)}, keep {keep:g} ({setting})"


def _only(found: Sequence[tuple[Place, pd.DataFrame]], where: str) -> list[str]:
    """Name the points of which one side alone has some seeds, with these."""
    owned = [(_name(*place), [f"{seed:g}" for seed in rows.index[rows["in"] == where]]) for place, rows in found]
    return [f"{name}, seed{'s'[: len(own) != 1]} {', '.join(own)}" for name, own in owned if own]


def _listed(names: list[str]) -> str:
    more = [f"and {len(names) - NAMED} more"] * (len(names) > NAMED)
    return f"{len(names)} experiment{'s'[: len(names) != 1]}: {'; '.join([*names[:NAMED], *more])}"


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
            ends = f"{told.min():.2f} to {told.max():.2f}, median {median(told):.2f}"
            said.append(f"{words}, B/A over {len(told)} experiment{'s'[: len(told) != 1]}: {ends}.")
    return said
