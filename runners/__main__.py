"""The command line: klevel, or python -m runners.

What the commands do is in `runners.commands` and `analysis.commands`, imported when one is called: torch and
torchvision take four seconds, which no help text should.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from analysis.__main__ import PLAIN, answer
from analysis.__main__ import app as analysis
from runners.listing import Kind, lines
from runners.suite_files import locate, name_of, names, parse

RESULTS, REFERENCE = Path("results"), Path("results/reference")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as version_of

        print(f"klevel {version_of('klevel')}")
        raise typer.Exit


app = typer.Typer(add_completion=True, **PLAIN)
SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="A name from `klevel list suites`, or the path of a YAML file.", autocompletion=names
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a grid or recipe key; may be repeated."),
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
Timeout = Annotated[
    float | None,
    typer.Option("--trial-timeout", min=1, metavar="SECONDS", help="A trial that takes longer has failed."),
]


class Way(StrEnum):
    """The ways to run many trials."""

    processes = "processes"
    ray = "ray"


Executor = Annotated[
    Way, typer.Option("--executor", help="Processes of this machine, or Ray (extra cluster): docs/scaling.md.")
]
Address = Annotated[
    str | None, typer.Option(metavar="A", help="Of a Ray cluster, HOST:PORT or auto; means --executor ray.")
]
Devices = Annotated[
    str | None, typer.Option("--devices", metavar="D,D,...", help="Several devices: cuda:0,cuda:1, for example.")
]
PerDevice = Annotated[
    int | None, typer.Option("--per-device", min=1, metavar="N", help="Trials at a time on each of --devices.")
]
Shard = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts of the trials, for the jobs of an array."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Train every dense network here, also one that another suite has trained.")
]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="Write epochs for TensorBoard as well.")]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and exit.")]


@app.callback()
def klevel(version: Version = False) -> None:
    """Compare ways to prune neural networks by groups.

    A suite is run (`run`), its results are drawn (`draw`); both leave alone what is there already.
    """


@app.command()
def run(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = RESULTS,
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
    trial_timeout: Timeout = None,
    devices: Devices = None,
    per_device: PerDevice = None,
    shard: Shard = None,
    tensorboard: Tensorboard = False,
    no_cache: NoCache = False,
    executor: Executor = Way.processes,
    address: Address = None,
) -> None:
    """Run what is missing of a suite and bring it into its CSVs.

    What was stopped goes on where it was. Exit code: 0 done, 1 some trial failed, 2 wrong input, 130 and 143 stopped.
    """
    from runners import commands
    from runners.run import Again
    from runners.status import plan

    chosen = commands.load(name, overrides or (), limit, only or (), shard)
    again = Again(retry, changed, force)
    cluster = address or ("" if executor is Way.ray else None)
    slots = commands.slots(jobs, device, devices, per_device, threads, trial_timeout, cluster)
    if dry_run:
        plan(chosen, results, again, slots.number)
    else:
        whole = not (overrides or shard)
        commands.run(chosen, results, slots, threads, again, only_these, whole, tensorboard, not no_cache)


@app.command("list")
def list_(kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}.")]) -> None:
    """List what a suite can name, each with a line."""
    found = lines(kind)
    width = max(map(len, found))
    for entry, text in found.items():
        print(f"{entry:{width}}  {text}")


@app.command()
def status(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = RESULTS,
    reference: Reference = REFERENCE,
    watch: Annotated[bool, typer.Option("--watch", help="Say it every two seconds until all is done.")] = False,
) -> None:
    """Say what of a suite is done, runs and failed, and the time left.

    Also which rows other code made, and what is published.
    """
    from runners import commands
    from runners import status as state

    state.status(commands.load(name, overrides or ()), results, reference, watch)


@app.command()
def log(
    trial: TrialName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the trial has ended.")] = False,
    results: Results = RESULTS,
) -> None:
    """Print the log of a trial, finished or not, or of a dense network."""
    from runners import status as state

    state.log(trial, results, follow)


@app.command()
def measure(
    name: SuiteName,
    overrides: Overrides = None,
    results: Results = RESULTS,
    limit: Limit = None,
    device: Device = "auto",
    threads: Threads = 1,
) -> None:
    """Take the times of what a suite has trained once more.

    One network at a time, for a machine that is quiet now.
    """
    from runners import commands

    commands.measure(commands.load(name, overrides or (), limit), results, device, threads)


@app.command()
def export(trial: TrialName, folder: Folder, results: Results = RESULTS) -> None:
    """Write the compact network of a trial for use elsewhere.

    Weights, a plan of kept indices, ONNX; see `networks.export`. Exit code: 0 done (without ONNX where its packages
    are not installed), 1 ONNX failed, 2 wrong input.
    """
    from runners import commands

    commands.export(trial, folder, results)


@app.command()
def collect(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Results folders of one suite.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder to bring them together in.")],
) -> None:
    """Bring the results folders of several machines together.

    Refused where their rows contradict each other.
    """
    from runners import commands

    commands.collect(folders, into)


@app.command()
def publish(
    name: SuiteName,
    results: Results = RESULTS,
    reference: Reference = REFERENCE,
    force: Annotated[str | None, typer.Option(metavar="WHY", help="Publish what is not fit, and say why.")] = None,
) -> None:
    """Copy the CSVs of a suite that was run whole to results/reference.

    That is the evidence that comes with klevel. Refused where a trial is missing or failed, methods/ or runners/ have
    changes that are not committed, or the machine is not known. Figures are drawn afterwards: klevel draw
    results/reference/SUITE.
    """
    from runners import commands

    commands.publish(commands.load(name, ()), results, reference, force)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def path(name: SuiteName, results: Results = RESULTS) -> None:
    """Print the results folder of a suite.

    Options of `run` may stand there and change nothing.
    """
    file = locate(name)
    print(results / name_of(parse(file), file))


@app.command()
def doctor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results of a suite, or a folder of such folders.")],
    fix: Annotated[bool, typer.Option("--fix", help="Rename it to NAME.broken; remove what killed runs left.")] = False,
) -> None:
    """Say which files of a results folder are broken.

    With --fix they are set aside, and the next `run` does again what was lost. Exit code: 0 nothing is broken or all
    of it was set aside, 1 something is, 2 wrong input or a run is at work there.
    """
    from runners import commands

    commands.doctor(folder, fix)


@app.command()
def bench(
    groups: Annotated[
        list[str] | None,
        typer.Argument(metavar="GROUP", help="Only rows of prox, weights, factors, loop, start, shrinking, peers."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also what takes an hour: larger ones, and --scaling.")] = False,
    out: Annotated[Path, typer.Option(metavar="CSV", help="Where the rows are written.")] = REFERENCE / "bench.csv",
    scaling: Annotated[bool, typer.Option("--scaling", help="Also costs against size, into scaling.csv.")] = False,
    docs: Annotated[
        bool, typer.Option("--docs", help="Measure nothing: bring README and docs/performance.md up to the CSVs.")
    ] = False,
) -> None:
    """Measure what klevel costs, as ratios that hold on any machine.

    A few minutes, on one thread, with nothing else at work: docs/performance.md. Exit code: 0 every target is met, 1
    one is missed or could not be measured, 2 wrong input.
    """
    if docs:
        from analysis.performance import document

        print("written:", *(f"  {path}" for path in document(out.parent, Path())), sep="\n")
        return
    from runners import commands

    commands.bench(out, full, groups or (), _drawn if full or scaling else None)


def _drawn(folder: Path, output: Path) -> None:
    """Draw the main figure and table of a results folder."""
    from analysis import commands
    from analysis.options import Options

    commands.draw([folder], ("accuracy_vs_sparsity", "results"), "paper", ("png",), output, None, Options())


app.add_typer(analysis)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 if a trial failed, 2 for wrong input, 130 or 143 if stopped."""
    return answer(app, arguments, "klevel", "klevel")


if __name__ == "__main__":
    sys.exit(main())
