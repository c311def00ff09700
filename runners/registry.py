"""Registries of named functions, filled by importing the files of a folder, by providers, and by a user's own."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from results.errors import InputError, nearest

OWN = "package.module:function"

T = TypeVar("T", bound=Callable[..., object])


@dataclass(frozen=True)
class Provider(Generic[T]):
    """Entries that another library has: `names` lists them, `get` makes the entry of a name, both without prefix."""

    help: str
    names: Callable[[], Iterable[str]]
    get: Callable[[str], T]


class Registry(Mapping[str, T], Generic[T]):
    """Names and what they stand for. The first line of an entry's docstring is its help.

    A name is one that was registered, one under the prefix of a provider, or `package.module:function` for a function
    that is no part of klevel. Iteration goes through the registered names only: the others have no end.
    """

    def __init__(self, kind: str, signature: str = "") -> None:
        """kind: what the entries are, in the singular: it stands in error messages. signature: of an entry, as help."""
        self.kind = kind
        self.signature = signature
        self._entries: dict[str, T] = {}
        self._providers: dict[str, Provider[T]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a function to be the entry of this name. Raises ValueError where the name is taken."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def provide(self, prefix: str, names: Callable[[], Iterable[str]], get: Callable[[str], T], help: str) -> None:
        """Let the names that begin with a prefix be made by another library. help: one line about all of them.

        names is not called before such a name is asked for, so the library need not be imported before.
        """
        self._providers[prefix] = Provider(help, names, get)

    def discover(self, package: str, path: list[str]) -> None:
        """Import every module of a package, so that its entries register themselves."""
        for module in sorted(pkgutil.iter_modules(path), key=lambda m: m.name):
            importlib.import_module(f"{package}.{module.name}")

    def __getitem__(self, name: str) -> T:
        """Return the entry. Raises InputError with the nearest known name where there is none."""
        if name in self._entries:
            return self._entries[name]
        for prefix, provider in self._providers.items():
            if name.startswith(prefix):
                return provider.get(self._provided(name, prefix))
        if ":" in name:
            return cast(T, own(name))
        raise InputError(f"unknown {self.kind}; {nearest(name, self._patterns())}")

    def _provided(self, name: str, prefix: str) -> str:
        names = list(self._providers[prefix].names())
        if name.removeprefix(prefix) not in names:
            raise InputError(f"unknown {self.kind}; {nearest(name, [prefix + n for n in names])}")
        return name.removeprefix(prefix)

    def check(self, name: str) -> str:
        """Return the name if it stands for something. Raises InputError with one line that says why it does not."""
        self[name]
        return name

    def __contains__(self, name: object) -> bool:
        """Say whether the name stands for something."""
        try:
            return isinstance(name, str) and bool(self.check(name))
        except InputError:
            return False

    def __iter__(self) -> Iterator[str]:
        """Go through the registered names in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Return the number of registered names."""
        return len(self._entries)

    def help(self, name: str) -> str:
        """Return the first line of the entry's docstring."""
        return (self[name].__doc__ or "").strip().split("\n")[0]

    def lines(self) -> dict[str, str]:
        """Return a line of help for every registered name, then for every prefix, then for a function of one's own."""
        provided = {f"{p}NAME": f"{v.help}: {', '.join(sorted(v.names()))}" for p, v in self._providers.items()}
        own_help = f"a function of your own {self.signature}".rstrip()
        return {name: self.help(name) for name in self} | provided | {OWN: own_help}

    def _patterns(self) -> list[str]:
        return [*self._entries, *(f"{prefix}NAME" for prefix in self._providers), OWN]


def own(path: str) -> Callable[..., object]:
    """Return the function that `package.module:function` names; modules of the current folder are found as well.

    Raises InputError with one line where the module cannot be imported or has no such function.
    """
    name, _, attribute = path.partition(":")
    if not name or not attribute:
        raise InputError(f"{OWN} is needed")
    _make_current_folder_importable()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a module raises whatever its code leads to
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot import {name} ({type(error).__name__}: {reason})") from error
    if attribute not in vars(module):
        defined = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == name]
        raise InputError(f"{name} has no function {attribute}{f'; {nearest(attribute, defined)}' if defined else ''}")
    function = vars(module)[attribute]
    if not callable(function):
        raise InputError(f"{attribute} of {name} is no function, it is {type(function).__name__}")
    return cast(Callable[..., object], function)


def _make_current_folder_importable() -> None:
    """Do what `python -m` does by itself and an installed command does not."""
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.insert(0, "")
