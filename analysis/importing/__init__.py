"""Importing: the logs of other pruning tools in, klevel's trials.csv and epochs.csv out.

A tool is a file in this package with an `Importer` in it, found by itself. Imported trials have protocol 0, the name
of their tool as suite, and a method such as `torch_pruning:group_sl`, so that they never pass for klevel's own. Their
keep is 1 / the speed-up or compression that the tool was asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.importing.base import Imported, Importer
from analysis.importing.writing import refuse_others, write
from analysis.registry import found_in
from results.errors import InputError

__all__ = ["IMPORTERS", "Imported", "Importer", "bring_in"]


IMPORTERS: dict[str, Importer] = found_in(sys.modules[__name__], Importer)


def bring_in(tool: str, paths: list[Path], output: Path) -> list[str]:
    """Write what a tool's files hold as output/trials.csv and output/epochs.csv; return lines to print.

    The same files give the same bytes. Raises InputError, of one line, where a file cannot be used (nothing is
    written then), or where output/trials.csv is there and was not imported from the same tool.
    """
    if tool not in IMPORTERS:
        raise InputError(f"tool {tool!r} is unknown; there are {', '.join(IMPORTERS)}")
    if not paths:
        raise InputError(f"nothing to import; give {IMPORTERS[tool].description}")
    refuse_others(output / "trials.csv", tool)
    imported = IMPORTERS[tool].read(paths)
    written = write(imported, output, tool)
    return [*dict.fromkeys(imported.notes), *written]
