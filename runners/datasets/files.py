"""Find and verify the files of datasets; make the errors of missing and corrupt files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from results.errors import InputError, MachineFault


def data_folders() -> list[Path]:
    """Return the folders to search for datasets, in order: $KLEVEL_DATA if set, then ./data."""
    named = os.environ.get("KLEVEL_DATA")
    return [*([Path(named)] if named else []), Path("data")]


def looked_in() -> str:
    """Return the searched folders, as text for a message."""
    return f"looked in {', '.join(map(str, data_folders()))}"


def verify(file: Path, md5: str | None) -> None:
    """Raise ValueError, which names the file, unless it has this MD5 checksum; None: no checksum is published."""
    if md5 is None:
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(f"{file.name} is not the published file: its MD5 is {found}, must be {md5}")


def absent(name: str, files: str, folder: str, error: Exception, package: str = "") -> InputError:
    """Return the error of a dataset that is missing and could not be downloaded, with every way to get it.

    files: the files to put into folder. package: a package that has them, as text that begins with `; or`.
    """
    return InputError(
        f"{name} is not there: put {files} into DIR/{folder} and set KLEVEL_DATA=DIR "
        f"({looked_in()}){package}; or connect to the internet: "
        f"the download said {' '.join(str(error).split())[:120]!r}"
    )


def unreadable(dataset: str, error: OSError) -> MachineFault:
    """Return the error of a dataset, by its name in suites, whose files could not be opened."""
    what = f"{error.filename}: {error.strerror}" if error.filename else " ".join(str(error).split())
    return MachineFault(f"dataset {dataset}: {what}; set KLEVEL_DATA=DIR to the folder of its files ({looked_in()})")


def corrupt(folder: Path, error: Exception) -> InputError:
    """Return the error of files that exist but are invalid; `error` names the file and the reason."""
    why = " ".join(str(error).split())[:200]
    return InputError(f"{folder}: not readable, delete the folder to get it again ({why})")
