"""Magnitude pruning."""

from __future__ import annotations

from typing import ClassVar

from methods.base import Method


class Magnitude(Method):
    """Keep the k groups of largest Euclidean norm, once; with the grouping `element`, the k largest weights.

    Source: Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS
    2015, one iteration of it.
    """

    name: ClassVar[str] = "magnitude"
