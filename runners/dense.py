"""The dense network that all trials of a seed start from: build it, train it or load it, and save it."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from results.errors import InputError, MachineFault, naming
from runners.cache import Cache
from runners.checkpoint import Checkpoint
from runners.data import Data, load_shared
from runners.measurement import count_macs
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.layout import channels_last
from runners.networks.pretrained import load_weights
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store
from runners.training import EpochRecord, Phase, evaluate, train


@dataclass(frozen=True)
class TaskContext:
    """The surroundings of dense networks and trials: the store, the device, and a listener to epochs.

    cache: the dense networks that other suites have trained; None: of no account.
    """

    store: Store
    device: torch.device
    report: Callable[[EpochRecord], None] = lambda epoch: None
    cache: Cache | None = None


def build(spec: DenseSpec, data: Data) -> nn.Module:
    """Return the untrained network of a seed, with the same weights for every method, and of this call alone."""
    _seed_all(spec.seed)
    network = _own(spec.architecture, _made(spec.architecture, data))
    example = data.example(2)
    return channels_last(_materialised(network.to(data.device), example), example)


def _made(architecture: str, data: Data) -> nn.Module:
    builder = ARCHITECTURES[architecture]
    with naming(f"architecture {architecture}"):
        network = builder(data.channels, data.size, data.classes)
    if not isinstance(network, nn.Module):
        raise InputError(f"architecture {architecture}: returns {type(network).__name__}, must return an nn.Module")
    return network


def _seed_all(seed: int) -> None:
    """Seed every global random generator that an architecture may draw its weights from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _own(architecture: str, network: nn.Module) -> nn.Module:
    """Return a copy of a network, since a function may return one object at every call, trained or not."""
    try:
        return copy.deepcopy(network)
    except Exception as error:  # of a tensor that is computed, or of a layer's own
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"architecture {architecture}: cannot be copied ({reason})") from error


def _materialised(network: nn.Module, example: Tensor) -> nn.Module:
    """Give the weights of lazy layers, such as nn.LazyLinear, their shapes by a forward pass."""
    if any(is_lazy(p) for p in (*network.parameters(), *network.buffers())):
        with torch.no_grad():
            network.eval()(example)
        network.train()
    return network


def data_of(spec: DenseSpec | TrialSpec, device: torch.device) -> Data:
    """Return the data of a recipe on a device. Raises MachineFault if it is not available.

    A run looks at all of its data before any task, so what is missing later was there.
    """
    recipe, size = spec.recipe, resolution(spec.architecture)
    elsewhere = recipe.dense_weights is not None
    try:
        return load_shared(spec.dataset, recipe.train_images, device, recipe.normalisation, size, elsewhere)
    except InputError as error:
        raise MachineFault(str(error)) from error


def begin_dense(spec: DenseSpec, data: Data) -> nn.Module:
    """Return the dense network before its epochs: untrained, or with the weights of the recipe's file.

    Raises InputError if that file does not exist or does not fit.
    """
    return _loaded(spec, build(spec, data))


def _loaded(spec: DenseSpec, network: nn.Module) -> nn.Module:
    if spec.recipe.dense_weights is not None:
        load_weights(network, spec.recipe.dense_weights, spec.architecture)
    return network


def train_dense(spec: DenseSpec, context: TaskContext) -> None:
    """Train a dense network that trials share, or load it from a file, and save it; take it from the cache if there.

    Raises InputError if the seed does not determine the untrained network.
    """
    data = data_of(spec, context.device)
    if context.cache is not None and context.cache.take(spec, data, context.store):
        return
    network = build(spec, data)
    _check_seeded(spec, network, build(spec, data))
    network = _loaded(spec, network)
    phase = Phase("dense", spec.recipe.dense_epochs, spec.recipe.lr, data_seed(spec.seed, 0))
    keeper = Checkpoint(context.store.progress(spec), spec.model_dump(mode="json"))
    macs = partial(count_macs, example=data.example(1))
    epochs = train(network, data, spec.recipe, phase, count_macs=macs, report=context.report, keeper=keeper)
    precision = spec.recipe.precision
    record = {
        "val_top1": epochs[-1].val_top1 if epochs else evaluate(network, data, data.val, precision).top1,
        "test_top1": evaluate(network, data, data.test, precision).top1,
        "epochs": [asdict(e) for e in epochs],
    }
    context.store.save_dense(spec, network, record)
    if context.cache is not None:
        context.cache.put(spec, data, context.store)


def data_seed(seed: int, phase: int) -> int:
    """Return the seed of the data order of a phase, the same for every method."""
    return seed * 10 + phase


def _check_seeded(spec: DenseSpec, network: nn.Module, again: nn.Module) -> None:
    """Raise InputError if two builds of one seed differ: methods would not start with the same weights."""
    one, other = network.state_dict(), again.state_dict()
    for name in dict.fromkeys([*one, *other]):
        if not _same(one.get(name), other.get(name)):
            raise InputError(
                f"architecture {spec.architecture}: two builds of one seed differ (first difference: {name}); seed its"
                " randomness by torch, numpy or random"
            )


def _same(one: object, other: object) -> bool:
    """Return whether two entries of a state dict are equal; what is no tensor counts as equal."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return not isinstance(one, Tensor) and not isinstance(other, Tensor)
