"""Run one trial, from spec to row."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from methods import METHODS, Method
from methods.groups import Budget, Groups
from results import klevel
from results.columns import Trial
from results.errors import Mismatch, OwnBudget
from runners import measurement
from runners.data import Data, load
from runners.environment import commit
from runners.networks import sparse
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.compaction import IN_PLACE, TOLERANCE, Realised, channels_last, deploy, difference, realise
from runners.networks.groupings import GROUPINGS
from runners.networks.groupings.measures import measured
from runners.networks.pretrained import load_weights
from runners.row import row_of
from runners.spec import DenseSpec, TrialSpec
from runners.store import Store, write
from runners.training import PASSES, EpochRecord, Phase, Restore, evaluate, recalibrate, train

EXAMPLES = 64
MARGIN = 0.05  # a network with a test accuracy below chance + MARGIN has collapsed
MOST_TIMES = 4  # with equal training multiply-adds a start from scratch takes at most this multiple of the epochs


@dataclass(frozen=True)
class TrialContext:
    """The surroundings of trials: the store, the device, and a listener to epochs."""

    store: Store
    device: torch.device
    report: Callable[[EpochRecord], None] = lambda epoch: None


def build(spec: DenseSpec, data: Data) -> nn.Module:
    """Return the untrained network of a seed, with the same weights for every method."""
    torch.manual_seed(spec.seed)
    network = ARCHITECTURES[spec.architecture](data.channels, data.size, data.classes)
    return channels_last(network.to(data.device))


def data_of(spec: DenseSpec | TrialSpec, device: torch.device) -> Data:
    """Return the data of a recipe on a device. Raises InputError if it is not available."""
    recipe, size = spec.recipe, resolution(spec.architecture)
    elsewhere = recipe.dense_weights is not None
    return load(spec.dataset, recipe.train_images, device, recipe.normalisation, size, choose_on_test=elsewhere)


def begin_dense(spec: DenseSpec, data: Data) -> nn.Module:
    """Return the dense network before its epochs: untrained, or with the weights of the recipe's file.

    Raises InputError if that file does not exist or does not fit.
    """
    network = build(spec, data)
    if spec.recipe.dense_weights is not None:
        load_weights(network, spec.recipe.dense_weights, spec.architecture)
    return network


def train_dense(spec: DenseSpec, context: TrialContext) -> None:
    """Train a dense network that trials share, or load it from a file, and save it."""
    data = data_of(spec, context.device)
    network = begin_dense(spec, data)
    phase = Phase("dense", spec.recipe.dense_epochs, spec.recipe.lr, _seed(spec.seed, 0))
    epochs = train(network, data, spec.recipe, phase, report=context.report)
    record = {
        "val_top1": epochs[-1].val_top1 if epochs else evaluate(network, data, data.val).top1,
        "test_top1": evaluate(network, data, data.test).top1,
        "epochs": [asdict(e) for e in epochs],
    }
    context.store.save_dense(spec, network, record)


def run_trial(spec: TrialSpec, context: TrialContext) -> Trial:
    """Run one trial and save its results. The shared dense network must be saved already."""
    data = data_of(spec, context.device)
    network, dense, row, epochs = _start(spec, context, data)
    example = data.example(EXAMPLES)
    groups = measured(GROUPINGS[spec.grouping](network, example), network, example, spec.measure)
    budget = Budget.of(groups, spec.keep, spec.scope, 1 if spec.grouping in IN_PLACE else spec.recipe.round_to)
    method = METHODS[spec.method](groups, budget, **spec.all_hyperparameters)
    if method.budget is not budget:
        raise OwnBudget(f"method {spec.method} sets a budget of its own, not that of keep {spec.keep:g}")

    at_start = groups.nonzero()
    epochs = [replace(e, nonzero_groups=at_start) for e in epochs]
    epochs += _sparsify(spec, context, data, network, method)
    _count(row, method)
    masks = _project(row, data, network, method, spec.recipe.augmentation)

    realised = realise(network, groups, masks, spec.grouping, example, spec.recipe.round_to)
    row.compact_error = _check(network, realised.network, example)
    torch.save({"state": network.state_dict(), "masks": masks}, context.store.trial(spec) / "checkpoint.pt")
    costs = tuple(measurement.count_macs(n, example) for n in (dense, realised.network))
    epochs += _finetune(spec, context, data, realised, masks, _finetune_epochs(spec, *costs))
    _add_training(row, data, epochs, *costs)

    row.val_top1 = evaluate(realised.network, data, data.val).top1
    test = evaluate(realised.network, data, data.test)
    row.test_top1, row.test_top5 = test.top1, test.top5
    deployed, row.realisation = deploy(realised.network, spec.grouping, realised.realisation, example)
    if deployed is not realised.network:
        row.compact_error = max(row.compact_error, _check(realised.network, deployed, example))
    latencies = measure(row, dense, deployed, example)
    row.train_seconds = round(sum(e.seconds for e in epochs), 3)
    _keep(spec, context.store, deployed, row.realisation, groups, masks)
    row.status, row.reason = _verdict(test.top1, data.classes)
    context.store.finish(spec, row, epochs, latencies)
    return row


def _seed(seed: int, phase: int) -> int:
    """Return the seed of the data order of a phase, the same for every method."""
    return seed * 10 + phase


def _start(spec: TrialSpec, context: TrialContext, data: Data) -> tuple[nn.Module, nn.Module, Trial, list[EpochRecord]]:
    """Return the starting network, the dense network, a row with the dense results, and the epochs so far."""
    network = build(spec.dense, data)
    dense = copy.deepcopy(network)
    dense.load_state_dict(context.store.dense_weights(spec.dense))
    record = context.store.dense_record(spec.dense)
    assert record is not None, "dense networks are trained before the trials that need them"
    row = row_of(spec, context.store.suite)
    row.dense_val_top1, row.dense_test_top1 = record["val_top1"], record["test_top1"]
    row.images, row.commit, row.torch = len(data.train), commit(), torch.__version__
    row.classes = data.classes
    if spec.starts_from == "scratch":
        return network, dense, row, []
    return copy.deepcopy(dense), dense, row, record["epochs"]


def _sparsify(
    spec: TrialSpec, context: TrialContext, data: Data, network: nn.Module, method: Method
) -> list[EpochRecord]:
    """Train under the method; a one-shot method has no epochs here."""
    torch.manual_seed(_seed(spec.seed, 1))
    return train(
        network,
        data,
        spec.recipe,
        Phase("sparsify", spec.epochs.sparsify, spec.recipe.lr, _seed(spec.seed, 1), _cycles(spec)[0]),
        method,
        undecayed=method.groups.measured_parameters() if method.decays else (),
        count=method.groups.nonzero,
        report=context.report,
    )


def _cycles(spec: TrialSpec) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the parts of the learning-rate schedule that sparsify and fine-tune cover."""
    if not spec.one_cycle:
        return (0.0, 1.0), (0.0, 1.0)
    _, sparsify, finetune = spec.epochs
    turn = sparsify / (sparsify + finetune)
    return (0.0, turn), (turn, 1.0)


