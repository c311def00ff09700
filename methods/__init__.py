"""The methods that klevel compares: every subclass of `Method` with a name, in a file of this folder.

`METHODS` maps names to classes. Import from here the methods that also work in your own training loop.
"""

from __future__ import annotations

import importlib
import pkgutil

from methods.base import Method
from methods.gmp import GMP
from methods.group_lasso import GroupLasso
from methods.groups import Budget, Family, Groups
from methods.members import Member
from methods.wgsef import WGSEF
from methods.wgsef_dc import WGSEFDC
from methods.wgsef_split import WGSEFSplit


def discover() -> dict[str, type[Method]]:
    """Import every file of this folder and return its methods by name.

    Raises ValueError if two classes share a name.
    """
    found: dict[str, type[Method]] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        for cls in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if not (isinstance(cls, type) and issubclass(cls, Method) and "name" in vars(cls)):
                continue
            if found.setdefault(cls.name, cls) is not cls:
                raise ValueError(f"methods {found[cls.name].__module__} and {cls.__module__} are both named {cls.name}")
    return found


METHODS: dict[str, type[Method]] = discover()

__all__ = [
    "GMP",
    "METHODS",
    "WGSEF",
    "WGSEFDC",
    "Budget",
    "Family",
    "GroupLasso",
    "Groups",
    "Member",
    "Method",
    "WGSEFSplit",
    "discover",
]
