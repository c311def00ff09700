"""Whether exactly k groups are left: the columns k_reached and groups_above."""

from __future__ import annotations

from collections.abc import Sequence


def reached(left: Sequence[int], target: Sequence[int], floors: Sequence[bool] | None = None) -> bool:
    """Return whether exactly the target is left: in each family (scope layer), or in total (scope network).

    left: non-zero groups of each family. target: k of each family, or one number for the network. floors: for scope
    network, whether each family must keep a group, as the projection ensures; by default every family must.
    """
    if len(target) == len(left):
        return bool(left) and list(left) == list(target)
    needed = floors if floors is not None else [True] * len(left)
    return sum(left) == target[0] and all(n > 0 for n, floor in zip(left, needed, strict=True) if floor)


def above(left: Sequence[int], target: Sequence[int]) -> int:
    """Return the number of groups above the target, summed over families (scope layer) or in total (scope network)."""
    if len(left) == len(target):
        return sum(max(0, n - k) for n, k in zip(left, target, strict=True))
    return max(0, sum(left) - sum(target))
