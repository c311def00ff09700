"""Results of several machines, brought together."""

import json

import pandas as pd
import pytest

from results.errors import InputError
from runners.collect import collect
from runners.measurement import LatencyRecord
from runners.row import row_of
from runners.store import Store
from runners.training import EpochRecord

LATENCY = LatencyRecord("dense", "torch", "cpu", 64, 1, 2.5, 0.1, 15)


@pytest.fixture
def machine(tmp_path, make_spec):
    """Return a function that writes the results folder of a machine: the rows of these seeds."""

    def of(name, seeds, status="done", **cells):
        store = Store(tmp_path / name, "t")
        specs = [make_spec(seed=seed) for seed in seeds]
        for spec in specs:
            row = row_of(spec, "t", status, None if status == "done" else "because")
            for column, value in ({"test_top1": 0.5, "speedup_b1": 1.5} | cells).items():
                setattr(row, column, value)
            store.begin(spec)
            epoch = EpochRecord("finetune", 1, 0.5, 0.25, [3, spec.seed], None, 0.05, 1.5)
            store.finish(spec, row, [epoch], [LATENCY])
        store.collect(specs)
        store.measured_on({"machine": name})
        store.describe("suite: t\n")
        return store.root

    return of


def table(folder, name="trials"):
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


def test_two_halves_make_what_one_machine_writes(machine, tmp_path):
    whole, a, b = machine("whole", range(4)), machine("a", [0, 2]), machine("b", [1, 3])
    assert collect([a, b], tmp_path / "all") == 4
    for name in ("trials", "epochs", "latency"):
        assert (tmp_path / "all" / f"{name}.csv").read_bytes() == (whole / f"{name}.csv").read_bytes()
    assert json.loads((tmp_path / "all" / "environment.json").read_text()) == [{"machine": "a"}, {"machine": "b"}]
    assert (tmp_path / "all" / "suite.yaml").read_text() == "suite: t\n"
    assert collect([machine("c", [4])], tmp_path / "all") == 5, "what is there takes part"
    assert len(table(tmp_path / "all", "epochs")) == 5


def test_times_may_differ_and_the_row_that_is_done_is_taken(machine, tmp_path):
    a = machine("a", [0, 1], "failed", test_top1=None)
    b, c = machine("b", [0]), machine("c", [0], speedup_b1=3.0, torch="9", commit="abc")
    assert collect([a, b, c], tmp_path / "all") == 2
    assert table(tmp_path / "all")[["status", "speedup_b1"]].values.tolist() == [["done", "1.5"], ["failed", "1.5"]]


def test_rows_that_contradict_each_other_are_refused(machine, tmp_path):
    a, b = machine("a", [0]), machine("b", [0], test_top1=0.25)
    with pytest.raises(InputError, match=rf"^trial \w+, test_top1: 0\.5 in {a}, 0\.25 in {b}; "):
        collect([a, b], tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_folder_without_trials_is_refused(machine, tmp_path):
    with pytest.raises(InputError, match=r"nowhere holds no trials\.csv"):
        collect([machine("a", [0]), tmp_path / "nowhere"], tmp_path / "all")
    assert not (tmp_path / "all").exists()
