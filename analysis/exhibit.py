"""What analysis has made of one figure or table: files, what a report shows, or why there is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.table import Table


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table of one setting, or of all results.

    kind: `figure` or `table`. name: that of its entry, such as accuracy_vs_sparsity. description: one line.
    subject: what it is made for, such as `lenet5_caffe on digits, filter groups`, or `all settings`.
    files: where it was written. skipped: why there is none; then nothing below is set.
    heading: of a figure, what stands above it: the setting, seeds, devices. svg: the figure, as text.
    table: of a table.
    """

    kind: str
    name: str
    description: str
    subject: str
    files: tuple[Path, ...] = ()
    skipped: str = ""
    heading: str = ""
    svg: str = ""
    table: Table | None = None
