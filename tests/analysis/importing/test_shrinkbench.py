import json

import pytest

from analysis.importing import bring_in
from results.errors import InputError
from results.reading import read

TOOL = "shrinkbench"
ONE = {"size_nz": 199500, "compression_ratio": 1.002, "flops_nz": 39900000, "val_acc1": 0.91, "val_acc5": 0.99}


@pytest.fixture
def rows(tmp_path, cells):
    """Return a function that imports the experiments and returns the rows of trials.csv."""

    def read():
        bring_in(TOOL, [tmp_path / "experiments"], tmp_path / "out")
        return cells(tmp_path / "out")

    return read


COMMON = {
    "protocol": "0",
    "suite": "shrinkbench",
    "status": "done",
    "architecture": "resnet20",
    "dataset": "cifar10",
    "grouping": "element",
    "scope": "network",
    "seed": "42",
    "dense_epochs": "0",
    "sparsify_epochs": "0",
    "finetune_epochs": "2",
    "test_top1": "0.87",
    "test_top5": "0.98",
    "keep": "0.25",
    "dense_params": "200000",
    "params": "50000",
    "compression": "4.0",
    "start": "dense",
    "realisation": "masked",
}


def test_every_cell_of_the_newer_version(shrinkbench, rows):
    shrinkbench.new("a")
    (row,) = rows()
    assert len(row.pop("trial")) == 12
    assert json.loads(row.pop("hyperparameters")) == {"lr": 0.001, "optim": "SGD"}
    macs = {"dense_macs": "40000000", "macs": "16000000", "mac_speedup": "2.5"}
    assert row == COMMON | macs | {"method": "shrinkbench:GlobalMagWeight"}


def test_every_cell_of_the_older_version(shrinkbench, rows):
    """It has no count of multiply-adds: -1."""
    shrinkbench.old("a", {"pre": shrinkbench.pre, "post": shrinkbench.pre | {"val_acc1": 0.87}})
    (row,) = rows()
    assert len(row.pop("trial")) == 12
    assert json.loads(row.pop("hyperparameters")) == {"lr": 0.001, "optim": "SGD"}
    assert row == COMMON | {"method": "shrinkbench:GlobalMagnitudePruning"}


@pytest.mark.parametrize("version", ["new", "old"])
def test_the_epochs(tmp_path, shrinkbench, rows, cells, version):
    """What was measured right after pruning is none."""
    losses = ("0.012", "0.011") if version == "new" else ("1.25", "0.75")
    _ = shrinkbench.new("a") if version == "new" else shrinkbench.old("a", {"pre": shrinkbench.pre})
    trial = rows()[0]["trial"]
    assert cells(tmp_path / "out", "epochs.csv") == [
        {"trial": trial, "phase": "finetune", "epoch": str(n), "lr": "0.001", "train_loss": loss}
        for n, loss in enumerate(losses, start=1)
    ]


def test_what_is_said(tmp_path, shrinkbench):
    folder = shrinkbench.new("a")
    cut = shrinkbench.new("b", metrics=None)
    lines = bring_in(TOOL, [tmp_path / "experiments"], tmp_path / "out")
    assert lines[0].startswith("keep of imported trials is 1 / the speed-up")
    assert lines[1].startswith("ShrinkBench divides what is correct by batches x batch size")
    assert lines[-4:] == [
        f"{folder}: last epoch, 0.8700; the best of all epochs on the test set: 0.8800",
        f"{cut}: failed: no metrics.json",
        f"written: {tmp_path / 'out' / 'epochs.csv'}: 4 epochs",
        f"written: {tmp_path / 'out' / 'trials.csv'}: 2 trials, 1 of them failed",
    ]


@pytest.mark.parametrize(
    ("strategy", "grouping", "scope"),
    [
        ("LayerMagWeight", "element", "layer"),
        ("RandomPruning", "element", "network"),
        ("WeightNormChannelPruning", "channel", "network"),
    ],
)
def test_what_the_name_of_a_strategy_says(shrinkbench, rows, strategy, grouping, scope):
    shrinkbench.new("a", strategy=strategy)
    assert [rows()[0][name] for name in ("grouping", "scope")] == [grouping, scope]


