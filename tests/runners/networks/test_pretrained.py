"""A dense network from a file: what is accepted, what is refused in one line, and what a trial makes of it."""

import json
import re
from pathlib import Path

import pytest
import torch

from results.errors import InputError
from runners import data, dense, run
from runners.executors import Slots
from runners.networks.architectures import ARCHITECTURES
from runners.networks.pretrained import load_weights, locate_weights
from runners.store import Store
from runners.tasks import RunContext
from runners.training import evaluate

RECIPE = {"dense_epochs": 0, "dense_weights": "w.pt"}
PUBLISHED = {"resnet20": ("resnet20-12fca82f.th", 0.9173), "resnet56": ("resnet56-4bfd9763.th", 0.9339)}


def network(seed):
    torch.manual_seed(seed)
    return ARCHITECTURES["lenet5"](1, 28, 10)


@pytest.fixture
def state():
    return network(1).state_dict()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder, and KLEVEL_WEIGHTS elsewhere, both without files."""
    (tmp_path / "here").mkdir()
    (tmp_path / "kept").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("KLEVEL_WEIGHTS", str(tmp_path / "kept"))
    return tmp_path


def test_files_are_found_as_given_then_in_klevel_weights(folder, monkeypatch):
    for place in ("kept", "here"):
        (folder / place / "w.pt").touch()
        assert locate_weights("w.pt").resolve() == folder / place / "w.pt"
        assert locate_weights(str(folder / place / "w.pt")) == folder / place / "w.pt"
    (folder / "here" / "w.pt").unlink()
    monkeypatch.delenv("KLEVEL_WEIGHTS")
    with pytest.raises(InputError, match=r"^dense_weights = w\.pt: no such file .*; set KLEVEL_WEIGHTS=DIR"):
        locate_weights("w.pt")


WRAPPED = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"best_prec1": 91.7, "state_dict": s},
    "model": lambda s: {"model": s, "epoch": 3},
    "net": lambda s: {"net": s},
    "model_state_dict": lambda s: {"epoch": 3, "model_state_dict": s, "optimizer_state_dict": {}},
    "DataParallel": lambda s: {"state_dict": {f"module.{n}": v for n, v in s.items()}},
    "compiled": lambda s: {f"_orig_mod.{n}": v for n, v in s.items()},
    "compiled in DataParallel": lambda s: {f"module._orig_mod.{n}": v for n, v in s.items()},
    "compiled DataParallel": lambda s: {f"_orig_mod.module.{n}": v for n, v in s.items()},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_every_usual_wrapping_is_accepted(folder, state, wrapped):
    torch.save(WRAPPED[wrapped](state), "w.pt")
    loaded = network(2)
    load_weights(loaded, "w.pt", "lenet5")
    assert all(torch.equal(v, state[n]) for n, v in loaded.state_dict().items())


def test_the_counters_of_batch_norms_may_be_absent(folder):
    resnet = ARCHITECTURES["resnet20"](3, 32, 10)
    old = {n: v for n, v in resnet.state_dict().items() if "num_batches" not in n}
    assert len(old) < len(resnet.state_dict())
    torch.save(old, "w.pt")
    load_weights(resnet, "w.pt", "resnet20")


def without(state, n):
    return dict(list(state.items())[n:])


WRONG = {
    "missing": (lambda s: without(s, 1), ["missing: 0.weight"]),
    "many missing": (lambda s: without(s, 5), ["missing: 0.weight, 0.bias, 3.weight and 2 more"]),
    "unknown": (lambda s: s | {"head.bias": torch.ones(3)}, ["unknown: head.bias"]),
    "misshaped": (lambda s: s | {"0.bias": torch.ones(7)}, ["misshaped: 0.bias (7,) instead of (6,)"]),
    "not a tensor": (lambda s: s | {"0.bias": 3}, ["misshaped: 0.bias int instead of (6,)"]),
    "two faults": (lambda s: without(s, 1) | {"x": torch.ones(1)}, ["missing: 0.weight; unknown: x"]),
    "a list": (lambda s: [1, 2], ["missing: 0.weight"]),
    "empty": (lambda s: {}, ["missing: 0.weight"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_weights_that_do_not_fit_give_one_line_and_change_nothing(folder, state, case):
    change, fragments = WRONG[case]
    torch.save(change(state), "w.pt")
    loaded = network(2)
    with pytest.raises(InputError, match=r"^w\.pt: does not fit lenet5: ") as error:
        load_weights(loaded, "w.pt", "lenet5")
    assert [f for f in fragments if f not in str(error.value)] == []
    assert "\n" not in str(error.value)
    assert all(torch.equal(v, network(2).state_dict()[n]) for n, v in loaded.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"nonsense" * 9, b"PK\x03\x04", lambda: torch.save(network(0), "w.pt")])
def test_a_file_that_is_not_of_weights_gives_one_line(folder, content):
    content() if callable(content) else Path("w.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"^w\.pt: not readable as weights, torch\.save of a state dict") as error:
        load_weights(network(0), "w.pt", "lenet5")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("put", "words"), [(lambda: None, "no such file"), (lambda: torch.save({}, "w.pt"), "does not fit lenet5")]
)
def test_wrong_weights_end_a_run_before_any_work(folder, make_spec, put, words):
    put()
    with pytest.raises(InputError, match=words):
        run.run(RunContext(folder, "t", "cpu", 1), [make_spec(recipe=RECIPE)], Slots(["cpu"]))
    assert not (folder / "t" / "dense").exists()
    assert not (folder / "t" / "trials").exists()


def test_a_run_takes_the_dense_network_from_the_file(folder, state, make_spec):
    torch.save(state, "w.pt")
    specs = [
        make_spec("wgsef_dc", RECIPE, start="dense"),
        make_spec("wgsef_dc", RECIPE, start="scratch"),
        make_spec("magnitude", RECIPE),
        make_spec("dense", RECIPE),
    ]
    table = run.run(RunContext(folder, "t", "cpu", 1), specs, Slots(["cpu"]))
    assert table["status"].tolist() == ["done"] * 4
    assert set(table["dense_epochs"]) == {0}
    assert {s + f for s, f in zip(table["sparsify_epochs"], table["finetune_epochs"], strict=True)} == {2}
    store = Store(folder, "t")
    assert all(torch.equal(v, state[n]) for n, v in store.dense_weights(specs[0].dense).items())
    record = json.loads((store.dense(specs[0].dense) / "record.json").read_text())
    assert record["epochs"] == []
    assert set(table["dense_val_top1"]) == {record["val_top1"]}
    assert set(table["dense_test_top1"]) == {record["test_top1"]}
    Path("w.pt").unlink()
    assert len(run.run(RunContext(folder, "t", "cpu", 1), specs, Slots(["cpu"]))) == 4, (
        "once read, the file is not needed"
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_their_published_accuracy(users_folders, make_spec, name):
    """91.73 % and 93.39 % at github.com/akamaster/pytorch_resnet_cifar10: names, shortcut, normalisation, data."""
    file, accuracy = PUBLISHED[name]
    recipe = {"dense_epochs": 0, "dense_weights": file, "normalisation": "imagenet", "train_images": None}
    spec = make_spec(recipe=recipe, architecture=name, dataset="cifar10")
    try:
        locate_weights(file)
        loaded = dense.data_of(spec, torch.device("cpu"))
    except InputError as error:
        pytest.skip(str(error))
    network = dense.begin_dense(spec.dense, loaded)
    halves = [evaluate(network, loaded, split).top1 for split in (loaded.val, loaded.test)]
    assert sum(halves) / 2 == pytest.approx(accuracy, abs=5e-4), "both halves of the published test images"


def test_data_of_follows_the_recipe(make_spec, monkeypatch):
    seen = []
    monkeypatch.setattr(dense, "load_shared", lambda *arguments, **more: seen.append((*arguments, *more.values())))
    cpu = torch.device("cpu")
    dense.data_of(make_spec(recipe={"normalisation": "imagenet", "train_images": 50}), cpu)
    assert seen == [("digits", 50, cpu, "imagenet", None, False)]
    dense.data_of(make_spec(recipe={"dense_weights": "w.pt", "dense_epochs": 0}), cpu)
    assert seen[1][-1], "of a network from elsewhere a choice is made on half of the test images"
    with pytest.raises(InputError, match=re.escape("normalisation = imagenet: digits has 1 channel, not 3")):
        data.load("digits", 50, cpu, "imagenet")
