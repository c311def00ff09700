"""The costs of a network: parameters, multiply-adds, bytes, seconds."""

from __future__ import annotations

import io
import statistics
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

BLOCK_SECONDS = 0.002
LEAST_REPEATS, MOST_REPEATS, STEADY = 15, 45, 0.05
BATCHES = (1, 64)


@dataclass(frozen=True)
class LatencyRecord:
    """One row of latency.csv, less the trial."""

    network: str
    backend: str
    device: str
    batch: int
    threads: int
    median_ms: float
    iqr_ms: float
    repeats: int


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters that the network stores, zeros included."""
    return sum(p.numel() for p in network.parameters())


@torch.no_grad()
def count_macs(network: nn.Module, example: Tensor) -> int:
    """Return the multiply-adds of a forward pass for one image: half the count of torch's flop counter."""
    counter = FlopCounterMode(display=False)
    with counter:
        network.eval()(example[:1])
    return int(counter.get_total_flops()) // 2


def file_megabytes(network: nn.Module) -> float:
    """Return the size of the saved state dict in MB (1e6 bytes)."""
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getbuffer().nbytes / 1e6


class _LiveBytes(TorchDispatchMode):
    """Tracks the live bytes of tensor storage allocated inside this mode, and their peak."""

    def __init__(self, existing: list[Tensor]) -> None:
        """existing: earlier tensors, so that a view of one is not counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known = {t.untyped_storage().data_ptr() for t in existing}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        # identified by address: torch creates a new Python object for the same storage
        address, size = storage.data_ptr(), storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, address, size)

    def _release(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.live -= size


@torch.no_grad()
def peak_megabytes(network: nn.Module, images: Tensor) -> float:
    """Return the peak memory of one forward pass in MB (1e6 bytes): parameters, buffers, input, live activations.

    On CUDA it is measured by the allocator. On the CPU it is the storage of live tensors, without the workspace of
    kernels.
    """
    tensors = [*network.parameters(), *network.buffers(), images]
    allocated = sum(t.numel() * t.element_size() for t in tensors)
    if images.is_cuda:
        before = torch.cuda.memory_allocated(images.device)
        torch.cuda.reset_peak_memory_stats(images.device)
        network.eval()(images)
        return (allocated + torch.cuda.max_memory_allocated(images.device) - before) / 1e6
    counter = _LiveBytes(tensors)
    with counter:
        network.eval()(images)
    return (allocated + counter.peak) / 1e6


def compare_latency(dense: nn.Module, compact: nn.Module, example: Tensor) -> list[LatencyRecord]:
    """Time a forward pass of both networks at batch sizes 1 and 64, in alternating blocks.

    Alternation exposes both networks to the same slow periods of the machine, so that the speedup is stable. Blocks are
    repeated until the interquartile range of both is within 5 % of the median, 15 to 45 times.
    """
    return [row for batch in BATCHES for row in _compare(dense, compact, _batch(example, batch))]


def speedup(rows: list[LatencyRecord], batch: int) -> float:
    """Return the median time of the dense network / that of the compact one."""
    medians = {r.network: r.median_ms for r in rows if r.batch == batch}
    return medians["dense"] / medians["compact"]


def _batch(example: Tensor, n: int) -> Tensor:
    """Return n images: those of the example, repeated if there are too few."""
    return example.repeat(-(-n // len(example)), 1, 1, 1)[:n].contiguous()


def _compare(dense: nn.Module, compact: nn.Module, images: Tensor) -> list[LatencyRecord]:
    threads = torch.get_num_threads()
    timers = {
        name: Timer("network(images)", globals={"network": network.eval(), "images": images}, num_threads=threads)
        for name, network in (("dense", dense), ("compact", compact))
    }
    times: dict[str, list[float]] = {name: [] for name in timers}
    with torch.inference_mode():
        numbers = {name: max(1, round(BLOCK_SECONDS / t.timeit(3).mean)) for name, t in timers.items()}
        while not _steady(times):
            for name, timer in timers.items():
                times[name].append(timer.timeit(numbers[name]).mean * 1e3)
    return [_latency(name, images, threads, values) for name, values in times.items()]


def _steady(times: dict[str, list[float]]) -> bool:
    repeats = min(map(len, times.values()))
    if repeats < LEAST_REPEATS:
        return False
    quartiles = [statistics.quantiles(values, n=4) for values in times.values()]
    return repeats >= MOST_REPEATS or all(high - low <= STEADY * median for low, median, high in quartiles)


def _latency(name: str, images: Tensor, threads: int, milliseconds: list[float]) -> LatencyRecord:
    low, median, high = statistics.quantiles(milliseconds, n=4)
    device = device_name(images.device)
    return LatencyRecord(name, "torch", device, len(images), threads, median, high - low, len(milliseconds))


def device_name(device: torch.device) -> str:
    """Return `cpu`, or the name of the accelerator."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
