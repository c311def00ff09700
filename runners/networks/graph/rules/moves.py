"""Operations that move, copy, select or repeat elements: labels and zeros move in the same way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from runners.networks.graph.arrays import along, compress, support
from runners.networks.graph.labels import FIXED, Labels
from runners.networks.graph.rules.base import UNKNOWN, nothing_is_zero, rule
from runners.networks.graph.tape import Node, Ref
from runners.networks.graph.zeros import Zeros

VIEWS = ("view", "_unsafe_view", "reshape", "_reshape_alias")


@rule("clone", "contiguous", "detach", "alias", "lift_fresh", "_to_copy", "to", "native_dropout", "_conj", "positive")
class Same:
    """The elements of the first input, unchanged."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Pass the labels on."""
        for output in node.outputs:
            labels.set(output, labels.of(node.inputs[0]))

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Pass the zeros on."""
        for output in node.outputs:
            zeros.set(output, zeros.of(node.inputs[0]))


@rule("as_strided")
class Strided(Same):
    """Memory read in another way, which is known where the shape stays."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Pass the labels on where the shape stays; else fix them."""
        if labels.tape.shapes[node.inputs[0]] != labels.tape.shapes[node.outputs[0]]:
            return UNKNOWN.labels(labels, node)
        return super().labels(labels, node)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Pass the zeros on where the shape stays."""
        shapes = zeros.channels.labels.tape.shapes
        if shapes[node.inputs[0]] != shapes[node.outputs[0]]:
            return nothing_is_zero(zeros, node)
        return super().zeros(zeros, node)


@rule(*VIEWS, "permute", "transpose", "t", "expand", "slice", "select", "squeeze", "unsqueeze", "unbind")
@rule("split_with_sizes", "roll", "flip", "repeat", "unfold", "pixel_shuffle", "pixel_unshuffle", "diagonal")
@rule("channel_shuffle", "native_channel_shuffle", "movedim", "narrow", "flatten", "view_as", "rot90", "tile")
class Move:
    """Each output element is one of the input's: the operation itself moves its labels and zeros."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Move each label array."""
        source = node.inputs[0]
        moved = [self.moved(node, a.expand(labels.tape.shapes[source])) for a in labels.of(source)]
        for place, output in enumerate(node.outputs):
            labels.set(output, [compress(m[place]) for m in moved])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Move the mask of zeros."""
        source = node.inputs[0]
        shape = zeros.channels.labels.tape.shapes[source]
        for output, mask in zip(node.outputs, self.moved(node, zeros.of(source).expand(shape)), strict=True):
            zeros.set(output, compress(mask))

    def moved(self, node: Node, array: Tensor) -> list[Tensor]:
        """Run the operation of a node on an array of its input's shape."""
        if node.operator in VIEWS:
            return [array.reshape(node.argument(1, "size"))]
        assert node.function is not None, "only a whole module has none"
        result = node.function(array, *node.args[1:], **node.kwargs)
        return [result] if isinstance(result, Tensor) else list(result)


@rule("split", "chunk")
class Split(Move):
    """Parts of one size: the same places of every part can only be removed together, so that the sizes stay equal."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the labels of all parts, place by place."""
        source = node.inputs[0]
        dim = node.argument(2, "dim", 0) % len(labels.tape.shapes[source])
        own = labels.on(source, dim)
        if own is not None:
            parts = len(node.outputs)
            if len(own) % parts:
                labels.fix(own)
            else:
                labels.collapse(own.view(parts, -1), [1])
        super().labels(labels, node)


@rule("constant_pad_nd")
class Pad:
    """Constant padding. Padded channels are fixed: the code that pads says how many there are."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Pad the labels along the dims that have any."""
        source = node.inputs[0]
        arrays = labels.of(source)
        labels.set(node.outputs[0], [_padded(a, node.args[1], FIXED) for a in arrays])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Padding with zeros is zero."""
        source, zero = node.inputs[0], node.argument(2, "value", 0) == 0
        mask = _padded(zeros.of(source), node.args[1], zero)
        zeros.set(node.outputs[0], mask if zero else torch.zeros_like(mask))


def _padded(array: Tensor, amounts: Any, value: Any) -> Tensor:
    """Pad an array along the dims on which it depends; amounts as of torch.nn.functional.pad."""
    kept = list(amounts)
    for i in range(len(kept) // 2):
        if array.dim() - 1 - i not in support(array):
            kept[2 * i : 2 * i + 2] = [0, 0]
    return torch.constant_pad_nd(array, kept, value) if any(kept) else array


@rule("index", "index_select", "gather", "embedding", "take_along_dim")
class Index:
    """Selection by indices: labels along other dims pass, those of the dims that are indexed are fixed.

    Indices that are constants, as of a table of relative positions, move the labels exactly.
    """

    def labels(self, labels: Labels, node: Node) -> None:
        """Select from each array whose indices are known."""
        source, *indices = node.inputs
        known = all(i in labels.tape.constants for i in indices)
        shape, result = labels.tape.shapes[source], []
        for array in labels.of(source):
            full = array.expand(shape)
            moved = compress(self._moved(labels, node, full))
            if not known and not torch.equal(moved, compress(self._moved(labels, node, full, last=True))):
                labels.fix(array)
            else:
                result.append(moved)
        labels.set(node.outputs[0], result)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A selection of zeros is zero."""
        source = node.inputs[0]
        whole = bool(zeros.of(source).all())
        mask = torch.full((1,) * len(zeros.channels.labels.tape.shapes[node.outputs[0]]), whole)
        zeros.set(node.outputs[0], mask)

    @staticmethod
    def _moved(labels: Labels, node: Node, array: Tensor, *, last: bool = False) -> Tensor:
        """Run the selection on an array; unknown indices are 0, or 0 and 1 in turn to see whether they matter."""

        def data(leaf: Any) -> Any:
            if not isinstance(leaf, Ref):
                return leaf
            shape = labels.tape.shapes[leaf.value]
            if (constant := labels.tape.constants.get(leaf.value)) is not None:
                return constant
            guess = torch.zeros(shape, dtype=torch.int64)
            if last and guess.numel():
                guess.view(-1)[-1] = 1
            return guess

        assert node.function is not None, "only a whole module has none"
        rest, kwargs = tree_map(data, (node.args[1:], node.kwargs))
        found: Tensor = node.function(array, *rest, **kwargs)
        return found


