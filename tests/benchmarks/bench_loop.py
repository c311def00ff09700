"""Time an epoch of klevel's training loop against a bare loop over the same network.

    python -m tests.benchmarks.bench_loop [NETWORK ...] [--threads N] [--repeats N] [--batch N]
                                          [--cpu-time] [--evaluation-batch N ...]

The bare loop is forward, backward and a step of SGD with momentum, on normalised images in memory, shuffled and
augmented as klevel's are. Both train for an epoch in turns in one process, so that a busy machine slows them alike.
Prints the median milliseconds of a step and their ratio, and what the validation at the end of an epoch costs: the
forward passes of a ninth of the images, as a share of the epoch. --cpu-time: by CPU time of the process, for a machine
that others use. --evaluation-batch: also the milliseconds of an evaluation of 2,000 images with these batches.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from runners import training
from runners.data import Data, Split
from runners.datasets.augmentation import AUGMENTATIONS
from runners.networks.architectures import ARCHITECTURES
from runners.networks.layout import channels_last
from runners.spec import Recipe
from runners.training import Phase, evaluate, train

LR, MOMENTUM = 0.01, 0.9
Clock = Callable[[], float]


class Case(NamedTuple):
    """A network, the shape of its images, how they are augmented, and the steps of an epoch."""

    channels: int
    size: int
    augmentation: tuple[str, ...]
    steps: int


CASES = {
    "resnet20": Case(3, 32, ("crop", "flip"), 6),
    "lenet5_caffe": Case(1, 28, (), 40),
    "mlp": Case(1, 28, (), 200),
}


class Row(NamedTuple):
    """Milliseconds of a step of klevel's loop and of the bare one, their ratio, and validation / epoch."""

    network: str
    ours: float
    bare: float
    ratio: float
    validation: float


def made_up(case: Case, batch: int) -> Data:
    """Images of noise: what they show costs nothing."""
    n, shape = case.steps * batch, (case.channels, case.size, case.size)

    def split(images: int) -> Split:
        return Split(torch.randint(256, (images, *shape), dtype=torch.uint8), torch.randint(10, (images,)))

    mean, std = torch.full((case.channels, 1, 1), 127.5), torch.full((case.channels, 1, 1), 74.0)
    return Data(split(n), split(n // 9), split(n // 9), mean, std, 10)


def built(name: str, case: Case) -> nn.Module:
    network = ARCHITECTURES[name](case.channels, case.size, 10)
    return channels_last(network, torch.randn(2, case.channels, case.size, case.size)).train()


def bare_loop(network: nn.Module, data: Data, batch: int, augmentation: Sequence[str]) -> Callable[[], None]:
    """Return an epoch of the loop that a person writes for one experiment."""
    assert isinstance(data.train, Split)
    images, labels = data.normalise(data.train.images), data.train.labels
    optimizer = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(0)

    def epoch() -> None:
        network.train()
        for indices in torch.randperm(len(labels), generator=generator).split(batch):
            x = images[indices]
            for name in augmentation:
                x = AUGMENTATIONS[name](x, generator)
            loss = nn.functional.cross_entropy(network(x), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def seconds(function: Callable[[], object], clock: Clock) -> float:
    begin = clock()
    function()
    return clock() - begin


def measure(name: str, batch: int = 128, repeats: int = 9, clock: Clock = time.perf_counter) -> Row:
    """Return medians over the repeats; each loop runs once before anything is timed."""
    case = CASES[name]
    torch.manual_seed(0)
    data = made_up(case, batch)
    recipe = Recipe(
        dense_epochs=1,
        sparsify_epochs=1,
        finetune_epochs=0,
        batch_size=batch,
        lr=LR,
        momentum=MOMENTUM,
        augmentation=case.augmentation,
    )
    network, other = built(name, case), built(name, case)
    unvalidated = replace(data, val=data.train.at(torch.arange(1)))
    contest: dict[str, Callable[[], object]] = {
        "ours": lambda: train(network, unvalidated, recipe, Phase("x", 1, LR, 0)),
        "bare": bare_loop(other, data, batch, case.augmentation),
        "validation": lambda: evaluate(network, data, data.val),
    }
    rounds = []
    for number in range(1 + repeats):  # in both orders, since each finds the cache as the one before has left it
        turns = list(contest) if number % 2 else list(reversed(contest))
        rounds.append({name: seconds(contest[name], clock) for name in turns})
    ours, bare, validation = (statistics.median(r[name] for r in rounds[1:]) for name in contest)
    return Row(name, 1e3 * ours / case.steps, 1e3 * bare / case.steps, ours / bare, validation / ours)


def rows(
    names: Sequence[str] = tuple(CASES), batch: int = 128, repeats: int = 9, clock: Clock = time.perf_counter
) -> list[Row]:
    """Return a row for each network."""
    return [measure(name, batch, repeats, clock) for name in names]


def evaluations(name: str, batches: Sequence[int], repeats: int, clock: Clock) -> dict[int, float]:
    """Return the median milliseconds of an evaluation of 2,000 images by its batch, taken in turns."""
    case, images = CASES[name], 2000
    data, network = made_up(case._replace(steps=9 * images // 128), 128), built(name, case)
    usual = training.EVALUATION_BATCH, training.EVALUATION_PIXELS
    times: dict[int, list[float]] = {batch: [] for batch in batches}
    try:
        for _ in range(1 + repeats):
            for batch, values in times.items():
                training.EVALUATION_BATCH, training.EVALUATION_PIXELS = batch, 1 << 60
                values.append(1e3 * seconds(lambda: evaluate(network, data, data.val), clock))
    finally:
        training.EVALUATION_BATCH, training.EVALUATION_PIXELS = usual
    return {batch: statistics.median(values[1:]) for batch, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(CASES), metavar="NETWORK", help=", ".join(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--evaluation-batch", type=int, nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    print(f"batch {options.batch}, {options.threads} threads")
    print(f"{'':14s} {'ours ms':>9s} {'bare ms':>9s} {'ratio':>7s} {'validation':>11s}")
    for row in rows(options.networks, options.batch, options.repeats, clock):
        print(f"{row.network:14s} {row.ours:9.3f} {row.bare:9.3f} {row.ratio:7.3f} {row.validation:10.1%}")
    for name in options.networks if options.evaluation_batch else ():
        found = evaluations(name, options.evaluation_batch, options.repeats, clock)
        print(name, "  ".join(f"{batch}: {ms:.1f} ms" for batch, ms in found.items()))


if __name__ == "__main__":
    main()
