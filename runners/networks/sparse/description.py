"""Descriptions of replaced layers as JSON values, from which a network is rebuilt."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from runners.networks.sparse.candidates import Replacement
from runners.networks.sparse.columns import Window
from runners.networks.sparse.layers import SparseConv2d, SparseLinear
from runners.networks.sparse.products import Bsr, Csr, Positions, Product
from runners.networks.sparse.semi_structured import SemiStructured

PRODUCTS: dict[str, type[Product]] = {p.name: p for p in (Positions, Csr, Bsr, SemiStructured)}

Description = dict[str, Any]


def describe(layer: Replacement) -> Description:
    """Return the description of a replaced layer, without weights, as JSON values.

    Keys: kind, sizes (of the product), inputs, bias, and for a convolution window and counts.
    """
    common = {
        "kind": layer.product.name,
        "sizes": layer.product.sizes(),
        "inputs": layer.inputs,
        "bias": layer.bias is not None,
    }
    if isinstance(layer, SparseLinear):
        return common
    window = {key: list(pair) for key, pair in asdict(layer.window).items()}
    return common | {"window": window, "counts": list(layer.counts)}


def build(description: Mapping[str, Any]) -> Replacement:
    """Return a layer of this description, its state all zero. Raises KeyError if a key is missing."""
    product = PRODUCTS[description["kind"]](**description["sizes"])
    if "window" not in description:
        return SparseLinear(description["inputs"], product, description["bias"])
    window = Window(**{key: (pair[0], pair[1]) for key, pair in description["window"].items()})
    return SparseConv2d(window, description["inputs"], description["counts"], product, description["bias"])


def plan(network: nn.Module) -> dict[str, Description]:
    """Return the descriptions of the replaced layers of a network, by name."""
    return {n: describe(m) for n, m in network.named_modules() if isinstance(m, SparseConv2d | SparseLinear)}


def rebuild(network: nn.Module, layers: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """Return a copy of a dense network with the replaced layers of a `plan`, ready for their state dict."""
    network = copy.deepcopy(network)
    for name, description in layers.items():
        network = put(network, name, build(description))
    return network


def densified(network: nn.Module, keep: tuple[str, ...] = (Positions.name,)) -> nn.Module:
    """Return a copy with dense layers in place of the replaced ones: for ONNX, which has no sparse products.

    keep: kinds that are not converted; small dense matrices can be exported.
    """
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, SparseConv2d | SparseLinear) and layer.product.name not in keep:
            network = put(network, name, layer.dense().train(layer.training))
    return network


def put(network: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Set the submodule of this name, and return the network; for the name "" return the layer."""
    if name == "":
        return layer
    network.set_submodule(name, layer)
    return network
