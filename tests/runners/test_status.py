"""How far a suite is, what a run would do, and logs: klevel status, run --dry-run, log."""

import contextlib
import json
import os
import sys
import threading
import time

import pytest

from runners import status
from runners.__main__ import main
from runners.leases import Leases
from runners.row import row_of
from runners.store import Store, write_json
from runners.suite import load
from runners.training import EpochRecord


@pytest.fixture
def suite(suite_file):
    """A suite of twelve trials of six seeds."""
    return suite_file(method=["magnitude", {"name": "wgsef", "lam": 0.5}], seed=list(range(6)))


@pytest.fixture
def trials(suite):
    return load(suite).trials


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results", "t")


@pytest.fixture
def klevel(capsys, tmp_path):
    """Call the command line; return its exit code, and the lines on stdout and stderr."""

    def call(*arguments):
        code = main([*arguments, "--results", str(tmp_path / "results")])
        return code, *(text.splitlines() for text in capsys.readouterr())

    return call


def finish(store, spec, outcome="done", reason=None, ago=0.0):
    """Write a trial of epochs of 10 s that ended `ago` seconds ago."""
    store.begin(spec)
    epochs = [EpochRecord(p, 1, 0.7, 0.5, [], None, 0.1, 10.0) for p in ("dense", "sparsify", "finetune")]
    store.finish(spec, row_of(spec, "t", outcome, reason), epochs)
    folder, end = store.trial(spec), time.time() - ago
    os.utime(folder / "row.json", (end, end))


@pytest.fixture
def at_work(store):
    """Return a function that makes a task one that runs, with what it last said."""
    with contextlib.closing(Leases(store.leases)) as leases:

        def run(task, folder, **now):
            assert leases.claim(task.id)
            if now:
                write_json(folder / "now.json", {"accuracy": 0.5, "host": "there", "process": 7} | now)

        yield run


def test_status_tells_what_runs_how_fast_and_how_long(klevel, suite, trials, store, at_work):
    for i, spec in enumerate(trials[:4]):
        finish(store, spec, ago=3600 * i / 3)
    at_work(trials[4], store.trial(trials[4]), phase="finetune", epoch=1, epochs=2)
    at_work(trials[5].dense, store.dense(trials[5].dense))
    code, out, err = klevel("status", suite)
    assert (code, err) == (0, [])
    assert out[0] == "t: 12 trials: 4 done, 1 running, 0 failed, 0 skipped, 7 open"
    here = f"{os.getpid()} {os.uname().nodename}"
    assert [" ".join(line.split()) for line in out[4:6]] == sorted(
        [
            f"{trials[4].id} magnitude lenet5 0.5 4 finetune 1/2 50.00 % 7 there 0:00 ago",
            f"{trials[5].dense.id} dense network lenet5 5 begins {here} 0:00 ago",
        ]
    )
    assert out[7].startswith("3.0 trials per hour, time left ")
    assert out[7].endswith(" with 2 at a time")
    assert "unknown" not in out[7]


def test_only_the_first_failures_are_told(klevel, suite, trials, store):
    for spec in trials:
        finish(store, spec, "failed", f"seed {spec.seed}", ago=1.0)
    out = klevel("status", suite)[1]
    assert out[0] == "t: 12 trials: 0 done, 0 running, 12 failed, 0 skipped, 0 open"
    assert out[1:] == [f"{s.id} failed: seed {s.seed}" for s in trials[:10]] + ["and 2 more failed"]


def test_a_row_of_another_version_is_wrong_input(klevel, suite, trials, store):
    write_json(store.trial(trials[0]) / "row.json", [])
    code, _, err = klevel("status", suite)
    assert (code, len(err)) == (2, 1)
    assert "not a row of this version" in err[0]


def test_a_watch_ends_when_nothing_is_open_or_by_ctrl_c(klevel, suite, trials, store, monkeypatch):
    left = list(trials)

    def sleep(seconds):
        finish(store, left.pop(), ago=0.0)
        if len(left) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", sleep)
    code, out, err = klevel("status", suite, "--watch")
    assert (code, err) == (0, [])
    heads = [line for line in out if line.startswith("t: 12")]
    assert [line.partition(" done")[0] for line in heads] == [f"t: 12 trials: {n}" for n in range(7)]
    out = klevel("status", suite, "--watch")[1]
    assert out[-1] == "t: 12 trials: 12 done, 0 running, 0 failed, 0 skipped, 0 open"


