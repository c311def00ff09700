"""The costs of a network: parameters, multiply-adds, bytes, seconds."""

from __future__ import annotations

import io
import logging
import math
import statistics
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from runners.networks.clock import Times, in_turns, seconds

BLOCK_SECONDS, WARM = 0.002, 2  # of a block of calls; calls before it that do not count
LEAST_REPEATS, MOST_REPEATS, STEADY = 15, 45, 0.05
BATCHES = (1, 64)
_log = logging.getLogger("klevel")


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
def count_macs(network: nn.Module, example: Tensor) -> int | None:
    """Return the multiply-adds of a forward pass for one image: half the count of torch's flop counter.

    Recurrent layers and attention are counted too, in whatever operators torch fuses them. None if an operator that
    reads a weight counted nothing: an unknown number is no number.
    """
    counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
    uncounted = _Uncounted(network, counter)
    with _without_gradients(network), _plain_attention(), counter, uncounted:
        network.eval()(example[:1])
    if uncounted.found:
        _log.info("multiply-adds are not counted, for those of %s are not known", ", ".join(sorted(uncounted.found)))
        return None
    return int(counter.get_total_flops()) // 2


@contextmanager
def _without_gradients(network: nn.Module) -> Iterator[None]:
    """Let no parameter require a gradient: under no_grad torch's counter fails where a module is given such a one."""
    trained = [p.requires_grad_(False) for p in network.parameters() if p.requires_grad]
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Have attention computed as products of matrices, which are counted; fused, it counts 0 on the CPU."""
    usual = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(usual)


def _recurrent(inputs: Sequence[int], weights: Sequence[Sequence[int]], *others: object, **named: object) -> int:
    """Return the operations of recurrent layers: at every step of every image each matrix multiplies once."""
    return 2 * math.prod(inputs[:-1]) * sum(math.prod(w) for w in weights if len(w) == 2)


def _recurrent_layer(inputs: Sequence[int], *tensors: Any, **named: object) -> int:
    """Return the operations of one direction of one layer, whose two matrices come first."""
    return _recurrent(inputs, tensors[:2])


def _matrix_by_vector(matrix: Sequence[int], *others: object, **named: object) -> int:
    return 2 * math.prod(matrix)


# of operators that torch does not count, by the shapes of their arguments
FORMULAS = {
    torch.ops.aten.mkldnn_rnn_layer: _recurrent_layer,
    torch.ops.aten._cudnn_rnn: _recurrent,
    torch.ops.aten.miopen_rnn: _recurrent,
    torch.ops.aten.mv: _matrix_by_vector,
}
# operators that read weights without a product of matrices, those of elements and views apart; _weight_norm_interface
# computes a weight
NO_PRODUCT = frozenset(
    f"aten::{name}"
    for name in (
        *("_to_copy", "_unsafe_view", "cat", "copy_", "index", "index_select", "gather", "repeat", "roll", "stack"),
        *("constant_pad_nd", "upsample_bicubic2d", "upsample_bilinear2d", "upsample_nearest2d"),
        *("_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "grid_sampler_2d"),
        *("embedding", "_embedding_bag", "_embedding_bag_forward_only"),
        *("native_layer_norm", "native_group_norm", "_fused_rms_norm", "_weight_norm_interface"),
        *("_softmax", "amax", "amin", "linalg_vector_norm", "mean", "norm", "sum", "var", "var_mean", "std"),
    )
)


class _Uncounted(TorchDispatchMode):
    """Finds operators that read a weight, a parameter of two dimensions or more, and for which nothing was counted."""

    def __init__(self, network: nn.Module, counter: FlopCounterMode) -> None:
        """counter: the flop counter, entered before this mode."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[str] = set()
        self._counter = counter
        self._weights = _storages(p for p in network.parameters() if p.dim() > 1)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self._counter.get_total_flops()
        result = function(*args, **(kwargs or {}))
        if self._counter.get_total_flops() == before and not _has_no_product(function):
            read = _storages(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
            if read & self._weights:
                self.found.add(function.name())
        return result


def _storages(tensors: Iterable[Tensor]) -> set[int]:
    """Return the addresses of the values of tensors: a view has that of its base, a tensor on the device meta none."""
    return {t.untyped_storage().data_ptr() for t in tensors if t.layout == torch.strided} - {0}


def _has_no_product(function: Any) -> bool:
    if isinstance(function, torch._ops.OpOverload) and (function.is_view or torch.Tag.pointwise in function.tags):
        return True
    return function.name().partition(".")[0] in NO_PRODUCT


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
    functions = {"dense": partial(dense.eval(), images), "compact": partial(compact.eval(), images)}
    with torch.inference_mode():
        numbers = {name: max(1, round(BLOCK_SECONDS / seconds(f, 3, WARM))) for name, f in functions.items()}
        times = in_turns(functions, numbers, _steady, WARM)
    return [_latency(name, images, threads, [1e3 * value for value in values]) for name, values in times.items()]


def _steady(times: Times) -> bool:
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