@rule("cat", "concat")
class Concatenate:
    """Concatenation along one dim."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Concatenate the labels along the dim, and tie those along all other dims."""
        values = node.inputs
        shapes = [labels.tape.shapes[v] for v in values]
        dim = node.argument(1, "dim", 0) % len(shapes[0])
        vectors = [labels.on(v, dim) for v in values]
        parts = [torch.full((s[dim],), FIXED) if x is None else x for x, s in zip(vectors, shapes, strict=True)]
        along_dim = torch.cat(parts).reshape([-1 if d == dim else 1 for d in range(len(shapes[0]))])
        labels.set(node.outputs[0], [along_dim, *labels.join(values, without=dim)])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Concatenate the zeros."""
        values = node.inputs
        shapes = [zeros.channels.labels.tape.shapes[v] for v in values]
        dim = node.argument(1, "dim", 0) % len(shapes[0])
        masks = [zeros.of(v) for v in values]
        sizes = [max(m.shape[d] for m in masks) for d in range(len(shapes[0]))]
        spread = [
            m.expand([s[dim] if d == dim else n for d, n in enumerate(sizes)])
            for m, s in zip(masks, shapes, strict=True)
        ]
        zeros.set(node.outputs[0], compress(torch.cat(spread, dim)))


@rule("stack")
class Stack:
    """Tensors of one shape along a new dim."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the labels of all tensors."""
        dim = node.argument(1, "dim", 0) % len(labels.tape.shapes[node.outputs[0]])
        labels.set(node.outputs[0], [a.unsqueeze(dim) for a in labels.join(node.inputs)])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Stack the zeros."""
        dim = node.argument(1, "dim", 0) % len(zeros.channels.labels.tape.shapes[node.outputs[0]])
        masks = torch.broadcast_tensors(*[zeros.of(v) for v in node.inputs])
        zeros.set(node.outputs[0], compress(torch.stack(masks, dim)))


@rule("slice_scatter")
class Write:
    """A part of a tensor, along one dim, replaced by another tensor."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the labels of the part to those of what is written there, and those along all other dims."""
        source, written = node.inputs
        rank = len(labels.tape.shapes[source])
        dim = node.argument(2, "dim", 0) % rank
        own, part = labels.on(source, dim), labels.on(written, dim)
        rest = labels.join([source, written], without=dim)
        if own is None:
            labels.fix(part)
        else:
            labels.tie_or_fix(own[_part(node, len(own))], part)
            rest.append(along(own, dim, rank))
        labels.set(node.outputs[0], rest)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """The zeros of what is written, and those of the rest."""
        source, written = node.inputs
        size = zeros.channels.labels.tape.shapes[source]
        dim = node.argument(2, "dim", 0) % len(size)
        before, after = zeros.of(source), zeros.of(written)
        shape = [size[d] if d == dim else max(before.shape[d], after.shape[d]) for d in range(len(size))]
        mask = before.expand(shape).clone()
        mask[(slice(None),) * dim + (_part(node, size[dim]),)] = after
        zeros.set(node.outputs[0], compress(mask))


def _part(node: Node, size: int) -> slice:
    """Return which indices of a dim of this size an operation writes to."""
    start, end = (node.argument(place, name) for place, name in ((3, "start"), (4, "end")))
    return slice(*slice(start, end, node.argument(5, "step", 1)).indices(size))


@rule("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "fill", "zero")
class Filled:
    """New values in the shape of the first input: as many of them go as go there."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Pass the labels on."""
        labels.set(node.outputs[0], labels.of(node.inputs[0]))

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """All are zero, or none is."""
        zero = node.operator in ("zeros_like", "zero")
        if node.operator in ("fill", "full_like"):
            zero = node.value(1) is None and node.argument(1, "value", node.argument(1, "fill_value")) == 0
        rank = len(zeros.channels.labels.tape.shapes[node.outputs[0]])
        zeros.set(node.outputs[0], torch.full((1,) * rank, zero))


@rule("empty", "zeros", "ones", "full", "arange", "scalar_tensor", "new_zeros", "new_ones", "new_empty", "new_full")
@rule("linspace", "eye", "rand", "randn", "bernoulli", "bernoulli_p", "tril_indices", "triu_indices")
@rule("new_empty_strided", "empty_strided", "empty_permuted")
class Create:
    """New tensors: fixed."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Give no labels."""
        for output in node.outputs:
            labels.set(output, [])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Count nothing as zero."""
        nothing_is_zero(zeros, node)
