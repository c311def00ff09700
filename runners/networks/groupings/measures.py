"""Measures: the definitions of a group's norm. All members of a group are removed, but not all must be measured.

With batch norm, rescaling a filter leaves the network's outputs unchanged, so the norm over all members of a group
(`raw`) is arbitrary. `gamma` and `folded` are invariant to such a rescaling:

    gamma     norm of gamma_c over the channels c of the group, gamma the scales of its batch norms
    folded    norm of gamma_c ||w_c|| / sigma_c: the weights with the batch norms folded into them

sigma_c^2 = running variance + eps, w_c the weight row of the layer whose output the batch norm reads directly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from methods.groups import Family, Groups, Measure
from methods.members import Member, Term
from runners.networks.graph.layers import Layer
from runners.networks.graph.structure import structure_of


def measured(groups: Groups, network: nn.Module, example: Tensor, measure: Measure) -> Groups:
    """Return the same families with this measure; families without batch norm stay raw.

    network: the network of the groups, on its final device. example: a batch to trace with.
    """
    if measure == "raw":
        return groups
    norms, terms = _norms(network, example), _TERMS[measure]
    return Groups([replace(f, terms=tuple(terms(f, norms))) for f in groups])


@dataclass(frozen=True)
class _Norm:
    """A batch norm with scales, and the layers whose outputs it reads directly: none, one, or several if shared."""

    module: _BatchNorm
    layers: list[Layer]

    def folded(self, scale: Member) -> Term:
        """Return the scales folded into the one layer that is read; the plain scales without a running variance."""
        if self.module.running_var is None:
            return Term(scale)
        weight = Member(self.layers[0].weight, (0,)) if len(self.layers) == 1 else None
        return Term(scale, weight, self.module.running_var, self.module.eps)

    @property
    def covered(self) -> set[int]:
        """Ids of the parameters that the folded scales replace; biases and shifts do not change a scale."""
        return {id(p) for o in (self.module, *self.layers) for p in (o.weight, o.bias) if p is not None}


def _norms(network: nn.Module, example: Tensor) -> dict[int, _Norm]:
    """Return the batch norms of a network by the id of their scales."""
    read: dict[int, list[Layer]] = defaultdict(list)
    for layer in structure_of(network, example).layers:
        if isinstance(layer.norm, _BatchNorm) and layer.norm.num_features == len(layer.module.weight):
            read[id(layer.norm)].append(layer.module)
    found = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.weight is not None]
    return {id(norm.weight): _Norm(norm, read[id(norm)]) for norm in found}


def _gamma(family: Family, norms: Mapping[int, _Norm]) -> Iterator[Term]:
    return (Term(m) for m in family.parts if id(m.parameter) in norms)


def _folded(family: Family, norms: Mapping[int, _Norm]) -> Iterator[Term]:
    own = {i: norms[i] for m in family.parts if (i := id(m.parameter)) in norms}
    if not own:
        return
    covered = {i for norm in own.values() for i in norm.covered}
    for member in family.parts:
        if norm := own.get(id(member.parameter)):
            yield norm.folded(member)
        elif id(member.parameter) not in covered:  # a layer without a norm
            yield Term(member)


_TERMS: dict[Measure, Callable[[Family, Mapping[int, _Norm]], Iterator[Term]]] = {"gamma": _gamma, "folded": _folded}
