"""The error of a user's input: one line, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What is wrong, where, and what would be right, in one line."""


class Untraceable(ValueError):
    """A network whose forward pass cannot be followed, so that some groupings do not apply to it."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return "did you mean X? known: ..." for a name that is not among the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
