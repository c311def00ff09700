"""What changed between two results folders: python -m analysis compare A B."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from analysis.comparison.changes import Line, lines
from analysis.comparison.matching import Matched, match
from analysis.comparison.surroundings import named, surroundings
from analysis.load import Results
from analysis.significance import LEVEL
from analysis.table import NOTHING, Cell, Table, deviation_cell, markdown, number_cell
from results.errors import InputError

NAMED = 5  # experiments that are named, at most
HEADINGS = ["setting", "method", "keep", "n", "A (%)", "B (%)", "B - A", "95 % interval", "p", "verdict"]
HEADINGS += ["speedup B/A", "seconds B/A"]


@dataclass(frozen=True)
class Comparison:
    """Two results, line by line. `everything`: the table has the lines that did not change, too."""

    names: tuple[str, str]
    trials: tuple[int, int]
    lines: list[Line]
    only: tuple[list[str], list[str]]
    environment: list[str]
    ignored: list[str]
    protocols: str = ""
    everything: bool = False

    @property
    def shown(self) -> list[Line]:
        """The lines of the table."""
        return [line for line in self.lines if self.everything or line.changed]

    @cached_property
    def table(self) -> Table:
        """The lines as a table, a block for each setting."""
        blocks: dict[str, list[list[Cell | str]]] = {}
        for line in self.shown:
            blocks.setdefault(line.experiment.setting, []).append(_cells(line))
        return Table(_caption(self), HEADINGS, list(blocks.values()), text_columns=3, spread="standard deviation")


def compare(a: Results, b: Results, everything: bool = False) -> Comparison:
    """Compare two results, experiment by experiment and seed by seed. Raises InputError where they share nothing."""
    names = named(a, b)
    matching = match(a, b)
    both = [one for one in matching.experiments if one.seeds]
    if not both:
        raise InputError(
            f"{names[0]} and {names[1]} have no experiment in common: no trial of the two agrees in architecture, "
            "dataset, method, grouping, hyperparameters, epochs, keep and seed"
        )
    protocols, environment = surroundings(a, b)
    return Comparison(
        names=names,
        trials=(len(a.trials), len(b.trials)),
        lines=lines(both),
        only=(_only(matching.experiments, "a", "b"), _only(matching.experiments, "b", "a")),
        environment=environment,
        ignored=matching.ignored,
        protocols=protocols,
        everything=everything,
    )


def report(comparison: Comparison) -> str:
    """Return a comparison as Markdown that reads well in a terminal, what differs between the two runs first."""
    parts = [
        comparison.protocols,
        "\n".join(f"{s}: {n}, {t} trials" for s, n, t in zip("AB", comparison.names, comparison.trials, strict=True)),
        "\n".join(f"- {line}" for line in _environment(comparison)),
        "\n".join(_summary(comparison)),
        "\n".join(
            f"Only in {side}: {_listed(names)}." for side, names in zip("AB", comparison.only, strict=True) if names
        ),
        markdown(comparison.table).rstrip() if comparison.shown else "",
        _also_changed(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _only(experiments: list[Matched], here: str, there: str) -> list[str]:
    """Name the experiments that one side alone has, or of which it alone has some seeds."""
    found = []
    for one in experiments:
        mine, other = getattr(one, here), getattr(one, there)
        own = sorted(set(mine["seed"]) - set(other["seed"]))
        if own:
            found.append(f"{one.name}, seed{'s'[: len(own) != 1]} {', '.join(f'{seed:g}' for seed in own)}")
    return found


def _listed(names: list[str]) -> str:
    more = f"; and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} experiment{'s'[: len(names) != 1]}: {'; '.join(names[:NAMED])}{more}"


def _environment(comparison: Comparison) -> list[str]:
    found = comparison.environment
    columns = ", ".join(comparison.ignored)
    return [*found, f"compared without regard to what one of the two does not say: {columns}"] if columns else found


def _summary(comparison: Comparison) -> list[str]:
    """Say how many experiments are identical, how the others were judged, and how times compare over all."""
    compared = [line for line in comparison.lines if line.before.n]
    same, m = sum(line.equal for line in compared), len(compared)
    nothing = not any(line.changed for line in comparison.lines) and not any(comparison.only)
    said = [
        f"{'Nothing changed: ' if nothing else ''}{same} of {m} experiments are identical "
        "(accuracy equal in every common seed)."
    ]
    if same < m:
        verdicts = [line.verdict for line in compared if not line.equal]
        counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("better", "worse", "same"))
        untested = verdicts.count(NOTHING)
        said.append(f"Of the others: {counts}" + (f", {untested} without a test." if untested else "."))
    undone = len(comparison.lines) - m
    if undone:
        said.append(f"{undone} more {'has' if undone == 1 else 'have'} no seed that is done in both.")
    for words, ratios in (
        ("Measured speedup (batch 64)", [line.speedup for line in compared]),
        ("Training time", [line.seconds for line in compared]),
    ):
        told = [ratio for ratio in ratios if not math.isnan(ratio)]
        if told:
            spread = f"{min(told):.2f} to {max(told):.2f}, median {median(told):.2f}"
            said.append(f"{words}, B/A over {len(told)} experiment{'s'[: len(told) != 1]}: {spread}.")
    return said


def _cells(line: Line) -> list[Cell | str]:
    found = line.difference
    interval = NOTHING if math.isnan(found.low) else f"[{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    p = NOTHING if math.isnan(line.p) else "< 0.001" if line.p < 0.001 else f"{line.p:.3f}"
    return [
        line.experiment.setting,
        line.experiment.label,
        f"{line.experiment.keep:g}",
        Cell(str(line.before.n), (line.before.n,)),
        deviation_cell(line.before, 100),
        deviation_cell(line.after, 100),
        number_cell(100 * found.difference, sign=True),
        interval,
        Cell(p, () if math.isnan(line.p) else (line.p,)),
        line.verdict,
        number_cell(line.speedup),
        number_cell(line.seconds),
    ]


def _caption(comparison: Comparison) -> str:
    which = "all experiments" if comparison.everything else "the experiments that changed"
    return (
        f"A: {comparison.names[0]}, B: {comparison.names[1]}; {which}. Test top-1 in %, mean ± standard deviation over "
        "the n seeds that are done in both. B - A in points, paired by seed, with its 95 % interval; p corrected by "
        f"Holm over all {len(comparison.lines)} experiments compared. Better, worse: p below {LEVEL:g}; same: not "
        f"significant; {NOTHING}: no test, as from one seed. Speedup measured at batch 64, seconds: train_seconds."
    )


def _also_changed(comparison: Comparison) -> str:
    found = [f"- {line.experiment.name}: {'; '.join(line.changes)}" for line in comparison.lines if line.changes]
    return "\n".join(["Changed beside accuracy and times:", "", *found]) if found else ""
