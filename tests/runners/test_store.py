"""Files: whole or not there, and CSVs that can be rebuilt from them at any time."""

import importlib
import json
import linecache
import shutil
import sys

import pandas as pd
import pytest

from methods.gmp import GMP
from methods.wgsef_dc import WGSEFDC
from results.columns import Epoch, Latency, Trial, names
from results.errors import InputError, MachineFault
from runners.dense import build
from runners.environment import code_of
from runners.measurement import LatencyRecord
from runners.row import row_of
from runners.run import Again, missing
from runners.store import ORDER, Store, write
from runners.training import EpochRecord

COLUMNS, EPOCH_COLUMNS, LATENCY_COLUMNS = names(Trial), names(Epoch), names(Latency)
EPOCH = EpochRecord("finetune", 1, 0.5, 0.75, [3, 8], None, 0.05, 1.5)
LATENCY = LatencyRecord("dense", "torch", "cpu", 64, 1, 2.5, 0.1, 15)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "t")


@pytest.fixture
def put(store):
    """Put a finished trial into the store."""

    def of(spec, status="done", **cells):
        row = row_of(spec, "t", status, None if status == "done" else "because")
        for name, value in cells.items():
            setattr(row, name, value)
        store.begin(spec)
        store.finish(spec, row, [EPOCH], [LATENCY])
        return row

    return of


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"

    def half(partial):
        partial.write_text("half")
        raise OSError("disk full")

    with pytest.raises(MachineFault, match="disk full"):
        write(path, half)
    assert list(path.parent.iterdir()) == []
    write(path, lambda p: p.write_text("old"))
    with pytest.raises(MachineFault, match="disk full"):
        write(path, half)
    assert [p.read_text() for p in path.parent.iterdir()] == ["old"], "what was there stays"
    write(path, lambda p: p.write_text("new"))
    assert [p.read_text() for p in path.parent.iterdir()] == ["new"]


def test_a_row_comes_back_as_it_was_written(store, put, make_spec):
    spec = make_spec()
    row = put(spec, test_top1=0.1 + 0.2, params=431_080, groups="[3, 8]")
    assert store.row(spec) == row


def test_a_trial_without_its_row_has_not_finished(store, put, make_spec):
    specs = [make_spec(seed=s) for s in range(3)]
    for spec in specs[:2]:
        put(spec)
    (store.trial(specs[1]) / "row.json").unlink()
    assert missing(store, specs) == specs[1:]
    assert store.collect(specs)["trial"].tolist() == [specs[0].id]


def test_a_trial_that_begins_again_forgets_what_it_had(store, put, make_spec):
    spec = make_spec()
    put(spec)
    (store.trial(spec) / "compact.pt").write_text("old")
    store.begin(spec)
    assert [p.name for p in store.trial(spec).iterdir()] == ["trial.yaml"]
    assert store.row(spec) is None


@pytest.mark.parametrize(("status", "again"), [("done", 0), ("failed", 1), ("skipped", 0)])
def test_only_failures_are_tried_again(store, put, make_spec, status, again):
    put(make_spec(), status)
    assert missing(store, [make_spec()]) == []
    assert len(missing(store, [make_spec()], Again(failed=True))) == again


def test_a_dense_network_without_its_record_or_weights_is_missing(store, make_spec, digits):
    spec = make_spec().dense
    assert store.dense_record(spec) is None
    network = build(spec, digits)
    store.save_dense(spec, network, {"val_top1": 0.5, "test_top1": 0.5, "epochs": []})
    assert store.dense_record(spec)["val_top1"] == 0.5
    assert all((v == network.state_dict()[n]).all() for n, v in store.dense_weights(spec).items())
    (store.dense(spec) / "network.pt").unlink()
    assert store.dense_record(spec) is None


def test_collect_rebuilds_the_three_csvs(store, put, make_spec):
    specs = [make_spec(m, seed=s) for m in ("random", "magnitude") for s in (1, 0)]
    for spec in specs:
        put(spec)
    table = store.collect(specs)
    first = {p.name: p.read_bytes() for p in store.root.glob("*.csv")}
    assert sorted(first) == ["epochs.csv", "latency.csv", "trials.csv"]
    for path in store.root.glob("*.csv"):
        path.write_text("nonsense")
    store.collect(list(reversed(specs)))
    assert {p.name: p.read_bytes() for p in store.root.glob("*.csv")} == first
    trials, epochs, latency = (pd.read_csv(store.root / f"{n}.csv") for n in ("trials", "epochs", "latency"))
    assert (list(trials), list(epochs), list(latency)) == (COLUMNS, EPOCH_COLUMNS, LATENCY_COLUMNS)
    assert trials[["method", "seed"]].values.tolist() == [[m, s] for m in ("magnitude", "random") for s in (0, 1)]
    assert trials["trial"].tolist() == table["trial"].tolist() == epochs["trial"].tolist()
    assert epochs["nonzero_groups"].map(json.loads).tolist() == [[3, 8]] * 4
    assert set(ORDER) <= set(COLUMNS)


