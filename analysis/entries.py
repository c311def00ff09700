"""The registries of figures and tables: one entry or more in each file of their folders, found by discovery."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, TypeVar

import pandas as pd

from analysis.frame import Frame
from analysis.table import Table
from results.errors import Skip

if TYPE_CHECKING:
    from matplotlib.figure import Figure


T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A figure or a table, made by calling it with one of its subjects, which raises Skip if it does not apply.

    name: used for files and for --only. description: one line. needs: the columns without which it is skipped:
    `test_top1` of trials.csv, `epochs.val_top1` of epochs.csv. by_grouping: whether it is made for each grouping that
    several methods share (`Frame.parts`). whole: whether it is made once, of all settings.
    """

    kind: ClassVar[str]
    name: str
    description: str
    needs: tuple[str, ...]
    by_grouping: bool = False
    whole: bool = False

    def subjects(self, frame: Frame) -> list[Frame]:
        """Return the frames that it is made of."""
        if self.whole:
            return [frame]
        return [part for one in frame.settings() for part in (one.parts() if self.by_grouping else [one])]

    def check(self, frame: Frame) -> None:
        """Raise Skip if a needed column is absent or empty."""
        if reason := frame.lacks(self.needs):
            raise Skip(reason)

    def __call__(self, frame: Frame) -> Figure | Table:
        """Make it of one of its subjects."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FigureEntry(Entry):
    """A figure: `data` returns its points, with title and caption (`plot.facets.described`); `draw` draws them."""

    kind = "figure"
    data: Callable[[Frame], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Figure]

    def __call__(self, frame: Frame) -> Figure:
        """Make it of one of its subjects."""
        self.check(frame)
        return self.draw(self.data(frame))


@dataclass(frozen=True, kw_only=True)
class TableEntry(Entry):
    """A table: `data` returns its numbers with a caption."""

    kind = "table"
    data: Callable[[Frame], Table]

    def __call__(self, frame: Frame) -> Table:
        """Make it of one of its subjects."""
        self.check(frame)
        return self.data(frame)


def discover(package: ModuleType, kind: type[T]) -> dict[str, T]:
    """Import every file of a package and return the instances of a kind in them by name, in the order of the names.

    An instance is a name of a file, or stands in a tuple that is. Raises ValueError if two have one name.
    """
    found: dict[str, T] = {}
    for module in pkgutil.iter_modules(package.__path__):
        names = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for held in list(names.values()):
            for value in held if isinstance(held, tuple) else (held,):
                if isinstance(value, kind) and found.setdefault(name := vars(value)["name"], value) is not value:
                    raise ValueError(f"two of {package.__name__} are named {name}")
    return dict(sorted(found.items()))
