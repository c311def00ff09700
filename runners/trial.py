"""Run one trial, from spec to row."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from methods import METHODS, Method
from methods.groups import Budget, Groups, NothingToDivide
from results import klevel
from results.columns import Trial
from results.errors import InputError, Mismatch, OwnBudget, Unreadable, naming
from runners import measurement
from runners.checkpoint import Checkpoint
from runners.data import Data
from runners.dense import TaskContext, build, data_of, data_seed
from runners.environment import commit
from runners.finished import OF_COMPACT, tensors
from runners.networks import sparse
from runners.networks.compaction import IN_PLACE, deploy
from runners.networks.comparison import Reference
from runners.networks.pruning import Realised, groups_of, project, realise
from runners.row import row_of
from runners.shrinking import Sparsifying
from runners.spec import Recipe, TrialSpec
from runners.store import Store, write
from runners.training import PASSES, EpochRecord, Phase, Restore, evaluate, recalibrate, train

EXAMPLES = 64
MASKED = "checkpoint.pt"  # weights and masks of the network before fine-tuning
MARGIN = 0.05  # a network with a test accuracy below chance + MARGIN has collapsed
MOST_TIMES = 4  # with equal training multiply-adds a start from scratch takes at most this multiple of the epochs
_log = logging.getLogger("klevel")

CountMacs = Callable[[nn.Module], int | None]


def run_trial(spec: TrialSpec, context: TaskContext) -> Trial:
    """Run one trial and save its results. The shared dense network must be saved already."""
    data = data_of(spec, context.device)
    network, dense, row, epochs = _start(spec, context, data)
    example = data.example(EXAMPLES)
    macs = cache(partial(measurement.count_macs, example=example))
    groups = divide(spec, network, example)
    budget = budget_of(spec, groups)
    method = METHODS[spec.method](groups, budget, **spec.all_hyperparameters)
    if method.budget is not budget:
        raise OwnBudget(f"method {spec.method} sets a budget of its own, not that of keep {spec.keep:g}")

    at_start = groups.nonzero()
    epochs = [replace(e, nonzero_groups=at_start) for e in epochs]
    keeper = Checkpoint(context.store.progress(spec), {**spec.model_dump(mode="json"), "code": row.method_code})
    if (saved := _masked(spec, context, keeper)) is not None:
        network.load_state_dict(saved["state"])
        row, epochs = Trial.model_validate(keeper.notes["row"]), [EpochRecord(**e) for e in keeper.notes["epochs"]]
        masks = saved["masks"]
    else:
        epochs += _sparsify(spec, context, data, network, method, example, macs, keeper)
        _count(row, method)
        masks = _project(row, data, network, method, spec.recipe)
        keeper.notes = {"row": row.model_dump(), "epochs": [asdict(e) for e in epochs]}
        content = {"state": network.state_dict(), "masks": masks}
        write(context.store.trial(spec) / MASKED, lambda p: torch.save(content, p))

    realised = realise_trial(spec, network, groups, masks, example)
    row.groups_removed = tuple(int(m.sum()) for m in realised.removed) or None
    row.left_in_place = realised.reason
    row.compact_error = _check(network, realised.network, example)
    small = _finetune_epochs(spec, macs(dense), macs(realised.network))
    epochs += _finetune(spec, context, data, realised, masks, small, macs, keeper)
    _add_training(row, data, epochs, macs(dense))

    precision = spec.recipe.precision
    tuned = [e for e in epochs if e.phase == "finetune"]  # nothing has changed since the last of them
    row.val_top1 = tuned[-1].val_top1 if tuned else evaluate(realised.network, data, data.val, precision).top1
    test = evaluate(realised.network, data, data.test, precision)
    row.test_top1, row.test_top5 = test.top1, test.top5
    deployed, row.realisation = deploy(realised.network, spec.grouping, realised.realisation, example)
    if deployed is not realised.network:
        row.compact_error = max(row.compact_error, _check(realised.network, deployed, example))
    latencies = measure(row, dense, deployed, example)
    row.train_seconds = round(sum(e.seconds for e in epochs), 3)
    _keep(spec, context.store, deployed, row.realisation, groups, masks)
    row.status, row.reason = _verdict(test.top1, data.classes, METHODS[spec.method].prunes)
    context.store.finish(spec, row, epochs, latencies)
    return row


def _masked(spec: TrialSpec, context: TaskContext, keeper: Checkpoint) -> dict[str, Any] | None:
    """Return the masked network of a trial that was interrupted in fine-tuning, or None; begin anew if it is broken."""
    if keeper.phase != "finetune":
        return None
    try:
        saved: dict[str, Any] = torch.load(
            context.store.trial(spec) / MASKED, weights_only=True, map_location=context.device
        )
    except Exception as error:  # torch may raise anything for a corrupt file
        _log.info("%s cannot be read, so the trial begins anew: %s", MASKED, error)
        keeper.forget()
        return None
    return saved


class Undivided(Groups):
    """The groups of a network that cannot be divided: none, with which the dense control alone can do."""

    def __init__(self) -> None:
        """Make no groups, where `Groups` refuses."""
        self.families = ()


def divide(spec: TrialSpec, network: nn.Module, example: Tensor) -> Groups:
    """Return the groups of a trial. The dense control, which keeps all of them, goes on without where there are none.

    Raises what the grouping raises, for any other method; InputError, which names it, for one of a user's own.
    """
    named = naming(f"grouping {spec.grouping}", NothingToDivide) if spec.grouping in spec.sources else nullcontext()
    try:
        with named:
            return groups_of(network, example, spec.grouping, spec.measure)
    except Exception as error:
        if METHODS[spec.method].prunes:
            raise
        _log.info("not divided, as nothing is to be pruned: %s", error)
        return Undivided()


def budget_of(spec: TrialSpec, groups: Groups) -> Budget:
    """Return the number of groups that a trial keeps."""
    return Budget.of(groups, spec.keep, spec.scope, 1 if spec.grouping in IN_PLACE else spec.recipe.round_to)


def realise_trial(
    spec: TrialSpec, network: nn.Module, groups: Groups, masks: Sequence[Tensor], example: Tensor
) -> Realised:
    """Return the pruned network of a trial: see `realise`. That of the dense control is a copy."""
    if not METHODS[spec.method].prunes:
        return Realised(copy.deepcopy(network), "compact", lambda: None)
    return realise(network, groups, masks, spec.grouping, example, spec.recipe.round_to)


def _start(spec: TrialSpec, context: TaskContext, data: Data) -> tuple[nn.Module, nn.Module, Trial, list[EpochRecord]]:
    """Return the starting network, the dense network, a row with the dense results, and the epochs so far."""
    network = build(spec.dense, data)
    dense = copy.deepcopy(network)
    try:
        dense.load_state_dict(context.store.dense_weights(spec.dense))
    except (RuntimeError, TypeError, AttributeError):
        path = context.store.dense(spec.dense) / "network.pt"
        raise Unreadable(path, f"does not fit {spec.architecture}") from None
    record = context.store.dense_record(spec.dense)
    if record is None:
        path = context.store.dense(spec.dense)
        raise InputError(f"{path}: the dense network of trial {spec.id} is not here; klevel run --force makes it again")
    row = row_of(spec, context.store.suite)
    row.dense_val_top1, row.dense_test_top1 = record["val_top1"], record["test_top1"]
    row.images, row.commit, row.torch = len(data.train), commit(), torch.__version__
    row.classes = data.classes
    if spec.starts_from == "scratch":
        return network, dense, row, []
    return copy.deepcopy(dense), dense, row, record["epochs"]


def _sparsify(
    spec: TrialSpec,
    context: TaskContext,
    data: Data,
    network: nn.Module,
    method: Method,
    example: Tensor,
    macs: CountMacs,
    keeper: Checkpoint,
) -> list[EpochRecord]:
    """Train under the method, on a smaller network once its choice is final; a one-shot method has no epochs here."""
    torch.manual_seed(data_seed(spec.seed, 1))
    shrinks = spec.recipe.shrink and spec.grouping not in IN_PLACE
    realise = partial(realise_trial, spec, network, method.groups, example=example) if shrinks else None
    hooks = Sparsifying(method, network, realise, macs, keeper.notes)
    epochs = train(
        hooks.begin(),
        data,
        spec.recipe,
        Phase("sparsify", spec.epochs.sparsify, spec.recipe.lr, data_seed(spec.seed, 1), _cycles(spec)[0]),
        hooks,
        undecayed=hooks.undecayed(),
        count=hooks.nonzero,
        count_macs=macs,
        report=context.report,
        keeper=keeper,
    )
    hooks.write_back()
    return epochs


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
    counts = (tuple(c) or None for c in (groups.sizes, targets, left))
    row.groups, row.groups_target, row.groups_at_convergence = counts
    if method.trains:
        row.k_reached = int(klevel.reached(left, targets, [f.floor for f in groups]))
        row.groups_above = klevel.above(left, targets)


def _project(row: Trial, data: Data, network: nn.Module, method: Method, recipe: Recipe) -> list[Tensor]:
    """Zero all but the k best groups, and fill in the drop of validation accuracy; return the masks.

    Batch norms are recalibrated before and after the projection; otherwise they cause half of the drop.
    """
    groups = method.groups

    def accuracy() -> float:
        if not method.prunes:
            return 0.0  # nothing changes, so the drop is none
        recalibrate(network, data, recipe.augmentation)
        return evaluate(network, data, data.val, recipe.precision).top1

    before = accuracy()
    masks = project(groups, method.budget, method.scores())
    row.projection_drop = before - accuracy()
    kept = groups.nonzero()  # fewer than k if a method zeroed more groups
    if kept:
        row.groups_kept, row.group_sparsity = tuple(kept), 1 - sum(kept) / sum(groups.sizes)
    return masks


def _finetune_epochs(spec: TrialSpec, dense_macs: int | None, macs: int | None) -> int:
    """Return the epochs of fine-tuning: those of the trial, or as many as cost the multiply-adds of dense training.

    Those of the trial too where the multiply-adds are not known.
    """
    if spec.equal == "epochs" or not dense_macs or not macs:
        return spec.epochs.finetune
    return min(MOST_TIMES * spec.epochs.finetune, round(spec.epochs.finetune * dense_macs / macs))


def _add_training(row: Trial, data: Data, epochs: list[EpochRecord], dense_macs: int | None) -> None:
    """Fill in the training cost: epochs, and multiply-adds of all steps where they are known.

    dense_macs: of an image, for epochs of a dense network that say nothing of it.
    """
    row.trained_epochs = len(epochs)
    each = [dense_macs if e.phase == "dense" and e.train_macs is None else e.train_macs for e in epochs]
    if None not in each:
        row.train_macs = PASSES * len(data.train) * sum(filter(None, each))


def _verdict(accuracy: float, classes: int, prunes: bool = True) -> tuple[Literal["done", "failed"], str | None]:
    """Return status and reason: a network near chance has failed. The dense control has nothing to fall from."""
    least = 1 / classes + MARGIN
    if accuracy >= least or not prunes:
        return "done", None
    return (
        "failed",
        f"collapsed: test accuracy {accuracy:.4f} is below {least:.4f}, which is chance + {100 * MARGIN:g} points",
    )


def _check(masked: nn.Module, compact: nn.Module, example: Tensor) -> float:
    """Return the largest difference of an output. Raises Mismatch if it is more than rounding explains."""
    reference = Reference(masked, example)
    found = reference.compare(compact)
    if not found.ok and not reference.compare_in_float64(compact).ok:
        raise Mismatch(f"masked and compact network differ by {found.largest:.2g}, more than {found.allowed:.2g}")
    return found.largest


def _finetune(
    spec: TrialSpec,
    context: TaskContext,
    data: Data,
    realised: Realised,
    masks: list[Tensor],
    epochs: int,
    macs: CountMacs,
    keeper: Checkpoint,
) -> list[EpochRecord]:
    """Fine-tune the survivors for the given epochs."""
    return train(
        realised.network,
        data,
        spec.recipe,
        Phase("finetune", epochs, spec.highest_finetune_lr, data_seed(spec.seed, 2), _cycles(spec)[1]),
        Restore(realised.restore),
        count=lambda: [int(m.sum()) for m in masks],
        count_macs=macs,
        report=context.report,
        keeper=keeper,
    )


def measure(row: Trial, dense: nn.Module, compact: nn.Module, example: Tensor) -> list[measurement.LatencyRecord]:
    """Fill in the costs of both networks, and return the latencies."""
    row.dense_params, row.params = (measurement.count_parameters(n) for n in (dense, compact))
    row.dense_macs, row.macs = (measurement.count_macs(n, example) for n in (dense, compact))
    row.compression = row.dense_params / row.params
    row.mac_speedup = row.dense_macs / row.macs if row.dense_macs and row.macs else None
    row.dense_file_mb, row.file_mb = (measurement.file_megabytes(n) for n in (dense, compact))
    row.dense_peak_mb, row.peak_mb = (measurement.peak_megabytes(n, example) for n in (dense, compact))
    latencies = measurement.compare_latency(dense, compact, example)
    row.speedup_b1, row.speedup_b64 = (measurement.speedup(latencies, b) for b in measurement.BATCHES)
    row.device, row.threads = measurement.device_name(example.device), torch.get_num_threads()
    return latencies


def rebuild(spec: TrialSpec, network: nn.Module, saved: Mapping[str, Any], example: Tensor) -> nn.Module:
    """Return the deployed network of a trial.

    network: any network of its architecture; its weights are not used. saved: the content of its `compact.pt`.
    """
    groups = divide(spec, network, example)
    masks = [torch.zeros(f.size, dtype=torch.bool) for f in groups]
    for family, mask in zip(groups, masks, strict=True):
        mask[saved["kept"][family.name]] = True
    realised = realise_trial(spec, network, groups, masks, example)
    compact = sparse.rebuild(realised.network, saved.get("sparse", {})).to(example.device)
    compact.load_state_dict(saved["state"])
    return compact


def measure_again(spec: TrialSpec, context: TaskContext) -> Trial:
    """Measure the saved networks of a trial again, without training."""
    data = data_of(spec, context.device)
    network, dense, _, _ = _start(spec, context, data)
    example = data.example(EXAMPLES)
    path = context.store.trial(spec) / "compact.pt"
    saved = tensors(path, *OF_COMPACT)
    try:
        compact = rebuild(spec, network, saved, example)
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError):
        raise Unreadable(path, "not the network of this trial") from None
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
