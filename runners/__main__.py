"""The command line: python -m runners, or klevel."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import joblib
import torch
import typer

from methods import METHODS
from results.errors import InputError, NotExported, WorkerDied
from results.reading import read
from runners import environment, suite
from runners.architectures import ARCHITECTURES
from runners.collect import collect
from runners.datasets import DATASETS
from runners.executors import RunContext
from runners.export import export as export_trial
from runners.export.finished import find
from runners.groupings import GROUPINGS
from runners.publish import publish
from runners.registry import Registry
from runners.run import Again, is_outdated, missing
from runners.run import measure as measure_trials
from runners.run import run as run_trials
from runners.spec import TrialSpec
from runners.store import Store

# what a wrong option or argument raises; newer versions of typer bring their own click, which has no public name
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

INTERRUPTED = 130
REFERENCE = Path("results/reference")

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="A name from `list suites`, or the path of a YAML file.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a grid or recipe key.")
]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Folder of all results.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N trials.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Trials at a time; default: one per CPU that may be used, or 1 on CUDA."),
]
Device = Annotated[str, typer.Option(metavar="D", help="cpu, cuda, cuda:1, ...; auto: CUDA where it is.")]
Threads = Annotated[int, typer.Option(min=1, metavar="N", help="CPU threads of each trial.")]
Reference = Annotated[Path, typer.Option("--reference", metavar="DIR", help="Folder of published results.")]
TrialName = Annotated[
    str, typer.Argument(metavar="TRIAL", help="An id of trials.csv, the beginning of one, or the folder of a trial.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where to write: new, empty, or an earlier export.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")]
Retry = Annotated[bool, typer.Option("--retry", help="Run failed trials again as well.")]


Changed = Annotated[bool, typer.Option("--changed", help="Run again what another version of its method's code made.")]
Force = Annotated[bool, typer.Option("--force", help="Run all trials again.")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="METHOD", help="Only this method, even if the suite lacks it; may be repeated."),
]
OnlyThese = Annotated[bool, typer.Option("--only-these", help="CSVs of just these trials; rows of others go.")]


class Kind(StrEnum):
    """What `list` can list."""

    methods = "methods"
    architectures = "architectures"
    datasets = "datasets"
    groupings = "groupings"
    suites = "suites"


def _load(
    name: str, overrides: list[str] | None, limit: int | None = None, only: list[str] | None = None
) -> suite.Suite:
    loaded = suite.load(name, overrides or ())
    if only:
        loaded = replace(
            loaded, trials=tuple(trial for method in only for trial in _of(method, loaded, name, overrides))
        )
    return replace(loaded, trials=loaded.trials[:limit])


def _of(method: str, loaded: suite.Suite, name: str, overrides: list[str] | None) -> tuple[TrialSpec, ...]:
    """Return the trials of one method of a suite; of one that it does not name, those that it would have there."""
    found = tuple(trial for trial in loaded.trials if trial.method == method)
    return found or suite.load(name, [*(overrides or ()), f"method=[{method}]"]).trials


def _device(name: str) -> torch.device:
    try:
        return environment.choose_device(name)
    except ValueError as error:
        raise InputError(f"--device {name}: {error}") from None


@app.command()
def run(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = Path("results"),
    limit: Limit = None,
    jobs: Jobs = None,
    device: Device = "auto",
    threads: Threads = 1,
    dry_run: DryRun = False,
    retry: Retry = False,
    changed: Changed = False,
    force: Force = False,
    only: Only = None,
    only_these: OnlyThese = False,
) -> None:
    """Run what is missing of a suite and bring it into its CSVs.

    Exit code: 0 done, 1 some trial failed, 2 wrong input.
    """
    chosen = _load(name, overrides, limit, only)
    store, again = Store(results, chosen.name), Again(retry, changed, force)
    if dry_run:
        for spec in missing(store, chosen.trials, again):
            print(
                spec.id,
                spec.method,
                spec.architecture,
                spec.dataset,
                spec.grouping,
                spec.keep,
                f"seed {spec.seed}",
            )
        return
    place = _device(device)
    environment.die_with_parent()
    jobs = jobs or (max(1, joblib.cpu_count() // threads) if place.type == "cpu" else 1)
    table = run_trials(RunContext(results, chosen.name, str(place), threads), chosen.trials, jobs, again, only_these)
    store.describe(chosen.text, replace=only_these or not overrides)
    counts = table["status"].value_counts()
    print(
        ", ".join(f"{counts.get(s, 0)} {s}" for s in ("done", "failed", "skipped")),
        "->",
        store.root / "trials.csv",
    )
    if counts.get("failed", 0):
        first = table[table["status"] == "failed"].iloc[0]
        print(
            f"first failure: {store.root / 'trials' / first['trial'] / 'log.txt'}: {first['reason']}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


@app.command()
def measure(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = Path("results"),
    limit: Limit = None,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Measure what a suite has trained once more, one network at a time: for a machine that is quiet now."""
    chosen = _load(name, overrides, limit)
    context = RunContext(results, chosen.name, str(_device(device)), threads)
    table = measure_trials(context, chosen.trials)
    print(f"{(table['status'] == 'done').sum()} measured -> {results / chosen.name / 'trials.csv'}")


