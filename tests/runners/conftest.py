"""What the tests of the runner share: tiny experiments on the embedded digits, no internet, no timing."""

import copy
import os
import socket
from functools import lru_cache
from typing import Literal, get_args, get_origin

import pytest
import torch
import yaml
from torch import nn

from methods import METHODS
from methods.groups import Budget, NothingToDivide
from runners import data, measurement, tasks, trial
from runners.networks import compaction
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import realise
from runners.networks.groupings import GROUPINGS, scope_of
from runners.rehearsal import Rehearsal
from runners.spec import TrialSpec
from tests.runners.damage import copied, make

USERS = {name: os.environ.get(name) for name in ("KLEVEL_DATA", "KLEVEL_WEIGHTS")}
TINY = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1, "batch_size": 20, "train_images": 40}


@pytest.fixture(scope="session", autouse=True)
def offline(tmp_path_factory):
    """No test reaches the internet, and none puts data into the user's folders."""

    def refuse(*args, **kwargs):
        raise OSError("no network in a test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket, "create_connection", refuse)
        patch.setenv("KLEVEL_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv("KLEVEL_PARENT_PID", raising=False)
        patch.delenv("KLEVEL_WEIGHTS", raising=False)
        yield


@pytest.fixture
def users_folders(monkeypatch):
    """The user's own KLEVEL_DATA and KLEVEL_WEIGHTS, for a test that needs what is in them; skipped without."""
    for name, folder in USERS.items():
        if not folder:
            pytest.skip(f"{name} is not set")
        monkeypatch.setenv(name, folder)


@pytest.fixture(scope="session", autouse=True)
def light():
    """Latencies are taken, but of so few passes that they say nothing; nothing here looks at their values."""
    tasks.prepare(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "LEAST_REPEATS", 2)
        patch.setattr(measurement, "MOST_REPEATS", 2)
        patch.setattr(measurement, "BLOCK_SECONDS", 1e-4)
        patch.setattr(trial, "MARGIN", -1.0)  # so few steps teach a network little, which is no failure here
        patch.setattr(compaction, "CLOCK", lambda functions: dict.fromkeys(functions, 1.0))  # nothing is faster
        yield


def _value(kind):
    return get_args(kind)[0] if get_origin(kind) is Literal else 0.5


@pytest.fixture(scope="session")
def entry_of():
    """Return how a suite names a method: a mapping with a value for each hyper-parameter that needs one."""

    def entry(method):
        needed = {n: _value(kind) for n, (kind, default) in METHODS[method].hyperparameters().items() if default is ...}
        return {"name": method} | needed

    return entry


@pytest.fixture(scope="session")
def make_spec(entry_of):
    """Return the spec of a tiny trial, with changes to it and to its recipe."""

    def make(method="magnitude", recipe=None, **changes):
        hyperparameters = entry_of(method)
        del hyperparameters["name"]
        content = {"method": method, "hyperparameters": hyperparameters, "architecture": "lenet5"}
        content |= {"dataset": "digits", "keep": 0.5, "seed": 0, "recipe": TINY | (recipe or {})}
        return TrialSpec.model_validate(content | changes)

    return make


@pytest.fixture
def suite_file(tmp_path):
    """Return the path of a suite `t` of two cheap trials, or of what is given: text, or changes to its keys."""

    def save(content=None, /, name="s.yaml", **grid):
        base = {"suite": "t", "recipe": TINY, "grid": {"dataset": ["digits"], "architecture": ["lenet5"]}}
        base["grid"] |= {"keep": [0.5], "seed": [0, 1], "method": ["magnitude"]} | grid
        path = tmp_path / name
        text = content if isinstance(content, str) else yaml.safe_dump(copy.deepcopy(content or base))
        path.write_text(text, encoding="utf-8")
        return str(path)

    return save


@pytest.fixture
def performed(monkeypatch):
    """The dense networks and trials that a run in this process goes through, in their order."""
    done, real = [], tasks.perform

    def perform(context, task, listen):
        if not isinstance(task, Rehearsal):
            done.append(task)
        return real(context, task, listen)

    monkeypatch.setattr(tasks, "perform", perform)
    return done


@pytest.fixture(scope="session")
def digits():
    """Return the digits with 40 images to train on."""
    return data.load("digits", 40)


def settle(network, example):
    """Give batch norms the moments of what they read: untrained, a deep network's outputs grow with every block."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(example)
    for norm in norms:
        norm.momentum = 0.1


@lru_cache(maxsize=3)
def built(architecture, channels, size):
    """A network as it is after some training, on random images; a registered one by name, or a function."""
    torch.manual_seed(0)
    build = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture
    network, example = build(channels, size, 10), torch.randn(4, channels, size, size)
    if isinstance(architecture, str):
        settle(network, example)
    return network, example


def pruned(network, example, grouping, keep, scope="layer", round_to=1):
    """Return (network, groups, masks, example, realised) of a network pruned, in place, to random groups."""
    groups = GROUPINGS[grouping](network, example)
    torch.manual_seed(1)
    masks = Budget.of(groups, keep, scope_of(grouping, scope)).select([torch.rand(f.shape) for f in groups])
    groups.scale_(masks)
    return network, groups, masks, example, realise(network, groups, masks, grouping, example, round_to)


@pytest.fixture(scope="session")
def prune():
    """Return what `pruned` does of a copy of a network. Skips where the grouping finds nothing in the architecture."""

    def of(architecture, grouping, keep=0.5, scope="layer", channels=1, size=28, round_to=1):
        network, example = copy.deepcopy(built(architecture, channels, size))
        try:
            return pruned(network, example, grouping, keep, scope, round_to)
        except NothingToDivide as error:
            pytest.skip(f"{architecture}: {error}")

    return of


@pytest.fixture
def prune_at():
    """Return, for each share to keep, what `pruned` does of one network, whose structure is found once."""

    def of(architecture, grouping, keeps):
        network, example = built(architecture, 1, 28)
        before = copy.deepcopy(network.state_dict())
        try:
            for keep in keeps:
                yield pruned(network, example, grouping, keep)
                network.load_state_dict(before)
        except NothingToDivide as error:
            pytest.skip(f"{architecture}: {error}")
        finally:
            network.load_state_dict(before)

    return of


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A folder with a suite file and its results, all done: see `damage.make`. Not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    make(folder)
    return folder


@pytest.fixture
def root(whole, tmp_path):
    """A copy of the results folder of that suite, to be damaged."""
    return copied(whole, tmp_path / "copy")
