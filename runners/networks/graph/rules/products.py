"""Operations that sum products over channels: matrix products and convolutions."""

from __future__ import annotations

from torch import Tensor

from runners.networks.graph.arrays import along, over, reduced, vector
from runners.networks.graph.labels import Labels
from runners.networks.graph.rules.base import nothing_is_zero, rule
from runners.networks.graph.tape import Node
from runners.networks.graph.zeros import Zeros


@rule("mm", "bmm", "addmm", "baddbmm", "linear", "matmul", "dot", "mv")
class MatrixProduct:
    """(..., m, k) times (..., k, n), possibly plus a bias; the last k of a weight (n, k) for `linear`."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the two sides that are summed over, and all that batches share; pass on rows and columns."""
        bias, left, right = _operands(node)
        output = node.outputs[0]
        rank, transposed = len(labels.tape.shapes[left]), node.operator == "linear"
        if len(labels.tape.shapes[right]) not in (rank, 2) or rank < 2:
            labels.fix_all(node.inputs)
            labels.set(output, [])
            return
        last = len(labels.tape.shapes[right]) - 1
        summed, columns = (last, last - 1) if transposed else (last - 1, last)
        if last + 1 == rank and not transposed:
            _tie_batches(labels, left, right)
        inner, weight = labels.on(left, rank - 1), labels.on(right, summed)
        labels.tie_or_fix(inner, weight)
        known = right in labels.tape.weights
        if weight is not None and inner is not None:
            (labels.read if known else labels.summed).append(weight)
        rows = [(d, labels.on(left, d)) for d in range(rank - 1)]
        result = [along(own, d, rank) for d, own in rows if own is not None]
        if (made := labels.on(right, columns)) is not None:
            if known and left not in labels.tape.weights:  # else it makes a parameter, such as a bias of positions
                labels.made.append(made)
            result.append(along(made, rank - 1, rank))
        labels.set(output, result)
        if bias is not None:
            labels.set(output, labels.join([output, bias]))

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """A row or column is zero if every product in its sum is; an element is missed if both factors are not."""
        bias, left, right = _operands(node)
        shapes = zeros.channels.labels.tape.shapes
        if len(shapes[right]) not in (len(shapes[left]), 2) or len(shapes[left]) < 2:
            nothing_is_zero(zeros, node)
            return
        one, two = ~zeros.of(left), ~zeros.of(right)
        if node.operator == "linear":
            two = two.transpose(-1, -2)
        size = max(one.shape[-1], two.shape[-2])
        one = one.expand(*one.shape[:-1], size)
        two = two.expand(*two.shape[:-2], size, two.shape[-1])
        harm = one.any(-2) & two.any(-1)  # (batches, k)
        rank = len(shapes[left])
        inner = zeros.channels.labels.on(left, rank - 1)
        if inner is not None:
            zeros.need(inner, harm.reshape(-1, size).any(0).expand(len(inner)))
        result = (one.float() @ two.float()) == 0
        if bias is not None:
            result = result & zeros.of(bias)
        zeros.set(node.outputs[0], result)


def _operands(node: Node) -> tuple[int | None, int, int]:
    """Return bias, left and right operand."""
    if node.operator in ("addmm", "baddbmm"):
        first, left, right = node.inputs
        return first, left, right
    left, right, *bias = node.inputs
    return (bias[0] if bias else None), left, right


def _tie_batches(labels: Labels, left: int, right: int) -> None:
    """Tie the labels along the batch dims of two operands, which are products of their own."""
    for dim in range(len(labels.tape.shapes[left]) - 2):
        labels.tie_or_fix(labels.on(left, dim), labels.on(right, dim))


