"""Whether exactly k groups are left: what the columns k_reached and groups_above say."""

from __future__ import annotations

from collections.abc import Sequence


def reached(left: Sequence[int], target: Sequence[int], floors: Sequence[bool] | None = None) -> bool:
    """Say whether exactly the target is left: family by family, or in total where the budget is the network's.

    left: non-zero groups of each family. target: k of each family, or one number for all. floors: whether a family must
    keep a group, which the projection sees to; by default every one where the budget is the network's.
    """
    if len(target) == len(left):
        return bool(left) and list(left) == list(target)
    needed = floors if floors is not None else [True] * len(left)
    return sum(left) == target[0] and all(n > 0 for n, floor in zip(left, needed, strict=True) if floor)


def above(left: Sequence[int], target: Sequence[int]) -> int:
    """Return how many groups are left above the target: of each family, or in total where the budget is so."""
    if len(left) == len(target):
        return sum(max(0, n - k) for n, k in zip(left, target, strict=True))
    return max(0, sum(left) - sum(target))
