"""The proximal step: against a training step, against one pass over the weights, and against a sort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from methods import METHODS, Budget, Family, Groups, Method
from methods.envelope import prox_factors
from methods.groups import Scope
from results.performance import Row
from runners.bench.clock import ratio, rounds
from runners.bench.rows import Form, group, row
from runners.bench.settings import Setting
from runners.networks.clock import Function
from runners.networks.pruning import groups_of

LR, PROGRESS = 0.05, 0.3  # of the step that is timed: a method that anneals is half-way there
# name: its hyper-parameters. Strengths at which some groups are gone and others not
METHODS_TIMED: dict[str, dict[str, Any]] = {"wgsef": {"lam": 0.1}, "wgsef_dc": {}, "group_lasso": {"lam": 0.01}}
NETWORKS = {"mlp": 0.10, "lenet5_caffe": 0.10, "resnet20": 0.02}  # and the most that it should take of a training step
LARGE = {"resnet18": 0.02}  # of the full form
KEEP = 0.25
SNAPSHOTS, MOVED = 4, 0.01  # weights that a step finds in turn, and how far they are apart: what a training step does
SCOPES: tuple[Scope, ...] = ("layer", "network")
PIECES = 4  # families of single weights, for the scopes


@group("prox")
def steps(form: Form) -> Iterator[Row]:
    """The proximal step on filters, against a training step."""
    for architecture, target in (NETWORKS | (LARGE if form.full else {})).items():
        setting = Setting.of(architecture, form.batch)
        groups = groups_of(setting.network, setting.images[:2], "filter")
        optimizer = setting.optimizer(LR)
        train = setting.training_step(optimizer)
        train()  # the metric of the optimiser takes its state
        moving = Moving(list(setting.network.parameters()))
        functions: dict[str, Function] = {"train": train}
        for name, given in METHODS_TIMED.items():
            method = METHODS[name](groups, Budget.of(groups, KEEP), **given)
            method.attach(optimizer)
            functions[name] = _step_of(method)
        times = rounds(functions, form.repeats, moving.next)
        for name in METHODS_TIMED:
            found = ratio(times, name, "train")
            yield row("prox", f"{name}, {architecture}", "proximal step / training step", found, target)


@group("weights")
def single_weights(form: Form) -> Iterator[Row]:
    """The proximal step on single weights, against one product over the same weights in place."""
    for n in form.weights:
        torch.manual_seed(0)
        weights = torch.randn(n)
        functions = steps_on(elements(weights, 1)) | {"mul_": partial(weights.mul_, 0.999)}
        times = rounds(functions, form.repeats, Moving([weights]).next)
        for name in METHODS_TIMED:
            found = ratio(times, name, "mul_")
            yield row("weights", f"{name}, {n:,} weights", "proximal step / w.mul_(s)", found, 20)
        pieces = elements(weights, PIECES)
        both = {scope: steps_on(pieces, scope) for scope in SCOPES}
        functions = {f"{name}, {scope}": step for scope in SCOPES for name, step in both[scope].items()}
        times = rounds(functions, form.repeats, Moving([weights]).next)
        said = f"proximal step, scope network / scope layer, {PIECES} families"
        for name in METHODS_TIMED:
            found = ratio(times, f"{name}, network", f"{name}, layer")
            yield row("weights", f"{name}, scope network, {n:,} weights", said, found, 1.5)


@group("factors")
def factors(form: Form) -> Iterator[Row]:
    """The factors of the prox of the envelope, against torch.sort of the same norms."""
    torch.manual_seed(0)
    m = form.norms
    scales = {"norms of one scale": torch.randn(m).abs(), "norms over 15 decades": 10.0 ** (-15 * torch.rand(m))}
    for name, norms in scales.items():
        functions: dict[str, Function] = {f"k = {k:g} m": partial(prox_factors, norms, k * m, 1.0) for k in (0.1, 0.5)}
        times = rounds(functions | {"sort": partial(torch.sort, norms)}, form.repeats)
        for said in functions:
            found = ratio(times, said, "sort")
            yield row("factors", f"{name}, {said}, m = {m:,}", "prox_factors / torch.sort", found, 0.5)


def steps_on(groups: Groups, scope: Scope = "layer") -> dict[str, Function]:
    """Return the proximal step of each method on these groups, by name."""
    budget = Budget.of(groups, KEEP, scope)
    return {name: _step_of(METHODS[name](groups, budget, **given)) for name, given in METHODS_TIMED.items()}


class Moving:
    """Weights that move a little from step to step, as in training, so that no step finds what the last one left."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        """weights: to be set; they begin as they are."""
        self._weights, self._done = weights, 0
        walk = [[w.detach().clone() for w in weights]]
        for _ in range(SNAPSHOTS - 1):
            walk.append([w + MOVED * w.std(correction=0) * torch.randn_like(w) for w in walk[-1]])
        self._walk = walk + walk[-2:0:-1]  # there and back

    def next(self) -> None:
        """Set the weights to the next of the snapshots."""
        with torch.no_grad():
            for weight, value in zip(self._weights, self._walk[self._done % len(self._walk)], strict=True):
                weight.copy_(value)
        self._done += 1


def elements(weights: Tensor, pieces: int) -> Groups:
    """Return the groups of single weights, in so many families."""
    return Groups([Family(f"w{i}", [(part, (0,))]) for i, part in enumerate(weights.chunk(pieces))])


def _step_of(method: Method) -> Function:
    return lambda: method.after_step(LR, PROGRESS)
