"""The control that prunes nothing."""

from __future__ import annotations

from typing import ClassVar

from methods.base import Method


class Dense(Method):
    """Keep every group, and spend the same total number of epochs as every other method."""

    name: ClassVar[str] = "dense"
    prunes: ClassVar[bool] = False
