"""Reading what other tools wrote: text, numbers and Python literals, none of them trusted."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from results.errors import InputError

PATH_OBJECT = re.compile(r"""\b(?:Pure)?(?:Posix|Windows)Path\(('[^']*'|"[^"]*")\)""")


def distinct(paths: Iterable[Path]) -> list[Path]:
    """Return the paths in their order, each file or folder once however it is spelled."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def contents(path: Path, what: str) -> str:
    """Return the text of a file in UTF-8. Raises InputError, which says that `what` was to be given."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give {what}") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give {what}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not text in UTF-8; give {what}") from None


def number(value: Any, low: float, high: float) -> float:
    """Return text or a number as a float in [low, high]. Raises ValueError, for NaN as well."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)
    try:
        found = float(value)
    except OverflowError:
        raise ValueError("too large") from None
    if not low <= found <= high:
        raise ValueError(value)
    return found


def whole(value: Any, low: int, high: int) -> int:
    """Return text or a number as a whole number in [low, high]. Raises ValueError."""
    number(value, low, high)
    found = int(value)
    if isinstance(value, float) and found != value:
        raise ValueError(value)
    return found


def literal(text: str) -> Any:
    """Return the Python literal that a text is, without running anything; paths in it become text.

    Raises ValueError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in someone's path is not ours to complain about
            return ast.literal_eval(PATH_OBJECT.sub(r"\1", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("not a Python literal") from None


def shown(text: Any) -> str:
    """Return a value for a message of one line: quoted, and not longer than 60 characters."""
    quoted = repr(text)
    return quoted if len(quoted) <= 60 else quoted[:57] + "..."
