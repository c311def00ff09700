"""How a network is divided into groups: functions from a network to families, by name.

An entry takes the network and an example batch and returns the `Groups`. The first member of a family is a weight;
only parameters that produce a group's output are members; what the output layer puts out is never divided. How the
zeros become a smaller or faster network is said in `runners.compaction`, which looks at where the zeros are, so that
a grouping of one's own is realised as well. An entry with an attribute `scope` is always run with that scope.
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
    """Return the scope that a grouping is run with: the one it needs, or the one asked for."""
    needed: Scope | None = getattr(GROUPINGS[grouping], "scope", None)
    return needed or asked
