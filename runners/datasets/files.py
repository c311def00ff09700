"""Where the files of datasets are, and what to say where they are not."""

from __future__ import annotations

import os
from pathlib import Path

from runners.errors import InputError


def data_folders() -> list[Path]:
    """Where datasets are looked for, in this order: $KLEVEL_DATA if set, then ./data."""
    named = os.environ.get("KLEVEL_DATA")
    return [*([Path(named)] if named else []), Path("data")]


def absent(name: str, files: str, folder: str, error: Exception, package: str = "") -> InputError:
    """Return the error of a dataset that is not there and did not come, with every way to get it.

    files: which ones go into folder. package: a package that has them, as words that begin with `; or`.
    """
    return InputError(
        f"{name} is not there: put {files} into DIR/{folder} and set KLEVEL_DATA=DIR "
        f"(looked in {', '.join(map(str, data_folders()))}){package}; or connect to the internet: "
        f"the download said {' '.join(str(error).split())[:120]!r}"
    )
