"""The registries of figures and tables: one function each, in a file of its own, found by discovery."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, TypeVar

from analysis.load import Results, Setting
from results.errors import Skip


class Named(Protocol):
    """What a registry can hold."""

    @property
    def name(self) -> str:
        """What it is called."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Entry:
    """A figure or a table. `make` takes a Setting and returns a matplotlib Figure, or a Table; or raises Skip.

    With `whole` it takes all Results instead: once for everything, not once per setting.

    name: the name of its function, used for files and for --only.
    description: the first line of its docstring.
    needs: the columns without which it is skipped: `test_top1` of trials.csv, `epochs.val_top1` of epochs.csv.
    by_grouping: whether it is made for each grouping that several methods share: see `Setting.by_grouping`.
    """

    name: str
    description: str
    needs: tuple[str, ...]
    make: Callable[[Any], Any]
    by_grouping: bool = False
    whole: bool = False

    def subjects(self, results: Results) -> list[Setting | Results]:
        """Return what it is made for, one after the other."""
        if self.whole:
            return [results]
        found: list[Setting | Results] = []
        for setting in results.settings():
            found += setting.by_grouping() if self.by_grouping else [setting]
        return found

    def __call__(self, subject: Setting | Results) -> Any:
        """Make it for one of its subjects. Raises Skip where a needed column is absent or empty."""
        reason = subject.lacks(self.needs)
        if reason:
            raise Skip(reason)
        return self.make(subject)


def entry(*needs: str, by_grouping: bool = False, whole: bool = False) -> Callable[[Callable[[Any], Any]], Entry]:
    """Register the decorated function, which needs these columns, as a figure or a table (its folder decides)."""

    def register(make: Callable[[Any], Any]) -> Entry:
        description = (inspect.getdoc(make) or "").split("\n")[0]
        if not description:
            raise ValueError(f"{make.__module__}.{make.__qualname__} needs a docstring: its first line describes it")
        return Entry(make.__name__, description, needs, make, by_grouping, whole)

    return register


def discover(package: ModuleType) -> dict[str, Entry]:
    """Import every file of a package and return the entries in them by name, in the order of their names."""
    return found_in(package, Entry)


def found_in(package: ModuleType, kind: type[T]) -> dict[str, T]:
    """Import every file of a package and return what is of this kind in them by name, in the order of the names."""
    found: dict[str, T] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(value, kind) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two of {package.__name__} are named {value.name}")
    return dict(sorted(found.items()))
