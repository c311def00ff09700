"""Measure what a checkpoint costs, in milliseconds and as a part of an epoch of CIFAR-10.

    python -m tests.benchmarks.bench_checkpoint [ARCHITECTURE ...] [--images N] [--repeats N]

An epoch of so many images is trained with SGD and momentum, under wgsef_dc on filters, with a checkpoint at its end and
without, in turn; the part of a whole epoch is by the number of its images, 45,000. Needs CIFAR-10 (KLEVEL_DATA).
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from methods import METHODS
from methods.groups import Budget
from runners.checkpoint import Checkpoint
from runners.data import load
from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS
from runners.spec import Recipe
from runners.tasks import prepare
from runners.training import Phase, train

WHOLE = 45_000  # images of an epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=["resnet20"])
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    prepare(1)
    data = load("cifar10", options.images)
    recipe = Recipe(dense_epochs=1, sparsify_epochs=1, finetune_epochs=1)
    for name in options.architectures:
        seconds: dict[bool, list[float]] = {True: [], False: []}
        saves, size = [], 0
        for kept in [True, False] * options.repeats:
            torch.manual_seed(0)
            network = ARCHITECTURES[name](3, 32, 10)
            groups = GROUPINGS["filter"](network, data.example(2))
            method = METHODS["wgsef_dc"](groups, Budget.of(groups, 0.5, "layer"))
            with tempfile.TemporaryDirectory() as folder:
                keeper = Timed(Path(folder) / "progress.pt", {}) if kept else None
                begin = time.perf_counter()
                train(network, data, recipe, Phase("sparsify", 1, 0.05, 0, (0.0, 1.0)), method, keeper=keeper)
                seconds[kept].append(time.perf_counter() - begin)
                if keeper is not None:
                    saves.append(keeper.seconds)
                    size = (Path(folder) / "progress.pt").stat().st_size
        epoch = statistics.median(seconds[False]) * WHOLE / options.images
        save = statistics.median(saves)
        with_, without = (statistics.median(seconds[kept]) for kept in (True, False))
        print(
            f"{name}: {1000 * save:.1f} ms and {size / 1e6:.1f} MB a checkpoint, {100 * save / epoch:.3f} % of an epoch"
        )
        print(f"{options.images} images: {with_:.2f} s with it, {without:.2f} s without")


class Timed(Checkpoint):
    """A checkpoint that takes the time of its saves."""

    seconds = 0.0

    def save(self, *arguments: object, **options: object) -> None:
        """Save, and add the seconds that it took."""
        begin = time.perf_counter()
        super().save(*arguments, **options)  # type: ignore[arg-type]
        self.seconds += time.perf_counter() - begin


if __name__ == "__main__":
    main()
