"""One trial, from spec to row: the whole experiment on one screen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from methods import REGISTRY as METHODS
from methods import Method
from methods.groups import Budget, Groups
from runners import measurement, sparse
from runners.architectures import ARCHITECTURES, resolution
from runners.compaction import TOLERANCE, Realised, channels_last, deploy, difference, realise
from runners.data import Data, load
from runners.environment import commit
from runners.groupings import GROUPINGS
from runners.row import Row
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, write
from runners.training import Epoch, Phase, Restore, evaluate, train
from runners.weights import load_weights

EXAMPLES = 64


@dataclass(frozen=True)
class Bench:
    """Where trials run and whom they tell: the store, the device, and a listener to epochs."""

    store: Store
    device: torch.device
    report: Callable[[Epoch], None] = lambda epoch: None


class Mismatch(RuntimeError):
    """The compact network does not compute what the masked one does."""


def build(spec: DenseSpec, data: Data) -> nn.Module:
    """Return the untrained network of a seed: the same weights for every method."""
    torch.manual_seed(spec.seed)
    network = ARCHITECTURES[spec.architecture](data.channels, data.size, data.classes)
    return channels_last(network.to(data.device))


def data_of(spec: DenseSpec | TrialSpec, device: torch.device) -> Data:
    """Return the data of a recipe on a device. Raises InputError where it is not to be had."""
    recipe = spec.recipe
    return load(spec.dataset, recipe.train_images, device, recipe.normalisation, resolution(spec.architecture))


def begin_dense(spec: DenseSpec, data: Data) -> nn.Module:
    """Return what the dense network is before its epochs: untrained, or as in the file that the recipe names.

    Raises InputError where that file is not there or does not fit.
    """
    network = build(spec, data)
    if spec.recipe.dense_weights is not None:
        load_weights(network, spec.recipe.dense_weights, spec.architecture)
    return network


def train_dense(spec: DenseSpec, bench: Bench) -> None:
    """Train a dense network that trials share, or take it from a file, and keep it."""
    data = data_of(spec, bench.device)
    network = begin_dense(spec, data)
    phase = Phase("dense", spec.recipe.dense_epochs, spec.recipe.lr, _seed(spec.seed, 0))
    epochs = train(network, data, spec.recipe, phase, report=bench.report)
    record = {
        "val_top1": epochs[-1].val_top1 if epochs else evaluate(network, data, data.val).top1,
        "test_top1": evaluate(network, data, data.test).top1,
        "epochs": [asdict(e) for e in epochs],
    }
    bench.store.save_dense(spec, network, record)


def run_trial(spec: TrialSpec, bench: Bench) -> Row:
    """Run one trial and keep what it found. The shared dense network is there already."""
    data = data_of(spec, bench.device)
    network, dense, row, epochs = _start(spec, bench, data)
    groups = GROUPINGS[spec.grouping](network, data.example(EXAMPLES))
    budget = Budget.of(groups, spec.keep, spec.scope)
    method = METHODS[spec.method](groups, budget, **spec.all_hyperparameters)

    at_start = groups.nonzero()
    epochs = [replace(e, nonzero_groups=at_start) for e in epochs]
    epochs += _sparsify(spec, bench, data, network, method)
    row.groups_at_convergence = json.dumps(groups.nonzero())
    masks = _project(row, data, network, method)

    example = data.example(EXAMPLES)
    realised = realise(network, groups, masks, spec.grouping, example, spec.recipe.round_to)
    row.compact_error = _check(network, realised.network, example)
    torch.save({"state": network.state_dict(), "masks": masks}, bench.store.trial(spec) / "checkpoint.pt")
    epochs += _finetune(spec, bench, data, realised, masks)

    row.val_top1 = evaluate(realised.network, data, data.val).top1
    test = evaluate(realised.network, data, data.test)
    row.test_top1, row.test_top5 = test.top1, test.top5
    deployed, row.realisation = deploy(realised.network, spec.grouping, realised.realisation, example)
    if deployed is not realised.network:
        row.compact_error = max(row.compact_error, _check(realised.network, deployed, example))
    latencies = measure(row, dense, deployed, example)
    row.train_seconds = round(sum(e.seconds for e in epochs), 3)
    _keep(spec, bench.store, deployed, row.realisation, groups, masks)
    bench.store.finish(spec, row, epochs, latencies)
    return row


def _seed(seed: int, phase: int) -> int:
    """Seed of the data order of a phase: the same for every method of a seed."""
    return seed * 10 + phase


def _start(spec: TrialSpec, bench: Bench, data: Data) -> tuple[nn.Module, nn.Module, Row, list[Epoch]]:
    """Return the network to begin with, the dense one, a row that knows the dense one, and the epochs so far."""
    network = build(spec.dense, data)
    dense = copy.deepcopy(network)
    dense.load_state_dict(bench.store.dense_weights(spec.dense))
    record = bench.store.dense_record(spec.dense)
    assert record is not None, "dense networks are trained before the trials that need them"
    row = Row.of(spec, bench.store.suite)
    row.dense_val_top1, row.dense_test_top1 = record["val_top1"], record["test_top1"]
    row.train_images, row.commit, row.torch = len(data.train), commit(), torch.__version__
    if spec.starts_from == "scratch":
        return network, dense, row, []
    return copy.deepcopy(dense), dense, row, record["epochs"]


def _sparsify(spec: TrialSpec, bench: Bench, data: Data, network: nn.Module, method: Method) -> list[Epoch]:
    """Train under the method; a one-shot method has no epochs here."""
    torch.manual_seed(_seed(spec.seed, 1))
    return train(
        network,
        data,
        spec.recipe,
        Phase("sparsify", spec.epochs.sparsify, spec.recipe.lr, _seed(spec.seed, 1)),
        method,
        undecayed=method.groups.parameters() if method.decays else (),
        count=method.groups.nonzero,
        report=bench.report,
    )


def _project(row: Row, data: Data, network: nn.Module, method: Method) -> list[Tensor]:
    """Zero all but the k best groups, and say what that cost on the validation split."""
    groups, budget = method.groups, method.budget
    before = evaluate(network, data, data.val).top1
    masks = budget.select(method.scores())
    groups.scale_(masks)
    row.projection_drop = before - evaluate(network, data, data.val).top1
    kept = [int(m.sum()) for m in masks]
    row.groups, row.groups_target = json.dumps(groups.sizes), json.dumps(budget.targets(groups))
    row.groups_kept, row.group_sparsity = json.dumps(kept), 1 - sum(kept) / sum(groups.sizes)
    return masks


def _check(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    error = difference(masked, compact, example)
    if not error <= TOLERANCE:
        raise Mismatch(f"masked and compact network differ by {error:.2g}, more than {TOLERANCE:g}")
    return error


def _finetune(spec: TrialSpec, bench: Bench, data: Data, realised: Realised, masks: list[Tensor]) -> list[Epoch]:
    """Train the survivors in what is left of the epochs."""
    return train(
        realised.network,
        data,
        spec.recipe,
        Phase("finetune", spec.epochs.finetune, spec.recipe.finetune_lr or spec.recipe.lr, _seed(spec.seed, 2)),
        Restore(realised.restore),
        count=lambda: [int(m.sum()) for m in masks],
        report=bench.report,
    )


def measure(row: Row, dense: nn.Module, compact: nn.Module, example: Tensor) -> list[measurement.Latency]:
    """Fill in what both networks cost, and return the latencies."""
    row.dense_params, row.params = (measurement.count_parameters(n) for n in (dense, compact))
    row.dense_macs, row.macs = (measurement.count_macs(n, example) for n in (dense, compact))
    row.compression, row.mac_speedup = row.dense_params / row.params, row.dense_macs / row.macs
    row.dense_file_mb, row.file_mb = (measurement.file_megabytes(n) for n in (dense, compact))
    row.dense_peak_mb, row.peak_mb = (measurement.peak_megabytes(n, example) for n in (dense, compact))
    latencies = measurement.compare_latency(dense, compact, example)
    row.speedup_b1, row.speedup_b64 = (measurement.speedup(latencies, b) for b in measurement.BATCHES)
    row.device, row.threads = measurement.device_name(example.device), torch.get_num_threads()
    return latencies


def deployed_as_kept(spec: TrialSpec, store: Store, network: nn.Module, example: Tensor) -> nn.Module:
    """Return the network that a trial kept. network: one of its architecture; its weights do not matter."""
    kept = torch.load(store.trial(spec) / "compact.pt", weights_only=True, map_location="cpu")
    groups = GROUPINGS[spec.grouping](network, example)
    masks = [torch.zeros(f.size, dtype=torch.bool) for f in groups]
    for family, mask in zip(groups, masks, strict=True):
        mask[kept["kept"][family.name]] = True
    realised = realise(network, groups, masks, spec.grouping, example, spec.recipe.round_to)
    compact = sparse.rebuild(realised.network, kept.get("sparse", {})).to(example.device)
    compact.load_state_dict(kept["state"])
    return compact


def measure_again(spec: TrialSpec, bench: Bench) -> Row:
    """Measure the networks that a trial kept once more, on this machine as it is now; nothing is trained."""
    data = data_of(spec, bench.device)
    network, dense, _, _ = _start(spec, bench, data)
    example = data.example(EXAMPLES)
    compact = deployed_as_kept(spec, bench.store, network, example)
    row = bench.store.row(spec)
    assert row is not None, "only a trial that is done is measured again"
    bench.store.update(spec, row, measure(row, dense, compact, example))
    return row


def _keep(
    spec: TrialSpec, store: Store, network: nn.Module, realisation: str, groups: Groups, masks: list[Tensor]
) -> None:
    """Keep the deployed network: weights, the indices of the groups that it is made of, and its sparse layers."""
    kept = {f.name: m.flatten().nonzero().flatten().cpu() for f, m in zip(groups, masks, strict=True)}
    content = {"state": network.state_dict(), "kept": kept, "realisation": realisation, "sparse": sparse.plan(network)}
    write(store.trial(spec) / "compact.pt", lambda p: torch.save(content, p))
