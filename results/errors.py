"""Every error that klevel raises on purpose.

KlevelError
├── InputError      the user's input is wrong: one line on stderr, exit code 2
├── Skip            a figure or table cannot be made of these results; the reason is printed
├── Untraceable     the forward pass of a network cannot be followed; the trial is skipped
├── TrialError      a trial cannot give a right result; its row is failed, with the reason
│   ├── Diverged    the loss is not finite
│   ├── Mismatch    the compact network differs from the masked one
│   └── OwnBudget   a method changes the number of groups that the trial is about
├── NotExported     a file of another format could not be written or is wrong
└── WorkerDied      a worker process ended without an answer
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KlevelError(Exception):
    """Base of all errors that klevel raises on purpose. The message is one line."""


class InputError(KlevelError, ValueError):
    """Wrong input of a user. The message says what is wrong, where, and what would be right.

    It is a ValueError so that pydantic reports it as the error of a field.
    """


class Skip(KlevelError):
    """A figure or table that does not apply to these results. The message says why."""


class Untraceable(KlevelError, ValueError):
    """A network whose forward pass cannot be followed, so that some groupings do not apply to it."""


class TrialError(KlevelError):
    """A trial that cannot give a right result."""


class Diverged(TrialError):
    """The loss is not finite any more."""


class Mismatch(TrialError):
    """The compact network does not compute what the masked one does."""


class OwnBudget(TrialError):
    """A method works towards another number of groups than the trial is about."""


class NotExported(KlevelError):
    """An exported file could not be written, or does not compute what torch does."""


class WorkerDied(KlevelError):
    """A worker process ended without an answer: killed, or out of memory."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return "did you mean X? known: ..." for a name that is not among the known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
