import pytest

from analysis.importing import IMPORTERS, Importer, bring_in, numbered
from analysis.importing.base import Run
from results.columns import Epoch, Trial, names
from results.errors import InputError

COLUMNS, EPOCH_COLUMNS = names(Trial), names(Epoch)


def test_the_tools_are_found():
    assert list(IMPORTERS) == ["shrinkbench", "torch-pruning"]
    assert all("\n" not in importer.description for importer in IMPORTERS.values())


def test_the_columns_are_those_of_the_design(make):
    assert make.EPOCHS == EPOCH_COLUMNS
    assert make.COLUMNS == COLUMNS


def test_the_same_bytes_each_time(tmp_path, torch_pruning, shrinkbench, log):
    paths = {"torch-pruning": [log(torch_pruning.text(*(torch_pruning.run(speed_up=s) for s in "32")))]}
    shrinkbench.new("b")
    shrinkbench.new("a", seed=1)
    paths["shrinkbench"] = [tmp_path / "experiments"]
    for tool, given in paths.items():
        bring_in(tool, given, tmp_path / tool)
        first = {path.name: path.read_bytes() for path in (tmp_path / tool).iterdir()}
        bring_in(tool, given, tmp_path / tool)
        assert {path.name: path.read_bytes() for path in (tmp_path / tool).iterdir()} == first
        assert sorted(first) == ["epochs.csv", "trials.csv"]
        assert first["trials.csv"].startswith(",".join(COLUMNS).encode() + b"\n")
        assert first["epochs.csv"].startswith(",".join(EPOCH_COLUMNS).encode() + b"\n")
        assert not any(b"\r" in content for content in first.values())


def test_ids_that_must_not_change():
    """Or a figure of today and one of tomorrow take the same run for two."""
    runs = [({"model": "a"}, None), ({"model": "b"}, 7), ({"model": "a"}, None), ({"model": "b"}, 7)]
    assert numbered("tool", runs) == [
        (0, "61707c2c80e1"),
        (7, "68c653ebd3de"),
        (1, "f5a9170f9eb3"),
        (7, "d0baf20316c9"),
    ]


@pytest.fixture
def tool(monkeypatch):
    """Return a function that makes an importer, `mine`, which reads one run with these fields."""

    def make(**changed):
        fields = {"method": "x", "architecture": "x", "dataset": "x", "asked": 1, "finetune_epochs": 0, "seed": 0}
        run = Run(**fields | {"cells": {"grouping": "x"}} | changed)
        monkeypatch.setitem(IMPORTERS, "mine", Importer("mine", "mine", [], lambda path: [run]))

    return make


@pytest.mark.parametrize(
    ("asked", "keep"), [(1, "1.0"), (2.07508, "0.4819"), (20000, "0.0001"), (83333, "1e-05"), (1e9, "1e-09")]
)
def test_keep_is_never_zero(tmp_path, cells, tool, asked, keep):
    tool(asked=asked)
    bring_in("mine", [tmp_path], tmp_path / "out")
    assert cells(tmp_path / "out")[0]["keep"] == keep


def test_an_import_of_the_same_tool_is_replaced(tmp_path, torch_pruning, log, cells):
    bring_in("torch-pruning", [log(torch_pruning.text(*[torch_pruning.run()] * 2))], tmp_path / "out")
    bring_in("torch-pruning", [log(torch_pruning.text(torch_pruning.run(torch_pruning.start)))], tmp_path / "out")
    assert len(cells(tmp_path / "out")) == 1
    assert cells(tmp_path / "out", "epochs.csv") == []


def test_results_of_others_are_not_replaced(folder, make, torch_pruning, shrinkbench, log, tmp_path):
    results = folder(make.suite(seeds=1))
    before = (results / "trials.csv").read_bytes()
    path = log(torch_pruning.text(torch_pruning.run()))
    with pytest.raises(InputError, match=r"trials.csv holds suite test, which was not imported from torch-pruning"):
        bring_in("torch-pruning", [path], results)
    assert (results / "trials.csv").read_bytes() == before
    shrinkbench.new("a")
    bring_in("torch-pruning", [path], tmp_path / "out")
    with pytest.raises(InputError, match=r"holds suite torch-pruning, which was not imported from shrinkbench"):
        bring_in("shrinkbench", [tmp_path / "experiments"], tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\xff", b"a,b\n1,2\n"])
def test_a_file_in_the_way_that_is_no_results(torch_pruning, log, tmp_path, content):
    path = log(torch_pruning.text(torch_pruning.run()))
    log(content, "trials.csv")
    with pytest.raises(InputError, match=r"trials\.csv"):
        bring_in("torch-pruning", [path], tmp_path)
    assert (tmp_path / "trials.csv").read_bytes() == content


def test_a_folder_that_cannot_be_written(torch_pruning, log, tmp_path):
    """The command line says it in one line."""
    path = log(torch_pruning.text(torch_pruning.run()))
    with pytest.raises(OSError, match="File exists") as caught:
        bring_in("torch-pruning", [path], path)
    assert caught.value.filename == str(path)


def test_no_importer_writes_what_cannot_be_read(tmp_path, tool):
    tool(cells={"grouping": "x", "params": "many"})
    with pytest.raises(InputError, match=r"trials of mine, row 1, params: 'many', expected a number of at least 0"):
        bring_in("mine", [tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
