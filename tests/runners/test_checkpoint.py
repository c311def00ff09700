"""A task that is killed goes on after its last whole epoch, and ends in the numbers of one that was not."""

import dataclasses

import pytest
import torch
from torch import nn

from methods import METHODS
from results.columns import VARYING
from runners import checkpoint, shrinking
from runners.checkpoint import Checkpoint, load_state, state_of
from runners.networks.architectures import ARCHITECTURES
from runners.store import Store, read_json
from runners.tasks import RunContext, perform
from runners.training import NoHooks

RECIPE = {"dense_epochs": 3, "sparsify_epochs": 3, "finetune_epochs": 3, "augmentation": ["crop"]}


class Killed(BaseException):
    """What no handler of exceptions stops."""


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


@pytest.fixture
def context_at(tmp_path):
    return lambda name: RunContext(tmp_path / name, "t", "cpu", 1)


def run(context, spec, killed_at=()):
    """Perform a task, killed after each of these epochs, and again until it is done; return the epochs that it ran."""
    ran, left = [], list(killed_at)

    def listen(event):
        ran.append((event.epoch.phase, event.epoch.epoch))
        if ran[-1] in left:
            left.remove(ran[-1])
            raise Killed

    while True:
        try:
            assert perform(context, spec, listen).reason is None
            assert left == []
            return ran
        except Killed:
            torch.manual_seed(99)  # another process has other random states


def told(context, spec):
    """The row, the epochs and the weights of a trial that is done, without what varies."""
    store = Store(context.results, context.suite)
    assert not store.progress(spec).exists()
    assert not store.progress(spec.dense).exists()
    row = {c: v for c, v in store.row(spec).cells().items() if c not in VARYING}
    epochs = [{**e, "seconds": 0} for e in read_json(store.trial(spec) / "epochs.json")]
    state = torch.load(store.trial(spec) / "compact.pt", weights_only=True)["state"]
    return row, epochs, {n: v.tolist() for n, v in state.items()}


def dropout(channels, size, classes):
    """A network whose training draws random numbers, with statistics that training changes."""
    layers = [nn.Conv2d(channels, 6, 5, 4), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()]
    return nn.Sequential(*layers, nn.LazyLinear(12), nn.ReLU(), nn.Linear(12, classes))


@pytest.fixture
def with_dropout(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES._entries, "dropout", dropout)
    return "dropout"


def test_a_dense_network_goes_on(context_at, make_spec, with_dropout):
    spec = make_spec(architecture=with_dropout, recipe=RECIPE).dense
    assert run(context_at("one"), spec) == [("dense", 1), ("dense", 2), ("dense", 3)]
    assert run(context_at("two"), spec, [("dense", 1), ("dense", 2)]) == [("dense", 1), ("dense", 2), ("dense", 3)]
    one, two = (Store(context_at(name).results, "t") for name in ("one", "two"))
    assert all(torch.equal(v, two.dense_weights(spec)[n]) for n, v in one.dense_weights(spec).items())
    first, second = (store.dense_record(spec) for store in (one, two))
    assert [dataclasses.replace(e, seconds=0) for e in first.pop("epochs")] == [
        dataclasses.replace(e, seconds=0) for e in second.pop("epochs")
    ]
    assert first == second


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on(method, optimizer, context_at, make_spec, with_dropout, monkeypatch):
    """In the second of three epochs the choice gets final, and the network smaller."""
    monkeypatch.setitem(shrinking.COST, "cpu", 0)
    recipe = RECIPE | {"optimizer": optimizer} | ({"lr": 0.01} if optimizer == "adamw" else {})
    spec = make_spec(method, architecture=with_dropout, recipe=recipe)
    phases = ["sparsify"] * METHODS[method].trains + ["finetune"]
    for name in ("one", "two"):
        run(context_at(name), spec.dense)
    undisturbed = run(context_at("one"), spec)
    kills = [(phase, epoch) for phase in phases for epoch in (1, 2, 3)]
    assert run(context_at("two"), spec, kills) == undisturbed, "no epoch is lost, none is run twice"
    assert told(context_at("two"), spec) == told(context_at("one"), spec)


def test_a_checkpoint_of_something_else_or_of_garbage_is_no_checkpoint(context_at, make_spec, with_dropout):
    spec = make_spec("wgsef_dc", architecture=with_dropout, recipe=RECIPE)
    for name in ("one", "two"):
        run(context_at(name), spec.dense)
    undisturbed = run(context_at("one"), spec)
    store = Store(context_at("two").results, "t")
    folder = store.begin(spec)
    for content in (b"", b"garbage", b"PK\x03\x04"):
        (folder / "progress.pt").write_bytes(content)
        assert Checkpoint(store.progress(spec), {}).phase is None
    assert run(context_at("two"), spec) == undisturbed


def test_another_version_begins_anew(tmp_path):
    network = nn.Linear(2, 2)
    parts = ("dense", network, torch.optim.SGD(network.parameters(), lr=0.1), NoHooks(), torch.Generator())
    Checkpoint(tmp_path / "p.pt", {"seed": 0}).save(*parts, [], last=True)
    assert Checkpoint(tmp_path / "p.pt", {"seed": 0}).phase == "dense"
    assert Checkpoint(tmp_path / "p.pt", {"seed": 1}).phase is None


class Part:
    def __init__(self, value):
        self.value = value


class Whole:
    def __init__(self, value):
        self.part, self.numbers, self.function = Part(value), [value, value], lambda: value


class Own:
    """Hooks that say what they keep."""

    def __init__(self, value):
        self.secret = {object(): value}

    def state_dict(self):
        return {"value": next(iter(self.secret.values()))}

    def load_state_dict(self, state):
        self.secret = {object(): state["value"]}


def test_the_parts_of_hooks_are_kept_and_what_they_say_themselves():
    other = Whole(0)
    load_state(other, state_of(Whole(5)))
    assert (other.part.value, other.numbers, other.function()) == (5, [5, 5], 0)
    own = Own(0)
    load_state(own, state_of(Own(7)))
    assert own.state_dict() == {"value": 7}