@pytest.mark.parametrize(
    ("given", "expected"), [("MNIST", "mnist"), ("CIFAR100", "cifar100"), ("ImageNetHDF5", "imagenet")]
)
def test_names_are_klevels(shrinkbench, rows, given, expected):
    shrinkbench.new("a", dataset=given, model="MnistNet")
    assert [rows()[0][name] for name in ("dataset", "architecture")] == [expected, "mnistnet"]


def test_the_dense_network_of_a_seed(shrinkbench, rows):
    """The newer version does not train it, but its params.json has the epochs all the same."""
    dense = shrinkbench.metrics | ONE
    shrinkbench.new("a/1", dense, shrinkbench.logs[:2], compression=1)
    shrinkbench.new("a/2", dense | {"val_acc1": 0.5}, shrinkbench.logs[:2], compression=1, strategy="LayerMagWeight")
    shrinkbench.new("b/4")
    shrinkbench.new("b/5", seed=43)
    found = {(row["method"], row["seed"]): row for row in rows()}
    assert list(found) == [
        ("dense", "42"),
        ("shrinkbench:GlobalMagWeight", "42"),
        ("shrinkbench:GlobalMagWeight", "43"),
    ]
    row = found["dense", "42"]
    assert [row[name] for name in ("keep", "hyperparameters", "params", "compression", "mac_speedup")] == [
        "1.0", "{}", "200000", "1.0", "1.0",
    ]  # fmt: skip
    assert (row["finetune_epochs"], row["test_top1"]) == ("0", "0.91")
    assert [row.get("dense_test_top1") for row in found.values()] == ["0.91", "0.91", None]


def test_the_dense_network_of_the_older_version_is_fine_tuned(shrinkbench, rows, tmp_path):
    metrics = {"pre": shrinkbench.pre | {"size_nz": 200000}}
    shrinkbench.old("a", metrics | {"post": metrics["pre"]}, strategy=None, compression=1)
    shrinkbench.old("b", {"pre": shrinkbench.pre})
    dense, pruned = rows()
    assert (dense["method"], dense["finetune_epochs"], dense["test_top1"]) == ("dense", "2", "0.87")
    assert pruned["dense_test_top1"] == "0.87"


def test_a_dense_network_that_failed_gives_way(shrinkbench, rows, tmp_path):
    dense = shrinkbench.metrics | ONE
    shrinkbench.new("a", None, compression=1)
    shrinkbench.new("b", dense, compression=1)
    shrinkbench.new("c")
    assert [row["dense_test_top1"] for row in rows()] == ["0.91", "0.91"]
    lines = bring_in(TOOL, [tmp_path / "experiments"], tmp_path / "out")
    assert "1 of 2 experiments of compression 1 left out: there is one dense network a seed" in lines


def test_a_pruned_network_that_is_trained_on_is_not_dense(shrinkbench, rows):
    shrinkbench.new("a", compression=1)
    shrinkbench.new("b")
    failed, done = rows()
    assert (failed["method"], failed["status"]) == ("dense", "failed")
    assert failed["reason"] == "compression 1, but many weights are zero: it goes on with a pruned network"
    assert "dense_test_top1" not in done


def test_a_network_that_was_not_trained(shrinkbench, rows):
    shrinkbench.new("a", pretrained=False)
    assert rows()[0]["start"] == "scratch"


def test_no_fine_tuning(shrinkbench, rows):
    shrinkbench.new("a", logs=None, train_kwargs={"optim": "SGD", "epochs": 0, "lr": 0.001})
    (row,) = rows()
    assert (row["status"], row["test_top1"], row["test_top5"]) == ("done", "0.3", "0.7")


