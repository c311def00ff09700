"""Where and by what two results were run: their names, and in what their environments differ."""

from __future__ import annotations

from analysis.identity import ENVIRONMENT
from analysis.load import Results

MANY = 4  # values that are named, at most


def named(a: Results, b: Results) -> tuple[str, str]:
    """Return a name for each: the ends of the paths of its folders, as long as it takes to tell the two apart."""
    for parts in (1, 2, 3):
        left, right = (" + ".join("/".join(f.resolve().parts[-parts:]) for f in one.folders) for one in (a, b))
        if left != right:
            break
    return left, right


def surroundings(a: Results, b: Results) -> tuple[str, list[str]]:
    """Return a warning where the protocols differ, and a line for each thing in which the environments do.

    Where they differ in nothing, one line says so.
    """
    before, after = (_said(results, "protocol") for results in (a, b))
    warning = (
        f"PROTOCOLS DIFFER: A follows {before}, B follows {after}. Different rules: differences in accuracy may come "
        "from them alone."
        if before != after
        else ""
    )
    pairs = [(column, _said(a, column), _said(b, column)) for column in ENVIRONMENT]
    lines = [f"{column}: A {left}, B {right}" for column, left, right in pairs if left != right]
    if not lines:
        values = ", ".join(f"{column} {left}" for column, left, _ in pairs)
        lines = [f"the same environment: {values}"]
    return warning, lines


def _said(results: Results, column: str) -> str:
    """Return the values of a column over all trials, as text."""
    values = sorted(set(results.trials[column].dropna()), key=str) if column in results.trials else []
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    more = f" and {len(words) - MANY} more" if len(words) > MANY else ""
    return (", ".join(words[:MANY]) + more) or "unknown"
