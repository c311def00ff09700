"""What the rows of every imported trial have in common."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

PROTOCOL = 0  # the rules of another tool, whatever they are
NAME = re.compile(r"[\w.:+/-]+", re.ASCII)
KEEP_NOTE = (
    "keep of imported trials is 1 / the speed-up (torch-pruning) or compression (shrinkbench) asked for, which the "
    "seeds of a point share"
)


def numbered(tool: str, runs: Iterable[tuple[Mapping[str, str], int | None]]) -> list[tuple[int, str]]:
    """Return the seed and the trial id of each run, given its configuration and its seed (None: not known).

    Unknown seeds become 0, 1, 2 ... in the order given, for each configuration by itself, without those that are
    known. The id is a hash of tool, configuration and seed; a repetition of all three counts, so that ids are unique.
    """
    keyed = [(json.dumps(configuration, sort_keys=True), seed) for configuration, seed in runs]
    taken: dict[str, set[int]] = defaultdict(set)
    for key, seed in keyed:
        taken[key] |= set() if seed is None else {seed}
    seen: Counter[tuple[str, int]] = Counter()
    found = []
    for key, seed in keyed:
        number = seed if seed is not None else next(n for n in itertools.count() if n not in taken[key])
        taken[key].add(number)
        identity = json.dumps([tool, key, number, seen[key, number]])
        seen[key, number] += 1
        found.append((number, hashlib.sha256(identity.encode()).hexdigest()[:12]))
    return found


def kept(fraction: float) -> float:
    """Return a fraction in (0, 1] with 4 decimals, or with one digit where these would be 0."""
    return round(fraction, 4) or float(f"{fraction:.0e}")


def dataset_name(name: str) -> str:
    """Return the name klevel has for a dataset: `CIFAR10` is cifar10, `ImageNetHDF5` is imagenet."""
    lower = name.lower()
    return "imagenet" if lower.startswith("imagenet") else lower


def last_epoch_note(where: str, accuracies: list[float]) -> str:
    """Say of a run which of its test accuracies was taken, and what picking the best would have given."""
    best = max(accuracies)
    return f"{where}: last epoch, {accuracies[-1]:.4f}; the best of all epochs on the test set: {best:.4f}"


def unknown_seeds_note(seeds: list[int | None]) -> list[str]:
    """Say how many runs have no known seed, if any."""
    unknown = seeds.count(None)
    how = "numbered 0, 1, 2, ... in the order given, for each configuration"
    return [f"{unknown} of {len(seeds)} runs say no seed: {how}"] if unknown else []


def epoch_rows(trial: str, phase: str, lrs: list[float | None], losses: list[float | None]) -> list[dict[str, Any]]:
    """Return the rows of epochs.csv of one phase, counted from 1.

    The accuracy of an epoch is one on the test set in either tool, so val_top1 stays empty.
    """
    pairs = zip(lrs, losses, strict=True)
    return [
        {"trial": trial, "phase": phase, "epoch": n, "lr": lr, "train_loss": loss}
        for n, (lr, loss) in enumerate(pairs, start=1)
    ]
