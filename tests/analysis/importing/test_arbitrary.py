"""Whatever is in a file: rows that analysis reads, or one line that says what is wrong."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from analysis.importing import bring_in
from results.errors import InputError
from results.reading import read

RUN = [
    "mode: prune", "model: a", "dataset: b", "method: c", "total_epochs: 1", "speed_up: 2", "global_pruning: True",
    "seed: 3", "sl_total_epochs: 1", "Regularizing...", "Epoch 0/1, Acc=0.5, Val Loss=0.1, lr=0.1", "Pruning...",
    "ResNet(", "Params: 0.86 M => 0.41 M (48.19%)", "MACs: 9.99 M => 9.99 M (99.99%, 1.00X)", "Acc: 0.9 => 0.1",
    "Finetuning...", "Epoch 0/1, iter 0/9, loss=nan, lr=0.1", "Epoch 0/1, Acc=0.5, Val Loss=0.1, lr=0.1",
]  # fmt: skip
ODD = st.text(max_size=30) | st.sampled_from([
    *RUN, "mode: test", "total_epochs: 0", "seed: None", "device: cpu", "Params: 0.00 M => 0.00 M (0.01%)",
    "FLOPs: 0.01 M => 0.00 M (0.02%, 4321.00X )", "Params: 999999999.99 M => 0.01 M (0.01%)", "reg: 1e999",
])  # fmt: skip
CHANGES = st.lists(st.tuples(st.integers(0, len(RUN)), st.integers(0, 2), st.lists(ODD, max_size=2)), max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PARAMS = {
    "dataset": "CIFAR10", "model": "resnet20", "strategy": "GlobalMagWeight", "compression": 2, "seed": 1,
    "train_kwargs": {"epochs": 1, "lr": 0.1}, "dl_kwargs": {},
}  # fmt: skip
METRICS = {"size": 100, "size_nz": 30, "flops": 100, "flops_nz": 2.5, "val_acc1": 0.5, "val_acc5": 0.9}
CELLS = [["train_acc1", "val_acc1", "train_loss"], ["", "0.5", ""], ["0.5", "0.5", "nan"], ["0.5", "0.9", "1e999"]]
CELL = st.text(max_size=5) | st.sampled_from(["nan", "-1", "1e999", "\n", "\r", '"', "\0", ","])


def changed(usual):
    """Dictionaries in which a few of the usual values are others, or out."""
    odd = JSON | st.sampled_from([0, 1, 1e12, 3.7, {"epochs": 0}, {"epochs": 2}])
    changes = st.dictionaries(st.sampled_from(sorted(usual)), odd, max_size=2)
    return st.tuples(changes, st.sets(st.sampled_from(sorted(usual)), max_size=1)).map(
        lambda drawn: {key: value for key, value in (usual | drawn[0]).items() if key not in drawn[1] - set(drawn[0])}
    )


def outcome(tool, path):
    """Import, and hold what comes of it to what is promised."""
    output = path.parent / "out"
    complaint = None
    try:
        bring_in(tool, [path], output)
    except InputError as error:
        complaint = str(error)
    if complaint is not None:
        assert len(complaint.splitlines()) == 1
        assert not output.exists()
        return
    trials = read(output)
    assert len(trials)
    assert set(trials["status"]) <= {"done", "failed"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_as_a_log(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        path.write_bytes(content)
        outcome("torch-pruning", path)


@given(CHANGES)
def test_any_change_of_a_log(changes):
    messages = list(RUN)
    for place, gone, new in changes:
        messages[place : place + gone] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        text = "\n".join(f"[01/03 18:46:45] x INFO: {message}" for message in messages)
        path.write_bytes(text.encode(errors="ignore"))
        outcome("torch-pruning", path)


@given(st.booleans(), changed(PARAMS), changed(METRICS) | JSON, st.integers(0, 4), st.integers(0, 2), CELL)
def test_any_change_of_an_experiment(old, params, metrics, row, column, cell):
    lines = [list(line) for line in CELLS]
    if row < len(lines):
        lines[row][column] = cell
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "experiments"
        folder.mkdir()
        quoted = {key: value if isinstance(value, dict) else repr(value) for key, value in params.items()}
        written = quoted if old else {"experiment": "'PruningExperiment'", "params": repr(params)}
        (folder / "params.json").write_text(json.dumps(written))
        (folder / "metrics.json").write_text(json.dumps({"pre": metrics} if old else metrics))
        text = "\n".join(",".join(line) for line in lines)
        (folder / ("finetuning.csv" if old else "logs.csv")).write_bytes(text.encode(errors="ignore"))
        outcome("shrinkbench", folder)
