"""Publish the CSVs of a complete suite as evidence in results/reference/SUITE."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from results.columns import EVIDENCE
from results.errors import InputError
from runners.environment import uncommitted
from runners.spec import TrialSpec
from runners.store import Store, write

FORCED = "forced.txt"


def publish(store: Store, trials: Sequence[TrialSpec], reference: Path, force: str | None = None) -> Path:
    """Copy the CSVs of a suite, its file and its machines to reference/SUITE, and return that folder.

    trials: all trials of the suite; each must be done or skipped. force: the reason to publish despite faults, which is
    saved in the folder. An existing folder is replaced, figures included: draw them again.
    Raises InputError with the first fault.
    """
    reasons = _against(store, trials)
    if reasons and not force:
        raise InputError(f"{store.root}: {reasons[0]}; --force WHY publishes it all the same")
    folder = reference / store.suite
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in EVIDENCE:
        if (store.root / name).is_file():
            shutil.copyfile(store.root / name, folder / name)
    if reasons:
        write(folder / FORCED, lambda p: p.write_text("\n".join([f"{force}", *reasons]) + "\n", encoding="utf-8"))
    return folder


def _against(store: Store, trials: Sequence[TrialSpec]) -> list[str]:
    """Return the faults that prevent publishing, one line each."""
    rows = {spec.id: store.row(spec) for spec in trials}
    missing = sum(row is None for row in rows.values())
    failed = sum(row is not None and row.status == "failed" for row in rows.values())
    absent = [name for name in EVIDENCE if not (store.root / name).is_file()]
    found = []
    if missing:
        found.append(f"{missing} of {len(rows)} trials are missing: run the suite first")
    if failed:
        found.append(f"{failed} of {len(rows)} trials failed: run it with --retry")
    if absent:
        found.append(f"{', '.join(absent)} not there: run the suite again")
    commits = {row.commit for row in rows.values() if row is not None and row.commit}
    if any(commit.endswith("+") for commit in commits):
        found.append("some rows were made by code that was not committed: commit it and run --force")
    changed = uncommitted()
    if changed:
        found.append(f"changes that are not committed: {', '.join(changed)}")
    return found
