"""Prune the untrained networks of a suite, so that what cannot be divided or compacted is known before any training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import torch

from methods import METHODS
from runners.dense import build, data_of
from runners.networks.pruning import project
from runners.spec import TrialSpec
from runners.trial import EXAMPLES, budget_of, divide, realise_trial


def rehearse(trials: Sequence[TrialSpec], device: torch.device) -> Iterator[tuple[TrialSpec, Exception]]:
    """Divide and compact the untrained network of every trial that prunes, and yield trials with what that raises.

    Once for all trials of an architecture, a dataset, a grouping and a measure.
    """
    alike: defaultdict[Hashable, list[TrialSpec]] = defaultdict(list)
    for spec in (s for s in trials if METHODS[s.method].prunes):
        alike[spec.architecture, spec.dataset, spec.recipe.normalisation, spec.grouping, spec.measure].append(spec)
    for specs in alike.values():
        error = _rehearse(specs[0], device)
        if error is not None:
            yield from ((spec, error) for spec in specs)


def _rehearse(spec: TrialSpec, device: torch.device) -> Exception | None:
    """Return what a trial raises before its training; None also where its network cannot be built."""
    try:
        data = data_of(spec, device)
        network = build(spec.dense, data)
    except Exception:  # the dense network, which all methods need, fails with it in a moment
        return None
    example = data.example(EXAMPLES)
    try:
        groups = divide(spec, network, example)
        masks = project(groups, budget_of(spec, groups))
        realise_trial(spec, network, groups, masks, example)
    except Exception as error:  # a grouping of a user's may raise anything
        return error
    return None
