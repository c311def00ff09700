"""What the machine did is no fault of a trial: the run stops with one line, marks nothing failed, and goes on later."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
import torch

from results.columns import VARYING
from results.errors import MachineFault
from runners import data, store, tasks
from runners.__main__ import main
from runners.executors import Slots
from runners.run import Again, run
from runners.store import Store
from runners.tasks import RunContext

ONE = Slots(["cpu"])


@pytest.fixture
def context(tmp_path):
    return RunContext(tmp_path, "t", "cpu", 1)


def cells(table):
    return table.drop(columns=list(VARYING)).to_dict("records")


@pytest.fixture
def undisturbed(make_spec, tmp_path_factory):
    """The trials of these tests, and their rows."""
    specs = [make_spec(seed=s) for s in range(2)]
    return specs, cells(run(RunContext(tmp_path_factory.mktemp("whole"), "t", "cpu", 1), specs, ONE))


def full(path, error):
    """Write a part, then find the disk full."""
    path.write_bytes(b"PK\x03\x04")
    raise error


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("after", "error"), [(0, FULL), (2, FULL), (4, RuntimeError("unexpected pos 12 vs 11")), (6, FULL)]
)
def test_a_disk_that_is_full_at_some_tensor_file_stops_the_run(context, undisturbed, monkeypatch, after, error):
    """The files are dense networks and their checkpoints, masked and compact networks, checkpoints of trials."""
    specs, rows = undisturbed
    real, written = torch.save, []

    def save(content, path):
        if not isinstance(path, Path):  # in memory, to measure
            return real(content, path)
        written.append(path)
        return full(path, error) if len(written) > after else real(content, path)

    with monkeypatch.context() as patch:
        patch.setattr(store.torch, "save", save)
        with pytest.raises(MachineFault) as stop:
            run(context, specs, ONE)
    assert "\n" not in str(stop.value)
    assert "cannot be written" in str(stop.value)
    there = [Store(context.results, "t").row(spec) for spec in specs]
    assert all(row is None or row.status == "done" for row in there)
    assert list(context.results.rglob(".*.pt.*")) == [], "nothing half-written is left"
    assert cells(run(context, specs, ONE)) == rows


@pytest.mark.slow
def test_a_full_disk_in_a_worker_ends_the_run_too(suite_file, tmp_path, capsys, monkeypatch):
    """The results folder is on a file system of 200 kB, where one can be made."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        code = main(["run", suite_file(), "--results", str(small), "--device", "cpu", "--jobs", "2"])
        err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("klevel: ")]
        assert (code, len(err)) == (2, 1)
        assert str(small) in err[0]
        assert list(small.rglob("row.json")) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_dataset_that_vanishes_stops_the_run(context, undisturbed, monkeypatch):
    specs, rows = undisturbed
    with monkeypatch.context() as patch:
        patch.setattr("runners.dense.load_shared", vanished_after(3))
        with pytest.raises(MachineFault, match="images"):
            run(context, specs, ONE)
    assert all(Store(context.results, "t").row(spec) is None for spec in specs)
    assert cells(run(context, specs, ONE)) == rows


def vanished_after(times):
    """A way to load data that raises after so many times."""
    loads = []

    def load(*arguments, **options):
        loads.append(arguments)
        if len(loads) > times:
            raise data.InputError("dataset digits: images: No such file or directory")
        return data.load(*arguments, **options)

    return load


@pytest.mark.parametrize(
    ("name", "content"), [("network.pt", b""), ("network.pt", b"PK\x03\x04 garbage"), ("record.json", b"[1]")]
)
def test_a_broken_dense_network_is_found_said_and_trained_again(context, undisturbed, capsys, name, content):
    specs, rows = undisturbed
    run(context, specs, ONE)
    path = Store(context.results, "t").dense(specs[0].dense) / name
    path.write_bytes(content)
    capsys.readouterr()
    assert cells(run(context, specs, ONE, Again(all=True))) == rows
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("klevel: ")]
    assert len(said) == 1
    assert f"{path}: " in said[0]
    assert (path.parent / f"{name}.broken").read_bytes() == content


@pytest.mark.slow
def test_a_row_that_cannot_be_read_is_set_aside_and_its_trial_run_again(context, undisturbed, capsys):
    specs, rows = undisturbed
    run(context, specs, ONE)
    path = Store(context.results, "t").trial(specs[1]) / "row.json"
    path.write_bytes(path.read_bytes()[:100])
    capsys.readouterr()
    assert cells(run(context, specs, ONE)) == rows
    assert f"{path}: not JSON; kept as row.json.broken" in capsys.readouterr().err
    assert (path.parent / "row.json.broken").stat().st_size == 100


def killed(*arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["checkpoint.pt", "progress.pt"])
def test_a_checkpoint_that_cannot_be_read_is_begun_anew(context, undisturbed, monkeypatch, name):
    specs, rows = undisturbed
    with monkeypatch.context() as patch:
        patch.setattr("runners.trial.deploy", killed)
        with pytest.raises(KeyboardInterrupt):
            run(context, specs[:1], ONE)
    path = Store(context.results, "t").trial(specs[0]) / name
    path.write_bytes(path.read_bytes()[:2000])
    assert cells(run(context, specs, ONE)) == rows


@pytest.mark.parametrize("code", sorted(tasks.OF_THE_MACHINE))
def test_an_error_of_the_system_in_a_trial_is_none_of_the_trial(context, make_spec, monkeypatch, code):
    def fails(spec, bench):
        raise OSError(code, os.strerror(code), "some/file")

    monkeypatch.setattr(tasks, "run_trial", fails)
    with pytest.raises(MachineFault, match=f"some/file: {os.strerror(code)}"):
        run(context, [make_spec()], ONE)
    assert Store(context.results, "t").row(make_spec()) is None


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(context, make_spec, monkeypatch, capsys):
    def broken(handler, record):
        handler.handleError(record)

    monkeypatch.setattr(tasks._QuietHandler, "emit", broken)
    assert run(context, [make_spec()], ONE)["status"].tolist() == ["done"]
    assert "Logging error" not in capsys.readouterr().err


def test_a_folder_that_is_read_only_gives_one_line(suite_file, tmp_path, capsys):
    folder = tmp_path / "read only"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder], capture_output=True)
    if not os.path.ismount(folder):
        pytest.skip("a file system that is read only cannot be mounted here")
    try:
        code = main(["run", suite_file(), "--results", str(folder), "--device", "cpu", "--jobs", "1"])
        err = capsys.readouterr().err.splitlines()
        assert (code, len(err)) == (2, 1)
        assert str(folder) in err[0]
    finally:
        subprocess.run(["umount", folder], check=True)