def _count(row: Trial, method: Method) -> None:
    """Fill in the number of groups that training left, and how many of them are above the target."""
    groups, targets = method.groups, method.budget.targets(method.groups)
    left = groups.nonzero()
    row.groups, row.groups_target, row.groups_at_convergence = tuple(groups.sizes), tuple(targets), tuple(left)
    if method.trains:
        row.k_reached = int(klevel.reached(left, targets, [f.floor for f in groups]))
        row.groups_above = klevel.above(left, targets)


def _project(row: Trial, data: Data, network: nn.Module, method: Method, augmentation: Sequence[str]) -> list[Tensor]:
    """Zero all but the k best groups, and fill in the drop of validation accuracy; return the masks.

    Batch norms are recalibrated before and after the projection; otherwise they cause half of the drop.
    """
    groups = method.groups
    if method.prunes:
        recalibrate(network, data, augmentation)
    before = evaluate(network, data, data.val).top1
    masks = method.budget.select(method.scores())
    groups.scale_(masks)
    if method.prunes:
        recalibrate(network, data, augmentation)
    row.projection_drop = before - evaluate(network, data, data.val).top1
    kept = groups.nonzero()  # fewer than k if a method zeroed more groups
    row.groups_kept, row.group_sparsity = tuple(kept), 1 - sum(kept) / sum(groups.sizes)
    return masks


