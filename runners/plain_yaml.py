"""Read YAML of plain values from files that may hold anything."""

from __future__ import annotations

import itertools
from typing import Any

import yaml

LARGEST = 100_000  # values of a text: a few aliases of aliases can stand for more than any memory holds
INTEGER, LONGEST = "tag:yaml.org,2002:int", 300  # Python prints no number of more than 4300 digits


def value_of(text: str) -> Any:
    """Return the value of a YAML text of plain values. Raises ValueError if it is not, or too large."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from None  # PyYAML raises any of these for a wrong !!int, say


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of values in a node. Raises ValueError if it is too large with its aliases written out."""
    if node.tag == INTEGER and len(node.value) > LONGEST:
        raise ValueError(f"a whole number of more than {LONGEST} digits")
    if id(node) not in known:
        known[id(node)] = LARGEST + 1  # of a node in itself
        parts = [*itertools.chain(*node.value)] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(_size(part, known) for part in parts))
    if known[id(node)] > LARGEST:
        raise ValueError(f"more than {LARGEST} values, or one that holds itself, by aliases")
    return known[id(node)]


class _Loader(yaml.SafeLoader):
    """safe_load that refuses duplicate keys: YAML would silently keep the last one, and half a grid would be lost.

    Keys of other types than those of JSON are refused as well, since errors show values as JSON.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(k, deep=True) for k, _ in node.value]
        for key in keys:
            if not isinstance(key, str | int | float | None):
                raise yaml.YAMLError(f"key {key!r}: a word is needed, line {node.start_mark.line + 1}")
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is given twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)
