"""Plans: the differences of a compact network from its dense one as JSON values, to rebuild it from the dense one.

A plan has, by name, `modules` (changed attributes, replacements, remaining children) and `tensors` (the shape of every
changed parameter and buffer; null for a removed one). It is found by comparing the two networks, for any compaction.
`KINDS` describes and builds replacements of another class, and modules with buffers outside the state dict.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from results.errors import InputError
from runners.networks import sparse
from runners.networks.graph.branches import without_branches
from runners.networks.layers.attention import FewerHeads
from runners.networks.layers.channel_selection import ChannelSelection
from runners.networks.layers.group_norm import CountedGroupNorm
from runners.networks.layers.layer_norm import CountedLayerNorm
from runners.networks.layers.response_norm import CountedResponseNorm
from runners.networks.layers.window_attention import ShiftedWindows, WindowAttention, window_attention
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut


@dataclass(frozen=True)
class ModuleKind:
    """A class of modules that a plan can put into a network.

    describe: returns the description of a module as JSON values, without weights and children.
    build: takes a description and the dense module to replace, or None, and returns the new module. Children taken from
        the dense module (such as a wrapped layer) are compared and changed further; parameters get their shapes from
        the plan and their values from the state dict.
    """

    type: type[nn.Module]
    describe: Callable[[Any], dict[str, Any]]
    build: Callable[[dict[str, Any], nn.Module | None], nn.Module]


def _describe_shortcut(layer: ZeroPaddingShortcut) -> dict[str, Any]:
    return {"inputs": layer.inputs, "stride": layer.stride, "source": layer.source.tolist()}


def _build_shortcut(description: dict[str, Any], dense: nn.Module | None) -> ZeroPaddingShortcut:
    layer = ZeroPaddingShortcut(1, 1, description["stride"])
    layer.inputs, layer.source = description["inputs"], torch.tensor(description["source"], dtype=torch.int64)
    layer.update_padding()
    return layer


def _build_selection(description: dict[str, Any], dense: nn.Module | None) -> ChannelSelection:
    assert isinstance(dense, nn.Conv2d | nn.Linear), "only a layer reads selected channels"
    return ChannelSelection(dense, torch.tensor(description["index"], dtype=torch.int64))


def _describe_norm(layer: CountedLayerNorm) -> dict[str, Any]:
    affine = [layer.weight is not None, layer.bias is not None]
    return {"count": layer.count, "dim": layer.dim, "eps": layer.eps, "affine": affine}


def _build_norm(description: dict[str, Any], dense: nn.Module | None) -> CountedLayerNorm:
    count, (scaled, shifted) = description["count"], description["affine"]
    return CountedLayerNorm(count, count, description["dim"], description["eps"], affine=(scaled, shifted))


def _describe_group_norm(layer: CountedGroupNorm) -> dict[str, Any]:
    affine = [layer.weight is not None, layer.bias is not None]
    return {"left": layer.left, "count": layer.count, "eps": layer.eps, "affine": affine}


def _build_group_norm(description: dict[str, Any], dense: nn.Module | None) -> CountedGroupNorm:
    left, (scaled, shifted) = description["left"], description["affine"]
    layer = CountedGroupNorm(left, description["count"], description["eps"], (scaled, shifted))
    for name, child in () if dense is None else dense.named_children():
        layer.add_module(name, child)
    return layer


def _describe_response_norm(layer: CountedResponseNorm) -> dict[str, Any]:
    return {"count": layer.count, "dim": layer.dim, "pixels": layer.pixels, "eps": layer.eps}


def _build_response_norm(description: dict[str, Any], dense: nn.Module | None) -> CountedResponseNorm:
    count, dim, pixels = description["count"], description["dim"], description["pixels"]
    return CountedResponseNorm(count, count, dim, pixels, description["eps"])


def _build_heads(description: dict[str, Any], dense: nn.Module | None) -> FewerHeads:
    assert isinstance(dense, nn.MultiheadAttention), "attention has fewer heads than another"
    width = dense.embed_dim
    in_proj = nn.Linear(width, 3 * width, bias=dense.in_proj_bias is not None)
    out_proj = nn.Linear(width, width, bias=dense.out_proj.bias is not None)
    return FewerHeads(in_proj, out_proj, description["head_dim"], description["dropout"])


def _build_windows(description: dict[str, Any], dense: nn.Module | None) -> WindowAttention:
    assert isinstance(dense, ShiftedWindows), "attention within windows takes the place of another"
    return window_attention(dense)


def _build_without(description: dict[str, Any], dense: nn.Module | None) -> nn.Module:
    assert dense is not None, "branches are removed from a network"
    return without_branches(dense, description["branches"])


def _build_sparse(description: dict[str, Any], dense: nn.Module | None) -> nn.Module:
    return sparse.build(description)


# the names are part of the format of plan.json
KINDS: dict[str, ModuleKind] = {
    "identity": ModuleKind(nn.Identity, lambda layer: {}, lambda description, dense: nn.Identity()),
    "shortcut": ModuleKind(ZeroPaddingShortcut, _describe_shortcut, _build_shortcut),
    "gathered": ModuleKind(ChannelSelection, lambda layer: {"index": layer.index.tolist()}, _build_selection),
    "counted_norm": ModuleKind(CountedLayerNorm, _describe_norm, _build_norm),
    "counted_group_norm": ModuleKind(CountedGroupNorm, _describe_group_norm, _build_group_norm),
    "counted_response_norm": ModuleKind(CountedResponseNorm, _describe_response_norm, _build_response_norm),
    "fewer_heads": ModuleKind(
        FewerHeads, lambda layer: {"head_dim": layer.head_dim, "dropout": layer.dropout}, _build_heads
    ),
    "window_attention": ModuleKind(WindowAttention, lambda layer: {"head_dim": layer.head_dim}, _build_windows),
    "without": ModuleKind(fx.GraphModule, lambda network: {"branches": network.meta["without"]}, _build_without),
    "sparse_conv2d": ModuleKind(sparse.SparseConv2d, sparse.describe, _build_sparse),
    "sparse_linear": ModuleKind(sparse.SparseLinear, sparse.describe, _build_sparse),
}

Plan = dict[str, dict[str, Any]]
Module = nn.Module | None


def compare(dense: nn.Module, compact: nn.Module) -> Plan:
    """Return the plan that turns the dense network into the compact one.

    Raises InputError if a plan cannot describe a difference.
    """
    modules: dict[str, Any] = {}
    like = _compare("", copy.deepcopy(dense), compact, modules)
    assert like is not None, "the network itself is a module"
    shapes = {n: list(t.shape) for n, t in like.state_dict().items()}
    wanted = {n: list(t.shape) for n, t in compact.state_dict().items()}
    changed = {n: {"shape": s} for n, s in wanted.items() if shapes.get(n) != s}
    return {"modules": modules, "tensors": changed | {n: None for n in shapes if n not in wanted}}


def apply_plan(plan: Mapping[str, Any], dense: nn.Module) -> nn.Module:
    """Turn a dense network into the network of a plan, in place if possible, and return it; its values are not set."""
    network: nn.Module = dense
    for path, entry in plan["modules"].items():  # parents come before their children
        if path:
            parent, name = _owner(network, path)
            parent._modules[name] = _changed(parent._modules.get(name), entry)
        else:
            network = _needed(_changed(network, entry), path)
    for path, tensor in plan["tensors"].items():
        owner, name = _owner(network, path)
        value = None if tensor is None else torch.empty(tensor["shape"])
        if name in owner._buffers:
            owner._buffers[name] = value
        else:
            owner.register_parameter(name, None if value is None else nn.Parameter(value))
    return network


def _compare(path: str, dense: Module, compact: Module, modules: dict[str, Any]) -> Module:
    """Add the changes from dense to compact to `modules`; return the dense module with them, except for tensors."""
    entry = _entry(path, dense, compact)
    if entry != {}:
        modules[path] = entry
        dense = _changed(dense, entry)
    for name, child in ({} if compact is None else compact._modules).items():
        place = _needed(dense, path)._modules
        place[name] = _compare(f"{path}.{name}".lstrip("."), place.get(name), child, modules)
    return dense


def _entry(path: str, dense: Module, compact: Module) -> dict[str, Any] | None:
    """Return the differences of a module without those inside its children; empty if there are none."""
    if compact is None:
        return {} if dense is None else None
    entry: dict[str, Any] = {}
    name = next((n for n, kind in KINDS.items() if isinstance(compact, kind.type)), None)
    if name is not None:
        description = KINDS[name].describe(compact)
        if not isinstance(dense, KINDS[name].type) or KINDS[name].describe(dense) != description:
            entry = {"kind": name, "as": description}
            dense = _changed(dense, entry)
    elif type(dense) is not type(compact):
        raise InputError(
            f"{_text(path, compact)} has no kind in networks/export/plan.py, so no plan can say how to build it"
        )
    assert dense is not None, "a kind builds a module"
    if values := _attributes(path, dense, compact):
        entry["set"] = values
    if list(dense._modules) != list(compact._modules):
        entry["children"] = list(compact._modules)
    return entry


def _changed(module: Module, entry: dict[str, Any] | None) -> Module:
    """Apply an entry of a plan to a module, in place if possible, and return the module."""
    if entry is None:
        return None
    if "kind" in entry:
        if entry["kind"] not in KINDS:
            raise InputError(f"module kind {entry['kind']} is not known to this version of klevel")
        module = KINDS[entry["kind"]].build(entry["as"], module)
    assert module is not None, "an entry without a kind changes a module that is there"
    for name, value in entry.get("set", {}).items():
        as_list = isinstance(getattr(module, name, None), list)
        setattr(module, name, tuple(value) if isinstance(value, list) and not as_list else value)
    if "children" in entry:
        module._modules = {name: module._modules.get(name) for name in entry["children"]}
    return module


_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def _attributes(path: str, dense: nn.Module, compact: nn.Module) -> dict[str, Any]:
    """Return the plain attributes that differ (numbers of channels, heads, ...). Raises InputError for tensors."""
    changed = {}
    old = {n: v for n, v in vars(dense).items() if n not in _OF_EVERY_MODULE}
    new = {n: v for n, v in vars(compact).items() if n not in _OF_EVERY_MODULE}
    # buffers that are not in the state dict
    old |= {n: dense._buffers.get(n) for n in compact._non_persistent_buffers_set}
    new |= {n: compact._buffers.get(n) for n in compact._non_persistent_buffers_set}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Tensor):
            if not isinstance(before, Tensor) or not torch.equal(before.cpu(), value.cpu()):
                raise InputError(
                    f"{_text(path, compact)} needs a kind in networks/export/plan.py: its {name} is in no state dict"
                )
        elif _plain(value) and (name not in old or value != before):
            changed[name] = list(value) if isinstance(value, tuple) else value
    return changed


def _plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


def _owner(network: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return network.get_submodule(parent), name


def _needed(module: Module, path: str) -> nn.Module:
    if module is None:
        raise InputError(f"{path or 'the network'}: the plan leaves no module there")
    return module


def _text(path: str, module: nn.Module) -> str:
    return f"{path or 'the network'}, a {type(module).__name__},"
