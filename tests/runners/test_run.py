"""A run of a suite: what is missing and nothing else, in one process or several, killed or not."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from results.columns import VARYING
from runners import run, tasks, trial
from runners.__main__ import main
from runners.executors import Slots
from runners.leases import Leases
from runners.store import Store
from runners.tasks import RunContext

ROOT = Path(run.__file__).parents[1]
ONE = Slots(["cpu"])
METHODS = ["dense", "magnitude", {"name": "wgsef", "lam": 0.5}]


@pytest.fixture
def suite(suite_file):
    """A suite of six trials on two seeds."""
    return suite_file(method=METHODS)


def call(suite, results, *options):
    return main(["run", suite, "--results", str(results), "--device", "cpu", *options])


def rows(results):
    """trials.csv, cell by cell as text, without what may vary."""
    table = pd.read_csv(results / "t" / "trials.csv", dtype=str, keep_default_na=False)
    return table.drop(columns=list(VARYING)).to_dict("records")


def test_a_second_run_does_nothing_and_gives_the_same_csvs(suite, tmp_path, performed):
    assert call(suite, tmp_path, "--jobs", "1") == 0
    assert len(performed) == 2 + 6, "two dense networks, each once, then six trials"
    before = {p.name: p.read_bytes() for p in (tmp_path / "t").glob("*.csv")}
    assert len(before) == 3
    performed.clear()
    assert call(suite, tmp_path, "--jobs", "1") == 0
    assert performed == []
    assert {p.name: p.read_bytes() for p in (tmp_path / "t").glob("*.csv")} == before


@pytest.mark.slow
def test_a_limit_runs_the_first_trials_and_the_next_run_the_rest(suite, tmp_path, performed):
    assert call(suite, tmp_path, "--jobs", "1", "--limit", "1") == 0
    assert len(performed) == 2
    assert len(rows(tmp_path)) == 1
    assert call(suite, tmp_path, "--jobs", "1") == 0
    assert len(performed) == 2 + 6
    assert len(rows(tmp_path)) == 6


def test_dense_networks_are_trained_where_a_pending_trial_needs_them(suite, tmp_path, performed, make_spec):
    context = RunContext(tmp_path, "t", "cpu", 1)
    run.run(context, [make_spec(seed=1)], ONE)
    assert [s.seed for s in performed] == [1, 1]
    run.run(context, [make_spec(seed=1, keep=0.25)], ONE)
    assert len(performed) == 3, "its dense network is there"


def test_failed_trials_are_run_again_on_request(tmp_path, make_spec, monkeypatch):
    context, spec = RunContext(tmp_path, "t", "cpu", 1), make_spec()
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "run_trial", lambda spec, bench: 1 / 0)
        assert run.run(context, [spec], ONE)["status"].tolist() == ["failed"]
    assert run.run(context, [spec], ONE)["reason"].tolist() == ["ZeroDivisionError: division by zero"]
    assert run.run(context, [spec], ONE, run.Again(failed=True))["status"].tolist() == ["done"]


def test_an_interruption_leaves_csvs_of_what_was_done(tmp_path, make_spec, monkeypatch):
    specs, real = [make_spec(seed=s) for s in range(2)], tasks.run_trial

    def run_trial(spec, bench):
        if spec.seed == 1:
            raise KeyboardInterrupt
        return real(spec, bench)

    monkeypatch.setattr(tasks, "run_trial", run_trial)
    with pytest.raises(KeyboardInterrupt):
        run.run(RunContext(tmp_path, "t", "cpu", 1), specs, ONE)
    assert [r["trial"] for r in rows(tmp_path)] == [specs[0].id]
    assert Store(tmp_path, "t").row(specs[1]) is None


@pytest.fixture
def as_anywhere(monkeypatch):
    """What a process of its own counts as collapsed."""
    monkeypatch.setattr(trial, "MARGIN", 0.05)


@pytest.mark.usefixtures("as_anywhere")
@pytest.mark.slow
def test_two_processes_give_what_one_gives(suite_file, tmp_path):
    suite = suite_file(method=METHODS, seed=[0])
    codes = [call(suite, tmp_path / name, "--jobs", jobs) for name, jobs in (("one", "1"), ("two", "2"))]
    assert codes[0] == codes[1]
    assert rows(tmp_path / "two") == rows(tmp_path / "one")
    assert multiprocessing.active_children() == []


def ends(how):
    """The architecture whose building ends its process in this way."""
    return f"tests.runners.user_networks:{how}"


@pytest.mark.slow
def test_a_trial_that_takes_too_long_is_a_failure(suite_file, tmp_path):
    suite = suite_file(method=["dense"], seed=[0], architecture=[ends("sleeps"), "lenet5"])
    assert call(suite, tmp_path, "--jobs", "1", "--trial-timeout", "15") == 1
    found = {r["architecture"].rpartition(":")[2]: (r["status"], r["reason"]) for r in rows(tmp_path)}
    assert found == {"sleeps": ("failed", "its dense network failed: took longer than 15 s"), "lenet5": ("done", "")}


def gone(pid):
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "jobs"), [(signal.SIGINT, "1"), (signal.SIGTERM, "1"), (signal.SIGTERM, "2")])
def test_a_signal_ends_a_run_with_its_code_and_what_was_done(sent, jobs, suite, tmp_path):
    command = [sys.executable, "-m", "runners", "run", suite, "--jobs", jobs, "--results", str(tmp_path)]
    command += ["--set", "finetune_epochs=100000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: process.poll() is not None or any((tmp_path / "t" / "trials").glob("*/progress.pt")))
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + sent
    assert said.rstrip().split("\n")[-1] == f"klevel: stopped by signal {int(sent)}; call again to go on"
    assert "leaked" not in said
    assert (tmp_path / "t" / "trials.csv").exists(), "of what was done"


@pytest.mark.slow
def test_a_run_ends_with_the_script_that_started_it(suite, tmp_path):
    """The script is a shell that names itself in KLEVEL_PARENT_PID, as run_all.sh does, and is killed."""
    run_forever = (
        'export KLEVEL_PARENT_PID=$$; "$0" -m runners run "$1" --jobs 1 --results "$2" --set dense_epochs=1000000 '
        "& echo $!; wait"
    )
    script = subprocess.Popen(
        ["bash", "-c", run_forever, sys.executable, suite, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    child = int(script.stdout.readline())
    try:
        wait_for(lambda: gone(child) or (tmp_path / "t" / "leases").exists())
        assert not gone(child), "it is at work"
        script.kill()
        script.wait()
        wait_for(lambda: gone(child), 30)
    finally:
        script.kill()
        script.wait()
        script.stdout.close()
        if not gone(child):
            os.kill(child, signal.SIGKILL)


@pytest.mark.usefixtures("as_anywhere")
@pytest.mark.slow
def test_two_runs_side_by_side_share_the_work(suite, tmp_path):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    code = call(suite, whole, "--jobs", "1")
    command = [sys.executable, "-m", "runners", "run", suite, "--jobs", "1", "--results", str(shared)]
    others = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [other.wait(timeout=120) for other in others] == [code, code]
    assert rows(shared) == rows(whole)
    logs = [p.read_text() for p in (shared / "t").glob("*/*/log.txt")]
    assert len(logs) == 2 + 6
    assert all(len(re.findall(r"INFO (?:Trial|Dense)Spec", log)) == 1 for log in logs), "each was done once"
    assert list((shared / "t" / "leases").iterdir()) == []


def test_a_trial_that_another_run_holds_is_waited_for_and_not_run(tmp_path, make_spec, performed, monkeypatch):
    """The other run is another set of leases of this process; it ends while this one waits."""
    context, specs = RunContext(tmp_path, "t", "cpu", 1), [make_spec(seed=s) for s in range(2)]
    run.run(context, specs[:1], ONE)
    store = Store(tmp_path, "t")
    row = (store.trial(specs[0]) / "row.json").read_bytes()
    store.reopen(specs[0], store.row(specs[0]))
    other = Leases(store.leases)
    assert other.claim(specs[0].id)
    performed.clear()

    def done_meanwhile(seconds):
        (store.trial(specs[0]) / "row.json").write_bytes(row)
        other.close()

    monkeypatch.setattr(run.time, "sleep", done_meanwhile)
    assert len(run.run(context, specs, ONE)) == 2
    assert {s.seed for s in performed} == {1}


def test_a_refused_trial_that_another_run_holds_is_not_run_when_that_dies(tmp_path, make_spec, performed, monkeypatch):
    context, spec = RunContext(tmp_path, "t", "cpu", 1), make_spec(grouping="depth", architecture="lenet5_caffe")
    other = Leases(Store(tmp_path, "t").leases)
    assert other.claim(spec.id)
    monkeypatch.setattr(run.time, "sleep", lambda seconds: other.close())
    assert run.run(context, [spec], ONE)["status"].tolist() == ["skipped"]
    assert performed == []


def test_two_suite_files_of_one_name_are_told_apart(suite_file, tmp_path, capsys):
    one, other = suite_file(name="one.yaml", seed=[0]), suite_file(name="other.yaml", seed=[1])
    assert call(one, tmp_path, "--jobs", "1") == 0
    first = (tmp_path / "t" / "suite.yaml").read_text()
    capsys.readouterr()
    assert call(other, tmp_path, "--jobs", "1") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "another suite file" in line]
    assert len(said) == 1
    assert len(rows(tmp_path)) == 2
    kept = next((tmp_path / "t").glob("suite-*.yaml"))
    assert kept.name in said[0]
    assert kept.read_text() == first
    assert (tmp_path / "t" / "suite.yaml").read_text() == Path(other).read_text()


def test_a_trial_that_another_run_has_run_again_meanwhile_stays(tmp_path, make_spec, performed, monkeypatch):
    """Between the look at its row and the work, which takes seconds where data are loaded."""
    context, spec = RunContext(tmp_path, "t", "cpu", 1), make_spec()
    run.run(context, [spec], ONE)
    store = Store(tmp_path, "t")
    path = store.trial(spec) / "row.json"
    row = path.read_text()
    real = run._check_files

    def meanwhile(*arguments):
        path.write_text(row.replace('"lenet5"', '"lenet5 "'))
        real(*arguments)

    monkeypatch.setattr(run, "_check_files", meanwhile)
    performed.clear()
    run.run(context, [spec], ONE, run.Again(all=True))
    assert performed == []
