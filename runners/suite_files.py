"""Find, parse and name the files of suites, without torch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import yaml

from results.errors import InputError, nearest

FOLDER = Path(__file__).parent / "suites"
LARGEST = 100_000  # values of a suite file: a few aliases of aliases can stand for more than any memory holds
INTEGER, LONGEST = "tag:yaml.org,2002:int", 300  # Python prints no number of more than 4300 digits
RESERVED = "reference"  # results/reference is no suite's


def names() -> list[str]:
    """Return the names of the suites that come with klevel."""
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def locate(suite: str) -> Path:
    """Return the file of a suite given by name or path. Raises InputError if there is none."""
    path = Path(suite) if suite.endswith((".yaml", ".yml")) else FOLDER / f"{suite}.yaml"
    if not path.is_file():
        raise InputError(f"{suite}: no such suite; {nearest(suite, names())}, or the path of a .yaml file")
    return path


def parse(path: Path) -> Any:
    """Return the content of a suite file. Raises InputError if it is not YAML."""
    try:
        return value_of(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8
        raise InputError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None


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


def name_of(content: Any, path: Path) -> str:
    """Return the name of a suite: its key `suite`, or the name of its file. Raises InputError if it is not valid."""
    name = content.get("suite", path.stem) if isinstance(content, dict) else path.stem
    if name == RESERVED:
        raise InputError(f"{path.name}: suite = {name!r}: that folder holds the published results; take another name")
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise InputError(f"{path.name}: suite = {name!r}: a name of letters, digits, - and _ is needed")
    return name


def heading(path: Path) -> str:
    """Return the comment in the first line of a file; empty if there is none."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ") if first.startswith("#") else ""


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
