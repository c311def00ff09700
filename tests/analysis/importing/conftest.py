"""Small logs of other tools, written line by line: what is changed is named, the rest is as usual."""

import csv
import json

import pytest

SETTINGS = {
    "mode": "prune", "model": "resnet56", "verbose": "False", "dataset": "cifar10", "batch_size": "128",
    "total_epochs": "3", "lr_decay_milestones": "60,80", "lr": "0.01", "restore": "run/cifar10_resnet56.pth",
    "output_dir": "run/cifar10/prune/x", "method": "group_sl", "speed_up": "2.5", "max_sparsity": "1.0",
    "reg": "0.0005", "weight_decay": "0.0005", "seed": "None", "global_pruning": "True", "sl_total_epochs": "2",
    "sl_lr": "0.02", "iterative_steps": "400", "logger": "<Logger x (DEBUG)>", "device": "cuda", "num_classes": "10",
}  # fmt: skip
START = ["Loading model from run/cifar10_resnet56.pth"]
LEARNED = [
    "Regularizing...",
    "Epoch 0/2, Acc=0.8000, Val Loss=0.5000, lr=0.0200",
    "Epoch 1/2, Acc=0.8100, Val Loss=nan, lr=0.0020",
    "Best Acc=0.8100",
    "Loading sparsity model from run/x.pth...",
]
NETWORK = "ResNet(\n  (conv1): Conv2d(3, 13, kernel_size=(3, 3), bias=False)\n  Acc: this is of the network\n)"
PRUNED = [
    "Pruning...",
    NETWORK,
    "Params: 0.81 M => 0.33 M (40.32%)",
    "FLOPs: 40.80 M => 13.50 M (33.09%, 3.02X )",
    "Acc: 0.9312 => 0.1234",
    "Val Loss: 0.2647 => 5.4526",
]
TUNED = [
    "Finetuning...",
    "Epoch 0/3, Acc=0.7500, Val Loss=0.7377, lr=0.0100",
    "Epoch 1/3, Acc=0.9300, Val Loss=0.2377, lr=0.0010",
    "Epoch 2/3, Acc=0.9275, Val Loss=0.2477, lr=0.0001",
    "Best Acc=0.9300",
]


class TorchPruning:
    """Makes the lines of a run, and logs of them."""

    start, learned, pruned, tuned = START, LEARNED, PRUNED, TUNED

    @staticmethod
    def run(*parts, **settings):
        """The messages of a run of these parts (all of them where none is given), with settings changed (None: out)."""
        changed = {name: value for name, value in (SETTINGS | settings).items() if value is not None}
        messages = [f"{name}: {value}" for name, value in changed.items()]
        return messages + [line for part in parts or (START, LEARNED, PRUNED, TUNED) for line in part]

    @staticmethod
    def text(*runs):
        """The text of a log file with these runs, one after the other."""
        name = "cifar10-global-group_sl-resnet56"
        return "".join(f"[01/03 18:46:45] {name} INFO: {message}\n" for run in runs for message in run)


TRAIN = {"optim": "SGD", "epochs": 2, "lr": 0.001}
LOADER = {"batch_size": 128, "pin_memory": False, "num_workers": 8}
LOGS = [
    "epoch,timestamp,train_loss,train_acc1,train_acc5,val_loss,val_acc1,val_acc5",
    "-1,,,,,0.02,0.3,0.7",
    "0,10.5,0.012,0.85,0.99,0.013,0.88,0.985",
    "1,21.5,0.011,0.86,0.99,0.013,0.87,0.98",
]
FINETUNING = [
    "epoch,train_loss,train_acc1,train_acc5,val_loss,val_acc1,val_acc5,timestamp",
    "1,1.25,0.85,0.99,1.5,0.88,0.985,10.5",
    "2,0.75,0.86,0.99,1.25,0.87,0.98,21.5",
]
NEW = {
    "size": 200000, "size_nz": 50000, "compression_ratio": 4.0, "flops": 40000000, "flops_nz": 16000000.4,
    "theoretical_speedup": 2.5, "loss": 0.02, "val_acc1": 0.3, "val_acc5": 0.7,
}  # fmt: skip
PRE = {
    "size": 200000, "size_nz": 50000, "compression_ratio": 4.0, "memory": -1, "memory_nz": -1, "flops": -1,
    "flops_nz": -1, "loss": 1.0, "val_acc1": 0.3, "val_acc5": 0.7,
}  # fmt: skip


class ShrinkBench:
    """Writes experiments as folders."""

    logs, finetuning, metrics, pre = LOGS, FINETUNING, NEW, PRE

    def __init__(self, root):
        self.root = root

    def new(self, name, metrics=NEW, logs=LOGS, experiment="PruningExperiment", **params):
        """An experiment of the newer version; metrics or logs of None are not written."""
        values = {
            "seed": 42, "path": None, "dataset": "CIFAR10", "model": "resnet20", "strategy": "GlobalMagWeight",
            "compression": 4, "dl_kwargs": LOADER, "train_kwargs": TRAIN, "pretrained": True, "resume": None,
        } | params  # fmt: skip
        return self._write(name, {"experiment": repr(experiment), "params": repr(values)}, metrics, "logs.csv", logs)

    def old(self, name, metrics, finetuning=FINETUNING, **params):
        """An experiment of the older version."""
        values = {
            "dataset": "CIFAR10", "model": "resnet20", "strategy": "GlobalMagnitudePruning", "compression": 4,
            "seed": 42, "path": None, "pretrained": True,
        } | params  # fmt: skip
        raw = {key: repr(value) for key, value in values.items()} | {"dl_kwargs": LOADER, "train_kwargs": TRAIN}
        return self._write(name, raw, metrics, "finetuning.csv", finetuning)

    def _write(self, name, params, metrics, file, lines):
        folder = self.root / name
        folder.mkdir(parents=True)
        (folder / "params.json").write_text(json.dumps(params, indent=4))
        if metrics is not None:
            (folder / "metrics.json").write_text(json.dumps(metrics, indent=4))
        if lines is not None:
            (folder / file).write_text("\r\n".join([*lines, ""]))
        return folder


@pytest.fixture
def torch_pruning():
    """Return what makes logs of Torch-Pruning."""
    return TorchPruning


@pytest.fixture
def shrinkbench(tmp_path):
    """Return what writes experiments of ShrinkBench below tmp_path/experiments."""
    return ShrinkBench(tmp_path / "experiments")


@pytest.fixture
def log(tmp_path):
    """Return a function that writes text as a log and returns its path."""

    def write(text, name="log.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def cells():
    """Return a function that reads a CSV of a folder as text: a dictionary of the cells that are not empty a row."""

    def read(folder, name="trials.csv"):
        with (folder / name).open(newline="") as file:
            return [{column: cell for column, cell in row.items() if cell != ""} for row in csv.DictReader(file)]

    return read