def test_two_thousand_rows_are_read_in_a_moment(suite_file, store, tmp_path, capsys):
    suite = load(suite_file(seed=list(range(2000))))
    row = row_of(suite.trials[0], "t").model_dump(mode="json")
    for spec in suite.trials:
        path = store.trial(spec) / "row.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(row | {"trial": spec.id, "seed": spec.seed}))
    begin = time.perf_counter()
    status.status(suite, tmp_path / "results", tmp_path)
    assert time.perf_counter() - begin < 2.5
    assert capsys.readouterr().out.startswith("t: 2000 trials: 2000 done, ")


def test_a_dry_run_is_a_table_with_an_estimate_of_what_was_measured(klevel, suite, trials, store):
    for spec in trials[:6]:
        finish(store, spec)
    folder = store.dense(trials[0].dense)
    folder.mkdir(parents=True)
    for name in ("record.json", "network.pt"):
        (folder / name).write_text("{}")
    out = klevel("run", suite, "--dry-run", "--jobs", "1")[1]
    assert out[0].split() == ["trials", "method", "architecture", "dataset", "grouping", "keep", "seeds", "epochs"]
    assert [line.split() for line in out[2:-3]] == [
        ["6", "wgsef", "lenet5", "digits", "filter", "0.5", "0-5", "12"],
    ]
    assert out[-2] == "dense networks: 6, shared by these trials; 1 of them are there already"
    total = "trials: 6; epochs, those of dense networks included: 17; time: "
    assert out[-1] == f"{total}2:50 with 1 at a time"
    assert klevel("run", suite, "--dry-run", "--jobs", "2")[1][-1] == f"{total}1:30 with 2 at a time"


def test_a_long_plan_is_cut(klevel, suite_file):
    suite = suite_file(keep=[k / 100 for k in range(1, 51)])
    out = klevel("run", suite, "--dry-run")[1]
    assert len(out) == 2 + 40 + 1 + 3
    assert out[42] == "and 10 more lines"


def test_a_log_is_printed_of_trials_and_dense_networks_finished_or_not(klevel, suite, trials, store, tmp_path):
    one, other = trials[:2]
    for spec in (one, other):
        store.begin(spec)
    (store.trial(one) / "log.txt").write_text("a line\n")
    store.dense(one.dense).mkdir(parents=True)
    (store.dense(one.dense) / "log.txt").write_text("of a dense network\n")
    assert klevel("log", one.id[:8]) == (0, ["a line"], [])
    assert klevel("log", str(store.trial(one))) == (0, ["a line"], [])
    assert klevel("log", one.dense.id) == (0, ["of a dense network"], [])
    code, _, err = klevel("log", other.id)
    assert (code, err) == (2, [f"klevel: {store.trial(other)}: has no log yet"])
    finish(store, other, "skipped", "no groups")
    assert klevel("log", other.id)[2] == [f"klevel: {store.trial(other)}: has no log: it was skipped, no groups"]
    (store.root / "dense" / f"{one.id[:8]}0000").mkdir()
    assert klevel("log", one.id[:8])[2][0].startswith(f"klevel: {one.id[:8]}: may be any of ")


def test_a_log_is_followed_until_its_trial_has_a_row(klevel, trials, store):
    spec = trials[0]
    store.begin(spec)
    log = store.trial(spec) / "log.txt"

    def work():
        for i in range(3):
            time.sleep(0.1)
            with log.open("a") as file:
                file.write(f"line {i}\n")
        store.finish(spec, row_of(spec, "t"))

    worker = threading.Thread(target=work)
    worker.start()
    assert klevel("log", "-f", spec.id) == (0, ["line 0", "line 1", "line 2"], [])
    worker.join()


def test_without_tensorboard_one_line_says_how_to_get_it(klevel, suite, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, out, err = klevel("run", suite, "--tensorboard", "--jobs", "1")
    assert (code, out, err) == (2, [], ["klevel: --tensorboard needs tensorboard: pip install '.[tensorboard]'"])
    assert not store.root.exists()
