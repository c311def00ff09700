"""Every error that klevel raises on purpose.

KlevelError
├── InputError      the user's input is wrong: one line on stderr, exit code 2
│   ├── MachineFault   a disk is full, a file has vanished: the run stops, no trial is to blame
│   └── Unreadable     a file of results is broken
├── Skip            a figure or table cannot be made of these results; the reason is printed
├── Untraceable     the forward pass of a network cannot be followed; the trial is skipped
├── TrialError      a trial cannot give a right result; its row is failed, with the reason
│   ├── Diverged    the loss is not finite
│   ├── Mismatch    the compact network differs from the masked one
│   └── OwnBudget   a method changes the number of groups that the trial is about
└── NotExported     a file of another format could not be written or is wrong

Stopped             the user, or a scheduler, wants the program to end
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class KlevelError(Exception):
    """Base of all errors that klevel raises on purpose. The message is one line."""


class InputError(KlevelError, ValueError):
    """Wrong input of a user. The message names the fault, its place, and valid input.

    Derived from ValueError so that pydantic reports it as the error of a field.
    """


class MachineFault(InputError):
    """What the machine did, and no trial: the run stops, and the next call goes on. The message says what to do."""


class Unreadable(InputError):
    """A file of results that is broken: cut off, empty, or of other content."""

    def __init__(self, path: Path, why: str) -> None:
        """path: of the file. why: what is wrong with it."""
        inside = len(path.parents) > 2 and path.parents[1].name in ("trials", "dense")
        folder = path.parents[2] if inside else path.parent
        super().__init__(f"{path}: {why}; {helps(folder)}, and the next run makes it again")
        self.path, self.why = path, why

    def __reduce__(self) -> tuple[type[Unreadable], tuple[Path, str]]:
        """Return what makes the same error in another process."""
        return Unreadable, (self.path, self.why)


class Skip(KlevelError):
    """A figure or table that does not apply to these results. The message is the reason."""


class Untraceable(KlevelError, ValueError):
    """A network whose forward pass cannot be followed, so that some groupings do not apply to it."""


class TrialError(KlevelError):
    """A trial that cannot give a right result."""


class Diverged(TrialError):
    """The loss or a weight is not finite."""


class Mismatch(TrialError):
    """The outputs of the compact and the masked network differ."""


class OwnBudget(TrialError):
    """A method replaced the budget of its trial."""


class NotExported(KlevelError):
    """An exported file could not be written, or its outputs differ from those of torch."""


class Stopped(BaseException):
    """A signal to end: no handler of errors is to take it for one."""

    def __init__(self, signal: int) -> None:
        """signal: its number."""
        super().__init__(signal)
        self.signal = signal


def helps(folder: Path) -> str:
    """Return what to do about a file that is broken in the results folder of a suite."""
    return f"klevel doctor {folder} --fix sets it aside"


def line_of(error: Exception) -> str:
    """Return an error as one line of at most 300 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


@contextmanager
def naming(what: str, *passed: type[Exception]) -> Iterator[None]:
    """Raise InputError, which names a function of a user's, for whatever it raises but klevel's errors and `passed`."""
    through: tuple[type[Exception], ...] = (KlevelError, *passed)
    try:
        yield
    except through:
        raise
    except Exception as error:
        raise InputError(f"{what}: raises {line_of(error)}") from error


def line(text: object) -> str:
    """Return a text as one line that is safe to print: what is not printable, such as a line break, is a space."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def nearest(name: object, known: Iterable[str]) -> str:
    """Return "did you mean X? known: ..." for an unknown name."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
