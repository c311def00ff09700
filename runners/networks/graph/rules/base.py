"""The contract of a rule, and the registry of rules by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runners.networks.graph.arrays import falses
from runners.networks.graph.labels import Labels
from runners.networks.graph.tape import Node
from runners.networks.graph.zeros import Zeros


class Rule(Protocol):
    """What an operation does with channels."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Set the labels of the outputs, and tie or fix those of the inputs."""

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Set the zeros of the outputs, and note which channels the operation would miss."""


RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[type[Rule]], type[Rule]]:
    """Decorate a rule, built without arguments, to register it for these operators."""

    def add(kind: type[Rule]) -> type[Rule]:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"operator {operator} has two rules")
            RULES[operator] = kind()
        return kind

    return add


class Unknown:
    """An operation without a rule: what it reads stays, and nothing is known of its outputs."""

    def labels(self, labels: Labels, node: Node) -> None:
        """Fix the labels of all inputs."""
        if any(labels.of(v) for v in node.inputs):
            labels.unknown.setdefault(node.operator, node.module)
        labels.fix_all(node.inputs)
        for output in node.outputs:
            labels.set(output, [])

    def zeros(self, zeros: Zeros, node: Node) -> None:
        """Nothing is known to be zero."""
        nothing_is_zero(zeros, node)


def nothing_is_zero(zeros: Zeros, node: Node) -> None:
    """Set all outputs of a node to have no zeros."""
    for output in node.outputs:
        zeros.set(output, falses(len(zeros.channels.labels.tape.shapes[output])))


UNKNOWN = Unknown()


def rule_of(node: Node) -> Rule:
    """Return the rule of a node's operator; that of an unknown operator for a node whose inputs are stale."""
    return UNKNOWN if node.stale else RULES.get(node.operator, UNKNOWN)