def test_unknown_seeds_and_repetitions(shrinkbench, rows):
    for name, seed in (("a", None), ("b", 0), ("c", None), ("d", 0)):
        shrinkbench.new(name, seed=seed)
    found = rows()
    assert sorted(row["seed"] for row in found) == ["0", "0", "1", "2"]
    assert len({row["trial"] for row in found}) == 4


def test_paths_in_the_parameters(shrinkbench, rows):
    folder = shrinkbench.new("a", path="PATH")
    params = folder / "params.json"
    params.write_text(params.read_text().replace("'PATH'", "PosixPath('/data/it')"))
    assert rows()[0]["status"] == "done"


def test_what_is_not_needed_is_not_read(shrinkbench, rows):
    folder = shrinkbench.old("a", {"pre": shrinkbench.pre})
    params = json.loads((folder / "params.json").read_text()) | {"debug": "<object object at 0x7f>"}
    (folder / "params.json").write_text(json.dumps(params))
    assert rows()[0]["status"] == "done"


def test_an_experiment_that_is_given_twice_counts_once(shrinkbench, tmp_path, cells):
    folder = shrinkbench.new("a")
    bring_in(TOOL, [folder, tmp_path / "experiments"], tmp_path / "out")
    assert len(cells(tmp_path / "out")) == 1


def test_training_without_pruning_is_left_out(shrinkbench, tmp_path, cells):
    shrinkbench.new("a")
    folder = shrinkbench.new("b", metrics=None, experiment="TrainingExperiment")
    params = json.loads((folder / "params.json").read_text())
    params["params"] = params["params"].replace("'strategy': 'GlobalMagWeight', 'compression': 4, ", "")
    (folder / "params.json").write_text(json.dumps(params))
    lines = bring_in(TOOL, [tmp_path / "experiments"], tmp_path / "out")
    assert f"{folder}: the experiment holds no pruning; left out" in lines
    assert len(cells(tmp_path / "out")) == 1
    with pytest.raises(InputError, match="b: the experiment holds no pruning; give a folder"):
        bring_in(TOOL, [folder], tmp_path / "out")


def test_the_folder_can_be_analysed(shrinkbench, rows, tmp_path):
    shrinkbench.new("a")
    shrinkbench.new("b", metrics=None)
    shrinkbench.new("c", shrinkbench.metrics | ONE, compression=1)
    rows()
    trials = read(tmp_path / "out")
    assert list(trials["method"][trials["status"] == "done"]) == ["dense", "shrinkbench:GlobalMagWeight"]
    assert len(read(tmp_path / "out", "epochs")) == 4


@pytest.mark.parametrize(
    ("changed", "reason", "params"),
    [
        ({"metrics": None}, "no metrics.json", None),
        ({"metrics": [1]}, "metrics.json cannot be read as a JSON object", None),
        ({"metrics": {"post": None}}, "metrics.json has no metrics", None),
        ({"metrics": {"size": "many"}}, "metrics.json: size is 'many', expected a number in [1, 1e+15]", None),
        ({"metrics": {"size": 5, "size_nz": 9}}, "metrics.json: size_nz is 9, expected a number in [1, 5]", None),
        ({"logs": None}, "no logs.csv", "50000"),
        ({"logs": ["\0,\x01"]}, "cut after 0 of 2 epochs of fine-tuning", "50000"),
        ({"logs": []}, "cut after 0 of 2 epochs of fine-tuning", "50000"),
        ({"logs": 3}, "cut after 1 of 2 epochs of fine-tuning", "50000"),
        (
            {"logs": "tensor(0.91)"},
            "logs.csv, row 1: val_acc1 is 'tensor(0.91)' and train_loss is '0.1', expected a fraction and a number",
            "50000",
        ),
        (
            {"logs": "91.0"},
            "logs.csv, row 1: val_acc1 is '91.0' and train_loss is '0.1', expected a fraction and a number",
            "50000",
        ),
    ],
)
def test_an_experiment_that_failed_is_a_failed_trial(shrinkbench, rows, changed, reason, params):
    logs = changed.get("logs")
    if isinstance(logs, int):
        changed = {"logs": shrinkbench.logs[:logs]}
    elif isinstance(logs, str):
        changed = {"logs": [shrinkbench.logs[0], f"0,1.5,0.1,0.8,0.9,0.1,{logs},0.9"]}
    shrinkbench.new("a", **changed)
    shrinkbench.new("b", seed=1)
    done, failed = rows()
    assert (done["status"], failed["status"], failed["reason"]) == ("done", "failed", reason)
    assert (failed["keep"], failed.get("params"), failed.get("test_top1")) == ("0.25", params, None)


