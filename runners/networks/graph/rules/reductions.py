"""Operations over whole dims, and over windows of the last dims."""

from __future__ import annotations

import re

from torch import Tensor

from runners.networks.graph.arrays import compress, falses, reduced, support
from runners.networks.graph.labels import Labels
from runners.networks.graph.rules.base import nothing_is_zero, rule
from runners.networks.graph.tape import Node
from runners.networks.graph.zeros import Zeros
from runners.networks.layers import counts_channels

KEEP_ZERO = (
    "sum",
    "mean",
    "amax",
    "amin",
    "max",
    "min",
    "norm",
    "linalg_vector_norm",
    "var",
    "std",
    "prod",
    "var_mean",
)


@rule(*KEEP_ZERO, "logsumexp", "argmax", "any", "all", "aminmax", "median", "std_mean")
class Reduction:
    """A function of all elements along some dims."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Fix labels along the dims that are reduced, but for a sum, to which zeros add nothing, or a counted mean."""
        source, dims = node.inputs[0], _dims(labels.tape.shapes[node.inputs[0]], node)
        kept, lost = labels.within(source, [d for d in range(len(labels.tape.shapes[source])) if d not in dims])
        for array in lost:
            if _counts(labels, node):
                labels.summed.append(array)
            else:
                labels.fix(array)
        for output in node.outputs:
            shape = labels.tape.shapes[output]
            labels.set(output, [_dropped(a, dims, shape) for a in kept])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """The sum, mean, maximum, ... of zeros is zero; what a sum misses is what is not zero."""
        shapes = zeros.channels.labels.tape.shapes
        source, dims = node.inputs[0], _dims(shapes[node.inputs[0]], node)
        mask = zeros.of(source)
        if _counts(zeros.channels.labels, node):
            for array in zeros.channels.labels.of(source):
                if not set(support(array)) - set(dims):
                    own = reduced(mask, [d for d in range(mask.dim()) if d not in support(array)])
                    zeros.need(array, ~own)
        for output in node.outputs:
            result = reduced(mask, dims) if node.operator in KEEP_ZERO else falses(mask.dim())
            zeros.set(output, _dropped(result, dims, shapes[output]))


def _counts(labels: Labels, node: Node) -> bool:
    """Return whether zeros that are gone change nothing: in a sum, or a mean of a layer that counts them."""
    if node.operator == "mean":
        return counts_channels(labels.network.get_submodule(node.module))
    return node.operator == "sum"


def _dims(shape: tuple[int, ...], node: Node) -> list[int]:
    """Return the dims that a reduction is over."""
    place = {"linalg_vector_norm": 2, "norm": 2}.get(node.operator, 1)
    dims = node.argument(place, "dim")
    if dims is None or dims == [] or isinstance(dims, bool):
        return list(range(len(shape)))
    return [d % max(1, len(shape)) for d in ([dims] if isinstance(dims, int) else dims)]


def _dropped(array: Tensor, dims: list[int], shape: tuple[int, ...]) -> Tensor:
    """Drop the reduced dims of an array where the output does not have them."""
    return (
        array if array.dim() == len(shape) else array.reshape([n for d, n in enumerate(array.shape) if d not in dims])
    )


@rule("_softmax", "softmax", "_safe_softmax", "_log_softmax", "log_softmax", "cumsum", "sort", "topk")
class Softmax:
    """A function of all elements along one dim, with as many outputs."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Fix the labels along the dim."""
        source = node.inputs[0]
        shape = labels.tape.shapes[source]
        dim = node.argument(2 if node.operator == "topk" else 1, "dim", -1) % len(shape)
        kept, lost = labels.within(source, [d for d in range(len(shape)) if d != dim])
        for array in lost:
            labels.fix(array)
        for output in node.outputs:
            labels.set(output, kept)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Nothing is zero."""
        nothing_is_zero(zeros, node)


@rule("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d")
@rule("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d")
@rule("adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "upsample_nearest1d")
@rule("upsample_nearest2d", "upsample_nearest3d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_linear1d")
@rule("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_nearest_exact2d", "reflection_pad1d")
@rule("reflection_pad2d", "replication_pad1d", "replication_pad2d", "_adaptive_avg_pool1d", "upsample_trilinear3d")
class Window:
    """A function of a window of pixels of one channel; the last one, two or three dims are spatial."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Pass on the labels of channels, and fix those along spatial dims."""
        source = node.inputs[0]
        kept, lost = labels.within(source, range(len(labels.tape.shapes[source]) - _spatial(node)))
        for array in lost:
            labels.fix(array)
        for output in node.outputs:
            labels.set(output, kept)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A channel of zeros stays zero."""
        mask = zeros.of(node.inputs[0])
        result = reduced(mask, range(mask.dim() - _spatial(node), mask.dim()))
        for output in node.outputs:
            zeros.set(output, compress(result))


def _spatial(node: Node) -> int:
    found = re.search(r"([123])d", node.operator)
    assert found, "the operators above say how many dims are spatial"
    return int(found[1])