def test_whole_numbers_stay_whole_beside_empty_cells(store, put, make_spec):
    specs = [make_spec(seed=s) for s in range(2)]
    put(specs[0], params=431_080, dense_params=500_000, macs=7, test_top1=1.0, compression=2.0, threads=1)
    put(specs[1], "failed")
    store.collect(specs)
    done, failed = pd.read_csv(store.root / "trials.csv", dtype=str, keep_default_na=False).to_dict("records")
    whole = {c: done[c] for c in ("params", "dense_params", "macs", "threads", "seed", "dense_epochs")}
    assert whole == {
        "params": "431080",
        "dense_params": "500000",
        "macs": "7",
        "threads": "1",
        "seed": "0",
        "dense_epochs": "1",
    }
    assert (done["test_top1"], done["compression"]) == ("1.0", "2.0")
    assert (failed["params"], failed["test_top1"], failed["status"], failed["reason"]) == ("", "", "failed", "because")


def test_an_empty_suite_has_csvs_with_headers(store, make_spec):
    assert len(store.collect([make_spec()])) == 0
    assert (store.root / "trials.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert (store.root / "latency.csv").read_text() == ",".join(LATENCY_COLUMNS) + "\n"


@pytest.mark.parametrize("content", [b'{"protocol": 1, "su', b"", b"\xff\xfe\x00", b"[]", b'{"protocol": 1}'])
def test_a_corrupt_row_gives_one_line_that_names_the_file(store, put, make_spec, content):
    spec = make_spec()
    put(spec)
    (store.trial(spec) / "row.json").write_bytes(content)
    with pytest.raises(InputError) as error:
        store.row(spec)
    assert str(store.trial(spec)) in str(error.value)
    assert "\n" not in str(error.value)


def cells_of(store, name):
    return pd.read_csv(store.root / f"{name}.csv", dtype=str, keep_default_na=False).set_index("trial")


@pytest.mark.parametrize("gone", [False, True])
def test_a_part_of_a_suite_never_replaces_the_whole(store, put, make_spec, gone):
    """Whether the folders of the other trials are still there, or just the CSVs."""
    specs = [make_spec(m, seed=s) for m in ("random", "magnitude") for s in range(3)]
    for spec in specs:
        put(spec, test_top1=0.1 + 0.2, groups=[3, 8], dense_params=431_080, speedup_b1=1.0)
    store.collect(specs)
    before = {name: cells_of(store, name) for name in ("trials", "epochs", "latency")}
    put(specs[1], test_top1=0.75)
    if gone:
        for spec in specs[2:]:
            shutil.rmtree(store.trial(spec))
    table = store.collect(specs[1:2])
    assert table["trial"].tolist() == [specs[1].id], "the rows of what was asked for"
    changed = cells_of(store, "trials")
    assert changed.drop(specs[1].id).equals(before["trials"].drop(specs[1].id))
    assert changed.loc[specs[1].id, "test_top1"] == "0.75"
    for name in ("epochs", "latency"):
        assert cells_of(store, name).equals(before[name])


def test_only_these_leaves_no_others(store, put, make_spec):
    specs = [make_spec(seed=s) for s in range(3)]
    for spec in specs:
        put(spec)
    store.collect(specs)
    store.collect(specs[:1], only_these=True)
    for name in ("trials", "epochs", "latency"):
        assert set(cells_of(store, name).index) == {specs[0].id}


def test_a_csv_that_cannot_be_read_is_set_aside(store, put, make_spec, capsys):
    put(make_spec())
    for content in ("cut off", "cut off again"):
        (store.root / "trials.csv").write_text(content)
        assert len(store.collect([make_spec()])) == 1
        assert "kept as trials.csv.broken" in capsys.readouterr().err
    kept = sorted(path.name for path in store.root.glob("*.broken*"))
    assert kept == ["trials.csv.broken", "trials.csv.broken2"]
    assert (store.root / "trials.csv.broken").read_text() == "cut off"


def test_a_trial_that_runs_again_replaces_its_row(store, put, make_spec):
    put(make_spec(), status="failed")
    store.collect([make_spec()])
    put(make_spec(), test_top1=0.5)
    store.collect([make_spec()])
    assert cells_of(store, "trials")[["status", "test_top1"]].values.tolist() == [["done", "0.5"]]


def test_what_other_code_made_can_run_again(store, put, make_spec):
    old, new, unknown = (make_spec(seed=s) for s in range(3))
    for spec, cells in ((old, {"method_code": "0123456789ab"}), (new, {}), (unknown, {"method_code": None})):
        put(spec, **cells)
    assert missing(store, [old, new, unknown]) == []
    assert missing(store, [old, new, unknown], Again(changed=True)) == [old]
    assert missing(store, [old, new, unknown], Again(all=True)) == [old, new, unknown]


def test_the_hash_of_a_method_is_that_of_its_source(tmp_path, monkeypatch):
    def build(text):
        (tmp_path / "mine_of_this_test.py").write_text(text)
        sys.modules.pop("mine_of_this_test", None)
        linecache.clearcache()
        importlib.invalidate_caches()
        return importlib.import_module("mine_of_this_test").Mine

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, "mine_of_this_test", None)
    plain = "from methods.gmp import GMP\n\nclass Mine(GMP):\n    pass\n"
    hashes = [code_of(build(text)) for text in (plain, plain, plain + "    x = 1\n")]
    assert hashes[0] == hashes[1] != hashes[2]
    assert code_of(GMP) not in hashes
    assert code_of(GMP) == code_of(GMP) != code_of(WGSEFDC)