@rule("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_fused_attention_overrideable")
@rule("_scaled_dot_product_attention_math", "_scaled_dot_product_efficient_attention", "scaled_dot_product_attention")
@rule("_scaled_dot_product_flash_attention", "_scaled_dot_product_cudnn_attention")
class Attention:
    """Attention of queries, keys and values, (n, heads, tokens, features) each: heads are independent."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the heads of all three; features of queries and keys stay, as their number scales the products."""
        queries, keys, values, *rest = node.inputs
        rank = len(labels.tape.shapes[queries])
        heads = [labels.on(v, -3) for v in (queries, keys, values)]
        for head in heads[1:]:
            labels.tie_or_fix(heads[0], head)
        for value, dim in ((queries, -1), (queries, -2), (keys, -1), (keys, -2), (values, -2)):
            labels.fix(labels.on(value, dim))
        labels.fix_all(rest)
        result = [(rank - 3, heads[0]), (rank - 1, labels.on(values, -1))]
        labels.set(node.outputs[0], [along(own, dim, rank) for dim, own in result if own is not None])
        for output in node.outputs[1:]:
            labels.set(output, [])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Zero values give zero outputs."""
        nothing_is_zero(zeros, node)
        zeros.set(node.outputs[0], reduced(zeros.of(node.inputs[2]), [len(zeros.of(node.inputs[2]).shape) - 2]))


@rule("convolution", "_convolution", "conv1d", "conv2d", "conv3d")
class Convolution:
    """A convolution of any number of dims, grouped, depthwise or transposed: channels are dim 1 of the input."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the input channels to those of the weight; in a grouped convolution the same places of every group."""
        source, weight = node.inputs[:2]
        groups, transposed = _groups(node)
        inner = labels.on(source, 1)
        for array in [*labels.within(source, [1])[1], *labels.within(weight, [0, 1])[1]]:
            labels.fix(array)
        outputs, inputs = labels.on(weight, int(transposed)), labels.on(weight, 1 - int(transposed))
        depthwise = 1 < groups == labels.tape.shapes[source][1]
        if groups == 1:
            self._read(labels, inner, inputs)
        elif transposed:
            labels.fix(inner)
            labels.fix_all([weight])
        elif outputs is None or inner is None:
            for own in (outputs, inputs, inner):
                labels.fix(own)
        elif depthwise:
            labels.tie(outputs.view(groups, -1), inner[:, None])
        else:
            columns = labels.collapse(inner.view(groups, -1), [1]).flatten()
            self._read(labels, columns, inputs)
            labels.collapse(outputs.view(groups, -1), [1])
        if outputs is not None and not depthwise:
            labels.made.append(outputs)
        rank, known = len(labels.tape.shapes[source]), outputs is not None and not (transposed and groups > 1)
        labels.set(node.outputs[0], [along(outputs, 1, rank)] if known and outputs is not None else [])
        if (bias := node.value(2, "bias")) is not None:
            labels.tie_or_fix(labels.on(bias, 0), labels.on(node.outputs[0], 1))

    @staticmethod
    def _read(labels: Labels, inner: Tensor | None, weight: Tensor | None) -> None:
        labels.tie_or_fix(inner, weight)
        if inner is not None and weight is not None:
            labels.read.append(weight)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """An output channel is zero if all that it reads is, or their weights are, and its bias is."""
        source, weight = node.inputs[:2]
        shapes = zeros.channels.labels.tape.shapes
        groups, transposed = _groups(node)
        size = shapes[source][1]
        inner = ~vector(over(zeros.of(source), 1), 1, size)
        kernel = ~reduced(zeros.of(weight), range(2, len(shapes[weight]))).flatten(1)  # (outputs, inputs / groups)
        if transposed:
            if groups > 1:
                nothing_is_zero(zeros, node)
                return
            kernel = kernel.t()
        outputs = shapes[node.outputs[0]][1]
        kernel = kernel.expand(outputs, size // groups).view(groups, outputs // groups, size // groups)
        if size > groups or groups == 1:
            harm = inner.view(groups, -1) & kernel.any(1)
            zeros.need(zeros.channels.labels.on(source, 1), harm.flatten())
        result = ~(kernel & inner.view(groups, 1, -1)).any(2).flatten()
        if (bias := node.value(2, "bias")) is not None:
            result = result & vector(zeros.of(bias), 0, outputs)
        zeros.set(node.outputs[0], along(result, 1, len(shapes[source])))


def _groups(node: Node) -> tuple[int, bool]:
    """Return the number of groups of a convolution, and whether it is transposed."""
    if "conv" in node.operator and node.operator[-1] == "d":
        return int(node.argument(6, "groups", 1)), False
    return int(node.argument(8, "groups", 1)), bool(node.argument(6, "transposed", False))
