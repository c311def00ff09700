"""Solve the envelope of many families at once: a network has tens of small problems, each cheaper than a call.

Families with equally many groups are stacked as rows of one problem, which changes no bit of the result. A smaller
family joins the stack of a larger one if padding (norm 0, weight 1) costs less than a separate call. Sums over a
padded row may round differently in the last digits. A long vector on the CPU is solved alone: see
`envelope_search.large_root`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from methods import envelope
from methods import envelope_search as search

# The most padding, in norms, that is cheaper than a separate call. Measured on the CPU: 0.6 ms a call, 0.3 us a norm.
# On an accelerator a call is a few hundred kernel launches, and the cost of a norm is negligible.
MOST_PADDING = 1 << 11
MOST_PADDING_ON_ACCELERATOR = 1 << 17


@torch.no_grad()
def prox_factors_of(
    norms: Sequence[Tensor],
    budgets: Sequence[float],
    strengths: Sequence[float | Tensor],
    weights: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Return `envelope.prox_factors` of each family, shaped as its norms, in their dtype.

    Args:
        norms: (m,) or (rows, m), one tensor a family, all on one device. Rows are independent problems.
        budgets: k >= 0 of each family, the same for all its rows.
        strengths: lam >= 0 of each family; a tensor of shape () stays on its device, and is not checked there.
        weights: d_j of each family, broadcastable to its norms; None is 1.

    Raises:
        ValueError: an argument does not fit, or is negative, infinite or NaN; the message names it.
    """
    weights = _checked(norms, weights, budgets=budgets, strengths=strengths)
    results: dict[int, Tensor] = {}
    for batch in _batches(norms):
        chosen = [norms[i] for i in batch]
        k, lam = (_per_row([numbers[i] for i in batch], chosen) for numbers in (budgets, strengths))
        d = None if weights is None else _stack([weights[i] for i in batch], 1.0)
        factors = envelope.prox_factors(_stack(chosen, 0.0), k, lam, d)
        results.update(zip(batch, _unstack(factors, chosen), strict=True))
    return [results[i] for i in range(len(norms))]


def value_of(norms: Sequence[Tensor], budgets: Sequence[float], weights: Sequence[Tensor] | None = None) -> Tensor:
    """Return the sum of `envelope.value` over all families and rows, float64 of shape (); differentiable in norms.

    See `prox_factors_of` for arguments and errors.
    """
    weights = _checked(norms, weights, budgets=budgets)
    total = torch.zeros((), dtype=torch.float64, device=norms[0].device if norms else None)
    for batch in _batches(norms):
        chosen = [norms[i].to(torch.float64) for i in batch]
        k = _per_row([budgets[i] for i in batch], chosen)
        d = None if weights is None else _stack([weights[i] for i in batch], 1.0)
        total = total + envelope.value(_stack(chosen, 0.0), k, d).sum()
    return total


def _batches(norms: Sequence[Tensor]) -> list[list[int]]:
    """Return the indices of the families to solve together, from the largest size to the smallest."""
    batches: list[list[int]] = []
    same_size: dict[int, list[int]] = {}
    for i, t in enumerate(norms):
        if search.worth_eliminating(t):
            batches.append([i])
        else:
            same_size.setdefault(t.shape[-1], []).append(i)
    width = 0  # of the last stack
    for size, families in sorted(same_size.items(), reverse=True):
        most = MOST_PADDING if norms[families[0]].device.type == "cpu" else MOST_PADDING_ON_ACCELERATOR
        if width and (width - size) * sum(_rows(norms[i]) for i in families) <= most:
            batches[-1] += families
        else:
            batches.append(families)
            width = size
    return batches


def _rows(norms: Tensor) -> int:
    return norms.numel() // norms.shape[-1]


def _stack(tensors: Sequence[Tensor], fill: float) -> Tensor:
    """Stack the rows of all families, padded to the longest: (rows, m) in float64; a single tensor is unchanged."""
    if len(tensors) == 1:
        return tensors[0]
    width = max(t.shape[-1] for t in tensors)
    flat = [t.to(torch.float64).reshape(-1, t.shape[-1]) for t in tensors]
    return torch.cat([pad(t, (0, width - t.shape[-1]), value=fill) for t in flat])


def _unstack(stacked: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Undo `_stack`."""
    if len(like) == 1:
        return [stacked]
    parts = stacked.split([_rows(t) for t in like])
    return [part[:, : t.shape[-1]].to(t.dtype).view(t.shape) for part, t in zip(parts, like, strict=True)]


def _per_row(numbers: Sequence[float | Tensor], norms: Sequence[Tensor]) -> float | Tensor:
    """Repeat the number of each family for its rows: shape (rows of all families,), or a number for one family."""
    if len(norms) == 1:
        one = numbers[0]
        return one.expand(norms[0].shape[:-1]) if isinstance(one, Tensor) else one
    device, rows = norms[0].device, [_rows(t) for t in norms]
    plain = [x for x in numbers if not isinstance(x, Tensor)]
    if len(plain) < len(numbers):
        each = [x if isinstance(x, Tensor) else torch.full((), x, dtype=torch.float64, device=device) for x in numbers]
        return torch.cat([x.expand(n) for x, n in zip(each, rows, strict=True)])
    values = torch.tensor(plain, dtype=torch.float64)
    repeated = values if max(rows) == 1 else values.repeat_interleave(torch.tensor(rows))
    return repeated.to(device, non_blocking=True)


def _checked(
    norms: Sequence[Tensor], weights: Sequence[Tensor] | None, **numbers: Sequence[float] | Sequence[float | Tensor]
) -> list[Tensor] | None:
    """Check the arguments that the stacked problem could not name; return the weights in the shapes of the norms."""
    for t in norms:
        if not (t.is_floating_point() and t.dim() and t.numel()):
            raise ValueError("norms must be floating-point tensors of shape (m,) or (rows, m) with m > 0")
    for name, given in {**numbers, "weights": norms if weights is None else weights}.items():
        if len(given) != len(norms):
            raise ValueError(f"{name} must be one for each of {len(norms)} families, not {len(given)}")
    for name, given in numbers.items():
        if wrong := [x for x in given if not isinstance(x, Tensor) and not 0 <= x < math.inf]:
            raise ValueError(f"{name} must be finite and not negative, not {wrong[0]}")
    if weights is None:
        return None
    return [envelope.fit("weights", w, t.shape) for w, t in zip(weights, norms, strict=True)]