def _finetune_epochs(spec: TrialSpec, dense_macs: int, macs: int) -> int:
    """Return the epochs of fine-tuning: those of the trial, or as many as cost the multiply-adds of dense training."""
    if spec.equal == "epochs":
        return spec.epochs.finetune
    return min(MOST_TIMES * spec.epochs.finetune, round(spec.epochs.finetune * dense_macs / macs))


def _add_training(row: Trial, data: Data, epochs: list[EpochRecord], dense_macs: int, macs: int) -> None:
    """Fill in the training cost: epochs, and multiply-adds of all steps."""
    small = sum(e.phase == "finetune" for e in epochs)
    row.trained_epochs = len(epochs)
    row.train_macs = PASSES * len(data.train) * (dense_macs * (len(epochs) - small) + macs * small)


def _verdict(accuracy: float, classes: int) -> tuple[Literal["done", "failed"], str | None]:
    """Return status and reason: a network near chance has failed."""
    least = 1 / classes + MARGIN
    if accuracy >= least:
        return "done", None
    return (
        "failed",
        f"collapsed: test accuracy {accuracy:.4f} is below {least:.4f}, which is chance + {100 * MARGIN:g} points",
    )


def _check(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    error = difference(masked, compact, example)
    if not error <= TOLERANCE:
        raise Mismatch(f"masked and compact network differ by {error:.2g}, more than {TOLERANCE:g}")
    return error


def _finetune(
    spec: TrialSpec, context: TrialContext, data: Data, realised: Realised, masks: list[Tensor], epochs: int
) -> list[EpochRecord]:
    """Fine-tune the survivors for the given epochs."""
    return train(
        realised.network,
        data,
        spec.recipe,
        Phase("finetune", epochs, spec.highest_finetune_lr, _seed(spec.seed, 2), _cycles(spec)[1]),
        Restore(realised.restore),
        count=lambda: [int(m.sum()) for m in masks],
        report=context.report,
    )


def measure(row: Trial, dense: nn.Module, compact: nn.Module, example: Tensor) -> list[measurement.LatencyRecord]:
    """Fill in the costs of both networks, and return the latencies."""
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
    """Return the saved network of a trial. network: any network of its architecture; its weights are not used."""
    kept = torch.load(store.trial(spec) / "compact.pt", weights_only=True, map_location="cpu")
    groups = GROUPINGS[spec.grouping](network, example)
    masks = [torch.zeros(f.size, dtype=torch.bool) for f in groups]
    for family, mask in zip(groups, masks, strict=True):
        mask[kept["kept"][family.name]] = True
    realised = realise(network, groups, masks, spec.grouping, example, spec.recipe.round_to)
    compact = sparse.rebuild(realised.network, kept.get("sparse", {})).to(example.device)
    compact.load_state_dict(kept["state"])
    return compact


def measure_again(spec: TrialSpec, context: TrialContext) -> Trial:
    """Measure the saved networks of a trial again, without training."""
    data = data_of(spec, context.device)
    network, dense, _, _ = _start(spec, context, data)
    example = data.example(EXAMPLES)
    compact = deployed_as_kept(spec, context.store, network, example)
    row = context.store.row(spec)
    assert row is not None, "only a trial that is done is measured again"
    context.store.update(spec, row, measure(row, dense, compact, example))
    return row


def _keep(
    spec: TrialSpec, store: Store, network: nn.Module, realisation: str, groups: Groups, masks: list[Tensor]
) -> None:
    """Save the deployed network: weights, indices of kept groups, and descriptions of its sparse layers."""
    kept = {f.name: m.flatten().nonzero().flatten().cpu() for f, m in zip(groups, masks, strict=True)}
    content = {"state": network.state_dict(), "kept": kept, "realisation": realisation, "sparse": sparse.plan(network)}
    write(store.trial(spec) / "compact.pt", lambda p: torch.save(content, p))