def test_an_older_experiment_that_was_cut(shrinkbench, rows):
    shrinkbench.old("a", {"pre": shrinkbench.pre}, shrinkbench.finetuning[:2])
    assert rows()[0]["reason"] == "cut after 1 of 2 epochs of fine-tuning"


def complaint(paths, output):
    with pytest.raises(InputError) as caught:
        bring_in(TOOL, paths, output)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    return str(caught.value)


def test_what_is_no_folder_of_experiments(tmp_path, log):
    assert "nowhere is not a folder; give a folder of Shrink" in complaint([tmp_path / "nowhere"], tmp_path / "out")
    assert "log.txt is not a folder" in complaint([log("text")], tmp_path / "out")
    assert "holds no experiment: no params.json is in it" in complaint([tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "params.json: Invalid JSON: EOF while parsing a value at line 1 column 0; give a folder"),
        (b'{"a": 1,\n"b": }', "params.json: Invalid JSON: expected value at line 2 column 6; give"),
        (b"\n\x89PNG\xff", "params.json, line 2: not text in UTF-8"),
        (b"[" * 100000, "params.json: Invalid JSON: recursion limit exceeded"),
        (b"[1, 2]", "params.json: Input should be an object; give a folder"),
        (b'{"experiment": "x", "params": "{1"}', "params is '{1', expected a mapping; give a folder"),
        (b'{"params": "__import__(\'os\').getcwd()"}', 'getcwd()", expected a mapping'),
        (b'{"params": "[1]"}', "params is [1], expected a mapping"),
        (b'{"params": "{\'strategy\': None}"}', "params.json: train_kwargs is None, expected a mapping"),
        (b"{\"params\": \"{'strategy': 'A', 'train_kwargs': {}}\"}", "params.json: there is no model; give a folder"),
    ],
)
def test_parameters_that_cannot_be_read(shrinkbench, tmp_path, content, expected):
    (shrinkbench.new("a") / "params.json").write_bytes(content)
    shrinkbench.new("b")
    assert expected in complaint([tmp_path / "experiments"], tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"dataset": "C I"}, "dataset is 'C I', expected a name"),
        ({"model": None}, "model is None, expected a name"),
        ({"strategy": 3}, "strategy is 3, expected a name"),
        ({"strategy": None}, "strategy is None, expected a name"),
        ({"compression": [2, 4]}, "compression is [2, 4], expected a number of at least 1"),
        ({"compression": 0.5}, "compression is 0.5, expected a number of at least 1"),
        ({"compression": True}, "compression is True, expected a number of at least 1"),
        ({"seed": "first"}, "seed is 'first', expected a whole number or None"),
        ({"seed": 0.5}, "seed is 0.5, expected a whole number or None"),
        ({"train_kwargs": 30}, "train_kwargs is 30, expected a mapping"),
        ({"train_kwargs": {"epochs": "all"}}, "epochs of train_kwargs is 'all', expected a whole number"),
        ({"train_kwargs": {"lr": 0.1}}, "epochs of train_kwargs is None, expected a whole number"),
    ],
)
def test_a_parameter_that_cannot_be(shrinkbench, tmp_path, changed, expected):
    folder = shrinkbench.new("a", **changed)
    assert f"{folder / 'params.json'}: {expected}" in complaint([tmp_path / "experiments"], tmp_path / "out")
