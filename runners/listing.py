"""List the names that a suite can use, each with a line of help. Only the requested kind is imported."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kinds of names."""

    methods = "methods"
    architectures = "architectures"
    datasets = "datasets"
    groupings = "groupings"
    suites = "suites"


def lines(kind: Kind) -> dict[str, str]:
    """Return the names of a kind, each with a line of help."""
    match kind:
        case Kind.suites:
            from runners.suite_files import FOLDER, heading, names

            return {name: heading(FOLDER / f"{name}.yaml") for name in names()}
        case Kind.methods:
            from methods import METHODS

            return {name: (method.__doc__ or "").split("\n")[0] for name, method in sorted(METHODS.items())}
        case Kind.architectures:
            from runners.networks.architectures import ARCHITECTURES

            return ARCHITECTURES.lines()
        case Kind.datasets:
            from runners.datasets import DATASETS

            return DATASETS.lines()
        case Kind.groupings:
            from runners.networks.groupings import GROUPINGS

            return GROUPINGS.lines()
