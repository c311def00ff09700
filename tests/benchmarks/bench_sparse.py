"""Time the replacements of a pruned layer against the layer with its zeros in place, beside the multiply-adds saved.

    python -m tests.benchmarks.bench_sparse [--threads N] [--repeats N] [--batch N] [--device D]

A layer as of a VGG (256 to 256 filters of 3 x 3, on 8 x 8), two of a ResNet-20, and a linear one (784 to 300), with
random groups of every grouping kept: shapes, kernels, blocks of 8 x 8, single weights, 2 of 4. All replacements of one
layer take turns with the dense layer in one process, so that a busy machine slows all of them alike. Prints ratios of
medians, dense / replacement: above 1 it is faster. `macs` is what multiply-adds alone would promise.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from runners.measurement import count_macs
from runners.networks.sparse.autotuning import agrees
from runners.networks.sparse.candidates import candidates

KEEPS = (0.5, 0.25, 0.1, 0.05)
KINDS = ("positions", "csr", "bsr", "semi_structured")
BLOCK = 8
Layer = nn.Conv2d | nn.Linear


def layers(batch: int, device: str) -> dict[str, tuple[Layer, Tensor]]:
    """Layers by name, each with what it reads."""
    sizes = {"vgg 256, 8 x 8": (256, 8), "resnet 16, 32 x 32": (16, 32), "resnet 64, 8 x 8": (64, 8)}
    found: dict[str, tuple[Layer, Tensor]] = {}
    for name, (width, size) in sizes.items():
        values = torch.randn(batch, width, size, size, device=device).to(memory_format=torch.channels_last)
        layer = nn.Conv2d(width, width, 3, padding=1, bias=False, device=device)
        found[name] = layer.to(memory_format=torch.channels_last), values
    found["linear 784 to 300"] = nn.Linear(784, 300, device=device), torch.randn(batch, 784, device=device)
    return found


def kept(weight: Tensor, grouping: str, keep: float) -> Tensor:
    """A random mask of a weight, of the shape of one of its filters and so on, that broadcasts against it."""
    outputs, inputs, *kernel = weight.shape
    if grouping == "n_of_m":
        n = round(4 * keep)
        ranks = torch.rand(outputs, -(-inputs // 4), 4, *kernel).argsort(2)
        return (ranks < n).flatten(1, 2)[:, :inputs]
    if grouping == "block":
        tiles = torch.rand(-(-outputs // BLOCK), -(-inputs // BLOCK), *kernel) < keep
        return tiles.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)[:outputs, :inputs]
    shape = {"shape": (1, inputs, *kernel), "kernel": (outputs, inputs, *[1 for _ in kernel])}
    return torch.rand(shape.get(grouping, weight.shape)) < keep


@torch.no_grad()
def pruned(layer: Layer, grouping: str, keep: float) -> Layer:
    """Put zeros into a layer with fresh weights."""
    nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
    layer.weight *= kept(layer.weight, grouping, keep).to(layer.weight.device)
    return layer


def medians(functions: dict[str, Callable[[], object]], device: str, repeats: int) -> dict[str, float]:
    """Median seconds, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(1 + repeats):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            if device != "cpu":
                torch.accelerator.synchronize()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def caller(module: nn.Module, values: Tensor) -> Callable[[], object]:
    return lambda: module(values)


def compare(layer: Layer, values: Tensor, repeats: int) -> tuple[dict[str, float], float]:
    """Ratios of times by kind, and the best ratio of multiply-adds."""
    contest = {kind: c for kind, c in candidates(layer).items() if agrees(layer, c, values[:1])}
    macs = {kind: count_macs(c, values) for kind, c in contest.items()}
    with torch.inference_mode():
        functions = {"dense": caller(layer, values)} | {kind: caller(c, values) for kind, c in contest.items()}
        seconds = medians(functions, values.device.type, repeats)
    ratios = {kind: seconds["dense"] / seconds[kind] for kind in contest}
    dense = count_macs(layer, values)
    return ratios, dense / min(macs.values(), default=dense)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"{options.device}, {options.threads} threads, batch {options.batch}: dense time / time of the replacement")
    print(f"{'layer':20s} {'grouping':9s} {'keep':>5s} {'macs':>6s} " + " ".join(f"{k:>15s}" for k in KINDS))
    for name, (layer, values) in layers(options.batch, options.device).items():
        for grouping in ("shape", "kernel", "block", "element", "n_of_m"):
            if grouping == "kernel" and isinstance(layer, nn.Linear):
                continue  # a kernel is a single weight there
            for keep in KEEPS[:2] if grouping == "n_of_m" else KEEPS:
                ratios, macs = compare(pruned(layer, grouping, keep), values, options.repeats)
                cells = " ".join(f"{ratios[k]:15.2f}" if k in ratios else f"{'-':>15s}" for k in KINDS)
                print(f"{name:20s} {grouping:9s} {keep:5.2f} {macs:6.1f} {cells}", flush=True)


if __name__ == "__main__":
    main()
