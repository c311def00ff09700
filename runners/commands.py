"""The commands of klevel that need networks. Importing this module imports torch, which takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import typer

from results.errors import InputError, NotExported, line
from results.performance import SCALING, Cost, Row
from runners import environment, suite
from runners.cache import Use
from runners.collect import collect as collect_folders
from runners.doctor import examine
from runners.doctor import fix as treat
from runners.executors import Slots
from runners.export import export as export_trial
from runners.finished import find
from runners.publish import publish as publish_suite
from runners.run import Again
from runners.run import measure as measure_trials
from runners.run import run as run_trials
from runners.spec import TrialSpec
from runners.store import Store
from runners.suite import sharded
from runners.tasks import RunContext
from runners.tensorboard import Scalars


def load(
    name: str,
    overrides: Sequence[str],
    limit: int | None = None,
    only: Sequence[str] = (),
    shard: str | None = None,
) -> suite.Suite:
    """Return a suite with overrides, limited to `only` these methods (even if it lacks them), a shard and `limit`."""
    loaded = suite.load(name, overrides)
    if only:
        loaded = replace(
            loaded, trials=tuple(trial for method in only for trial in _of(method, loaded, name, overrides))
        )
    if shard is not None:
        loaded = replace(loaded, trials=sharded(loaded.trials, *_part(shard)))
    return replace(loaded, trials=loaded.trials[:limit])


def _part(shard: str) -> tuple[int, int]:
    """Return i and n of the text i/n. Raises InputError unless 1 <= i <= n."""
    i, slash, n = shard.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise InputError(f"--shard {shard}: i/n is needed, the i-th of n parts, such as 1/8")
    return int(i), int(n)


def _of(method: str, loaded: suite.Suite, name: str, overrides: Sequence[str]) -> tuple[TrialSpec, ...]:
    """Return the trials of one method in a suite; if the suite lacks it, those it would have with default settings."""
    found = tuple(trial for trial in loaded.trials if trial.method == method)
    return found or suite.load(name, [*overrides, f"method=[{method}]"]).trials


def _device(name: str, elsewhere: bool = False) -> torch.device:
    try:
        return torch.device(name) if elsewhere and name != "auto" else environment.choose_device(name)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"--device {name}: {error}") from None


def slots(
    jobs: int | None,
    device: str,
    devices: str | None,
    per_device: int | None,
    threads: int,
    timeout: float | None,
    cluster: str | None = None,
) -> Slots:
    """Return where trials run: on one device, or on several, separated by commas. Raises InputError for unknown ones.

    jobs: trials at a time on `device`; None: one per CPU that may be used, or 1 on an accelerator. cluster: the address
    of a Ray cluster, "" for Ray on this machine, None for processes; a named device is that of its machines.
    """
    if devices is None:
        if per_device is not None:
            raise InputError(f"--per-device {per_device}: is for --devices; --jobs says how many trials run at a time")
        place = _device(device, elsewhere=cluster is not None)
        jobs = jobs or (max(1, environment.cpus() // threads) if place.type == "cpu" else 1)
        return Slots([str(place)], jobs, timeout, cluster)
    if cluster is not None:
        raise InputError(
            f"--devices {devices}: are of this machine; with Ray, --device cuda takes those of the cluster"
        )
    if jobs is not None:
        raise InputError(f"--jobs {jobs}: with --devices, --per-device says how many trials run at a time on each")
    places = [str(_device(name.strip())) for name in devices.split(",")]
    return Slots(list(dict.fromkeys(places)), per_device or 1, timeout)


def run(
    chosen: suite.Suite,
    results: Path,
    slots: Slots,
    threads: int,
    again: Again,
    only_these: bool,
    whole: bool,
    tensorboard: bool = False,
    cache: bool = True,
) -> None:
    """Run the missing trials of a suite and print the counts of each status. whole: all of it, as the file says.

    A trial goes on from its last checkpoint if this is stopped by a signal and called again.

    cache: whether dense networks that another suite has trained are taken, unless all is to be run again.

    Exits with code 1 if a trial failed.
    """
    store = Store(results, chosen.name)
    environment.die_with_parent()
    use: Use = "off" if not cache else "renew" if again.all else "use"
    context = RunContext(results, chosen.name, slots.devices[0], threads, use)
    scalars = Scalars(store.root / "tensorboard") if tensorboard else None
    with environment.stoppable():
        table = run_trials(context, chosen.trials, slots, again, only_these, scalars)
        said = store.describe(chosen.text, replace=only_these or whole)
    if said is not None:
        print(f"klevel: {said}", file=sys.stderr)
    counts = table["status"].value_counts()
    print(", ".join(f"{counts.get(s, 0)} {s}" for s in ("done", "failed", "skipped")), "->", store.root / "trials.csv")
    if counts.get("failed", 0):
        first = table[table["status"] == "failed"].iloc[0]
        log = store.root / "trials" / first["trial"] / "log.txt"
        print(f"first failure: {log}: {first['reason']}", file=sys.stderr)
        raise typer.Exit(1)


def measure(chosen: suite.Suite, results: Path, device: str, threads: int) -> None:
    """Measure the done trials of a suite again, and print their number."""
    context = RunContext(results, chosen.name, str(_device(device)), threads)
    table = measure_trials(context, chosen.trials)
    print(f"{(table['status'] == 'done').sum()} measured -> {results / chosen.name / 'trials.csv'}")


def export(trial: str, folder: Path, results: Path) -> None:
    """Write the compact network of a trial and print its size. Exits with code 1 if the export failed."""
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


def collect(folders: Sequence[Path], into: Path) -> None:
    """Merge results folders and print the number of trials."""
    print(f"{collect_folders(folders, into)} trials -> {into / 'trials.csv'}")


def doctor(folder: Path, fix: bool) -> None:
    """Print what is broken in a results folder and, with `fix`, what was done. Exits with code 1 if something is."""
    found = ((fault, f" ({done})") for fault, done in treat(folder)) if fix else ((f, "") for f in examine(folder))
    left = []
    for fault, done in found:
        print(line(f"{fault}{done}"))
        left.append(not fix or fault.remedy == "leave")
    print(f"{len(left)} broken" if left else "nothing is broken")
    if any(left):
        raise typer.Exit(1)


def publish(chosen: suite.Suite, results: Path, reference: Path, force: str | None) -> None:
    """Publish a suite and print the folder."""
    print(f"published -> {publish_suite(Store(results, chosen.name), chosen.trials, reference, force)}")


def bench(out: Path, full: bool, names: Sequence[str], scaling: Callable[[Path, Path], object] | None) -> None:
    """Measure what klevel costs, print a table, and write it as a CSV.

    names: of groups of rows; empty for all. scaling: draws a results folder into another; then the costs against
    size are measured as well, and written beside. Exits with code 1 if a target is missed, or something failed.
    """
    from runners import bench as benches
    from runners.bench import report
    from runners.bench import scaling as growth

    report.check(out)
    groups = report.chosen(names)
    rows = benches.measure(benches.FULL if full else benches.SHORT, groups, _said)
    report.save(out, rows, whole=not names)
    print(report.text(rows))
    print(f"{report.faults(rows)} -> {out}")
    if scaling is not None:
        costs = growth.measure(growth.WHOLE if full else growth.USUAL, scaling, _said)
        report.save(out.with_name(SCALING), costs)
        print(f"{len(costs)} costs against size -> {out.with_name(SCALING)}")
    if not report.fine(rows):
        raise typer.Exit(1)


def _said(row: Row | Cost) -> None:
    """Say on stderr that a row was measured."""
    from runners.bench import report

    print(line(report.line(row)), file=sys.stderr, flush=True)
