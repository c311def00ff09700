"""Time the proximal step of a ResNet-18 for 32 x 32 images against a training step of it.

    python -m tests.benchmarks.bench_proximal_step [--threads N] [--repeats N] [--batch N]

All convolutions but the output layer, divided into filters (20 families). The parts take turns with the training step
in one process, so that a busy machine slows all of them alike. Prints medians in milliseconds of CPU time of the
process and of wall time, and the cost of the proximal step as a percentage of a training step. Before each measurement
the weights are set back, so that no part gets easier with time.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from methods.batched import prox_factors_of
from methods.envelope import prox_factors
from methods.groups import Budget, Groups
from runners.networks.groupings import GROUPINGS
from runners.networks.layout import channels_last
from runners.vision import torchvision

LR, LAM, KEEP = 0.05, 0.1, 0.25
Times = tuple[float, float]  # ms of CPU time, ms of wall time


def resnet18() -> nn.Module:
    """The ResNet-18 of torchvision with the stem for small images: 3 x 3, stride 1, no pooling."""
    network = torchvision.models.resnet18(num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return channels_last(network, torch.randn(2, 3, 32, 32)).train()


def training_step(network: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], object]:
    """Forward, backward and a step of SGD with momentum."""
    optimizer = torch.optim.SGD(network.parameters(), LR, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def parts(groups: Groups) -> dict[str, Callable[[], object]]:
    """What is timed, by name. The factors are those of the weights at the start."""
    budgets = Budget.of(groups, KEEP).per_family
    norms, strengths = groups.norms(), [LR * LAM] * len(groups)
    factors = prox_factors_of(norms, budgets, strengths)
    masks = [f > 0 for f in factors]
    timed: dict[str, Callable[[], object]] = {
        "norms": groups.norms,
        "solve": lambda: prox_factors_of(norms, budgets, strengths),
        "scale": lambda: groups.scale_(factors),
        "solve, a loop": lambda: [prox_factors(n, k, c) for n, k, c in zip(norms, budgets, strengths, strict=True)],
        "scale by masks": lambda: groups.scale_(masks),
        "count non-zero": groups.nonzero,
    }
    try:
        from methods.wgsef import WGSEF
    except ImportError:
        return timed
    method = WGSEF(groups, Budget.of(groups, KEEP), lam=LAM)
    return timed | {"wgsef.after_step": lambda: method.after_step(LR, 1.0)}


def milliseconds(function: Callable[[], object]) -> Times:
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)


def measure(network: nn.Module, groups: Groups, batch: int, repeats: int) -> dict[str, Times]:
    """Medians. Every part runs once before anything is timed."""
    images = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    step = training_step(network, images, torch.randint(10, (batch,)))
    contestants = {"training step": step, **parts(groups)}
    start = [p.detach().clone() for p in network.parameters()]
    rounds: list[dict[str, Times]] = []
    for _ in range(1 + repeats):
        times = {}
        for name, function in contestants.items():
            with torch.no_grad():
                for parameter, value in zip(network.parameters(), start, strict=True):
                    parameter.copy_(value)
            times[name] = milliseconds(function)
        rounds.append(times)
    return {
        name: (statistics.median(r[name][0] for r in rounds[1:]), statistics.median(r[name][1] for r in rounds[1:]))
        for name in contestants
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = resnet18()
    groups = GROUPINGS["filter"](network, torch.zeros(1, 3, 32, 32))
    times = measure(network, groups, options.batch, options.repeats)
    whole = {"norms + solve + scale": tuple(sum(times[n][i] for n in ("norms", "solve", "scale")) for i in (0, 1))}
    count = sum(p.numel() for p in groups.parameters())
    print(f"{len(groups)} families, {sum(groups.sizes):,} groups, {count:,} parameters; {options.threads} threads")
    print(f"{'':22s} {'cpu ms':>9s} {'%':>6s} {'wall ms':>9s} {'%':>6s}")
    for name, (cpu, wall) in (times | whole).items():
        shares = [100 * t / step for t, step in zip((cpu, wall), times["training step"], strict=True)]
        print(f"{name:22s} {cpu:9.2f} {shares[0]:6.2f} {wall:9.2f} {shares[1]:6.2f}")


if __name__ == "__main__":
    main()
