"""The source of functions of a user's own: a part of what a trial is, as an edit makes another network of one name."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from results.errors import InputError
from runners.registry import own

OURS = ("methods", "results", "runners", "analysis")  # their versions are columns of their own
INSTALLED = ("site-packages", "dist-packages")


def sources_of(*names: object) -> dict[str, str]:
    """Return, for each name that is `package.module:function`, a hash of the source that it comes from.

    That is the source of the module, and of all modules beside it that these import. Names that cannot be imported are
    left out, for others to refuse.
    """
    found: dict[str, str] = {}
    for name in names:
        if isinstance(name, str) and ":" in name:
            try:
                own(name)
            except InputError:
                continue
            found[name] = _hash(sys.modules[name.partition(":")[0]])
    return found


@cache
def _hash(module: ModuleType) -> str:
    digest = hashlib.sha256()
    for _, path in sorted((name, path) for name, path in _with_imports(module)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _with_imports(module: ModuleType) -> Iterator[tuple[str, Path]]:
    """Yield the names and files of a module and of those that it imports from the same folder or package."""
    first = _file(module)
    if first is None:
        return
    root = first.parents[module.__name__.count(".") + (first.name == "__init__.py")]
    known, waiting = {module.__name__}, [module]
    while waiting:
        found = waiting.pop()
        path = _file(found)
        if path is None or not _beside(found.__name__, path, root, module.__name__):
            continue
        yield found.__name__, path
        for name in ({*_imported(found, path)} - known) & sys.modules.keys():
            known.add(name)
            waiting.append(sys.modules[name])


def _imported(module: ModuleType, path: Path) -> Iterator[str]:
    """Yield the names of what a module imports anywhere: modules, or what is in them."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            name = resolve_name(relative, module.__package__ or "") if node.level else relative
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _file(module: ModuleType) -> Path | None:
    """Return the source file of a module; None for one without."""
    file = getattr(module, "__file__", None)
    path = Path(file).resolve() if isinstance(file, str) else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _beside(name: str, path: Path, root: Path, start: str) -> bool:
    """Return whether a module belongs to the code that another one is part of."""
    top = name.partition(".")[0]
    if top == start.partition(".")[0]:
        return True
    return path.is_relative_to(root) and top not in OURS and not {*path.relative_to(root).parts} & {*INSTALLED}
