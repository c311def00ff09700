"""Time VGG-16 at a quarter of its filters: as klevel removes them, and as torch-pruning's own pruner does.

    python -m tests.benchmarks.bench_vgg16 [--keep K] [--threads N ...] [--batches N ...] [--repeats N]

VGG-16 for 3 x 32 x 32 and 10 classes. klevel keeps random filters of every layer but the last; torch-pruning prunes a
copy of the same network by its BasePruner with random importance, at the same ratio in every layer. Ends with exit
code 1 where the two are not equally wide throughout. All networks take turns in one process, so that a busy machine
slows all of them alike. torch-pruning is shown as it leaves the network as well, because the layout of the weights
matters; so is the dense network as it is built. Prints medians in milliseconds, dense time / time of each network in
the dense network's two layouts, and the time of torch-pruning's / that of klevel's with both channels last: above 1
klevel's is faster. The middle half of that ratio, round by round, is in brackets. Of each network the fastest round is
shown too: with two threads on a machine whose cores are busy, a round that waits for one of them says nothing else.
"""

import argparse
import copy
import os
import statistics
import sys

import torch
import torch_pruning
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from runners.measurement import BLOCK_SECONDS, count_macs, count_parameters
from runners.networks.architectures import ARCHITECTURES
from runners.networks.layout import channels_last
from tests.benchmarks.bench_groupings import prune

DENSE, BUILT = "dense", "dense, as built"
OURS, THEIRS, LEFT = "klevel", "torch-pruning", "torch-pruning, as left"
Rounds = dict[str, list[float]]


def by_torch_pruning(dense: nn.Module, example: Tensor, keep: float) -> nn.Module:
    """Prune a copy of a network as torch-pruning's documentation does, but at random."""
    network = copy.deepcopy(dense)
    output = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(
        network,
        example,
        importance=torch_pruning.importance.RandomImportance(),
        pruning_ratio=1 - keep,
        ignored_layers=[output],
        global_pruning=False,
    )
    pruner.step()
    return network.eval()


def networks(keep: float) -> dict[str, nn.Module]:
    """All that is timed, by name. What torch-pruning left is the same network as what is channels last."""
    torch.manual_seed(0)
    example = torch.randn(64, 3, 32, 32)
    built = ARCHITECTURES["vgg16"](3, 32, 10).eval()
    dense = channels_last(copy.deepcopy(built), example)
    left = by_torch_pruning(dense, example[:1], keep)
    return {
        DENSE: dense,
        BUILT: built,
        OURS: prune(copy.deepcopy(dense), "filter", keep, example).realised.network.eval(),
        THEIRS: channels_last(copy.deepcopy(left), example),
        LEFT: left,
    }


def shapes(network: nn.Module) -> list[tuple[int, ...]]:
    """The shapes of all parameters and buffers, in the order of the network: all its widths."""
    return [tuple(t.shape) for t in network.state_dict().values()]


def layout(network: nn.Module) -> str:
    """How the weights of the convolutions lie in memory; those of one input map or pixel lie both ways."""
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    last = sum(not w.is_contiguous() for w in weights)
    return f"{last} of {len(weights)} channels last"


def measure(contest: dict[str, nn.Module], images: Tensor, threads: int, repeats: int) -> Rounds:
    """Milliseconds of a forward pass, round by round, of any number of networks: see `runners.measurement`."""
    timers = {
        name: Timer("network(images)", globals={"network": network, "images": images}, num_threads=threads)
        for name, network in contest.items()
    }
    rounds: Rounds = {name: [] for name in timers}
    with torch.inference_mode():
        numbers = {name: max(1, round(BLOCK_SECONDS / t.timeit(3).mean)) for name, t in timers.items()}
        for _ in range(repeats):
            for name, timer in timers.items():
                rounds[name].append(timer.timeit(numbers[name]).mean * 1e3)
    return rounds


def report(rounds: Rounds, threads: int, batch: int) -> None:
    medians, least = ({name: statistic(v) for name, v in rounds.items()} for statistic in (statistics.median, min))
    for name, median in medians.items():
        speedups = " ".join(f"{medians[dense] / median:9.2f}" for dense in (DENSE, BUILT))
        fastest = f"{least[name]:9.3f} {least[DENSE] / least[name]:9.2f}"
        print(f"{threads:7d} {batch:5d}  {name:22s} {median:9.3f} {speedups} {fastest}")
    ratios = [theirs / ours for theirs, ours in zip(rounds[THEIRS], rounds[OURS], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    ratio, best = (values[THEIRS] / values[OURS] for values in (medians, least))
    print(f"{threads:7d} {batch:5d}  torch-pruning / klevel {ratio:9.3f} ({low:.3f} to {high:.3f}), least {best:.3f}")


def describe(name: str, network: nn.Module, image: Tensor) -> None:
    params, macs = count_parameters(network), count_macs(network, image)
    print(f"{name:22s} {params:>11,} params {macs:>12,} macs, convolutions {layout(network)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=float, default=0.25)
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1])
    parser.add_argument("--repeats", type=int, default=25)
    options = parser.parse_args()
    contest = networks(options.keep)
    image = torch.zeros(1, 3, 32, 32)
    print(f"torch {torch.__version__}, torch-pruning {torch_pruning.__version__}, keep {options.keep}")
    for name, network in contest.items():
        describe(name, network, image)
    if shapes(contest[OURS]) != shapes(contest[THEIRS]):
        sys.exit("the widths of klevel's and torch-pruning's network differ")
    print(f"widths of klevel's and torch-pruning's network: the same in all {len(shapes(contest[OURS]))} tensors")
    print(f"mac_speedup {count_macs(contest[DENSE], image) / count_macs(contest[OURS], image):.2f}; ", end="")
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))
    print(f"threads batch  {'network':22s} {'ms':>9s} {'x dense':>9s} {'x built':>9s} {'least ms':>9s} {'x dense':>9s}")
    for threads in options.threads:
        for batch in options.batches:
            report(measure(contest, torch.randn(batch, 3, 32, 32), threads, options.repeats), threads, batch)
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
