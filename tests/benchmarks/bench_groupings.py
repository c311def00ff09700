"""Time networks pruned by every grouping against the dense ones, beside the multiply-adds saved.

    python -m tests.benchmarks.bench_groupings [ARCHITECTURE ...] [--groupings NAME ...] [--keep K] [--threads N]
        [--repeats N]

Random groups are kept, in every layer as many (depth: in the whole network). What is timed is what a trial deploys:
removed where that can be, and the zeros that remain left out where that is faster. The dense and the deployed network
take turns in one process, so that a busy machine slows both alike. Prints a table: dense parameters / those stored,
dense macs / macs, dense time / time at a batch of 64 and of 1, the largest difference of an output from that with zeros
in place, and the realisation, or why a grouping does not apply. Times are taken as a trial takes them: on a busy
machine that is a minute or more a line, and a few --repeats will do.
"""

import argparse
import copy
import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.groups import Budget, NothingToDivide
from results.errors import Untraceable
from runners import measurement
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import Realised, deploy, realise
from runners.networks.comparison import difference
from runners.networks.groupings import GROUPINGS, scope_of
from runners.networks.layout import channels_last
from runners.tasks import prepare

DEFAULTS = ("vgg16", "resnet20", "mobilenet_v2", "vit_tiny", "mlp")
SIZES = {"mlp": (1, 28)}  # image channels, pixels; 3 x 32 x 32 for all others
IMAGES = 64


@dataclass(frozen=True)
class Pruned:
    """A network with zeros in place, and what is left of it without them."""

    masked: nn.Module
    realised: Realised


def built(architecture: str) -> tuple[nn.Module, Tensor]:
    """Return a network as it is after some training, and random images.

    Its batch norms have the moments of what they read: untrained, outputs grow with every block, and errors with them.
    """
    torch.manual_seed(0)
    channels, size = SIZES.get(architecture, (3, 32))
    network, example = ARCHITECTURES[architecture](channels, size, 10), torch.randn(IMAGES, channels, size, size)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, which is one
    with torch.no_grad():
        network.train()(example)
    return channels_last(network, example).eval(), example


def prune(network: nn.Module, grouping: str, keep: float, example: Tensor) -> Pruned:
    """Prune a network in place to random groups. Raises NothingToDivide or Untraceable where there are none."""
    groups = GROUPINGS[grouping](network, example)
    torch.manual_seed(1)
    budget = Budget.of(groups, keep, scope_of(grouping, "layer"))
    masks = budget.select([torch.rand(f.shape) for f in groups])
    groups.scale_(masks)
    return Pruned(network, realise(network, groups, masks, grouping, example))


def row(architecture: str, grouping: str, keep: float) -> list[str]:
    """Return the cells of one line; dashes and the reason where the grouping does not apply."""
    dense, example = built(architecture)
    try:
        pruned = prune(copy.deepcopy(dense), grouping, keep, example)
    except (NothingToDivide, Untraceable) as error:
        return [architecture, grouping, *["-"] * 5, str(error)]
    network, realisation = deploy(pruned.realised.network.eval(), grouping, pruned.realised.realisation, example)
    params, macs = (
        count(dense) / count(network)
        for count in (measurement.count_parameters, lambda n: measurement.count_macs(n, example))
    )
    latencies = measurement.compare_latency(dense, network, example)
    speedups = [f"{measurement.speedup(latencies, batch):.2f}" for batch in (64, 1)]
    off = f"{difference(pruned.masked, network, example):.0e}"
    return [architecture, grouping, f"{params:.2f}", f"{macs:.2f}", *speedups, off, realisation]


def line(cells: list[str]) -> str:
    name, grouping, *numbers, realisation = cells
    return f"| {name:12s} | {grouping:8s} | " + " | ".join(f"{n:>11s}" for n in numbers) + f" | {realisation} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", metavar="ARCHITECTURE", nargs="*", default=DEFAULTS)
    parser.add_argument("--groupings", nargs="+", default=list(GROUPINGS))
    parser.add_argument("--keep", type=float, default=0.25)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=measurement.MOST_REPEATS, help="at most; a trial's are 45")
    options = parser.parse_args()
    measurement.MOST_REPEATS = options.repeats
    measurement.LEAST_REPEATS = min(options.repeats, measurement.LEAST_REPEATS)
    prepare(options.threads)
    print(f"torch {torch.__version__}, keep {options.keep}, {options.threads} threads; ", end="")
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))
    heads = ["compression", "mac_speedup", "speedup_b64", "speedup_b1", "error"]
    print(line(["architecture", "grouping", *heads, "realisation"]))
    print("| --- | --- | " + "---: | " * len(heads) + "--- |")
    for architecture in options.architectures:
        for grouping in options.groupings:
            print(line(row(architecture, grouping, options.keep)), flush=True)
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
