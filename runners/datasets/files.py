"""Where the files of datasets are, whether they are the published ones, and what to say where they are not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from results.errors import InputError


def data_folders() -> list[Path]:
    """Where datasets are looked for, in this order: $KLEVEL_DATA if set, then ./data."""
    named = os.environ.get("KLEVEL_DATA")
    return [*([Path(named)] if named else []), Path("data")]


def looked_in() -> str:
    """Return the folders that were searched, as words for a message."""
    return f"looked in {', '.join(map(str, data_folders()))}"


def verify(file: Path, md5: str | None) -> None:
    """Raise ValueError, naming the file, unless it has this MD5 checksum; None is one that nobody has published."""
    if md5 is None:
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(f"{file.name} is not the published file: its MD5 is {found}, must be {md5}")


def absent(name: str, files: str, folder: str, error: Exception, package: str = "") -> InputError:
    """Return the error of a dataset that is not there and did not come, with every way to get it.

    files: which ones go into folder. package: a package that has them, as words that begin with `; or`.
    """
    return InputError(
        f"{name} is not there: put {files} into DIR/{folder} and set KLEVEL_DATA=DIR "
        f"({looked_in()}){package}; or connect to the internet: "
        f"the download said {' '.join(str(error).split())[:120]!r}"
    )


def unreadable(dataset: str, error: OSError) -> InputError:
    """Return the error of a dataset, as suites name it, that could not open a file of its own."""
    what = f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split())
    return InputError(f"dataset {dataset}: {what}; set KLEVEL_DATA=DIR to the folder of its files ({looked_in()})")


def corrupt(folder: Path, error: Exception) -> InputError:
    """Return the error of files that are there and cannot be used; the error says which and why."""
    why = " ".join(str(error).split())[:200]
    return InputError(f"{folder}: not readable, delete the folder to get it again ({why})")
