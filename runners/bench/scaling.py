"""How costs grow: the prox with the number of groups, a trial with the network, a suite with the number of trials."""

from __future__ import annotations

import contextlib
import copy
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import yaml

from methods.envelope import prox_factors
from results.performance import Cost
from runners import suite
from runners.bench.clock import once, rounds, spread
from runners.bench.proximal import Moving, elements, steps_on
from runners.bench.rows import as_a_trial
from runners.bench.settings import Setting
from runners.measurement import LatencyRecord, count_parameters
from runners.networks.clock import Function
from runners.networks.pruning import Budget, groups_of, project, realise
from runners.row import row_of
from runners.spec import TrialSpec
from runners.store import Store
from runners.training import EpochRecord

KEEP = 0.25
METHODS, KEEPS = ("magnitude", "l1_filter", "gmp", "wgsef_dc", "random"), (0.5, 0.25, 0.1, 0.05)
OF_A_SEED = len(METHODS) * len(KEEPS)
EPOCHS = 20  # of a trial that is not run
SMALL = 1000  # trials of a suite that is timed several times

Draw = Callable[[Path, Path], object]  # draws figures of a results folder into another


@dataclass(frozen=True)
class Sizes:
    """The sizes that are measured: groups of the prox, networks of a trial, trials of a suite."""

    groups: tuple[int, ...] = (1000, 10_000, 100_000, 1_000_000)
    networks: tuple[str, ...] = ("resnet20", "resnet32", "resnet56", "resnet110")
    trials: tuple[int, ...] = (100, 1000, 10_000)
    repeats: int = 5


USUAL = Sizes()
WHOLE = Sizes(groups=(*USUAL.groups, 10_000_000), trials=(*USUAL.trials, 100_000))


def measure(sizes: Sizes, draw: Draw, listen: Callable[[Cost], None] = lambda cost: None) -> list[Cost]:
    """Measure all costs in this process, with one thread, and return them. listen: hears of each. draw: of `Draw`."""
    found = []
    with as_a_trial():
        for part in (of_groups(sizes), of_networks(sizes), of_trials(sizes, draw)):
            for cost in part:
                found.append(cost)
                listen(cost)
    return found


def of_groups(sizes: Sizes) -> Iterator[Cost]:
    """Yield the time of proximal steps on single weights, of the factors alone, and of torch.sort."""
    for m in sizes.groups:
        torch.manual_seed(0)
        weights = torch.randn(m)
        norms = weights.abs()
        functions = steps_on(elements(weights, 1))
        functions["prox_factors"] = partial(prox_factors, norms, KEEP * m, 1.0)
        functions["torch.sort"] = partial(torch.sort, norms)
        times = rounds(functions, sizes.repeats, Moving([weights]).next)
        for what in functions:
            yield _cost("prox", what, "groups", m, times[what])


def of_networks(sizes: Sizes) -> Iterator[Cost]:
    """Yield the time of dividing networks into coupled groups, and of removing most of them with the proof of it."""
    for architecture in sizes.networks:
        setting = Setting.of(architecture, 2)
        network, example = setting.network, setting.images
        masked = copy.deepcopy(network)
        groups = groups_of(masked, example, "coupled")
        masks = project(groups, Budget.of(groups, KEEP))
        functions: dict[str, Function] = {
            "divide": partial(groups_of, network, example, "coupled"),
            "remove": partial(realise, masked, groups, masks, "coupled", example),
        }
        times = rounds(functions, sizes.repeats)
        for what in functions:
            yield _cost("network", what, "parameters", count_parameters(network), times[what])


def of_trials(sizes: Sizes, draw: Draw) -> Iterator[Cost]:
    """Yield the time of planning a suite, of bringing its rows into the CSVs, and of drawing them.

    The trials are not run: what they would leave in their folders is written. Small suites are timed several times.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, done = Path(name), set[str]()
        store = Store(folder / "results", "scaling")
        for number in sizes.trials:
            file, repeats = suite_of(number, folder), sizes.repeats if number <= SMALL else 1
            trials = suite.load(str(file)).trials
            for spec in trials:
                if spec.id not in done:
                    leave(store, spec)
            done |= {spec.id for spec in trials}
            functions: dict[str, Function] = {
                "plan": partial(suite.load, str(file)),
                "collect": partial(store.collect, trials),
                "draw": partial(_quietly, draw, store.root, folder / "drawn"),
            }
            if number == sizes.trials[0]:
                store.collect(trials)
                _quietly(draw, store.root, folder / "first")  # what it imports is not what is measured
            for what, function in functions.items():
                yield _cost("suite", what, "trials", len(trials), _each(function, repeats, folder / "drawn"))


def suite_of(trials: int, folder: Path) -> Path:
    """Write the file of a suite of so many trials or a few less, OF_A_SEED of each seed; return its path."""
    grid = {"dataset": ["digits"], "architecture": ["lenet5_caffe"], "keep": [*KEEPS], "method": [*METHODS]}
    grid["seed"] = [*range(max(1, trials // OF_A_SEED))]
    recipe = {"dense_epochs": 10, "sparsify_epochs": 10, "finetune_epochs": 10}
    path = folder / "scaling.yaml"
    path.write_text(yaml.safe_dump({"suite": "scaling", "recipe": recipe, "grid": grid}), encoding="utf-8")
    return path


def leave(store: Store, spec: TrialSpec) -> None:
    """Leave what a trial leaves behind."""
    row = row_of(spec, store.suite)
    better = 0.001 * METHODS.index(spec.method)
    row.val_top1 = row.test_top1 = 0.9 - 0.1 * (1 - spec.keep) + better + 1e-5 * (spec.seed % 97)
    row.group_sparsity, row.compression, row.mac_speedup = 1 - spec.keep, 1 / spec.keep, 1 / spec.keep
    row.speedup_b1 = row.speedup_b64 = 1 / spec.keep
    row.classes, row.train_seconds = 10, 1.0
    epochs = [EpochRecord("finetune", i + 1, 1.0, 0.5, [1, 2], None, 0.1, 0.01) for i in range(EPOCHS)]
    latency = [LatencyRecord(name, "torch", "cpu", 64, 1, 1.0, 0.1, 15) for name in ("dense", "compact")]
    store.finish(spec, row, epochs, latency)


def _each(function: Callable[[], object], repeats: int, scratch: Path) -> list[float]:
    """Return the seconds of each of some calls, before each of which a folder is emptied."""
    return [once(function, partial(shutil.rmtree, scratch, ignore_errors=True)) for _ in range(repeats)]


def _quietly(draw: Draw, folder: Path, output: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        draw(folder, output)


def _cost(group: str, what: str, of: str, size: int, seconds: Sequence[float]) -> Cost:
    found = spread(list(seconds))
    return Cost(group, what, of, size, found.value, found.low, found.high, found.repeats)
