"""Replaced layers in values of JSON, so that a network can be built again without the one it was made of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from runners.sparse.candidates import Replacement
from runners.sparse.columns import Window
from runners.sparse.layers import SparseConv2d, SparseLinear
from runners.sparse.products import Bsr, Csr, Positions, Product
from runners.sparse.semi_structured import SemiStructured

PRODUCTS: dict[str, type[Product]] = {p.name: p for p in (Positions, Csr, Bsr, SemiStructured)}

Description = dict[str, Any]


def describe(layer: Replacement) -> Description:
    """Return what makes a replaced layer, in values of JSON: kind, product and sizes, no weights.

    Keys: kind (the word for the row), sizes (of the product), inputs, bias, and for a convolution window and counts.
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
    """Return a layer of this description with room for its state, all zero. Raises KeyError where a key is missing."""
    product = PRODUCTS[description["kind"]](**description["sizes"])
    if "window" not in description:
        return SparseLinear(description["inputs"], product, description["bias"])
    window = Window(**{key: (pair[0], pair[1]) for key, pair in description["window"].items()})
    return SparseConv2d(window, description["inputs"], description["counts"], product, description["bias"])


def plan(network: nn.Module) -> dict[str, Description]:
    """Return the descriptions of the replaced layers of a network, by name."""
    return {n: describe(m) for n, m in network.named_modules() if isinstance(m, SparseConv2d | SparseLinear)}


def rebuild(network: nn.Module, layers: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """Return a copy of a dense network with replaced layers as in a `plan`, ready for their state dict."""
    network = copy.deepcopy(network)
    for name, description in layers.items():
        network = put(network, name, build(description))
    return network


def densified(network: nn.Module, keep: tuple[str, ...] = (Positions.name,)) -> nn.Module:
    """Return a copy with dense layers for the replaced ones, zeros in place: for ONNX, which has no sparse products.

    keep: kinds that are left as they are; the small dense matrices export.
    """
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, SparseConv2d | SparseLinear) and layer.product.name not in keep:
            network = put(network, name, layer.dense().train(layer.training))
    return network


def put(network: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """Put a layer into the place of this name, and return the network: the layer, where that is the whole network."""
    if name == "":
        return layer
    network.set_submodule(name, layer)
    return network
