"""Prune the untrained networks of a suite, so that what cannot be divided or compacted is known before any training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from methods import METHODS
from runners.dense import build, data_of
from runners.networks.pruning import project
from runners.spec import TrialSpec
from runners.trial import EXAMPLES, budget_of, divide, realise_trial


@dataclass(frozen=True)
class Rehearsal:
    """Trials of one architecture, dataset, grouping and measure, whose untrained network is pruned once."""

    trials: tuple[TrialSpec, ...]

    @property
    def id(self) -> str:
        """A name that no other rehearsal has."""
        return f"rehearsal of {self.trials[0].id}"


def rehearsals(trials: Sequence[TrialSpec]) -> list[Rehearsal]:
    """Return what is to be tried before these trials: nothing for those that prune nothing."""
    alike: defaultdict[Hashable, list[TrialSpec]] = defaultdict(list)
    for spec in (s for s in trials if METHODS[s.method].prunes):
        alike[spec.architecture, spec.dataset, spec.recipe.normalisation, spec.grouping, spec.measure].append(spec)
    return [Rehearsal(tuple(found)) for found in alike.values()]


def rehearse(rehearsal: Rehearsal, device: torch.device) -> Exception | None:
    """Divide and compact an untrained network; return what that raises. None also where it cannot be built."""
    spec = rehearsal.trials[0]
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
