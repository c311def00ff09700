"""Record a forward pass as a list of torch's basic operations, with the parameters that each of them reads.

A tape needs no rewriting of the network and follows any Python code of a forward pass: it is what ran. One image costs
less than torch's fake tensors do, whose Python takes longer than the arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from results.errors import Untraceable
from runners.networks.layers import is_opaque


@dataclass(frozen=True)
class Ref:
    """The place of a tensor in the arguments of a node: the number of its value."""

    value: int


@dataclass
class Node:
    """An operation that ran. operator: its name without overload and trailing underscore, `opaque` for a whole module.

    args, kwargs: as called, with a `Ref` in place of each tensor. outputs: its values. module: name of the innermost
    module that ran it. stale: whether it reads memory that was written through another view since. writes: whether it
    writes to what it reads.
    """

    operator: str
    function: Callable[..., Any] | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[int]
    module: str
    stale: bool = False
    writes: bool = False

    @cached_property
    def inputs(self) -> list[int]:
        """Numbers of the values that it reads, in order."""
        return [leaf.value for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, Ref)]

    def value(self, place: int, name: str = "") -> int | None:
        """Return the value of an argument, by position or name; None if it is no tensor."""
        found = self.args[place] if place < len(self.args) else self.kwargs.get(name)
        return found.value if isinstance(found, Ref) else None

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """Return an argument that is no tensor, by position or name."""
        return self.args[place] if place < len(self.args) else self.kwargs.get(name, default)


@dataclass
class Tape:
    """A recorded forward pass.

    nodes: in execution order. shapes: of every value. tensors: names of the values that are parameters or buffers.
    constants: the data of other tensors that existed before the pass. inputs, outputs: values of the network.
    """

    nodes: list[Node] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    tensors: dict[int, str] = field(default_factory=dict)
    constants: dict[int, Tensor] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def drop_unused(self) -> None:
        """Drop the nodes on which no output depends, such as attention weights that nobody asked for."""
        needed, used = set(self.outputs), []
        for node in reversed(self.nodes):
            if node.writes or not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
                used.append(node)
        self.nodes = used[::-1]

    @cached_property
    def by_module(self) -> Mapping[str, list[Node]]:
        """The nodes by the name of the innermost module that ran them."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.module, []).append(node)
        return found

    @cached_property
    def weights(self) -> set[int]:
        """The values that depend on parameters, buffers and constants alone."""
        found = {*self.tensors, *self.constants}
        for node in self.nodes:
            if node.inputs and found.issuperset(node.inputs):
                found.update(node.outputs)
        return found


def record(network: nn.Module, example: Tensor) -> Tape:
    """Return the tape of a forward pass in evaluation mode on the first image of an example.

    Raises Untraceable, with the reason in one line, if the forward pass fails.
    """
    try:
        return _recorded(network, example[:1])
    except Exception as error:  # a forward pass may raise anything
        reason = " ".join(str(error).split())[:120]
        raise Untraceable(f"the forward pass cannot be recorded: {type(error).__name__}: {reason}") from error


def _recorded(network: nn.Module, image: Tensor) -> Tape:
    network = copy.deepcopy(network).eval()  # a forward pass may change it
    recorder = _Recorder(network)
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(without_fast_paths())
        recorder.tape.inputs.append(recorder.new(image))
        stack.enter_context(recorder.following_modules())
        stack.enter_context(recorder)
        output = network(image)
    tensors = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    recorder.tape.outputs.extend(recorder.value_of(t) for t in tensors)
    recorder.tape.drop_unused()
    return recorder.tape


