"""A suite that is killed again and again, with one process and several, and by two runs side by side.

The short form is a part of every run of the tests; the long one, 20 kills of each kind, is `pytest -m torture`. Prints
what it saw with -s: kills, epochs that were run again, seconds from SIGTERM to the end.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from results.columns import VARYING
from runners import run
from runners.leases import held

ROOT = Path(run.__file__).parents[1]
SUITE = {
    "suite": "t",
    "recipe": {"dense_epochs": 2, "sparsify_epochs": 3, "finetune_epochs": 2, "batch_size": 50, "train_images": 600},
    "grid": {
        "dataset": ["digits"],
        "architecture": ["lenet5_caffe"],
        "method": ["magnitude", "wgsef_dc"],
        "seed": [0, 1],
    },
}
SHORT, LONG = [0.5], [0.5, 0.4, 0.3, 0.2, 0.1]  # keep


def start(suite, results, jobs):
    """Start a run in a session of its own, so that all of its processes can be found."""
    command = [sys.executable, "-m", "runners", "run", suite, "--jobs", str(jobs), "--results", str(results)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, "--device", "cpu"], cwd=ROOT, start_new_session=True, **silent)


def workers(main):
    """The processes that run tasks for a main process."""
    found = subprocess.run(["pgrep", "-s", str(main), "-f", "spawn_main"], capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split() if int(pid) != main]


def csvs(results):
    """The three CSVs as text, cell by cell, without what may vary."""
    found = {}
    for name, varying in (("trials.csv", list(VARYING)), ("epochs.csv", ["seconds"])):
        table = pd.read_csv(results / "t" / name, dtype=str, keep_default_na=False)
        found[name] = table.drop(columns=varying).to_dict("records")
    return found


def epochs_run(results):
    """How many epochs the logs of all tasks tell of."""
    logs = "".join(path.read_text(errors="replace") for path in (results / "t").glob("*/*/log.txt"))
    return len(re.findall(r" epoch \d+: loss ", logs))


@pytest.fixture
def suite(tmp_path):
    """A way to write the suite with these values of keep."""

    def write(keep):
        path = tmp_path / "s.yaml"
        path.write_text(yaml.safe_dump(SUITE | {"grid": SUITE["grid"] | {"keep": keep}}))
        return str(path)

    return write


def at_work(process, results):
    """Whether a run holds a lease by now, or has ended."""
    if process.poll() is not None:
        return True
    return any(lease.process == process.pid for lease in held(results / "t" / "leases"))


def torture(suite, results, jobs, runs, kills, chance):
    """Kill runs, or workers of theirs, until there were so many kills, then let the runs end.

    Returns their exit codes, the kills by kind, and the seconds from each SIGTERM to the end.
    """
    at_once: list[subprocess.Popen | None] = [None] * runs
    done, seconds, hit = Counter(), [], set[int]()
    while done.total() < kills:
        at_once = [p or start(suite, results, jobs) for p in at_once]
        i = chance.randrange(runs)
        process = at_once[i]
        while not at_work(process, results):
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 3))
        if process.poll() is not None:  # all is done, and nothing is left to kill
            break
        # one worker of a run at most: the second death of a trial in a run is its failure
        kind = chance.choice(["run", "SIGTERM"] if process.pid in hit else ["run", "worker", "SIGTERM"])
        target = chance.choice(workers(process.pid) or [process.pid]) if kind == "worker" else process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, signal.SIGTERM if kind == "SIGTERM" else signal.SIGKILL)
            done[kind] += 1
        hit.add(process.pid)
        if target == process.pid:
            begin = time.monotonic()
            process.communicate(timeout=60)
            seconds += [time.monotonic() - begin] if kind == "SIGTERM" else []
            # -15: when all is done, and Python ends
            assert process.returncode in ((143, 0, 1, -15) if kind == "SIGTERM" else (-9, 0, 1))
            at_once[i] = None
    ended = [p or start(suite, results, jobs) for p in at_once]
    for process in ended:
        process.communicate(timeout=600)
    return [process.returncode for process in ended], done, seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "jobs", "runs", "kills"),
    [
        (SHORT, 1, 2, 2),
        *(pytest.param(LONG, jobs, runs, 20, marks=pytest.mark.torture) for jobs in (1, 2) for runs in (1, 2)),
    ],
)
def test_a_suite_that_is_killed_again_and_again_ends_in_the_same_rows(suite, tmp_path, keep, jobs, runs, kills):
    file, whole, killed = suite(keep), tmp_path / "whole", tmp_path / "killed"
    undisturbed = start(file, whole, 1)
    undisturbed.communicate(timeout=600)
    codes, done, seconds = torture(file, killed, jobs, runs, kills, random.Random(f"{jobs} {runs}"))
    again = epochs_run(killed) - epochs_run(whole)
    ended = ", ".join(f"{s:.1f}" for s in seconds)
    print(f"\n{jobs} jobs, {runs} runs: kills {dict(done)}, epochs run again {again}, s after SIGTERM {ended}")
    assert undisturbed.returncode in (0, 1)
    assert codes == [undisturbed.returncode] * len(codes)
    assert csvs(killed) == csvs(whole)
    assert list((killed / "t" / "leases").iterdir()) == []