@app.command()
def export(trial: TrialName, folder: Folder, results: Results = Path("results")) -> None:
    """Write the compact network of a trial that is done: weights, a plan of kept indices, ONNX. See runners.deployed.

    Exit code: 0 done (without ONNX where its packages are not installed), 1 ONNX failed, 2 wrong input.
    """
    try:
        written = export_trial(find(trial, results), folder)
    except NotExported as error:
        print(f"klevel: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{written.parameters} parameters -> {folder}")
    if written.onnx_error is not None:
        print(f"ONNX Runtime and torch differ by {written.onnx_error:.2g} at most")
    if written.note is not None:
        print(f"klevel: {written.note}", file=sys.stderr)
    if written.failed:
        raise typer.Exit(1)


@app.command()
def status(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = Path("results"),
    reference: Reference = REFERENCE,
) -> None:
    """Say how much of a suite has been run, by which code, and how much of it is published."""
    chosen = _load(name, overrides)
    rows = [Store(results, chosen.name).row(spec) for spec in chosen.trials]
    counts = {s: sum(r is not None and r.status == s for r in rows) for s in ("done", "failed", "skipped")}
    print(
        f"{chosen.name}: {len(rows)} trials,",
        ", ".join(f"{n} {s}" for s, n in counts.items()),
        f"{rows.count(None)} missing",
    )
    outdated = [r.method for r in rows if r is not None and is_outdated(r)]
    if outdated:
        methods = ", ".join(sorted(set(outdated)))
        print(f"{len(outdated)} made by other code of {methods} than that of today: run --changed takes them again")
    published = reference / chosen.name / "trials.csv"
    if published.is_file():
        known = set(read(published.parent)["trial"])
        print(f"{published.parent}: {len(known)} trials, {sum(t.id in known for t in chosen.trials)} of these")


@app.command("collect")
def collect_(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results folders of one suite.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder to bring them together in.")],
) -> None:
    """Bring the results folders of several machines together, where their rows do not contradict each other."""
    print(f"{collect(folders, into)} trials -> {into / 'trials.csv'}")


@app.command("publish")
def publish_(
    name: SuiteName,
    results: Results = Path("results"),
    reference: Reference = REFERENCE,
    force: Annotated[str | None, typer.Option(metavar="WHY", help="Publish what is not fit, and say why.")] = None,
) -> None:
    """Copy the CSVs of a suite that was run whole to results/reference, the evidence that comes with klevel.

    Refused where a trial is missing or failed, methods/ or runners/ have changes that are not committed, or the machine
    is not known. Figures are drawn afterwards: python -m analysis results/reference/SUITE.
    """
    chosen = _load(name, None)
    print(f"published -> {publish(Store(results, chosen.name), chosen.trials, reference, force)}")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def path(name: SuiteName, results: Results = Path("results")) -> None:
    """Print the results folder of a suite; options of `run` may stand there and change nothing."""
    print(Store(results, suite.load(name).name).root)


@app.command("list")
def list_(kind: Kind) -> None:
    """List what a suite can name, each with a line of help."""
    if kind is Kind.suites:
        lines = {n: _first_comment(suite.FOLDER / f"{n}.yaml") for n in suite.names()}
    elif kind is Kind.methods:
        lines = {n: (m.__doc__ or "").split("\n")[0] for n, m in sorted(METHODS.items())}
    else:
        registries: dict[Kind, Registry[Any]] = {
            Kind.architectures: ARCHITECTURES,
            Kind.datasets: DATASETS,
            Kind.groupings: GROUPINGS,
        }
        registry = registries[kind]
        lines = registry.lines()
    width = max(map(len, lines))
    for entry, text in lines.items():
        print(f"{entry:{width}}  {text}")


def _first_comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong with the input becomes one line on stderr and exit code 2."""
    try:
        code = int(app(arguments, standalone_mode=False) or 0)
        if code == INTERRUPTED:  # newer versions of typer make this of Ctrl-C
            raise KeyboardInterrupt
        return code
    except UsageError as error:
        message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        print(f"klevel: {message}; see klevel --help", file=sys.stderr)
    except (InputError, OSError) as error:
        print(f"klevel: {error}", file=sys.stderr)
    except WorkerDied as error:
        print(f"klevel: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        print("klevel: stopped; call again to go on", file=sys.stderr)
        return INTERRUPTED
    return 2


if __name__ == "__main__":
    sys.exit(main())
