"""Broken files of a results folder: each is found and set aside, and nothing else is touched."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import yaml

from results.errors import InputError
from results.reading import read
from runners import doctor
from runners.__main__ import main
from runners.leases import STALE, Leases
from tests.runners.damage import DAMAGE, JSON_DAMAGE, OF_DENSE, OF_SUITE, OF_TRIAL, contents

FILES = [*OF_SUITE, *(f"dense/{name}" for name in OF_DENSE), *(f"trials/{name}" for name in OF_TRIAL)]
CASES = [(file, how) for file in FILES for how in ("empty", "cut", "noise")]
CASES += [(file, "zeros") for file in ("trials.csv", "suite.yaml", "trials/compact.pt")]
CASES += [(file, how) for file in ("environment.json", "trials/row.json") for how in JSON_DAMAGE]
CASES += [(file, "list") for file in ("trials/epochs.json", "trials/latency.json", "dense/record.json")]


@pytest.fixture
def klevel(capsys):
    """Call the command line; return its exit code, the lines that it put out, and those on stderr."""

    def call(*arguments):
        code = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


def run(klevel, root, *options):
    return klevel("run", root.parent.parent / "s.yaml", "--results", root.parent, "--jobs", 1, *options)


def place(root, file):
    """Return the path of a file, in the first folder of its kind."""
    part, _, name = file.rpartition("/")
    return min((root / part).iterdir()) / name if part else root / name


def damage(path, how):
    path.write_bytes((DAMAGE | JSON_DAMAGE)[how](path.read_bytes()))
    return path


def a_trial(root, number=0):
    return sorted((root / "trials").iterdir())[number]


def ended():
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_whole_folder_has_no_faults_and_stays_as_it_is(klevel, root):
    before = contents(root)
    for where in (root, root.parent):
        assert klevel("doctor", where) == klevel("doctor", where, "--fix") == (0, ["nothing is broken"], [])
    assert contents(root) == before


def test_what_has_not_finished_is_no_fault(klevel, root):
    trial, other = a_trial(root), a_trial(root, 1)
    torch.save({"identity": {"of": "older code"}, "phase": "sparsify"}, trial / "progress.pt")
    for name in ("row.json", "epochs.json", "latency.json", "compact.pt"):
        (trial / name).unlink()
    for path in other.iterdir():
        path.unlink()
    (min((root / "dense").iterdir()) / "record.json").unlink()
    assert list(doctor.examine(root)) == []


@pytest.mark.parametrize(("file", "how"), CASES, ids=map("-".join, CASES))
def test_damage_is_found_and_what_is_whole_is_not_touched(klevel, root, file, how):
    path = damage(place(root, file), how)
    before = contents(root)
    code, out, err = klevel("doctor", root)
    assert (code, len(out), err) == (1, 2, [])
    assert out[0].startswith(f"{path}: ")
    assert out[1] == "1 broken"
    assert contents(root) == before
    code, out, err = klevel("doctor", root, "--fix")
    assert (code, len(out), err) == (0, 2, [])
    assert f"(renamed to {path.name}.broken" in out[0]
    left, key = contents(root), path.relative_to(root)
    assert left.pop(key.with_name(f"{key.name}.broken")) == before.pop(key)
    if file.startswith("trials/") and path.name != "row.json":
        again = key.with_name("row.json")
        assert left.pop(again.with_name("row.json.broken")) == before.pop(again)
    assert left == before
    assert klevel("doctor", root) == (0, ["nothing is broken"], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", ["suite.yaml", "trials.csv", "dense/network.pt", "trials/row.json", "trials/compact.pt"]
)
def test_a_run_goes_on_after_a_fix(klevel, root, file):
    before = {name: read(root, name) for name in ("trials", "epochs", "latency")}
    damage(place(root, file), "cut")
    assert klevel("doctor", root, "--fix")[0] == 0
    assert run(klevel, root)[0] == 0
    for name, table in before.items():
        assert read(root, name)[["trial"]].equals(table[["trial"]])
    rows = read(root).set_index("trial")
    assert rows["test_top1"].equals(before["trials"].set_index("trial")["test_top1"])
    assert klevel("doctor", root) == (0, ["nothing is broken"], [])
    assert run(klevel, root, "--dry-run")[1] == ["nothing is missing"]


def test_a_changed_byte_among_the_weights_is_found(root):
    path = place(root, "trials/compact.pt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert [fault.path for fault in doctor.examine(root)] == [path]


@pytest.mark.parametrize("content", [{"a": 1}, [1], 3], ids=repr)
@pytest.mark.parametrize("file", ["trials/checkpoint.pt", "trials/compact.pt", "trials/progress.pt"])
def test_tensors_of_something_else_are_found(root, file, content):
    torch.save(content, place(root, file))
    assert [fault.path for fault in doctor.examine(root)] == [place(root, file)]


@pytest.mark.parametrize("file", ["trials/trial.yaml", "trials/row.json", "dense/record.json"])
def test_what_is_in_the_folder_of_another_is_found(klevel, root, file):
    path = place(root, file)
    path.parent.rename(path.parent.with_name("0123456789ab"))
    found = {fault.path.name: fault.what for fault in doctor.examine(root)}
    assert f"of {path.parent.name}, in the folder of another" in found[path.name]
    assert klevel("doctor", root, "--fix")[0] == 0
    assert run(klevel, root)[0] == 0
    assert len(read(root)) == 2


def test_a_row_of_another_version_is_found(root):
    path = place(root, "trials/row.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"protocol": 99}))
    (fault,) = doctor.examine(root)
    assert str(fault).startswith(f"{path}: is no row of this version of klevel (columns: protocol = 99: ")


def test_a_trial_that_was_at_fine_tuning_begins_anew_without_its_masks(klevel, root):
    trial = a_trial(root)
    (trial / "row.json").unlink()
    torch.save({"identity": {}}, trial / "progress.pt")
    damage(trial / "checkpoint.pt", "cut")
    assert klevel("doctor", root, "--fix")[0] == 0
    assert not (trial / "progress.pt").exists()
    assert run(klevel, root)[0] == 0


def test_what_a_killed_process_left_is_removed(klevel, root, tmp_path):
    process = ended()
    half = [root / f".trials.csv.{process}", a_trial(root) / f".compact.pt.{process}"]
    half.append(min((root / "dense").iterdir()) / f".network.pt.{process}")
    lease = root / "leases" / "0123456789ab.1"
    lease.parent.mkdir(exist_ok=True)
    with contextlib.closing(Leases(tmp_path / "leases")) as leases:
        leases.claim("a")
        said = json.loads((tmp_path / "leases" / "a.1").read_text())
    lease.write_text(json.dumps(said | {"process": process}))
    for path in half:
        path.write_bytes(b"half")
    alive = root / f".trials.csv.{os.getpid()}"
    alive.write_bytes(b"half")
    assert {fault.path for fault in doctor.examine(root)} == {*half, lease}
    code, out, _ = klevel("doctor", root, "--fix")
    assert (code, out[-1]) == (0, "4 broken")
    assert all(said.endswith("(removed)") for said in out[:-1])
    assert not any(path.exists() for path in (*half, lease))
    assert alive.exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"host"', '{"process": "x"}'])
def test_a_lease_that_was_cut_off_counts_for_as_long_as_it_may_be_held(klevel, root, content):
    lease = root / "leases" / "0123456789ab.1"
    lease.parent.mkdir(exist_ok=True)
    lease.write_text(content)
    assert klevel("doctor", root, "--fix")[0] == 2
    before = time.time() - 2 * STALE
    os.utime(lease, (before, before))
    assert klevel("doctor", root, "--fix")[0] == 0
    assert not lease.exists()


def test_nothing_is_set_aside_while_a_run_is_at_work(klevel, root):
    path = damage(place(root, "trials/row.json"), "cut")
    with contextlib.closing(Leases(root / "leases")) as other:
        assert other.claim("0123456789ab")
        before = contents(root)
        code, out, err = klevel("doctor", root, "--fix")
        assert (code, out, len(err)) == (2, [], 1)
        assert f"process {os.getpid()} of " in err[0]
        assert contents(root) == before
        assert klevel("doctor", root)[0] == 1
    assert klevel("doctor", root, "--fix")[0] == 0
    assert not path.exists()


@pytest.mark.parametrize("file", ["trials.csv", "trials/row.json", "dense/network.pt", "trials", "leases", "dense/"])
def test_a_link_that_leads_out_is_not_followed(klevel, root, tmp_path, file):
    path = place(root, file).resolve()
    outside = tmp_path / "outside"
    if path.exists():
        path.rename(outside)
    else:
        outside.mkdir()
    if outside.is_file():
        outside.write_text("secret")
    else:
        (outside / "row.json").write_text("secret")
    path.symlink_to(outside)
    before = contents(tmp_path / "outside")
    (fault,) = doctor.examine(root)
    assert (fault.path, fault.what) == (path, "is a link that leads out of the folder")
    assert klevel("doctor", root, "--fix")[0] == 0
    assert contents(tmp_path / "outside") == before
    assert (root / path.relative_to(root)).with_name(f"{path.name}.broken").is_symlink()
    assert run(klevel, root)[0] == 0


def test_links_within_the_folder_are_fine(root):
    path = place(root, "trials/compact.pt")
    path.rename(path.with_name("other.pt"))
    path.symlink_to("other.pt")
    assert list(doctor.examine(root)) == []


def test_a_suite_that_lies_elsewhere_is_left_as_it_is(klevel, root, tmp_path):
    root.rename(tmp_path / "elsewhere")
    root.symlink_to(tmp_path / "elsewhere")
    damage(place(tmp_path / "elsewhere", "trials/row.json"), "empty")
    code, out, _ = klevel("doctor", root.parent, "--fix")
    assert (code, len(out)) == (1, 2)
    assert out[0].endswith("look at its target by itself (left as it is)")
    assert root.is_symlink()
    assert klevel("doctor", root, "--fix")[0] == 0


@pytest.mark.parametrize("file", ["trials.csv", "trials/row.json", "dense/network.pt"])
def test_what_is_no_file_is_set_aside_unread(klevel, root, file):
    path = place(root, file)
    path.unlink()
    os.mkfifo(path)
    assert klevel("doctor", root, "--fix")[0] == 0
    path.mkdir()
    assert klevel("doctor", root, "--fix")[0] == 0
    assert run(klevel, root)[0] == 0


def test_a_file_that_cannot_be_opened_is_left_as_it_is(klevel, root, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setitem(doctor._TRIAL, "row.json", refuse)
    before = contents(root)
    code, out, _ = klevel("doctor", root, "--fix")
    assert (code, out[-1]) == (1, "2 broken")
    assert out[0].endswith("row.json: cannot be read: Permission denied (left as it is)")
    assert contents(root) == before


def test_a_folder_that_is_read_only_gives_one_line(klevel, root, monkeypatch):
    def refuse(path):
        raise PermissionError(30, "Read-only file system", str(path))

    path = damage(place(root, "trials/row.json"), "cut")
    monkeypatch.setattr(doctor, "set_aside", refuse)
    assert klevel("doctor", root, "--fix") == (2, [], [f"klevel: cannot use {path}: Read-only file system"])


@pytest.mark.parametrize("where", ["none", "s.yaml", "empty"])
def test_what_is_no_results_folder_is_refused(klevel, root, where):
    folder = root.parent.parent / where
    if where == "empty":
        folder.mkdir()
    for options in ([], ["--fix"]):
        code, out, err = klevel("doctor", folder, *options)
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith(f"klevel: {folder}: ")


def test_every_suite_of_a_folder_is_examined(klevel, root):
    other = root.with_name("u")
    shutil.copytree(root, other)
    for folder in (root, other):
        damage(place(folder, "dense/record.json"), "empty")
    code, out, _ = klevel("doctor", root.parent)
    assert (code, out[-1]) == (1, "2 broken")


def test_names_of_ones_own_are_compared_but_not_imported(root, tmp_path, make_spec, monkeypatch):
    (tmp_path / "own_of_this_test.py").write_text("def build(channels, size, classes):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = make_spec(architecture="own_of_this_test:build")
    del sys.modules["own_of_this_test"]
    (tmp_path / "own_of_this_test.py").unlink()
    folder = root / "trials" / spec.id
    folder.mkdir()
    text = yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True))
    (folder / "trial.yaml").write_text(text)
    assert list(doctor.examine(root)) == []
    (folder / "trial.yaml").write_text(text.replace(":build", ":other"))
    assert [fault.path.parent for fault in doctor.examine(root)] == [folder]


@pytest.mark.parametrize(("file", "how"), [("trials.csv", "cut"), ("epochs.csv", "noise"), ("latency.csv", "empty")])
def test_whoever_reads_a_broken_table_is_told_what_helps(root, file, how):
    damage(place(root, file), how)
    with pytest.raises(InputError, match=rf"^{root}/{file}.*; klevel doctor {root} --fix sets it aside$"):
        read(root, file.removesuffix(".csv"))


def test_an_export_of_a_broken_trial_is_told_what_helps(klevel, root, tmp_path):
    for name in ("trial.yaml", "row.json", "checkpoint.pt", "compact.pt"):
        path = a_trial(root) / name
        content = path.read_bytes()
        damage(path, "noise")
        code, _, err = klevel("export", path.parent, tmp_path / "deploy")
        assert (code, len(err)) == (2, 1)
        assert err[0].startswith(f"klevel: {path}: ")
        assert f"klevel doctor {root} --fix sets it aside" in err[0]
        path.write_bytes(content)


def test_folders_with_broken_tables_or_machines_are_not_collected(klevel, root, tmp_path):
    for name in ("trials.csv", "epochs.csv", "environment.json"):
        content = (root / name).read_bytes()
        damage(root / name, "cut")
        code, _, err = klevel("collect", root, "--into", tmp_path / "all")
        assert (code, len(err)) == (2, 1)
        assert f"klevel doctor {root} --fix sets it aside" in err[0]
        (root / name).write_bytes(content)
    assert klevel("collect", root, "--into", tmp_path / "all")[0] == 0
    assert len(pd.read_csv(tmp_path / "all" / "trials.csv")) == 2
