"""Registries of named functions: from the files of a folder, from providers, and by import path."""

from __future__ import annotations

import difflib
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
    """Entries from another library: `names` lists them, `get` returns the entry of a name, both without the prefix.

    listed: whether the line of help names all of them; if not, `names` is called for no help.
    """

    help: str
    names: Callable[[], Iterable[str]]
    get: Callable[[str], T]
    listed: bool = True

    def line(self) -> str:
        """Return the line of help for all entries."""
        return f"{self.help}: {', '.join(sorted(self.names()))}" if self.listed else self.help

    def unknown(self, name: str, prefix: str, names: Iterable[str]) -> str:
        """Return "did you mean X? known: ..." for an unknown name: what is known, or the help if that is not listed."""
        if self.listed:
            return nearest(prefix + name, [prefix + n for n in names])
        close = [prefix + n for n in difflib.get_close_matches(name, list(names), n=3)]
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        return f"{hint}known: {self.help}"


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to entries. The first line of an entry's docstring is its help.

    A name is registered, has the prefix of a provider, or is `package.module:function` for a function outside klevel.
    Iteration covers the registered names only, since the other names are unlimited.
    """

    def __init__(self, kind: str, signature: str = "") -> None:
        """kind: noun for an entry, for error messages. signature: of an entry, for help."""
        self.kind = kind
        self.signature = signature
        self._entries: dict[str, T] = {}
        self._providers: dict[str, Provider[T]] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a function to register it under this name. Raises ValueError if the name is taken."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def provide(
        self,
        prefix: str,
        names: Callable[[], Iterable[str]],
        get: Callable[[str], T],
        help: str,
        listed: bool = True,
    ) -> None:
        """Add a provider for the names with a prefix. help: one line about all of them.

        names is not called until such a name is requested, so that the library is imported only if needed; it may raise
        InputError if the library is not installed. listed: whether the help names all of them: False for very many.
        """
        self._providers[prefix] = Provider(help, names, get, listed)

    def discover(self, package: str, path: list[str]) -> None:
        """Import every module of a package, so that its entries register themselves."""
        for module in sorted(pkgutil.iter_modules(path), key=lambda m: m.name):
            importlib.import_module(f"{package}.{module.name}")

    def __getitem__(self, name: str) -> T:
        """Return the entry of a name. Raises InputError, with the nearest known name, if it is unknown."""
        if name in self._entries:
            return self._entries[name]
        for prefix, provider in self._providers.items():
            if name.startswith(prefix):
                return provider.get(self._provided(name, prefix))
        if ":" in name:
            return cast(T, own(name))
        raise InputError(f"unknown {self.kind}; {nearest(name, self._patterns())}")

    def _provided(self, name: str, prefix: str) -> str:
        provider, rest = self._providers[prefix], name.removeprefix(prefix)
        names = list(provider.names())
        if rest not in names:
            raise InputError(f"unknown {self.kind}; {provider.unknown(rest, prefix, names)}")
        return rest

    def check(self, name: str) -> str:
        """Return the name if it has an entry. Raises InputError, with the reason in one line, if it has none."""
        self[name]
        return name

    def __contains__(self, name: object) -> bool:
        """Return whether the name has an entry."""
        try:
            return isinstance(name, str) and bool(self.check(name))
        except InputError:
            return False

    def __iter__(self) -> Iterator[str]:
        """Iterate over the registered names in alphabetical order."""
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        """Return the number of registered names."""
        return len(self._entries)

    def help(self, name: str) -> str:
        """Return the first line of the entry's docstring."""
        return (self[name].__doc__ or "").strip().split("\n")[0]

    def lines(self) -> dict[str, str]:
        """Return a line of help for every registered name, every prefix, and custom functions, in this order."""
        provided = {f"{prefix}NAME": provider.line() for prefix, provider in self._providers.items()}
        own_help = f"a function of your own {self.signature}".rstrip()
        return {name: self.help(name) for name in self} | provided | {OWN: own_help}

    def _patterns(self) -> list[str]:
        return [*self._entries, *(f"{prefix}NAME" for prefix in self._providers), OWN]


def own(path: str) -> Callable[..., object]:
    """Import the function of `package.module:function`; modules in the current folder are found too.

    Raises InputError, in one line, if the module cannot be imported or has no such function.
    """
    name, _, attribute = path.partition(":")
    if not name or not attribute:
        raise InputError(f"{OWN} is needed")
    _make_current_folder_importable()
    importlib.import_module("runners.vision")  # what it may import, and `runners.vision` alone can
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a module may raise anything
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
    """Add the current folder to sys.path, as `python -m` does but an installed command does not."""
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.insert(0, "")
