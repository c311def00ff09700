"""What is printed and written of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from results.errors import InputError, nearest
from results.performance import Cost, Row, merged, short, table, write
from runners.bench.rows import GROUPS, THREADS, Group
from runners.environment import commit, machine

HEADS = ("", "", "value", "quartiles", "rounds", "at most", "")


def chosen(names: Sequence[str]) -> list[Group]:
    """Return groups of rows by name, all if no name is given. Raises InputError for an unknown one."""
    for name in names:
        if name not in GROUPS:
            raise InputError(f"{name}: no such group of rows; {nearest(name, GROUPS)}")
    return [group for name, group in GROUPS.items() if not names or name in names]


def check(out: Path) -> Path:
    """Return where the rows go. Raises InputError unless it is a .csv in a folder that exists."""
    if out.suffix != ".csv" or out.is_dir():
        raise InputError(f"--out {out}: a file NAME.csv is needed")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}; call klevel in its checkout, or name another")
    return out


def here() -> Mapping[str, str | int]:
    """Return the columns that say where the rows were measured."""
    return {"threads": THREADS, "commit": commit() or "", **machine()}


def save(path: Path, rows: Sequence[Row | Cost], whole: bool = True) -> None:
    """Write rows as a CSV. whole: these alone; else those of other groups that the file has stay."""
    new = table(rows, here())
    write(path, new if whole else merged(path, new))


def text(rows: Iterable[Row]) -> str:
    """Return rows as a table for a terminal."""
    lines, before = [], ""
    for row in rows:
        lines.append([row.group if row.group != before else "", row.name, *_numbers(row)])
        before = row.group
    sides = ("left", "left", "right", "right", "right", "right", "left")
    return str(tabulate(lines, HEADS, tablefmt="simple", disable_numparse=True, colalign=sides if lines else None))


def line(row: Row | Cost) -> str:
    """Return a row as a line that says that it was measured."""
    if isinstance(row, Cost):
        return f"{row.group}, {row.what}, {row.size:,} {row.of}: {row.seconds:.3g} s"
    return f"{row.group}, {row.name}: {row.reason or ' '.join(_numbers(row))}"


def faults(rows: Sequence[Row]) -> str:
    """Return in words how many targets are met, how many rows miss theirs, and which could not be measured."""
    aimed = [row for row in rows if row.met is not None]
    said = f"{sum(bool(row.met) for row in aimed)} of {len(aimed)} targets are met"
    broken = [row.group for row in rows if row.failed]
    return f"{said}; failed: {', '.join(broken)}" if broken else said


def fine(rows: Sequence[Row]) -> bool:
    """Return whether all could be measured that can be, and every target is met."""
    return all(row.met is not False and not row.failed for row in rows)


def _numbers(row: Row) -> list[str]:
    """Return value, quartiles, rounds, target, and what is to be said."""
    target = "" if row.target is None else f"{row.target:g}"
    if row.value is None or row.low is None or row.high is None:
        return ["", "", "", target, row.reason]
    unit = " s" if row.unit == "s" else ""
    missed = "missed" if row.met is False else ""
    return [f"{short(row.value)}{unit}", f"{short(row.low)} to {short(row.high)}", str(row.repeats), target, missed]
