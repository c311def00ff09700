"""Time a batch of CIFAR-like data against a training step of a ResNet-20 on it.

    python -m tests.benchmarks.bench_data [--threads N] [--repeats N] [--batch N]

A batch is drawn from 45,000 colour images of 32 x 32 pixels, shuffled, augmented and normalised; the step is forward,
backward and SGD with momentum. Both take turns in one process, so that a busy machine slows them alike. Prints medians
in milliseconds of CPU time of the process and of wall time, and the cost of the batch as a percentage of the step; the
order of an epoch is drawn once, so its cost is shared by the batches of it.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from runners.data import Data, Split
from runners.networks.architectures import ARCHITECTURES
from runners.networks.layout import channels_last
from tests.benchmarks.bench_proximal_step import training_step

IMAGES = 45_000
AUGMENTATIONS: dict[str, Sequence[str]] = {"batch, plain": (), "batch, augmented": ("crop", "flip", "cutout")}
Times = tuple[float, float]  # ms of CPU time, ms of wall time


def made_up() -> Data:
    """Images of noise: what they show costs nothing."""
    split = Split(torch.randint(256, (IMAGES, 3, 32, 32), dtype=torch.uint8), torch.randint(10, (IMAGES,)))
    return Data(split, split, split, torch.full((3, 1, 1), 127.5), torch.full((3, 1, 1), 74.0), 10)


def endless(data: Data, batch: int, augmentation: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of epoch after epoch, without the small last ones."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield from (b for b in data.shuffled(batch, generator, augmentation) if len(b[1]) == batch)


def milliseconds(function: Callable[[], object]) -> Times:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def measure(data: Data, batch: int, repeats: int) -> dict[str, Times]:
    """Medians. Every part runs once before anything is timed."""
    streams = {name: endless(data, batch, names) for name, names in AUGMENTATIONS.items()}
    contestants: dict[str, Callable[[], object]] = {
        name: lambda stream=stream: next(stream) for name, stream in streams.items()
    }
    contestants["order of an epoch"] = lambda: torch.randperm(IMAGES)
    network = channels_last(ARCHITECTURES["resnet20"](3, 32, 10), torch.randn(2, 3, 32, 32)).train()
    contestants["training step"] = training_step(network, *next(endless(data, batch, ())))
    rounds = [{name: milliseconds(function) for name, function in contestants.items()} for _ in range(1 + repeats)]
    return {
        name: (statistics.median(r[name][0] for r in rounds[1:]), statistics.median(r[name][1] for r in rounds[1:]))
        for name in contestants
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    times = measure(made_up(), options.batch, options.repeats)
    per_epoch = IMAGES // options.batch
    order = times.pop("order of an epoch")
    times["batch, augmented, with its part of the order"] = tuple(
        t + o / per_epoch for t, o in zip(times["batch, augmented"], order, strict=True)
    )
    print(f"ResNet-20, batch {options.batch}, {options.threads} threads")
    print(f"{'':44s} {'cpu ms':>9s} {'%':>6s} {'wall ms':>9s} {'%':>6s}")
    for name, (cpu, wall) in times.items():
        shares = [100 * t / step for t, step in zip((cpu, wall), times["training step"], strict=True)]
        print(f"{name:44s} {cpu:9.2f} {shares[0]:6.2f} {wall:9.2f} {shares[1]:6.2f}")


if __name__ == "__main__":
    main()