class _Recorder(TorchDispatchMode):
    """Records every operation on tensors inside this mode."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape()
        self._values: MutableMapping[Tensor, int] = WeakTensorKeyDictionary()  # only what runs next stays in memory
        self._stale: MutableMapping[Tensor, bool] = WeakTensorKeyDictionary()
        self._parts: MutableMapping[Tensor, tuple[Tensor, Any]] = WeakTensorKeyDictionary()  # slices, and of what
        self._modules = [""]
        self._opaque: str | None = None
        self._names = {id(m): n for n, m in network.named_modules()}
        self._tensors = {id(t): n for n, t in [*network.named_parameters(), *network.named_buffers()]}

    def value_of(self, tensor: Tensor) -> int:
        """Return the number of a tensor's value; a tensor that is seen first gets a new one: it existed before."""
        if tensor not in self._values:
            value = self.new(tensor)
            if (name := self._tensors.get(id(tensor))) is not None and tensor.is_floating_point():
                self.tape.tensors[value] = name
            else:
                self.tape.constants[value] = tensor
        return self._values[tensor]

    def new(self, tensor: Tensor) -> int:
        """Give a tensor a new value and return its number."""
        self.tape.shapes.append(tuple(tensor.shape))
        self._values[tensor] = len(self.tape.shapes) - 1
        return self._values[tensor]

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._opaque is not None:
            return function(*args, **kwargs)
        refs, named = tree_map(self._reference, (args, kwargs))
        stale = any(t in self._stale for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor))
        result = function(*args, **kwargs)
        written = self._written(function, args)
        wholes = [w for a in args if id(a) in written and not stale for w in self._wholes(a)]
        if function is torch.ops.aten.slice.Tensor:
            self._parts[result] = (args[0], args[1:])
        outputs = []
        for tensor in (t for t in tree_leaves(result) if isinstance(t, Tensor)):
            if id(tensor) in written:
                self._overwrite(tensor)
            outputs.append(self.new(tensor))
        operator = function._schema.name.split("::")[1]
        if not outputs:
            return result
        operator = operator.removesuffix("_") if written else operator
        self.tape.nodes.append(Node(operator, function, refs, named, outputs, self._modules[-1], stale, bool(written)))
        for part, whole, place in wholes:
            self._write_through(part, whole, place)
        return result

    def _reference(self, leaf: Any) -> Any:
        return Ref(self.value_of(leaf)) if isinstance(leaf, Tensor) else leaf

    @staticmethod
    def _written(function: Any, args: Any) -> set[int]:
        """Return the ids of the tensors that an operation in place writes to."""
        schema = zip(function._schema.arguments, args, strict=False)
        return {id(a) for s, a in schema if s.alias_info is not None and s.alias_info.is_write}

    def _overwrite(self, tensor: Tensor) -> None:
        """Note that other views of a tensor's memory hold values that no operation on the tape has given them."""
        self._stale.pop(tensor, None)
        views = [t for t in self._values if t is not tensor and _storage(t) == _storage(tensor)]
        self._stale.update(dict.fromkeys(views, True))

    def _wholes(self, part: Tensor) -> Iterator[tuple[Tensor, Tensor, Any]]:
        """Yield a slice, the tensor of which it is one, and where; then the same of that, as long as it is known."""
        while part in self._parts and self._parts[part][0] not in self._stale:
            whole, place = self._parts[part]
            yield part, whole, place
            part = whole

    def _write_through(self, part: Tensor, whole: Tensor, place: Any) -> None:
        """Record that what was written to a slice was written to the tensor of which it is one."""
        refs = (Ref(self.value_of(whole)), Ref(self.value_of(part)), *place)
        function = torch.ops.aten.slice_scatter.default
        self.tape.nodes.append(Node("slice_scatter", function, refs, {}, [self.new(whole)], self._modules[-1]))
        self._stale.pop(whole)

    @contextmanager
    def following_modules(self) -> Iterator[None]:
        """Follow which module runs; record a module that is opaque as a single node."""
        before = module_hooks.register_module_forward_pre_hook(self._enter)
        after = module_hooks.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: nn.Module, args: Any) -> None:
        name = self._names.get(id(module), self._modules[-1])
        self._modules.append(name)
        if self._opaque is None and is_opaque(module):
            self._opaque = name

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        name = self._modules.pop()
        if self._opaque == name and is_opaque(module):
            self._opaque = None
            refs = tuple(self._reference(a) for a in args)
            self.tape.nodes.append(Node("opaque", None, refs, {}, [self.new(output)], name))


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def without_fast_paths() -> Iterator[None]:
    """Let torch's attention run as basic operations."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
