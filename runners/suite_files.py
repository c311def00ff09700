"""Find, parse and name the files of suites, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from results.errors import InputError, nearest

FOLDER = Path(__file__).parent / "suites"
RESERVED = "reference"  # results/reference is no suite's


def names() -> list[str]:
    """Return the names of the suites that come with klevel."""
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def locate(suite: str) -> Path:
    """Return the file of a suite given by name or path. Raises InputError if there is none."""
    path = Path(suite) if suite.endswith((".yaml", ".yml")) else FOLDER / f"{suite}.yaml"
    if not path.is_file():
        raise InputError(f"{suite}: no such suite; {nearest(suite, names())}, or the path of a .yaml file")
    return path


def parse(path: Path) -> Any:
    """Return the content of a suite file. Raises InputError if it is not YAML."""
    from runners.plain_yaml import value_of  # not needed to list the suites

    try:
        return value_of(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8
        raise InputError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None


def name_of(content: Any, path: Path) -> str:
    """Return the name of a suite: its key `suite`, or the name of its file. Raises InputError if it is not valid."""
    name = content.get("suite", path.stem) if isinstance(content, dict) else path.stem
    if name == RESERVED:
        raise InputError(f"{path.name}: suite = {name!r}: that folder holds the published results; take another name")
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise InputError(f"{path.name}: suite = {name!r}: a name of letters, digits, - and _ is needed")
    return name


def heading(path: Path) -> str:
    """Return the comment in the first line of a file; empty if there is none."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ") if first.startswith("#") else ""
