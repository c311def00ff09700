"""Time proximal steps: on filters against a training step, on single weights against one product over them in place.

    python -m tests.benchmarks.bench_proximal_step [--short] [--repeats N] [--batch N]

One thread, SGD with momentum. The contestants take turns in one process, so that a busy machine slows all of them
alike, and every step begins from weights as another training step has left them, close to those of the last one. What
is compared is CPU time of the thread. `on_filters` and `on_elements` return rows for other programs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from methods import METHODS, Method
from methods.groups import Budget, Family, Groups, Scope
from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS
from runners.networks.layout import channels_last

LR, KEEP, MOVED = 0.05, 0.25, 1e-3  # MOVED: what a training step changes of a weight, relative to their spread
# label: method, hyper-parameters, part of the phase that is done
STEPS: Mapping[str, tuple[str, Mapping[str, Any], float]] = {
    "wgsef": ("wgsef", {"lam": 0.01}, 1.0),
    "wgsef_dc, annealing": ("wgsef_dc", {}, 0.3),
    "wgsef_dc, hard choice": ("wgsef_dc", {}, 0.9),
    "group_lasso": ("group_lasso", {"lam": 0.001}, 1.0),
}
INPUTS = {"mlp": (1, 28), "lenet5_caffe": (1, 28), "resnet20": (3, 32), "resnet18": (3, 32)}
SHARES = {"mlp": 0.10, "lenet5_caffe": 0.10, "resnet20": 0.02, "resnet18": 0.02}  # most, of a training step
PRODUCTS, OVER_LAYER = 20.0, 1.5  # most: of one product in place; of scope network over scope layer


class Row(NamedTuple):
    """A ratio that was measured, and the most that it should be."""

    what: str
    ratio: float
    most: float


def seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of a call on this thread."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def made(groups: Groups, label: str, scope: Scope, optimizer: torch.optim.Optimizer) -> tuple[Method, float]:
    """Return a method of STEPS, and the progress at which it takes its step."""
    name, hyper, progress = STEPS[label]
    method = METHODS[name](groups, Budget.of(groups, KEEP, scope), **hyper)
    method.attach(optimizer)
    return method, progress


def set_to(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy the values into the parameters."""
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def on_filters(architecture: str, repeats: int = 7, batch: int = 128) -> list[Row]:
    """Return the time of each method's step on filters as a share of a training step: medians over the repeats."""
    torch.manual_seed(0)
    channels, size = INPUTS[architecture]
    example = torch.randn(2, channels, size, size)
    network = channels_last(ARCHITECTURES[architecture](channels, size, 10), example).train()
    groups = GROUPINGS["filter"](network, example[:1])
    parameters = list(network.parameters())
    optimizer = torch.optim.SGD(parameters, LR, momentum=0.9)
    methods = {label: made(groups, label, "layer", optimizer) for label in STEPS}
    start = [p.detach().clone() for p in parameters]
    times: dict[str, list[float]] = {label: [] for label in ("training step", *STEPS)}

    def take(label: str) -> None:
        """Time a training step, and after it, with the caches as it leaves them, the step of a method."""
        images, labels = torch.randn(batch, channels, size, size), torch.randint(10, (batch,))
        images = images.to(memory_format=torch.channels_last)
        method, progress = methods[label]
        set_to(parameters, start)
        times["training step"].append(seconds(lambda: _train(network, optimizer, images, labels)))
        times[label].append(seconds(lambda: method.after_step(LR, progress)))

    for _ in range(1 + repeats):
        for label in STEPS:
            take(label)
    step = statistics.median(times["training step"][len(STEPS) :])
    most = SHARES[architecture]
    return [Row(f"{architecture}, {label}", statistics.median(times[label][1:]) / step, most) for label in STEPS]


def _train(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(images), labels).backward()
    optimizer.step()


def on_elements(size: int, scope: Scope = "layer", repeats: int = 15) -> list[Row]:
    """Return the time of each method's step on `size` single weights in products over them in place: medians.

    scope: `layer` has one family, `network` four that share a budget.
    """
    torch.manual_seed(0)
    count = 1 if scope == "layer" else 4
    weights = [(0.05 * torch.randn(10, size // (10 * count))).requires_grad_() for _ in range(count)]
    groups = Groups([Family(f"f{i}", [(w, (0, 1))]) for i, w in enumerate(weights)])
    optimizer = torch.optim.SGD(weights, LR, momentum=0.9)
    methods = {label: made(groups, label, scope, optimizer) for label in STEPS}
    starts = {}
    for label, (
        method,
        progress,
    ) in methods.items():  # a hard choice comes after another; nothing else has removed much
        before = [w.detach().clone() for w in weights]
        method.after_step(LR, progress)
        starts[label] = [w.detach().clone() for w in weights] if "hard" in label else before
        set_to(weights, before)
    times: dict[str, list[float]] = {label: [] for label in ("product", *STEPS)}

    def product() -> None:
        with torch.no_grad():
            for weight in weights:
                weight.mul_(1.0)

    def take(label: str, moved: Sequence[Tensor]) -> None:
        method, progress = methods[label]
        set_to(weights, [s + m for s, m in zip(starts[label], moved, strict=True)])
        times[label].append(seconds(lambda: method.after_step(LR, progress)))

    for _ in range(2 + repeats):
        moved = [0.05 * MOVED * torch.randn_like(w) for w in weights]
        set_to(weights, starts["wgsef"])
        times["product"].append(seconds(product))
        for label in STEPS:
            take(label, moved)
    product_time = statistics.median(times["product"][2:])
    what = f"{size:,} weights, scope {scope}"
    return [Row(f"{what}, {n}", statistics.median(times[n][2:]) / product_time, PRODUCTS) for n in STEPS]


def rows(*, short: bool = False, repeats: int = 7, batch: int = 128) -> list[Row]:
    """Return all ratios. short: without the networks and the numbers of weights that take minutes."""
    found = [row for name in list(SHARES)[: 2 if short else 4] for row in on_filters(name, repeats, batch)]
    for size in (100_000, 1_000_000, 10_000_000)[: 2 if short else 3]:
        layer, network = (on_elements(size, scope, repeats) for scope in ("layer", "network"))
        over = [
            Row(f"{b.what}, over scope layer", b.ratio / a.ratio, OVER_LAYER)
            for a, b in zip(layer, network, strict=True)
        ]
        found += [*layer, *network, *over]
    return found


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for row in rows(short=options.short, repeats=options.repeats, batch=options.batch):
        print(f"{row.what:64s} {row.ratio:8.3f}   at most {row.most:g}", flush=True)


if __name__ == "__main__":
    main()
