"""Measure what klevel itself takes of a large suite: trials that take no time, in folders as a run leaves them.

    python -m tests.benchmarks.bench_scale [--trials N] [--out CSV] [--folder DIR]

Steps: plan (read and validate the suite file, ids), missing (look for rows where there are none), each executor, with
Ray where it is installed (hand out every trial and write its row), resume (a run of a finished suite, from the suite
file on), status, collect (the three CSVs), copies merged by `klevel collect`. Prints and writes seconds, and seconds
per 1,000 trials.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from runners import suite, tasks
from runners.collect import collect
from runners.executors import Slots
from runners.row import row_of
from runners.run import missing, run
from runners.spec import DenseSpec
from runners.status import status
from runners.store import Store, write, write_json
from runners.tasks import EpochEvent, Outcome, RunContext, Task
from runners.training import EpochRecord

METHODS = ["magnitude", "l1_filter", "gmp", "wgsef_dc", "random"]
KEEPS = [0.5, 0.25, 0.1, 0.05]
RECIPE = {"dense_epochs": 10, "sparsify_epochs": 10, "finetune_epochs": 10}


def suite_of(trials: int, folder: Path) -> Path:
    """Write a suite file of so many trials, 20 of a seed."""
    grid = {"dataset": ["digits"], "architecture": ["lenet5_caffe"], "keep": KEEPS, "method": METHODS}
    grid["seed"] = list(range(trials // (len(METHODS) * len(KEEPS))))
    path = folder / "scale.yaml"
    path.write_text(yaml.safe_dump({"suite": "scale", "recipe": RECIPE, "grid": grid}))
    return path


def perform(context: RunContext, task: Task, listen: Callable[[EpochEvent], None]) -> Outcome:
    """Leave what a task leaves behind, and do nothing else."""
    store = Store(context.results, context.suite)
    if isinstance(task, DenseSpec):
        write(store.dense(task) / "network.pt", lambda p: p.write_bytes(EMPTY))
        write_json(store.dense(task) / "record.json", {"val_top1": 0.5, "test_top1": 0.5, "epochs": []})
    elif not hasattr(task, "trials"):
        store.begin(task)
        records = [EpochRecord("finetune", i + 1, 1.0, 0.5, [1, 2], None, 0.1, 0.01, None) for i in range(20)]
        listen(EpochEvent(task, records[-1]))
        row = row_of(task, store.suite)
        row.test_top1 = row.val_top1 = 0.5
        store.finish(task, row, records)
    return Outcome("done")


def _empty() -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({}, file)
    return file.getvalue()


EMPTY = _empty()


def fake() -> None:
    """Let tasks do nothing in this process."""
    tasks.perform = perform


fake()  # also in the worker processes, which import this module to find the suite's tasks; Ray's call `fake`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, help="where results are written; default: a temporary folder")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = list(steps(options.trials, folder))
    table = pd.DataFrame(rows, columns=["step", "trials", "seconds", "seconds_per_1000"])
    print(table.to_string(index=False))
    if options.out is not None:
        table.to_csv(options.out, index=False)


def steps(trials: int, folder: Path) -> Any:
    """Yield a row for each step."""

    def timed(step: str, number: int, call: Callable[[], Any]) -> tuple[Any, tuple[str, int, float, float]]:
        begin = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - begin
        print(step, round(seconds, 2), flush=True)
        return result, (step, number, round(seconds, 3), round(1000 * seconds / number, 4))

    file = suite_of(trials, folder)
    suite.load("quick")  # methods, architectures and datasets are imported
    chosen, row = timed("plan", trials, lambda: suite.load(str(file)))
    yield row
    runs = {"in process": Slots(["cpu"]), "2 processes": Slots(["cpu"], 2)}
    if find_spec("ray"):
        import ray

        setup = {"worker_process_setup_hook": "tests.benchmarks.bench_scale.fake"}
        setup |= {"env_vars": {"PYTHONPATH": str(Path.cwd())}}
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init("local", num_cpus=2, runtime_env=setup, **quiet)
        runs["ray"] = Slots(["cpu"], 2, cluster="")
    for name, slots in runs.items():
        context = RunContext(folder / name, "scale", "cpu", 1)
        store = Store(context.results, "scale")
        yield timed(f"missing, of none ({name})", trials, partial(missing, store, chosen.trials))[1]
        with contextlib.redirect_stderr(io.StringIO()):
            table, found = timed(f"run, {name}", trials, partial(run, context, chosen.trials, slots))
            assert (table["status"] == "done").sum() == trials, "all were done"
            yield found
    yield timed("collect", trials, lambda: store.collect(chosen.trials))[1]
    yield timed("missing, of all", trials, lambda: missing(store, chosen.trials))[1]
    with contextlib.redirect_stdout(io.StringIO()):
        yield timed("status", trials, lambda: status(chosen, context.results, folder / "reference"))[1]
    sources = [folder / name / "scale" for name in list(runs)[:2]]
    yield timed("merge two folders", trials, lambda: collect(sources, folder / "both"))[1]
    part = suite_of(trials // 10, folder)
    small = RunContext(folder / "part", "scale", "cpu", 1)
    with contextlib.redirect_stderr(io.StringIO()):
        run(small, suite.load(str(part)).trials, Slots(["cpu"]))
        again = partial(run, small)
        yield timed(
            "resume a finished suite", trials // 10, lambda: again(suite.load(str(part)).trials, runs["in process"])
        )[1]


if __name__ == "__main__":
    main()
