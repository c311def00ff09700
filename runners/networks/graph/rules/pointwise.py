"""Operations on one element of each input at a time, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from runners.networks.graph.arrays import aligned, falses
from runners.networks.graph.labels import Labels
from runners.networks.graph.rules.base import rule
from runners.networks.graph.tape import Node, Ref
from runners.networks.graph.zeros import Zeros


def _all(masks: Sequence[Tensor]) -> Tensor:
    return reduce(torch.logical_and, masks)


def _none(masks: Sequence[Tensor]) -> Tensor:
    return falses(masks[0].dim())


# when the result is zero, for operations with several tensors, from the zeros of each
COMBINED: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "add": _all,
    "sub": _all,
    "rsub": _all,
    "maximum": _all,
    "minimum": _all,
    "lerp": lambda m: m[0] & m[1],
    "where": lambda m: _all(m[1:]) if len(m) == 3 else falses(m[0].dim()),
    "mul": lambda m: reduce(torch.logical_or, m),
    "div": lambda m: m[0],
    "masked_fill": lambda m: falses(m[0].dim()),
    "addcmul": lambda m: m[0] & (m[1] | m[2]),
    "addcdiv": lambda m: m[0] & m[1],
}


@rule("relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu")
@rule("selu", "celu", "softplus", "mish", "log_sigmoid_forward", "hardshrink", "softshrink", "threshold", "relu_")
@rule("neg", "abs", "sqrt", "rsqrt", "exp", "log", "sin", "cos", "pow", "square", "clamp", "clamp_min", "clamp_max")
@rule("reciprocal", "floor", "ceil", "round", "trunc", "sign", "erf", "logical_not", "logical_and", "logical_or", "tan")
@rule(
    "eq", "ne", "lt", "gt", "le", "ge", "bitwise_not", "isinf", "isnan", "nan_to_num", "expm1", "log1p", "sgn", "sinh"
)
@rule(*COMBINED, "remainder", "fmod", "atan2", "floor_divide", "bitwise_and", "bitwise_or", "log2", "exp2", "cosh")
class Pointwise:
    """One function of all elements at a place."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the labels of all inputs."""
        arrays = labels.join(node.inputs, product=node.operator in ("mul", "div"))
        for output in node.outputs:
            labels.set(output, arrays)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Combine the zeros; a function of one tensor keeps zeros if its value at zero is zero."""
        values = node.inputs
        rank = max(len(zeros.channels.labels.tape.shapes[v]) for v in values)
        masks = [aligned(zeros.of(v), rank) for v in values]
        if len(masks) == 1:
            result = masks[0] if _keeps_zero(node) else falses(rank)
        else:
            result = COMBINED.get(node.operator, _none)(masks)
        for output in node.outputs:
            zeros.set(output, result)


def _keeps_zero(node: Node) -> bool:
    """Return whether the function of a node is zero at zero."""

    def at_zero(leaf: Any) -> Any:
        return torch.zeros(1) if isinstance(leaf, Ref) else leaf

    args, kwargs = tree_map(at_zero, (node.args, node.kwargs))
    assert node.function is not None, "only a whole module has none"
    try:
        result = node.function(*args, **kwargs)
    except Exception:  # functions of booleans
        return False
    return all(bool((t == 0).all()) for t in (result if isinstance(result, tuple) else (result,)))


@rule("prelu", "_prelu_kernel")
class PReLU:
    """x, or slope times x where x is negative: zero at zero whatever the slope."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Tie the channels, dim 1, to the slopes."""
        source, slope = node.inputs[:2]
        if node.operator == "prelu":
            slopes, own = labels.on(slope, 0), labels.on(source, 1)
            if slopes is not None:
                labels.tie(slopes, torch.tensor(0) if own is None else own)
            arrays = labels.of(source)
        else:
            slopes = None
            arrays = labels.join([source, slope])
            labels.slopes.extend(labels.of(slope))
        if slopes is not None:
            labels.slopes.append(slopes)
        labels.set(node.outputs[0], arrays)

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Keep the zeros."""
        zeros.set(node.outputs[0], zeros.of(node.inputs[0]))
