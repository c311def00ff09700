"""Groupings by name: functions that divide a network into families of groups.

An entry takes the network and an example batch and returns the `Groups`. The first member of a family is a weight;
only parameters that produce a group's output are members; outputs of the output layer are never divided.
`runners.networks.compaction` compacts by the positions of the zeros alone, so it also works for custom groupings. An
entry with an attribute `scope` always has that scope.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from methods.groups import Groups, Scope
from runners.registry import Registry

Divide = Callable[[nn.Module, Tensor], Groups]

GROUPINGS: Registry[Divide] = Registry("grouping", "(network, example) -> methods.Groups")
GROUPINGS.discover(__name__, list(__path__))


def scope_of(grouping: str, asked: Scope) -> Scope:
    """Return the scope of a grouping: the scope that it requires, or the one asked for."""
    needed: Scope | None = getattr(GROUPINGS[grouping], "scope", None)
    return needed or asked
