"""Registries of named functions, filled by importing the files of a folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from runners.errors import InputError, nearest

T = TypeVar("T", bound=Callable[..., object])


class Registry(Mapping[str, T], Generic[T]):
    """Names and what they stand for. The first line of an entry's docstring is its help."""

    def __init__(self, kind: str) -> None:
        """kind: what the entries are, in the singular: it stands in error messages."""
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a function to be the entry of this name. Raises ValueError where the name is taken."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def discover(self, package: str, path: list[str]) -> None:
        """Import every module of a package, so that its entries register themselves."""
        for module in sorted(pkgutil.iter_modules(path), key=lambda m: m.name):
            importlib.import_module(f"{package}.{module.name}")

    def __getitem__(self, name: str) -> T:
        """Return the entry. Raises InputError with the nearest known name where there is none."""
        self.check(name)
        return self._entries[name]

    def check(self, name: str) -> str:
        """Return the name if it is known. Raises InputError with the nearest known name otherwise."""
        if name not in self._entries:
            raise InputError(f"unknown {self.kind}; {nearest(name, self._entries)}")
        return name

    def __contains__(self, name: object) -> bool:
        """Say whether the name is known."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Go through the names in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def help(self, name: str) -> str:
        """Return the first line of the entry's docstring."""
        return (self[name].__doc__ or "").strip().split("\n")[0]
